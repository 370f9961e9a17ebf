//! The parts of a template, and what they become.

use serde_json::{Map, Value};

use super::action::Segment;
use super::error::TemplateError;
use super::place::NoText;
use super::{MAX_RENDERED, Rendering};
use crate::expression::{EvalError, Expression};

/// What a part costs beyond its text.
const PART: usize = 16;

/// A part of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Pattern {
    /// Null, a boolean or a number.
    Fixed(Value),
    /// A text, put together.
    Text(Vec<Segment>),
    /// The answer of an expression, whatever it is.
    Answer(Expression),
    /// A list.
    List(Vec<Pattern>),
    /// A map, in the order of its keys.
    Map(Vec<(String, Pattern)>),
}

impl Pattern {
    pub(super) fn expressions<'p>(&'p self, found: &mut Vec<&'p Expression>) {
        match self {
            Self::Fixed(_) => {}
            Self::Text(segments) => found.extend(segments.iter().filter_map(|segment| match segment {
                Segment::Cel(expression) => Some(expression),
                Segment::Literal(_) | Segment::Path(_) => None,
            })),
            Self::Answer(expression) => found.push(expression),
            Self::List(elements) => elements.iter().for_each(|element| element.expressions(found)),
            Self::Map(fields) => fields.iter().for_each(|(_, field)| field.expressions(found)),
        }
    }

    /// The text, where it is one without placeholders.
    pub(super) fn fixed_text(&self) -> Option<&str> {
        match self {
            Self::Text(segments) => match segments.as_slice() {
                [Segment::Literal(text)] => Some(text),
                _ => None,
            },
            Self::Fixed(_) | Self::Answer(_) | Self::List(_) | Self::Map(_) => None,
        }
    }

    /// Whether it holds a placeholder.
    pub(super) fn is_filled_in(&self) -> bool {
        match self {
            Self::Fixed(_) => false,
            Self::Text(segments) => segments.iter().any(|segment| !matches!(segment, Segment::Literal(_))),
            Self::Answer(_) => true,
            Self::List(elements) => elements.iter().any(Self::is_filled_in),
            Self::Map(fields) => fields.iter().any(|(_, field)| field.is_filled_in()),
        }
    }
}

/// Puts the values in.
pub(super) struct Renderer<'r> {
    template: &'r str,
    rendering: &'r Rendering<'r>,
    left: usize,
}

impl<'r> Renderer<'r> {
    pub(super) fn new(template: &'r str, rendering: &'r Rendering<'r>) -> Self {
        Self { template, rendering, left: MAX_RENDERED }
    }

    pub(super) fn map(
        &mut self,
        fields: &[(String, Pattern)],
        at: &str,
        depth: usize,
    ) -> Result<Map<String, Value>, TemplateError> {
        let mut map = Map::new();
        for (key, pattern) in fields {
            self.spend(key.len())?;
            let below = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
            map.insert(key.clone(), self.value(pattern, &below, depth)?);
        }
        Ok(map)
    }

    fn value(&mut self, pattern: &Pattern, at: &str, depth: usize) -> Result<Value, TemplateError> {
        let depth = depth.checked_sub(1).ok_or_else(|| self.too_large())?;
        self.spend(PART)?;
        match pattern {
            Pattern::Fixed(value) => Ok(value.clone()),
            Pattern::Text(segments) => self.text(segments, at).map(Value::String),
            Pattern::Answer(expression) => {
                let answer = self.answer(expression, at)?;
                self.measure(&answer, depth)?;
                Ok(answer)
            }
            Pattern::List(elements) => {
                let elements = elements.iter().enumerate();
                elements
                    .map(|(index, element)| self.value(element, &format!("{at}[{index}]"), depth))
                    .collect()
            }
            Pattern::Map(fields) => self.map(fields, at, depth).map(Value::Object),
        }
    }

    fn text(&mut self, segments: &[Segment], at: &str) -> Result<String, TemplateError> {
        let mut text = String::new();
        for segment in segments {
            let part = match segment {
                Segment::Literal(literal) => literal.clone(),
                Segment::Path(path) => {
                    path.text(self.rendering.from, self.rendering.to).map_err(|why| match why {
                        NoText::Missing => self.missing(at, format!("{path} is not there")),
                        NoText::Found(found) => self.not_text(at, path.to_string(), found),
                    })?
                }
                Segment::Cel(expression) => match self.answer(expression, at)? {
                    Value::String(text) => text,
                    Value::Number(number) => number.to_string(),
                    Value::Bool(answer) => answer.to_string(),
                    Value::Null => return Err(self.missing(at, format!("`{}` is null", expression.text()))),
                    Value::Array(_) => return Err(self.not_text(at, expression.text().to_owned(), "a list")),
                    Value::Object(_) => {
                        return Err(self.not_text(at, expression.text().to_owned(), "an object"));
                    }
                },
            };
            self.spend(part.len())?;
            text.push_str(&part);
        }
        Ok(text)
    }

    fn answer(&self, expression: &Expression, at: &str) -> Result<Value, TemplateError> {
        expression.evaluate_in(self.rendering.scope).map_err(|error| {
            if matches!(error, EvalError::Missing { .. } | EvalError::Unbound { .. }) {
                return self.missing(at, format!("`{}`: {error}", expression.text()));
            }
            TemplateError::Failed {
                template: self.template.to_owned(),
                field: at.to_owned(),
                expression: expression.text().to_owned(),
                error,
            }
        })
    }

    /// Charges for an answer, which is bounded by itself already.
    fn measure(&mut self, value: &Value, depth: usize) -> Result<(), TemplateError> {
        let below = |renderer: &Self| depth.checked_sub(1).ok_or_else(|| renderer.too_large());
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => self.spend(PART),
            Value::String(text) => self.spend(text.len() + PART),
            Value::Array(elements) => {
                self.spend(PART)?;
                let below = below(self)?;
                elements.iter().try_for_each(|element| self.measure(element, below))
            }
            Value::Object(fields) => {
                self.spend(PART)?;
                let below = below(self)?;
                fields.iter().try_for_each(|(key, value)| {
                    self.spend(key.len())?;
                    self.measure(value, below)
                })
            }
        }
    }

    fn spend(&mut self, bytes: usize) -> Result<(), TemplateError> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| self.too_large())?;
        Ok(())
    }

    fn too_large(&self) -> TemplateError {
        TemplateError::TooLarge { template: self.template.to_owned() }
    }

    fn missing(&self, at: &str, what: String) -> TemplateError {
        TemplateError::Missing { template: self.template.to_owned(), field: at.to_owned(), what }
    }

    fn not_text(&self, at: &str, what: String, found: &'static str) -> TemplateError {
        TemplateError::NotText { template: self.template.to_owned(), field: at.to_owned(), what, found }
    }
}
