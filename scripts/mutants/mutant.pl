#!/usr/bin/perl
# Reads lists of mutants. `list`: name, test, filter, "quick" or "-", package. `files NAME`: what it changes. `apply NAME DIR`: changes
# it in DIR, or fails if a text is not there exactly once. A mutant:
#   == name
#   test BINARY FILTER        the test that must turn red
#   package NAME              optional, xln-core if not given
#   quick                     optional
#   file PATH                 then one or more of
#   <<<<
#   old text, without its last line break: also a part of a line
#   ====
#   new text
#   >>>>
use strict;
use warnings;
my $mode = shift;
my ($name, $dir) = ('', '');
$name = shift if $mode ne 'list';
$dir = shift if $mode eq 'apply';
my (%mutants, @order);
for my $path (@ARGV) {
    open(my $in, '<', $path) or die "$path: $!";
    my ($m, $file, $part, $old, $new);
    while (my $line = <$in>) {
        if (defined $part) {
            if ($line eq "====\n" && $part eq 'old') { $part = 'new'; }
            elsif ($line eq ">>>>\n") { chomp($old, $new); push @{ $m->{edits} }, [$file, $old, $new]; undef $part; }
            elsif ($part eq 'old') { $old .= $line; }
            else { $new .= $line; }
        }
        elsif ($line =~ /^== (\S+)$/) { die "two mutants $1" if $mutants{$1}; $m = { name => $1, quick => '-', package => 'xln-core', edits => [] }; $mutants{$1} = $m; push @order, $1; }
        elsif ($line =~ /^test (\S+) (\S+)$/) { ($m->{test}, $m->{filter}) = ($1, $2); }
        elsif ($line =~ /^package (\S+)$/) { $m->{package} = $1; }
        elsif ($line =~ /^quick$/) { $m->{quick} = 'quick'; }
        elsif ($line =~ /^file (\S+)$/) { $file = $1; }
        elsif ($line eq "<<<<\n") { ($part, $old, $new) = ('old', '', ''); }
        elsif ($line !~ /^\s*(#.*)?$/) { die "$path: $line"; }
    }
}
if ($mode eq 'list') {
    print join("\t", $_, @{ $mutants{$_} }{qw(test filter quick package)}), "\n" for @order;
    exit 0;
}
my $m = $mutants{$name} or die "no mutant $name\n";
if ($mode eq 'files') {
    my %seen;
    print "$_\n" for grep { !$seen{$_}++ } map { $_->[0] } @{ $m->{edits} };
    exit 0;
}
for my $edit (@{ $m->{edits} }) {
    my ($file, $old, $new) = @$edit;
    open(my $in, '<', "$dir/$file") or die "$file: $!";
    my $text = do { local $/; <$in> };
    my $count = () = $text =~ /\Q$old\E/g;
    if ($count != 1) { print STDERR "$name: $count times in $file:\n$old"; exit 1; }
    $text =~ s/\Q$old\E/$new/;
    open(my $out, '>', "$dir/$file") or die "$file: $!";
    print $out $text;
}
