//! A text, taken apart into what stands in it and what is calculated.

use crate::expression::Expression;

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text as it is.
    Plain(String),
    /// The answer of an expression.
    Calculated(Expression),
}

/// The pieces of a text, and how many of them are expressions; else what would be accepted.
pub(super) fn pieces(text: &str, names: &[&str]) -> Result<(Vec<Piece>, usize), String> {
    let mut pieces = Vec::new();
    let mut expressions = 0;
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(kept) = before.strip_suffix('$') {
            plain.push_str(kept);
            plain.push_str("${");
            rest = after;
            continue;
        }
        plain.push_str(before);
        let (expression, behind) = cut(after)
            .ok_or_else(|| "an expression that ends: `${…}`; where none is meant, `$${`".to_owned())?;
        let compiled = Expression::compile_with(expression.trim(), names)
            .map_err(|error| format!("a CEL expression over {} in `${{…}}`: {error}", names.join(" and ")))?;
        if !plain.is_empty() {
            pieces.push(Piece::Plain(std::mem::take(&mut plain)));
        }
        pieces.push(Piece::Calculated(compiled));
        expressions += 1;
        rest = behind;
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Plain(plain));
    }
    Ok((pieces, expressions))
}

/// Cuts a text at the brace that closes the expression it begins with: braces in CEL's texts and maps do not.
fn cut(text: &str) -> Option<(&str, &str)> {
    let mut open = 0_usize;
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(mark), c) if c == mark => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '{') => open += 1,
            (None, '}') if open == 0 => {
                let (expression, behind) = text.split_at_checked(at)?;
                return Some((expression, behind.strip_prefix('}')?));
            }
            (None, '}') => open -= 1,
            (Some(_) | None, _) => {}
        }
    }
    None
}
