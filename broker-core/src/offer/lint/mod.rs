//! What is wrong with an offer, or probably not meant, told when it is written: for `validate`.
//!
//! Errors are what makes an offer unavailable or lets no order through; warnings are what has no effect, or another one
//! than it seems; advice is what reads better otherwise. The rules are sound rather than complete: where one speaks,
//! it is right whatever the orders are.

mod filters;
mod implied;
mod shadow;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{InvalidFilter, Offer, OfferId};
use crate::expression::{Expression, Outcome};

pub use shadow::shadows;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It cannot be honoured, or lets no order through.
    Error,
    /// It has no effect, or another one than it seems.
    Warning,
    /// It would read better otherwise.
    Advice,
}

/// The text in reports.
impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Advice => "advice",
        })
    }
}

/// One thing to tell about an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// The rule, a stable `PascalCase` word.
    pub rule: String,
    /// The part of the object it is about, as a JSON pointer: `/spec/filters/0/suffix`.
    pub pointer: String,
    /// What was found, and what would be accepted.
    pub message: String,
}

impl Finding {
    /// A finding.
    pub fn new(level: Level, rule: &str, pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { level, rule: rule.to_owned(), pointer: pointer.into(), message: message.into() }
    }
}

/// Everything to tell about `AcceptAPI.spec` by itself, and the offer where it is one.
pub fn lint(id: OfferId, spec: &Value) -> (Option<Offer>, Vec<Finding>) {
    match Offer::parse_json(id, spec) {
        Err(invalid) => (None, invalid.iter().map(refused).collect()),
        Ok(offer) => {
            let mut findings = filters::findings(offer.filters());
            if offer.capacity() == Some(0) {
                let message = "0 orders: the offer takes none; leave it out, or write scheduling: Cordoned";
                findings.push(Finding::new(Level::Warning, "NoCapacity", "/spec/capacity/orders", message));
            }
            (Some(offer), findings)
        }
    }
}

/// What there is to tell about an expression that must be true or false.
pub fn lint_condition(expression: &Expression, pointer: &str) -> Option<Finding> {
    match expression.outcome() {
        Outcome::Other(found) => Some(Finding::new(
            Level::Error,
            "ExpressionType",
            pointer,
            format!("its answer is a {found}: expected true or false, as a comparison gives"),
        )),
        Outcome::Field => Some(Finding::new(
            Level::Warning,
            "ExpressionType",
            pointer,
            format!(
                "its answer is whatever the field holds, and it holds only where that is the boolean true; \
                 compare it, as in {} == 'value'",
                expression.text()
            ),
        )),
        Outcome::Bool | Outcome::Unknown if expression.is_constant() => Some(Finding::new(
            Level::Warning,
            "ConstantExpression",
            pointer,
            "it looks at nothing of the object: its answer is always the same",
        )),
        Outcome::Bool | Outcome::Unknown => None,
    }
}

/// What makes the whole offer unavailable.
fn refused(invalid: &InvalidFilter) -> Finding {
    let field = pointer(&invalid.field);
    let below = match invalid.filter {
        Some(filter) if !field.is_empty() => format!("/filters/{filter}{field}"),
        Some(_) | None => field,
    };
    let rule = if invalid.is_of_translation() { "InvalidTranslation" } else { "InvalidFilter" };
    let found =
        if invalid.found.is_empty() { "is empty".to_owned() } else { format!("is `{}`", invalid.found) };
    let message = format!("{found}; accepted: {}", invalid.accepted);
    Finding::new(Level::Error, rule, format!("/spec{below}"), message)
}

/// The JSON pointer of a path such as `template.spec.nodes[0].labels['a.b/c']`.
fn pointer(path: &str) -> String {
    let mut pointer = String::new();
    let mut rest = path;
    while !rest.is_empty() {
        let quoted = rest.strip_prefix("['").and_then(|rest| rest.split_once("']"));
        let index = || rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (key, behind) = quoted.or_else(index).unwrap_or_else(|| {
            let plain = rest.strip_prefix('.').unwrap_or(rest);
            plain.split_at(plain.find(['.', '[']).unwrap_or(plain.len()))
        });
        if key.is_empty() && behind.len() == rest.len() {
            break;
        }
        pointer.push('/');
        pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
        rest = behind;
    }
    pointer
}
