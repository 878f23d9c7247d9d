//! Writes mutants into a source text as switches: only insertions and replaced operators, so that nothing is copied.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// One entry of `cargo mutants --list --json`.
#[derive(Debug, Deserialize)]
pub(crate) struct Mutant {
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) genre: String,
    pub(crate) replacement: String,
    pub(crate) span: Lines,
    /// The name without line and column, which stays the same when other lines change; numbered where it is not the first.
    #[serde(skip)]
    pub(crate) stable_name: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Lines {
    pub(crate) start: Place,
    pub(crate) end: Place,
}

/// Both count from one, columns in characters.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// Gives every mutant its stable name.
pub(crate) fn name_all(mutants: &mut [Mutant]) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for mutant in mutants {
        let mut parts = mutant.name.splitn(4, ':');
        let file = parts.next().unwrap_or_default();
        let name = format!("{file}:{}", parts.nth(2).unwrap_or_default());
        let times = seen.entry(name.clone()).and_modify(|n| *n = n.saturating_add(1)).or_insert(1);
        mutant.stable_name = if *times == 1 { name } else { format!("{name} #{times}") };
    }
}

/// Where one mutant, or the group it belongs to, stands in the text that was made.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) mutants: Vec<usize>,
    pub(crate) at: Range<usize>,
}

/// A text with switches.
pub(crate) struct Made {
    pub(crate) text: String,
    pub(crate) written: Vec<Written>,
    /// Mutants that could not be written: names of what is missing here.
    pub(crate) unwritten: Vec<usize>,
}

enum Part {
    Text(String),
    /// Text of one mutant.
    Of(usize, String),
    Begin(usize),
    End(usize),
}

struct Edit {
    at: Range<usize>,
    order: (u8, usize),
    parts: Vec<Part>,
}

struct Writer<'a> {
    source: &'a str,
    /// By the range of the span in the source, and the genre of those that this program makes itself.
    wanted: BTreeMap<(usize, usize, &'a str), Vec<(usize, &'a Mutant)>>,
    edits: Vec<Edit>,
    groups: Vec<Vec<usize>>,
}

/// Genres of `more`.
const OWN: [&str; 6] = ["Statement", "Condition", "Method", "Absent", "Sides", "Side"];

/// Writes the mutants with their numbers into a file's source; gives those that could be written.
pub(crate) fn write(source: &str, mutants: &[(usize, &Mutant)]) -> Result<Made, syn::Error> {
    let starts: Vec<usize> =
        std::iter::once(0).chain(source.match_indices('\n').map(|(at, _)| at.saturating_add(1))).collect();
    // Columns count characters from one.
    let place = |p: &Place| {
        let start = starts.get(p.line.saturating_sub(1)).copied().unwrap_or(0);
        let line = source.get(start..).unwrap_or_default();
        start.saturating_add(line.chars().take(p.column.saturating_sub(1)).map(char::len_utf8).sum::<usize>())
    };
    let mut writer = Writer { source, wanted: BTreeMap::new(), edits: Vec::new(), groups: Vec::new() };
    for (number, mutant) in mutants {
        let range = (place(&mutant.span.start), place(&mutant.span.end));
        if mutant.genre == "FnValue" {
            writer.function(*number, mutant, range.0);
        } else {
            let own = OWN.contains(&mutant.genre.as_str());
            let key = (range.0, range.1, if own { mutant.genre.as_str() } else { "" });
            writer.wanted.entry(key).or_default().push((*number, mutant));
        }
    }
    writer.visit_file(&syn::parse_file(source)?);
    Ok(writer.finish())
}

fn on(number: usize) -> String {
    format!("crate::mutants::on({number})")
}

impl<'a> Writer<'a> {
    fn take(&mut self, range: Range<usize>) -> Vec<(usize, &'a Mutant)> {
        self.take_own(range, "")
    }

    fn take_own(&mut self, range: Range<usize>, genre: &'static str) -> Vec<(usize, &'a Mutant)> {
        self.wanted.remove(&(range.start, range.end, genre)).unwrap_or_default()
    }

    fn edit(&mut self, at: Range<usize>, rank: u8, parts: Vec<Part>) {
        let order = (rank, self.edits.len());
        self.edits.push(Edit { at, order, parts });
    }

    fn group(&mut self, numbers: Vec<usize>) -> usize {
        self.groups.push(numbers);
        self.groups.len().saturating_sub(1)
    }

    fn function(&mut self, number: usize, mutant: &Mutant, at: usize) {
        let text = format!("if {} {{ return {}; }} ", on(number), mutant.replacement);
        self.edit(at..at, 1, vec![Part::Of(number, text)]);
    }

    /// `before` the expression and `after` it.
    fn wrap(
        &mut self,
        at: Range<usize>,
        numbers: Vec<usize>,
        before: String,
        inner: impl FnOnce(&mut Self),
        after: Vec<Part>,
    ) {
        let group = self.group(numbers);
        self.edit(at.start..at.start, 1, vec![Part::Begin(group), Part::Text(before)]);
        inner(self);
        let mut after = after;
        after.push(Part::End(group));
        self.edit(at.end..at.end, 0, after);
    }

    fn binary(&mut self, node: &syn::ExprBinary, found: &[(usize, &'a Mutant)]) {
        let operator = node.op.span().byte_range();
        let own = self.source.get(operator.clone()).unwrap_or_default();
        let numbers: Vec<usize> = found.iter().map(|(number, _)| *number).collect();
        let at = node.span().byte_range();
        let text = |text: &str| vec![Part::Text(text.to_owned())];
        let (before, middle, after) = match (own, found) {
            // Only one side is evaluated where only one was.
            ("&&", [(n, _)]) => {
                ("(if (".to_owned(), format!(") != {} {{ ", on(*n)), text(&format!(" }} else {{ {} }})", on(*n))))
            }
            ("||", [(n, _)]) => {
                ("(if (".to_owned(), format!(") == {} {{ ", on(*n)), text(&format!(" }} else {{ !{} }})", on(*n))))
            }
            _ => {
                let compares = matches!(own, "==" | "!=" | "<" | ">" | "<=" | ">=");
                let by = if compares { "&" } else { "" };
                let mut after = text(&format!(")) {{ (l, r) => match crate::mutants::of(&{numbers:?}) {{ "));
                for (number, mutant) in found {
                    after.push(Part::Of(*number, format!("{number} => l {} r, ", mutant.replacement)));
                }
                after.extend(text(&format!("_ => l {own} r }} }})")));
                (format!("(match ({by}("), format!("), {by}("), after)
            }
        };
        self.wrap(
            at,
            numbers,
            before,
            |writer| {
                writer.visit_expr(&node.left);
                writer.edit(operator, 1, vec![Part::Text(middle)]);
                writer.visit_expr(&node.right);
            },
            after,
        );
    }

    /// A condition of an `if`: each part that is no `let` by itself.
    fn condition(&mut self, expr: &syn::Expr) {
        match expr {
            syn::Expr::Binary(b) if has_let(expr) => {
                self.take(b.op.span().byte_range());
                self.condition(&b.left);
                self.condition(&b.right);
            }
            syn::Expr::Let(_) => self.visit_expr(expr),
            _ => {
                let at = expr.span().byte_range();
                let found = self.take_own(at.clone(), "Condition");
                if found.is_empty() {
                    return self.visit_expr(expr);
                }
                let of = |value: &str| {
                    found.iter().find(|(_, m)| m.replacement == value).map_or("false".to_owned(), |(n, _)| on(*n))
                };
                let before = format!("({} || (!{} && (", of("true"), of("false"));
                let numbers = found.iter().map(|(number, _)| *number).collect();
                self.wrap(at, numbers, before, |writer| writer.visit_expr(expr), vec![Part::Text(")))".to_owned())]);
            }
        }
    }

    fn finish(mut self) -> Made {
        self.edits.sort_by_key(|edit| (edit.at.start, edit.order));
        let unwritten = self.wanted.values().flatten().map(|(number, _)| *number).collect();
        let mut made = Made { text: String::new(), written: Vec::new(), unwritten };
        let mut open: BTreeMap<usize, usize> = BTreeMap::new();
        let mut at = 0;
        for edit in &self.edits {
            made.text.push_str(self.source.get(at..edit.at.start).unwrap_or_default());
            for part in &edit.parts {
                let start = made.text.len();
                match part {
                    Part::Text(text) => made.text.push_str(text),
                    Part::Of(number, text) => {
                        made.text.push_str(text);
                        made.written.push(Written { mutants: vec![*number], at: start..made.text.len() });
                    }
                    Part::Begin(group) => drop(open.insert(*group, start)),
                    Part::End(group) => {
                        let start = open.remove(group).unwrap_or(start);
                        let mutants = self.groups.get(*group).cloned().unwrap_or_default();
                        made.written.push(Written { mutants, at: start..made.text.len() });
                    }
                }
            }
            at = at.max(edit.at.end);
        }
        made.text.push_str(self.source.get(at..).unwrap_or_default());
        made
    }
}

pub(crate) fn has_let(expr: &syn::Expr) -> bool {
    match expr {
        syn::Expr::Let(_) => true,
        syn::Expr::Binary(b) => has_let(&b.left) || has_let(&b.right),
        _ => false,
    }
}

impl<'ast> Visit<'ast> for Writer<'_> {
    fn visit_stmt(&mut self, node: &'ast syn::Stmt) {
        let at = node.span().byte_range();
        let Some((number, _)) = self.take_own(at.clone(), "Statement").into_iter().next() else {
            return visit::visit_stmt(self, node);
        };
        self.wrap(
            at,
            vec![number],
            format!("if !{} {{ ", on(number)),
            |writer| visit::visit_stmt(writer, node),
            vec![Part::Text(" }".to_owned())],
        );
    }

    fn visit_expr_if(&mut self, node: &'ast syn::ExprIf) {
        self.condition(&node.cond);
        self.visit_block(&node.then_branch);
        if let Some((_, other)) = &node.else_branch {
            self.visit_expr(other);
        }
    }

    fn visit_expr_method_call(&mut self, node: &'ast syn::ExprMethodCall) {
        let at = node.span().byte_range();
        if let Some((number, mutant)) = self.take_own(at.clone(), "Method").into_iter().next()
            && let Some(argument) = node.args.first()
        {
            let gap = node.receiver.span().byte_range().end..argument.span().byte_range().start;
            let method = node.method.to_string();
            let after = format!(
                " {{ (l, r) => if {} {{ l.{}(r) }} else {{ l.{method}(r) }} }})",
                on(number),
                mutant.replacement
            );
            self.wrap(
                at,
                vec![number],
                "(match (".to_owned(),
                |writer| {
                    writer.visit_expr(&node.receiver);
                    writer.edit(gap, 1, vec![Part::Text(", ".to_owned())]);
                    writer.visit_expr(argument);
                },
                vec![Part::Text(after)],
            );
            return;
        }
        if let Some((number, _)) = self.take_own(at.clone(), "Absent").into_iter().next() {
            let end = node.receiver.span().byte_range().end;
            let answer = node.method == "is_some_and";
            let middle = format!(") {{ None if {} => {answer}, r => r", on(number));
            self.wrap(
                at,
                vec![number],
                "(match (".to_owned(),
                |writer| {
                    writer.visit_expr(&node.receiver);
                    writer.edit(end..end, 0, vec![Part::Text(middle)]);
                    node.args.iter().for_each(|argument| writer.visit_expr(argument));
                },
                vec![Part::Text(" })".to_owned())],
            );
            return;
        }
        visit::visit_expr_method_call(self, node);
    }

    fn visit_expr_match(&mut self, node: &'ast syn::ExprMatch) {
        let at = node.expr.span().byte_range();
        if let Some((number, _)) = self.take_own(at.clone(), "Sides").into_iter().next() {
            let after = format!(") {{ s => if {} {{ s.other() }} else {{ s }} }})", on(number));
            let before = "(match (".to_owned();
            self.wrap(at, vec![number], before, |writer| writer.visit_expr(&node.expr), vec![Part::Text(after)]);
            node.arms.iter().for_each(|arm| self.visit_arm(arm));
            return;
        }
        visit::visit_expr_match(self, node);
    }

    fn visit_expr_path(&mut self, node: &'ast syn::ExprPath) {
        let at = node.span().byte_range();
        if let Some((number, _)) = self.take_own(at.clone(), "Side").into_iter().next() {
            let own = self.source.get(at.clone()).unwrap_or_default();
            let after = format!(".other() }} else {{ {own} }})");
            self.wrap(at, vec![number], format!("(if {} {{ ", on(number)), |_| (), vec![Part::Text(after)]);
        }
    }

    fn visit_expr_binary(&mut self, node: &'ast syn::ExprBinary) {
        if has_let(&node.left) || has_let(&node.right) {
            // No `||` stands beside a `let`: such a mutant does not compile.
            self.take(node.op.span().byte_range());
            return visit::visit_expr_binary(self, node);
        }
        let assigns = matches!(
            node.op,
            syn::BinOp::AddAssign(_)
                | syn::BinOp::SubAssign(_)
                | syn::BinOp::MulAssign(_)
                | syn::BinOp::DivAssign(_)
                | syn::BinOp::BitOrAssign(_)
                | syn::BinOp::BitAndAssign(_)
                | syn::BinOp::BitXorAssign(_)
                | syn::BinOp::ShlAssign(_)
                | syn::BinOp::ShrAssign(_)
                | syn::BinOp::RemAssign(_)
        );
        let found = if assigns { Vec::new() } else { self.take(node.op.span().byte_range()) };
        if found.is_empty() { visit::visit_expr_binary(self, node) } else { self.binary(node, &found) }
    }

    fn visit_expr_unary(&mut self, node: &'ast syn::ExprUnary) {
        let operator = node.op.span().byte_range();
        let Some((number, _)) = self.take(operator.clone()).into_iter().next() else {
            return visit::visit_expr_unary(self, node);
        };
        let own = self.source.get(operator.clone()).unwrap_or_default().to_owned();
        let after = format!(") {{ v => if {} {{ v }} else {{ {own}v }} }})", on(number));
        self.wrap(
            node.span().byte_range(),
            vec![number],
            "(match (".to_owned(),
            |writer| {
                writer.edit(operator, 1, Vec::new());
                writer.visit_expr(&node.expr);
            },
            vec![Part::Text(after)],
        );
    }

    fn visit_arm(&mut self, node: &'ast syn::Arm) {
        let mut span = node.span().byte_range();
        let mut gone = self.take(span.clone());
        if gone.is_empty() && self.source.get(span.end..).is_some_and(|rest| rest.starts_with(',')) {
            span.end = span.end.saturating_add(1);
            gone = self.take(span);
        }
        let guard = node.guard.as_ref().map(|(_, guard)| guard.span().byte_range());
        let forced = guard.clone().map(|range| self.take(range)).unwrap_or_default();
        let not_gone = gone.first().map(|(number, _)| format!("!{}", on(*number)));
        let numbers: Vec<usize> = gone.iter().chain(&forced).map(|(number, _)| *number).collect();
        match (guard, numbers.is_empty()) {
            (_, true) => visit::visit_arm(self, node),
            (None, false) => {
                let end = node.pat.span().byte_range().end;
                let group = self.group(numbers);
                let text = format!(" if {}", not_gone.unwrap_or_default());
                self.edit(end..end, 0, vec![Part::Begin(group), Part::Text(text), Part::End(group)]);
                self.visit_expr(&node.body);
            }
            (Some(range), false) => {
                let find = |value: &str| {
                    forced.iter().find(|(_, m)| m.replacement == value).map_or("false".to_owned(), |(n, _)| on(*n))
                };
                let before = format!(
                    "{} && ({} || (!{} && (",
                    not_gone.unwrap_or_else(|| "true".to_owned()),
                    find("true"),
                    find("false")
                );
                let (_, expr) = node.guard.as_ref().map_or((None, None), |(i, g)| (Some(i), Some(g)));
                self.wrap(
                    range,
                    numbers,
                    before,
                    |writer| {
                        if let Some(expr) = expr {
                            writer.visit_expr(expr);
                        }
                    },
                    vec![Part::Text(")))".to_owned())],
                );
                self.visit_expr(&node.body);
            }
        }
    }

    /// A field that is left out takes the value of the base.
    fn visit_expr_struct(&mut self, node: &'ast syn::ExprStruct) {
        for field in &node.fields {
            let mut span = field.span().byte_range();
            let mut found = self.take(span.clone());
            if found.is_empty() && self.source.get(span.end..).is_some_and(|rest| rest.starts_with(',')) {
                span.end = span.end.saturating_add(1);
                found = self.take(span);
            }
            let base = node.rest.as_ref().and_then(|rest| self.source.get(rest.span().byte_range()));
            let (Some((number, _)), Some(base), syn::Member::Named(name)) = (found.first(), base, &field.member) else {
                self.visit_expr(&field.expr);
                continue;
            };
            let short = if field.colon_token.is_none() { format!("{name}: ") } else { String::new() };
            let before = format!("{short}(if {} {{ {base}.{name} }} else {{ ", on(*number));
            let number = *number;
            self.wrap(
                field.expr.span().byte_range(),
                vec![number],
                before,
                |writer| writer.visit_expr(&field.expr),
                vec![Part::Text(" })".to_owned())],
            );
        }
        if let Some(rest) = &node.rest {
            self.visit_expr(rest);
        }
    }

    /// What asks for a number when it runs is no constant. Nothing that is mutated is called by one.
    fn visit_signature(&mut self, node: &'ast syn::Signature) {
        if let Some(constness) = &node.constness {
            self.edit(constness.span().byte_range(), 1, Vec::new());
        }
        visit::visit_signature(self, node);
    }

    // Test modules are no part of what is mutated.
    fn visit_item_mod(&mut self, node: &'ast syn::ItemMod) {
        let test = node.attrs.iter().any(|a| a.path().is_ident("cfg"));
        if !test {
            visit::visit_item_mod(self, node);
        }
    }
}
