//! YAML text as plain JSON values, by the core schema of YAML 1.2: `on` and `014` are texts.
//!
//! Bounded in length, parts and depth. Aliases are refused (a text of nine lines can stand for a billion values), and so
//! are keys that are there twice, tags, and a second document.

use std::borrow::Cow;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use serde_json::{Map, Number, Value};

use super::MAX_NESTING;

/// The most values a text may hold.
const MAX_PARTS: usize = 4096;

/// What is wrong with a YAML text; positions count from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct YamlFault {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) message: String,
}

/// The value of a text; `None` where it holds nothing but comments.
///
/// A plain scalar that `is_text` says so of is a text, whatever it looks like.
pub(super) fn read(text: &str, is_text: impl Fn(&str) -> bool) -> Result<Option<Value>, YamlFault> {
    let mut reader = Reader { parser: Parser::new_from_str(text), is_text, parts: 0 };
    let mut found = None;
    while let Some((event, span)) = reader.next()? {
        match event {
            Event::DocumentStart(..) => {
                let (event, at) = reader.node()?;
                let value = reader.value(event, at, 1)?;
                if found.replace(value).is_some_and(|earlier| !earlier.is_null()) {
                    return Err(fault(span, "a template is one object; this is a second document"));
                }
            }
            Event::StreamEnd => break,
            Event::StreamStart
            | Event::DocumentEnd
            | Event::Alias(_)
            | Event::Anchor(..)
            | Event::UnresolvedAlias(_)
            | Event::Comment(..)
            | Event::Scalar(..)
            | Event::SequenceStart(..)
            | Event::SequenceEnd
            | Event::MappingStart(..)
            | Event::MappingEnd
            | _ => {}
        }
    }
    Ok(found.filter(|value| !value.is_null()))
}

struct Reader<'t, F> {
    parser: Parser<'t, StrInput<'t>>,
    is_text: F,
    parts: usize,
}

impl<'t, F: Fn(&str) -> bool> Reader<'t, F> {
    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, YamlFault> {
        self.parser.next_event().transpose().map_err(|error| scan_fault(&error))
    }

    /// The next event that is no comment.
    fn node(&mut self) -> Result<(Event<'t>, Span), YamlFault> {
        loop {
            match self.next()? {
                Some((Event::Comment(..) | Event::Anchor(..), _)) => {}
                Some(event) => return Ok(event),
                None => return Ok((Event::StreamEnd, Span::default())),
            }
        }
    }

    fn value(&mut self, event: Event<'t>, at: Span, depth: usize) -> Result<Value, YamlFault> {
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return Err(fault(at, &format!("has too many parts; at most {MAX_PARTS} are accepted")));
        }
        if depth > MAX_NESTING {
            return Err(fault(
                at,
                &format!("is nested too deeply; at most {MAX_NESTING} levels are accepted"),
            ));
        }
        match event {
            Event::Scalar(text, style, _, tag) => self.scalar(&text, style, tag.as_deref(), at),
            Event::SequenceStart(_, _, tag) => {
                no_tag(tag.as_ref(), at)?;
                let mut elements = Vec::new();
                loop {
                    match self.node()? {
                        (Event::SequenceEnd, _) => return Ok(Value::Array(elements)),
                        (event, at) => elements.push(self.value(event, at, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(_, _, tag) => {
                no_tag(tag.as_ref(), at)?;
                self.mapping(depth)
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                Err(fault(at, "an alias (`*name`) cannot be used here; write the value out"))
            }
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd
            | Event::Anchor(..)
            | Event::Comment(..)
            | Event::SequenceEnd
            | Event::MappingEnd
            | _ => Err(fault(at, "ends where a value is expected")),
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, YamlFault> {
        let mut fields = Map::new();
        loop {
            let (event, at) = self.node()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(Value::Object(fields));
            }
            let Event::Scalar(text, ..) = event else {
                self.value(event, at, depth + 1)?;
                return Err(fault(at, "a key must be a text"));
            };
            let key = text.into_owned();
            let (event, value_at) = self.node()?;
            let value = self.value(event, value_at, depth + 1)?;
            if fields.insert(key.clone(), value).is_some() {
                let key = crate::offer::shorten(&key, 64);
                return Err(fault(at, &format!("the key `{key}` is there twice")));
            }
        }
    }

    fn scalar(
        &self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        at: Span,
    ) -> Result<Value, YamlFault> {
        if let Some(tag) = tag {
            return match tag.core_suffix() {
                Some("str") => Ok(text.into()),
                _ => Err(tag_fault(at)),
            };
        }
        Ok(if style == ScalarStyle::Plain && !(self.is_text)(text) { plain(text) } else { text.into() })
    }
}

/// A scalar without quotes.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).map_or_else(|| text.into(), Value::Number),
    }
}

fn number(text: &str) -> Option<Number> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some(digits) = text.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+')).map(Number::from);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return u64::from_str_radix(digits, 8).ok().filter(|_| !digits.starts_with('+')).map(Number::from);
    }
    let starts_like_one =
        digits.starts_with(|c: char| c.is_ascii_digit()) || (digits.starts_with('.') && digits.len() > 1);
    // A version or a mode such as 014 is no number.
    let has_leading_zero = digits.len() > 1
        && digits.starts_with('0')
        && !digits.starts_with("0.")
        && !digits.starts_with("0e")
        && !digits.starts_with("0E");
    let plain = digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'-' | b'+'));
    if !starts_like_one || has_leading_zero || !plain {
        return None;
    }
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        let text = text.trim_start_matches('+');
        if let Ok(number) = text.parse::<i64>() {
            return Some(number.into());
        }
        if let Ok(number) = text.parse::<u64>() {
            return Some(number.into());
        }
    }
    text.parse::<f64>().ok().and_then(Number::from_f64)
}

fn no_tag(tag: Option<&Cow<'_, Tag>>, at: Span) -> Result<(), YamlFault> {
    if tag.is_some() { Err(tag_fault(at)) } else { Ok(()) }
}

fn tag_fault(at: Span) -> YamlFault {
    fault(at, "a tag cannot be used here, except !!str")
}

fn fault(at: Span, message: &str) -> YamlFault {
    YamlFault { line: at.start.line().max(1), column: at.start.col() + 1, message: message.to_owned() }
}

fn scan_fault(error: &ScanError) -> YamlFault {
    let at = error.marker();
    YamlFault {
        line: at.line().max(1),
        column: at.col() + 1,
        message: format!("is no YAML: {}", crate::offer::shorten(&error.info(), 160)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(text: &str) -> Result<Option<Value>, String> {
        read(text, |text| text.contains('\u{e000}'))
            .map_err(|fault| format!("{}:{} {}", fault.line, fault.column, fault.message))
    }

    #[test]
    fn texts_are_read_as_yaml_1_2_has_it() {
        for (text, expected) in [
            ("a: 1", json!({"a": 1})),
            (
                "a: [on, yes, 014, 1_000, 0x1F, 0o17, -3, +4, 1.5, 1e3, .5, '1', \"2\"]",
                json!({"a": ["on", "yes", "014", "1_000", 31, 15, -3, 4, 1.5, 1000.0, 0.5, "1", "2"]}),
            ),
            ("a: [true, True, false, null, ~, '']", json!({"a": [true, true, false, null, null, ""]})),
            (
                "a: 18446744073709551615\nb: 12:30\nc: 1.2.3",
                json!({"a": u64::MAX, "b": "12:30", "c": "1.2.3"}),
            ),
            ("a: !!str 5\nb: !!str", json!({"a": "5", "b": ""})),
            ("a: |\n  x\n  y\nb: >\n  x\n  y\n", json!({"a": "x\ny\n", "b": "x y\n"})),
            ("# c\n---\n# d\na: {b: [1, {c: d}]} # e\n", json!({"a": {"b": [1, {"c": "d"}]}})),
            (
                "a: \u{e000}1\u{e001}\nb: 5\u{e000}0\u{e001}",
                json!({"a": "\u{e000}1\u{e001}", "b": "5\u{e000}0\u{e001}"}),
            ),
            ("5: x\ntrue: y\na:\n", json!({"5": "x", "true": "y", "a": null})),
        ] {
            assert_eq!(value(text), Ok(Some(expected)), "{text}");
        }
        for nothing in ["", "# only\n# comments\n", "---\n", "---\n# x\n---\n", "~"] {
            assert_eq!(value(nothing), Ok(None), "{nothing:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        for (text, words) in [
            ("a: [1", "is no YAML"),
            ("a: 1\na: 2", "2:1 the key `a` is there twice"),
            ("a: &x 1\nb: *x", "2:4 an alias"),
            ("a: *x", "is no YAML"),
            ("a: !x 1", "1:7 a tag"),
            ("a: !!map {}", "a tag"),
            ("a: 1\n---\nb: 2", "second document"),
            ("? {a: b}\n: c", "a key must be a text"),
            (&"[".repeat(33), ""),
            (&format!("a: {}{}", "[".repeat(33), "]".repeat(33)), "nested too deeply"),
            (&format!("a: [{}]", "1,".repeat(5000)), "too many parts"),
            ("\ta: 1\n b", "is no YAML"),
        ] {
            let refused = value(text).unwrap_err();
            assert!(refused.contains(words), "{text}: {refused}");
        }
    }
}
