//! Label and field selectors of list, watch and delete-collection requests, and of `LabelSelector` objects.
//!
//! Decides which objects a selector means. Does not know which fields a kind can be selected by.

#[cfg(test)]
mod tests;

use serde_json::Value;
use std::collections::BTreeSet;

/// Why a selector cannot be read: 400, reason `BadRequest`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SelectorError(String);

impl SelectorError {
    fn requirement(what: impl std::fmt::Display) -> Self {
        Self(format!("unable to parse requirement: {what}"))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Exists,
    Absent,
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    Greater(i64),
    Less(i64),
}

/// A parsed `labelSelector`. The default one selects everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LabelSelector {
    requirements: Vec<(String, Test)>,
}

impl LabelSelector {
    /// Parses `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1`.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let requirements = split_outside_parentheses(text)?
            .into_iter()
            .map(parse_requirement)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { requirements })
    }

    /// Reads a `metav1.LabelSelector` (`matchLabels`, `matchExpressions`); an empty one selects everything.
    pub fn from_object(selector: &Value) -> Result<Self, SelectorError> {
        let mut requirements = Vec::new();
        for (label, value) in selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten() {
            let value = value.as_str().ok_or_else(|| {
                SelectorError::requirement(format!("the value of label \"{label}\" is no string"))
            })?;
            requirements.push((checked(label)?, Test::In(BTreeSet::from([value.to_owned()]))));
        }
        let expressions = selector.get("matchExpressions").and_then(Value::as_array);
        for expression in expressions.into_iter().flatten() {
            let key = checked(expression.get("key").and_then(Value::as_str).unwrap_or_default())?;
            let values: BTreeSet<String> = expression
                .get("values")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect();
            let test = match (expression.get("operator").and_then(Value::as_str), values.is_empty()) {
                (Some("In"), false) => Test::In(values),
                (Some("NotIn"), false) => Test::NotIn(values),
                (Some("In" | "NotIn"), true) => {
                    let message = "for 'in', 'notin' operators, values set can't be empty";
                    return Err(SelectorError::requirement(message.to_owned()));
                }
                (Some("Exists"), _) => Test::Exists,
                (Some("DoesNotExist"), _) => Test::Absent,
                (other, _) => {
                    return Err(SelectorError::requirement(format!(
                        "\"{}\" is not a valid label selector operator",
                        other.unwrap_or_default()
                    )));
                }
            };
            requirements.push((key, test));
        }
        Ok(Self { requirements })
    }

    /// Whether it selects everything.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether an object's `metadata.labels` satisfy every requirement.
    pub fn matches(&self, object: &Value) -> bool {
        let labels = object.get("metadata").and_then(|metadata| metadata.get("labels"));
        self.requirements.iter().all(|(label, test)| {
            let found = labels.and_then(|labels| labels.get(label)).and_then(Value::as_str);
            match (test, found) {
                (Test::Exists | Test::NotIn(_), None) => matches!(test, Test::NotIn(_)),
                (Test::In(_) | Test::Greater(_) | Test::Less(_), None) | (Test::Absent, Some(_)) => false,
                (Test::Exists, Some(_)) | (Test::Absent, None) => true,
                (Test::In(values), Some(found)) => values.contains(found),
                (Test::NotIn(values), Some(found)) => !values.contains(found),
                (Test::Greater(bound), Some(found)) => found.parse::<i64>().is_ok_and(|found| found > *bound),
                (Test::Less(bound), Some(found)) => found.parse::<i64>().is_ok_and(|found| found < *bound),
            }
        })
    }

    /// The labels an object must have, where the selector fixes single values (`a=b`): what kcp stamps on objects
    /// created through a claim.
    pub fn fixed_labels(&self) -> Vec<(String, String)> {
        self.requirements
            .iter()
            .filter_map(|(label, test)| match test {
                Test::In(values) if values.len() == 1 => Some((label.clone(), values.first()?.clone())),
                Test::In(_)
                | Test::NotIn(_)
                | Test::Exists
                | Test::Absent
                | Test::Greater(_)
                | Test::Less(_) => None,
            })
            .collect()
    }
}

fn split_outside_parentheses(text: &str) -> Result<Vec<&str>, SelectorError> {
    let mut parts = Vec::new();
    let mut depth = 0_usize;
    let mut start = 0;
    for (index, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => {
                depth = depth.checked_sub(1).ok_or_else(|| {
                    SelectorError::requirement("found ')', expected: identifier".to_owned())
                })?;
            }
            ',' if depth == 0 => {
                parts.push(text.get(start..index).unwrap_or_default());
                start = index + 1;
            }
            _ => {}
        }
    }
    if depth > 0 {
        return Err(SelectorError::requirement("found '', expected: ',' or ')'".to_owned()));
    }
    let last = text.get(start..).unwrap_or_default();
    if parts.is_empty() && last.trim().is_empty() {
        return Ok(parts);
    }
    parts.push(last);
    Ok(parts)
}

fn parse_requirement(text: &str) -> Result<(String, Test), SelectorError> {
    let text = text.trim();
    if let Some(label) = text.strip_prefix('!') {
        return Ok((checked(label.trim())?, Test::Absent));
    }
    let one = |value: &str| -> Result<BTreeSet<String>, SelectorError> {
        Ok(BTreeSet::from([checked_value(value.trim())?]))
    };
    if let Some((label, value)) = text.split_once("!=") {
        return Ok((checked(label.trim())?, Test::NotIn(one(value)?)));
    }
    if let Some((label, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Ok((checked(label.trim())?, Test::In(one(value)?)));
    }
    for (sign, test) in [('>', Test::Greater as fn(i64) -> Test), ('<', Test::Less as fn(i64) -> Test)] {
        if let Some((label, value)) = text.split_once(sign) {
            let bound = value.trim().parse().map_err(|_| {
                SelectorError::requirement(
                    "for 'Gt', 'Lt' operators, the value must be an integer".to_owned(),
                )
            })?;
            return Ok((checked(label.trim())?, test(bound)));
        }
    }
    if let Some((head, values)) = text.split_once('(') {
        let values = values
            .trim_end()
            .strip_suffix(')')
            .ok_or_else(|| SelectorError::requirement("found '', expected: ',' or ')'".to_owned()))?;
        let values: BTreeSet<String> =
            values.split(',').map(|value| checked_value(value.trim())).collect::<Result<_, _>>()?;
        let mut words = head.split_whitespace();
        let label = checked(words.next().unwrap_or_default())?;
        return match (words.next(), words.next()) {
            (Some("in"), None) => Ok((label, Test::In(values))),
            (Some("notin"), None) => Ok((label, Test::NotIn(values))),
            (other, _) => Err(SelectorError::requirement(format!(
                "found '{}', expected: in, notin, =, ==, !=, gt, lt",
                other.unwrap_or_default()
            ))),
        };
    }
    if let Some((_, rest)) = text.split_once(char::is_whitespace) {
        let word = rest.split_whitespace().next().unwrap_or_default();
        return Err(SelectorError::requirement(format!(
            "found '{word}', expected: in, notin, =, ==, !=, gt, lt"
        )));
    }
    Ok((checked(text)?, Test::Exists))
}

/// A label key: an optional DNS prefix, and a name.
fn checked(label: &str) -> Result<String, SelectorError> {
    let (prefix, name) = match label.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, label),
    };
    if name.is_empty() {
        return Err(SelectorError::requirement(format!(
            "found '{label}', expected: !, identifier, or 'end of string'"
        )));
    }
    if !is_name(name) || prefix.is_some_and(|prefix| prefix.is_empty() || !prefix.split('.').all(is_name)) {
        return Err(SelectorError::requirement(format!(
            "key: Invalid value: \"{label}\": name part must consist of alphanumeric \
             characters, '-', '_' or '.', and must start and end with an alphanumeric character"
        )));
    }
    Ok(label.to_owned())
}

fn checked_value(value: &str) -> Result<String, SelectorError> {
    if value.is_empty() || is_name(value) {
        return Ok(value.to_owned());
    }
    Err(SelectorError::requirement(format!(
        "values[0]: Invalid value: \"{value}\": a valid label must be an empty string or consist \
         of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
    )))
}

fn is_name(text: &str) -> bool {
    let edge = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
    text.len() <= 63
        && edge(text.chars().next())
        && edge(text.chars().next_back())
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
}

/// A parsed `fieldSelector`: `metadata.name=x,status.phase!=Running`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldSelector {
    requirements: Vec<(String, bool, String)>,
}

impl FieldSelector {
    /// Parses the selector. Which fields may be selected by is for [`FieldSelector::fields`] to ask.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut requirements = Vec::new();
        for term in split_unescaped(text).into_iter().filter(|term| !term.is_empty()) {
            let (field, equal, value) = if let Some((field, value)) = term.split_once("!=") {
                (field, false, value)
            } else if let Some((field, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
                (field, true, value)
            } else {
                return Err(SelectorError(format!("invalid selector: '{text}'; can't understand '{term}'")));
            };
            requirements.push((field.trim().to_owned(), equal, unescape(value)));
        }
        Ok(Self { requirements })
    }

    /// Whether it selects everything.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    /// The fields used, so that the server can refuse those the kind does not support
    /// (400 `field label not supported: spec.x`).
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.requirements.iter().map(|(field, _, _)| field.as_str())
    }

    /// The value a field must have, if the selector fixes it: `metadata.name` of a watch on one object.
    pub fn fixed(&self, field: &str) -> Option<&str> {
        self.requirements
            .iter()
            .find(|(name, equal, _)| name == field && *equal)
            .map(|(_, _, value)| value.as_str())
    }

    /// Whether the object satisfies it. An absent field counts as the empty string.
    pub fn matches(&self, object: &Value) -> bool {
        self.requirements.iter().all(|(field, equal, wanted)| {
            let found = field.split('.').try_fold(object, |value, step| value.get(step));
            let found = match found {
                None | Some(Value::Null) => String::new(),
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            };
            (found == *wanted) == *equal
        })
    }
}

fn split_unescaped(text: &str) -> Vec<String> {
    let mut terms = vec![String::new()];
    let mut escaped = false;
    for letter in text.chars() {
        if letter == ',' && !escaped {
            terms.push(String::new());
        } else if let Some(term) = terms.last_mut() {
            term.push(letter);
        }
        escaped = letter == '\\' && !escaped;
    }
    terms
}

fn unescape(text: &str) -> String {
    let mut result = String::new();
    let mut escaped = false;
    for letter in text.chars() {
        if letter == '\\' && !escaped {
            escaped = true;
        } else {
            result.push(letter);
            escaped = false;
        }
    }
    result
}
