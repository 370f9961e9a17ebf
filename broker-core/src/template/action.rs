//! Reads what is inside a placeholder.

use super::lex::{Form, Slot};
use super::place::Path;
use crate::expression::Expression;
use crate::offer::shorten;

/// A part of a text in a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Segment {
    /// Text as it is.
    Literal(String),
    /// A name or field of a copy, always as text.
    Path(Path),
    /// The answer of an expression.
    Cel(Expression),
}

/// Words of Go's templates that are not offered here.
const CONSTRUCTS: [&str; 11] =
    ["if", "else", "end", "range", "with", "define", "template", "block", "break", "continue", "index"];

/// The segments of a placeholder, or what is wrong with it.
pub(super) fn read(slot: &Slot, names: &[&str]) -> Result<Vec<Segment>, String> {
    match slot.form {
        Form::Open(open) => Err(format!("`{open}` is never closed{}", literal_hint(open))),
        Form::Dollar => Expression::compile_with(&slot.body, names)
            .map(|expression| vec![Segment::Cel(expression)])
            .map_err(|error| format!("`${{{}}}`: {error}{}", shorten(&slot.body, 64), literal_hint("${"))),
        Form::Braces => braces(&slot.body),
    }
}

fn literal_hint(open: &str) -> &'static str {
    if open == "${" {
        "; for the text ${ itself write $${"
    } else {
        "; for the text {{ itself write {{ \"{{\" }}"
    }
}

fn braces(body: &str) -> Result<Vec<Segment>, String> {
    let words = words(body).ok_or_else(|| format!("`{}` has a text that is never closed", shown(body)))?;
    let texts: Vec<&str> = words.iter().map(String::as_str).collect();
    match texts.as_slice() {
        [] => Err("the placeholder is empty".to_owned()),
        [one] => operand(one).map(|segment| vec![segment]),
        ["printf", format, operands @ ..] => printf(format, operands),
        [first, ..] => Err(unknown(first, body)),
    }
}

/// A literal or a path.
fn operand(word: &str) -> Result<Segment, String> {
    if word.starts_with('.') {
        return Path::parse(word).map(Segment::Path);
    }
    literal(word).map(Segment::Literal).ok_or_else(|| unknown(word, word))
}

fn unknown(first: &str, body: &str) -> String {
    let what = if CONSTRUCTS.contains(&first) {
        format!("`{first}` cannot be used here")
    } else if body.contains('|') {
        format!("`{}` is a pipeline, which cannot be used here", shown(body))
    } else if first.starts_with('$') {
        format!("the variable `{}` cannot be used here", shown(first))
    } else {
        format!("`{}` cannot be used here", shown(first))
    };
    format!("{what}; accepted: a path such as .From.Name, a text in quotes, and printf with %s")
}

fn printf(format: &str, operands: &[&str]) -> Result<Vec<Segment>, String> {
    let format = literal(format).ok_or("printf needs a format in quotes first")?;
    let mut segments = Vec::new();
    let mut operands = operands.iter();
    let mut text = String::new();
    let mut chars = format.chars();
    while let Some(next) = chars.next() {
        if next != '%' {
            text.push(next);
            continue;
        }
        match chars.next() {
            Some('%') => text.push('%'),
            Some('s') => {
                if !text.is_empty() {
                    segments.push(Segment::Literal(std::mem::take(&mut text)));
                }
                let operand = operands.next().ok_or("printf has fewer values than %s")?;
                segments.push(self::operand(operand)?);
            }
            verb => {
                let verb = verb.map(String::from).unwrap_or_default();
                return Err(format!("printf's `%{verb}` cannot be used here; accepted: %s and %%"));
            }
        }
    }
    if operands.next().is_some() {
        return Err("printf has more values than %s".to_owned());
    }
    if !text.is_empty() || segments.is_empty() {
        segments.push(Segment::Literal(text));
    }
    Ok(segments)
}

/// The words of an action; texts in quotes are one word. `None` where a quote is never closed.
fn words(body: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote: Option<char> = None;
    let mut chars = body.chars();
    while let Some(next) = chars.next() {
        match quote {
            Some(open) => {
                word.push(next);
                if next == open {
                    quote = None;
                } else if next == '\\' && open == '"' {
                    word.extend(chars.next());
                }
            }
            None if next.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            None => {
                if matches!(next, '"' | '`') {
                    quote = Some(next);
                }
                word.push(next);
            }
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    quote.is_none().then_some(words)
}

/// The text that a word in quotes stands for.
fn literal(word: &str) -> Option<String> {
    if let Some(raw) = word.strip_prefix('`').and_then(|word| word.strip_suffix('`')) {
        return (!raw.contains('`')).then(|| raw.to_owned());
    }
    // What Go writes between double quotes is, escapes of bytes apart, what JSON writes.
    word.starts_with('"').then(|| serde_json::from_str(word).ok()).flatten()
}

fn shown(text: &str) -> String {
    shorten(text, 40)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_braces(body: &str) -> Result<String, String> {
        let segments = braces(body)?;
        let told = segments.into_iter().map(|segment| match segment {
            Segment::Literal(text) => format!("'{text}'"),
            Segment::Path(path) => path.to_string(),
            Segment::Cel(expression) => expression.text().to_owned(),
        });
        Ok(told.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn the_subset_of_gos_templates() {
        for (body, expected) in [
            (".From.Name", ".From.Name"),
            (r#""{{""#, "'{{'"),
            ("`a\\b`", "'a\\b'"),
            (r#"printf "%s" .From.Name"#, ".From.Name"),
            (r#"printf "a-%s-%s%%" .From.Name .To.Host"#, "'a-' .From.Name '-' .To.Host '%'"),
            (r#"printf "%s" "x""#, "'x'"),
            (r#"printf "plain""#, "'plain'"),
        ] {
            assert_eq!(read_braces(body).as_deref(), Ok(expected), "{body}");
        }
    }

    #[test]
    fn everything_else_is_named() {
        for (body, words) in [
            ("", "is empty"),
            ("if .From.Name", "`if` cannot be used here"),
            ("range .From.Nodes", "`range` cannot be used here"),
            ("end", "`end` cannot be used here"),
            (r#"index .From.Labels "a""#, "`index` cannot be used here"),
            (".From.Name | quote", "is a pipeline"),
            ("$x", "the variable `$x`"),
            ("quote .From.Name", "`quote` cannot be used here"),
            (r#"printf "%d" .From.Port"#, "`%d` cannot be used here"),
            (r#"printf "%s""#, "fewer values"),
            (r#"printf "x" .From.Name"#, "more values"),
            ("printf .From.Name", "a format in quotes"),
            ("-.From.Name", "`-.From.Name` cannot be used here"),
            (".Release.Name", "known are .From and .To"),
        ] {
            let refused = read_braces(body).unwrap_err();
            assert!(refused.contains(words), "{body}: {refused}");
        }
    }
}
