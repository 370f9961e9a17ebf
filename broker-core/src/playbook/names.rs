//! What expressions of a playbook may be about.

use std::collections::BTreeMap;

use crate::expression::Expression;

/// The old copy and the new one.
pub(super) const FROM: &str = "from";
pub(super) const TO: &str = "to";
/// All helper objects, by key.
pub(super) const TEMPLATES: &str = "templates";
/// Of the new copy, without saying so.
pub(super) const BARE: [&str; 3] = ["metadata", "spec", "status"];

/// Names that no template can have: they have a meaning, or CEL has.
const RESERVED: [&str; 24] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "from",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "metadata",
    "namespace",
    "null",
    "package",
    "return",
    "spec",
    "status",
    "templates",
    "to",
    "true",
];

/// Whether a template can have this name.
pub(super) fn is_key(key: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !key.is_empty() && key.len() <= 63 && key.chars().all(inside) && !RESERVED.contains(&key)
}

/// Whether a key can be written in an expression as it is, and not only as `templates['key']`.
pub(super) fn is_name(key: &str) -> bool {
    !key.contains('-') && !key.starts_with(|c: char| c.is_ascii_digit())
}

/// The keys of a playbook's templates that make an object, with the stage they belong to.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    /// Every key of the playbook: its stage, and whether it makes an object.
    pub(super) all: BTreeMap<String, (String, bool)>,
}

impl Keys {
    /// The names for expressions that may be about these keys.
    pub(super) fn names<'k>(keys: &[&'k str]) -> Vec<&'k str> {
        let mut names = vec![FROM, TO];
        names.extend(BARE);
        names.push(TEMPLATES);
        names.extend(keys.iter().filter(|key| is_name(key)));
        names
    }

    /// What is wrong with how an expression uses the templates, where these keys have objects by then.
    pub(super) fn misused(&self, expression: &Expression, keys: &[&str]) -> Option<String> {
        expression.fields().iter().filter(|field| field.name == TEMPLATES).find_map(|field| {
            let Some(key) = field.fields.first() else {
                return Some("`templates` is used without a key; write templates['key']".to_owned());
            };
            if keys.contains(&key.as_str()) { None } else { Some(self.why_not(key, keys)) }
        })
    }

    /// Why a key has no object there.
    pub(super) fn why_not(&self, key: &str, keys: &[&str]) -> String {
        match self.all.get(key) {
            Some((_, false)) => format!("template `{key}` creates nothing"),
            Some((stage, true)) => format!("template `{key}` of stage {stage} is not there by then"),
            None if keys.is_empty() => format!("there is no template `{key}`"),
            None => {
                let known: Vec<&str> = keys.iter().take(8).copied().collect();
                format!("there is no template `{key}`; known are {}", known.join(", "))
            }
        }
    }
}
