//! Values with `${CEL}` in their texts: read once, filled in for one object after the other.
//!
//! A text that is exactly one `${…}` becomes the answer, with its type; within other text the answer's own text is put
//! in; `$${` stands for `${`. Only values are looked at: keys are as written, so that nothing an expression answers adds
//! one beside them. What becomes null is left out. Text, parts, nesting and what comes out are bounded.

mod pieces;
#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::{Map, Value};

use self::pieces::{Piece, pieces};
use crate::expression::{EvalError, Expression, Scope};
use crate::offer::shorten;

/// The most values, nested ones included, of one template.
pub const MAX_PARTS: usize = 4096;
/// The most expressions of one template.
pub const MAX_EXPRESSIONS: usize = 256;
/// How deeply a template may be nested.
pub const MAX_DEPTH: usize = 32;
/// The largest result, counted in bytes of text and 16 for each part: what an API server stores of one object.
pub const MAX_RESULT: usize = 1 << 20;
/// What a part of a result costs beyond its text.
const PART: usize = 16;
/// Texts in messages are shown up to this many characters.
const SHOWN: usize = 80;

/// A template, ready to be filled in. Equal when it was written equally.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueTemplate {
    root: Part,
}

/// What is wrong with a template as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateFault {
    /// Where, below the template.
    pub place: Place,
    /// What was found there, shortened.
    pub found: String,
    /// What would be accepted.
    pub accepted: String,
}

/// Why a template could not be filled in. Shows no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: ${{{expression}}} has no value: {error}")]
pub struct Unfilled {
    /// Where, below the template.
    pub place: Place,
    /// The text of the expression.
    pub expression: String,
    /// Why it has no value.
    pub error: EvalError,
}

/// The way to a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Key(String),
    Index(usize),
}

/// What is to become of a value that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Absence {
    /// All of it has no value.
    Fails,
    /// The field is left out.
    LeavesOut,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(Value),
    /// A text that is one expression.
    Answer(Expression),
    /// A text with expressions in it.
    Text(Vec<Piece>),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

impl ValueTemplate {
    /// Reads a template whose expressions may refer to these names.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order in which it is written.
    pub fn compile(written: &Value, names: &[&str]) -> Result<Self, Vec<TemplateFault>> {
        let mut reader =
            Reader { names, parts: 0, expressions: 0, place: Place::default(), faults: Vec::new() };
        let root = reader.part(written, MAX_DEPTH);
        if reader.faults.is_empty() { Ok(Self { root }) } else { Err(reader.faults) }
    }

    /// The same, but that below this field every answer is put into a text: labels hold nothing else.
    #[must_use]
    pub(crate) fn with_texts_below(mut self, field: &str) -> Self {
        if let Part::Map(fields) = &mut self.root {
            fields.iter_mut().filter(|(key, _)| key == field).for_each(|(_, part)| part.become_texts());
        }
        self
    }

    /// The value in this scope; `Null` where nothing is left of it.
    ///
    /// # Errors
    /// The first expression that has no value, or a result that is too large.
    pub fn fill(&self, scope: &Scope) -> Result<Value, Unfilled> {
        let mut filler = Filler { scope, absence: Absence::Fails, left: MAX_RESULT, place: Place::default() };
        filler.part(&self.root).map(Option::unwrap_or_default)
    }

    /// As much of the value as there is in this scope: a field whose expression has no value is left out, and so is an
    /// entry of a list, or of a map that `wholes` names by its key, as a whole where anything of it has none.
    pub fn fill_what_is_there(&self, scope: &Scope, wholes: &[&str]) -> Value {
        let mut filling =
            Filler { scope, absence: Absence::LeavesOut, left: MAX_RESULT, place: Place::default() };
        let Part::Map(fields) = &self.root else {
            return filling.part(&self.root).ok().flatten().unwrap_or_default();
        };
        let mut filled = Map::new();
        for (key, field) in fields {
            let value = if let (Part::Map(entries), true) = (field, wholes.contains(&key.as_str())) {
                let whole = |(key, entry): &(String, Part)| Some((key.clone(), filling.whole(entry)?));
                Some(Value::Object(entries.iter().filter_map(whole).collect()))
            } else {
                filling.part(field).ok().flatten()
            };
            filled.extend(value.map(|value| (key.clone(), value)));
        }
        Value::Object(filled)
    }
}

impl Part {
    fn become_texts(&mut self) {
        match self {
            Self::Answer(expression) => *self = Self::Text(vec![Piece::Calculated(expression.clone())]),
            Self::List(elements) => elements.iter_mut().for_each(Self::become_texts),
            Self::Map(fields) => fields.iter_mut().for_each(|(_, part)| part.become_texts()),
            Self::Literal(_) | Self::Text(_) => {}
        }
    }
}

struct Reader<'n> {
    names: &'n [&'n str],
    parts: usize,
    expressions: usize,
    place: Place,
    faults: Vec<TemplateFault>,
}

impl Reader<'_> {
    fn part(&mut self, written: &Value, depth: usize) -> Part {
        self.parts += 1;
        let nothing = Part::Literal(Value::Null);
        if self.parts > MAX_PARTS {
            if self.parts == MAX_PARTS + 1 {
                self.fault("more values", format!("at most {MAX_PARTS} values in one template"));
            }
            return nothing;
        }
        let Some(depth) = depth.checked_sub(1) else {
            self.fault("values nested too deeply", format!("at most {MAX_DEPTH} levels"));
            return nothing;
        };
        match written {
            Value::String(text) => self.text(text),
            Value::Array(elements) => Part::List(
                elements
                    .iter()
                    .enumerate()
                    .map(|(index, element)| self.below(Step::Index(index), |it| it.part(element, depth)))
                    .collect(),
            ),
            Value::Object(fields) => Part::Map(
                fields
                    .iter()
                    .map(|(key, value)| {
                        let part = self.below(Step::Key(key.clone()), |it| {
                            if key.contains("${") {
                                it.fault(key, "a key as it is: only values are calculated");
                            }
                            it.part(value, depth)
                        });
                        (key.clone(), part)
                    })
                    .collect(),
            ),
            Value::Null | Value::Bool(_) | Value::Number(_) => Part::Literal(written.clone()),
        }
    }

    fn text(&mut self, text: &str) -> Part {
        let (pieces, expressions) = match pieces(text, self.names) {
            Ok(read) => read,
            Err(accepted) => {
                self.fault(text, accepted);
                return Part::Literal(Value::Null);
            }
        };
        let before = self.expressions;
        self.expressions += expressions;
        if before <= MAX_EXPRESSIONS && self.expressions > MAX_EXPRESSIONS {
            self.fault("more expressions", format!("at most {MAX_EXPRESSIONS} expressions in one template"));
        }
        match pieces.as_slice() {
            [] => Part::Literal(String::new().into()),
            [Piece::Plain(plain)] => Part::Literal(plain.clone().into()),
            [Piece::Calculated(expression)] => Part::Answer(expression.clone()),
            _ => Part::Text(pieces),
        }
    }

    fn below<T>(&mut self, step: Step, read: impl FnOnce(&mut Self) -> T) -> T {
        self.place.0.push(step);
        let part = read(self);
        self.place.0.pop();
        part
    }

    fn fault(&mut self, found: &str, accepted: impl Into<String>) {
        self.faults.push(TemplateFault {
            place: self.place.clone(),
            found: shorten(found, SHOWN),
            accepted: accepted.into(),
        });
    }
}

struct Filler<'s> {
    scope: &'s Scope,
    absence: Absence,
    left: usize,
    place: Place,
}

impl Filler<'_> {
    /// The value; `None` where it is left out.
    fn part(&mut self, part: &Part) -> Result<Option<Value>, Unfilled> {
        self.spend(part, PART)?;
        Ok(match part {
            Part::Literal(Value::Null) => None,
            Part::Literal(value) => {
                self.spend(part, value.as_str().map_or(0, str::len))?;
                Some(value.clone())
            }
            Part::Answer(expression) => {
                let value = self.answer(expression)?;
                self.spend(part, size(&value))?;
                Some(value).filter(|value| !value.is_null())
            }
            Part::Text(pieces) => Some(self.text(part, pieces)?.into()),
            Part::List(elements) => {
                let mut list = Vec::with_capacity(elements.len());
                for (index, element) in elements.iter().enumerate() {
                    self.place.0.push(Step::Index(index));
                    match self.absence {
                        Absence::Fails => list.extend(self.part(element)?),
                        Absence::LeavesOut => list.extend(self.whole(element)),
                    }
                    self.place.0.pop();
                }
                Some(list.into())
            }
            Part::Map(fields) => {
                let mut map = Map::new();
                for (key, field) in fields {
                    self.place.0.push(Step::Key(key.clone()));
                    let value = match (self.part(field), self.absence) {
                        (Err(_), Absence::LeavesOut) => None,
                        (value, _) => value?,
                    };
                    self.place.0.pop();
                    map.extend(value.map(|value| (key.clone(), value)));
                }
                Some(map.into())
            }
        })
    }

    /// The value, if all of it has one.
    fn whole(&mut self, part: &Part) -> Option<Value> {
        let before = std::mem::replace(&mut self.absence, Absence::Fails);
        let depth = self.place.0.len();
        let value = self.part(part);
        self.place.0.truncate(depth);
        self.absence = before;
        value.ok().flatten()
    }

    fn text(&mut self, part: &Part, pieces: &[Piece]) -> Result<String, Unfilled> {
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Plain(plain) => text.push_str(plain),
                Piece::Calculated(expression) => {
                    let value = self.answer(expression)?;
                    let plain = plain_text(&value).ok_or_else(|| Unfilled {
                        place: self.place.clone(),
                        expression: expression.text().to_owned(),
                        error: EvalError::Failed {
                            message: format!("{} is no part of a text", kind(&value)),
                        },
                    })?;
                    text.push_str(&plain);
                }
            }
            self.spend(part, text.len())?;
        }
        Ok(text)
    }

    fn answer(&self, expression: &Expression) -> Result<Value, Unfilled> {
        expression.evaluate_in(self.scope).map_err(|error| Unfilled {
            place: self.place.clone(),
            expression: expression.text().to_owned(),
            error,
        })
    }

    fn spend(&mut self, part: &Part, bytes: usize) -> Result<(), Unfilled> {
        let expression = match part {
            Part::Answer(expression) => expression.text().to_owned(),
            Part::Literal(_) | Part::Text(_) | Part::List(_) | Part::Map(_) => String::new(),
        };
        let exhausted = || Unfilled { place: self.place.clone(), expression, error: EvalError::Budget };
        self.left = self.left.checked_sub(bytes).ok_or_else(exhausted)?;
        Ok(())
    }
}

/// As much as the value counts of a result.
fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => PART,
        Value::String(text) => PART + text.len(),
        Value::Array(elements) => elements.iter().map(size).sum::<usize>() + PART,
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| key.len() + size(value)).sum::<usize>() + PART
        }
    }
}

fn plain_text(value: &Value) -> Option<String> {
    match value {
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
        Value::Bool(_) | Value::Number(_) | Value::String(_) => "a value",
    }
}

impl Place {
    /// The place that this one is below `field`.
    pub(crate) fn below(&self, field: &str) -> Self {
        let mut steps = vec![Step::Key(field.to_owned())];
        steps.extend(self.0.iter().cloned());
        Self(steps)
    }

    /// A place from its keys.
    pub(crate) fn of(keys: &[&str]) -> Self {
        Self(keys.iter().map(|key| Step::Key((*key).to_owned())).collect())
    }
}

/// As filters write paths, with positions in lists: `spec.nodes[0].labels['a.b/c']`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if is_plain(key) => {
                    f.write_str(if position == 0 { "" } else { "." })?;
                    f.write_str(key)?;
                }
                Step::Key(key) => write!(f, "['{}']", shorten(key, SHOWN))?,
            }
        }
        Ok(())
    }
}

fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}
