//! Finds the placeholders in a text: `{{ … }}` and `${ … }`, whatever is inside them.

use std::iter::Peekable;
use std::str::CharIndices;

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text as it is.
    Text(String),
    /// A placeholder.
    Slot(Slot),
}

/// A placeholder, not read yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) form: Form,
    /// What is inside, without trim markers.
    pub(super) body: String,
    /// Its line in the text, from 1.
    pub(super) line: usize,
    /// Its column, from 1.
    pub(super) column: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `{{ … }}`.
    Braces,
    /// `${ … }`.
    Dollar,
    /// Either, and it never ends.
    Open(&'static str),
}

/// Takes a text apart. Total: what never ends is a [`Form::Open`]. `$${` is the text `${`, `{{/* … */}}` is nothing.
pub(super) fn lex(text: &str) -> Vec<Piece> {
    let mut lexer =
        Lexer { text, at: 0, line: 1, line_start: 0, plain: String::new(), trim: false, pieces: Vec::new() };
    while lexer.at < text.len() {
        lexer.step();
    }
    lexer.flush();
    lexer.pieces
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    line: usize,
    line_start: usize,
    plain: String,
    /// Whether the placeholder before takes the white space that follows.
    trim: bool,
    pieces: Vec<Piece>,
}

impl Lexer<'_> {
    fn step(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if rest.starts_with("$${") {
            self.plain.push_str("${");
            self.trim = false;
            self.advance("$${".len());
        } else if rest.starts_with("${") {
            let end = closing_brace(rest.get(2..).unwrap_or_default());
            self.slot(Form::Dollar, "${", end, 1);
        } else if rest.starts_with("{{") {
            let end = closing_braces(rest.get(2..).unwrap_or_default());
            self.slot(Form::Braces, "{{", end, 2);
        } else if let Some(next) = rest.chars().next() {
            if !(self.trim && next.is_whitespace()) {
                self.trim = false;
                self.plain.push(next);
            }
            self.advance(next.len_utf8());
        }
    }

    fn advance(&mut self, bytes: usize) {
        let passed = self.text.get(self.at..self.at + bytes).unwrap_or_default();
        for (offset, _) in passed.match_indices('\n') {
            self.line += 1;
            self.line_start = self.at + offset + 1;
        }
        self.at += bytes;
    }

    /// A placeholder that begins here, whose inside is `end` bytes long.
    fn slot(&mut self, form: Form, open: &'static str, end: Option<usize>, close: usize) {
        let column = self.text.get(self.line_start..self.at).unwrap_or_default().chars().count() + 1;
        let line = self.line;
        let Some(end) = end else {
            self.flush();
            self.pieces.push(Piece::Slot(Slot { form: Form::Open(open), body: String::new(), line, column }));
            self.advance(open.len());
            return;
        };
        let inside = self.at + open.len();
        let mut body = self.text.get(inside..inside + end).unwrap_or_default();
        let mut trim = false;
        if form == Form::Braces {
            if let Some(inner) = body.strip_prefix('-').filter(|inner| inner.starts_with(char::is_whitespace))
            {
                body = inner;
                let kept = self.plain.trim_end().len();
                self.plain.truncate(kept);
            }
            if let Some(inner) = body.strip_suffix('-').filter(|inner| inner.ends_with(char::is_whitespace)) {
                body = inner;
                trim = true;
            }
        }
        let body = body.trim().to_owned();
        let is_comment = form == Form::Braces && body.starts_with("/*") && body.ends_with("*/");
        if !is_comment {
            self.flush();
            self.pieces.push(Piece::Slot(Slot { form, body, line, column }));
        }
        self.trim = trim;
        self.advance(open.len() + end + close);
    }

    fn flush(&mut self) {
        if !self.plain.is_empty() {
            self.pieces.push(Piece::Text(std::mem::take(&mut self.plain)));
        }
    }
}

/// Where the `}` is that ends an expression; braces in pairs and in quotes belong to it.
fn closing_brace(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut chars = text.char_indices().peekable();
    while let Some((at, next)) = chars.next() {
        match next {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            '\'' | '"' => skip_quoted(&mut chars, next)?,
            _ => {}
        }
    }
    None
}

/// Where the `}}` is that ends an action; those in quotes belong to it.
fn closing_braces(text: &str) -> Option<usize> {
    if text.trim_start_matches('-').trim_start().starts_with("/*") {
        let end = text.find("*/")?;
        let after = text.get(end..)?.find("}}")?;
        return Some(end + after);
    }
    let mut chars = text.char_indices().peekable();
    while let Some((at, next)) = chars.next() {
        match next {
            '}' if chars.peek().is_some_and(|(_, next)| *next == '}') => return Some(at),
            '"' | '`' => skip_quoted(&mut chars, next)?,
            _ => {}
        }
    }
    None
}

fn skip_quoted(chars: &mut Peekable<CharIndices<'_>>, quote: char) -> Option<()> {
    while let Some((_, next)) = chars.next() {
        if next == quote {
            return Some(());
        }
        if next == '\\' && quote != '`' {
            chars.next();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let piece = |piece| match piece {
            Piece::Text(text) => text,
            Piece::Slot(Slot { form: Form::Braces, body, line, column }) => {
                format!("<{body}@{line}:{column}>")
            }
            Piece::Slot(Slot { form: Form::Dollar, body, line, column }) => {
                format!("[{body}@{line}:{column}]")
            }
            Piece::Slot(Slot { form: Form::Open(open), .. }) => format!("!{open}"),
        };
        lex(text).into_iter().map(piece).collect()
    }

    #[test]
    fn placeholders_are_found_whatever_is_inside() {
        for (text, expected) in [
            ("", vec![]),
            ("plain", vec!["plain"]),
            ("db-{{ .From.Name }}", vec!["db-", "<.From.Name@1:4>"]),
            ("{{.A}}{{ .B }}", vec!["<.A@1:1>", "<.B@1:7>"]),
            ("a\nb ${from.x}!", vec!["a\nb ", "[from.x@2:3]", "!"]),
            ("${ {'a': '}'}.a }", vec!["[{'a': '}'}.a@1:1]"]),
            (r#"{{ "}}" }}"#, vec![r#"<"}}"@1:1>"#]),
            ("{{ `\\` }}", vec!["<`\\`@1:1>"]),
            ("a  {{- .A -}} \n b", vec!["a", "<.A@1:4>", "b"]),
            ("a {{-.A}} b", vec!["a ", "<-.A@1:3>", " b"]),
            ("a {{/* }} no */}} b", vec!["a  b"]),
            ("$${HOME} $$ {x}", vec!["${HOME} $$ {x}"]),
            ("a {{ .A", vec!["a ", "!{{", " .A"]),
            ("${'", vec!["!${", "'"]),
            ("é{{ .A }}", vec!["é", "<.A@1:2>"]),
        ] {
            assert_eq!(told(text), expected, "{text:?}");
        }
    }
}
