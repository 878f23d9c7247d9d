//! Mutants that cargo-mutants does not make and that money code needs: a check or a change that is left out, a condition
//! that always or never holds, checked arithmetic in the other direction, an absent value taken the other way, the other
//! side of the channel.

use std::error::Error;
use std::path::Path;

use proc_macro2::{LineColumn, Span};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::schema::{Lines, Mutant, Place, has_let};

/// Methods that are told apart by tests only, with their opposite.
const OPPOSITES: [(&str, &str); 9] = [
    ("checked_add", "checked_sub"),
    ("checked_sub", "checked_add"),
    ("saturating_add", "saturating_sub"),
    ("saturating_sub", "saturating_add"),
    ("wrapping_div", "wrapping_mul"),
    ("min", "max"),
    ("max", "min"),
    ("plus", "minus"),
    ("minus", "plus"),
];

/// The mutants of one file, in order.
pub(crate) fn list(root: &Path, file: &str) -> Result<Vec<Mutant>, Box<dyn Error>> {
    let source = std::fs::read_to_string(root.join(file))?;
    let mut lister =
        Lister { file, source: &source, function: String::new(), owner: String::new(), mutants: Vec::new() };
    lister.visit_file(&syn::parse_file(&source)?);
    Ok(lister.mutants)
}

struct Lister<'a> {
    file: &'a str,
    source: &'a str,
    owner: String,
    function: String,
    mutants: Vec<Mutant>,
}

/// Whether a statement does something by itself: an assignment or a call.
pub(crate) fn acts(expr: &syn::Expr) -> bool {
    match expr {
        syn::Expr::Assign(_) | syn::Expr::MethodCall(_) | syn::Expr::Call(_) => true,
        syn::Expr::Try(inner) => acts(&inner.expr),
        _ => false,
    }
}

/// Whether a match tells the sides of a channel apart.
pub(crate) fn by_side(node: &syn::ExprMatch) -> bool {
    let side = |pat: &syn::Pat| matches!(pat, syn::Pat::Path(p) if is_side(&p.path));
    node.arms.iter().any(|arm| side(&arm.pat))
}

/// `Side::Left` or `Side::Right`.
pub(crate) fn is_side(path: &syn::Path) -> bool {
    let names: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
    matches!(names.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), ["Side", "Left" | "Right"])
}

/// Conditions of an `if` that are no `let`.
pub(crate) fn conditions(expr: &syn::Expr) -> Vec<&syn::Expr> {
    match expr {
        syn::Expr::Let(_) => Vec::new(),
        syn::Expr::Binary(b) if has_let(expr) => conditions(&b.left).into_iter().chain(conditions(&b.right)).collect(),
        other => vec![other],
    }
}

impl Lister<'_> {
    fn add(&mut self, span: Span, genre: &str, replacement: &str, what: &str) {
        let place = |at: LineColumn| Place { line: at.line, column: at.column.saturating_add(1) };
        let (start, end) = (place(span.start()), place(span.end()));
        let text = self.source.get(span.byte_range()).unwrap_or_default();
        let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let text = if text.chars().count() > 90 { text.chars().take(90).chain("…".chars()).collect() } else { text };
        let name = format!(
            "{}:{}:{}: {} in {}{}",
            self.file,
            start.line,
            start.column,
            what.replace("{}", &text),
            self.owner,
            self.function
        );
        self.mutants.push(Mutant {
            name,
            file: self.file.to_owned(),
            genre: genre.to_owned(),
            replacement: replacement.to_owned(),
            span: Lines { start, end },
            stable_name: String::new(),
        });
    }
}

impl<'ast> Visit<'ast> for Lister<'_> {
    fn visit_item_mod(&mut self, node: &'ast syn::ItemMod) {
        if !node.attrs.iter().any(|a| a.path().is_ident("cfg")) {
            visit::visit_item_mod(self, node);
        }
    }

    fn visit_item_impl(&mut self, node: &'ast syn::ItemImpl) {
        let name = match &*node.self_ty {
            syn::Type::Path(path) => path.path.segments.last().map(|s| s.ident.to_string()).unwrap_or_default(),
            _ => String::new(),
        };
        let outer = std::mem::replace(&mut self.owner, format!("{name}::"));
        visit::visit_item_impl(self, node);
        self.owner = outer;
    }

    fn visit_impl_item_fn(&mut self, node: &'ast syn::ImplItemFn) {
        self.function = node.sig.ident.to_string();
        visit::visit_impl_item_fn(self, node);
    }

    fn visit_item_fn(&mut self, node: &'ast syn::ItemFn) {
        self.function = node.sig.ident.to_string();
        visit::visit_item_fn(self, node);
    }

    fn visit_stmt(&mut self, node: &'ast syn::Stmt) {
        if let syn::Stmt::Expr(expr, Some(_)) = node
            && acts(expr)
        {
            self.add(node.span(), "Statement", "", "leave out {}");
        }
        visit::visit_stmt(self, node);
    }

    fn visit_expr_if(&mut self, node: &'ast syn::ExprIf) {
        for condition in conditions(&node.cond) {
            self.add(condition.span(), "Condition", "true", "replace condition {} with true");
            self.add(condition.span(), "Condition", "false", "replace condition {} with false");
        }
        visit::visit_expr_if(self, node);
    }

    fn visit_expr_method_call(&mut self, node: &'ast syn::ExprMethodCall) {
        let method = node.method.to_string();
        if let Some((_, other)) = OPPOSITES.iter().find(|(own, _)| *own == method).filter(|_| node.args.len() == 1) {
            self.add(node.span(), "Method", other, &format!("{method} becomes {other}: {{}}"));
        }
        if matches!(method.as_str(), "is_none_or" | "is_some_and") {
            self.add(node.span(), "Absent", "", "the other answer of an absent value: {}");
        }
        visit::visit_expr_method_call(self, node);
    }

    fn visit_expr_match(&mut self, node: &'ast syn::ExprMatch) {
        if by_side(node) {
            self.add(node.expr.span(), "Sides", "", "the other side: match {}");
        }
        visit::visit_expr_match(self, node);
    }

    // A side in a pattern: its match is a mutant of its own.
    fn visit_pat(&mut self, _: &'ast syn::Pat) {}

    fn visit_expr_path(&mut self, node: &'ast syn::ExprPath) {
        if is_side(&node.path) {
            self.add(node.span(), "Side", "", "the other side of {}");
        }
    }
}
