//! What can be wrong with a playbook when it is written.

use std::fmt::{self, Write as _};

/// One thing that is wrong with a playbook, in words for who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlaybookFault {
    /// The part of `spec`, as a JSON pointer: `/stages/0/timeout`.
    pub pointer: String,
    /// The rule, a stable `PascalCase` word.
    pub rule: &'static str,
    /// What was found there.
    pub found: String,
    /// What would be accepted.
    pub accepted: String,
}

impl PlaybookFault {
    pub(super) fn new(
        rule: &'static str,
        pointer: impl Into<String>,
        found: impl Into<String>,
        accepted: impl Into<String>,
    ) -> Self {
        Self { pointer: pointer.into(), rule, found: found.into(), accepted: accepted.into() }
    }

    /// The field, as people write it: `spec.stages[0].timeout`.
    pub fn field(&self) -> String {
        let mut field = "spec".to_owned();
        for part in self.pointer.split('/').skip(1) {
            let part = part.replace("~1", "/").replace("~0", "~");
            if !part.is_empty() && part.chars().all(|c| c.is_ascii_digit()) {
                // Writing to a String cannot fail.
                let _ = write!(field, "[{part}]");
            } else {
                field.push('.');
                field.push_str(&part);
            }
        }
        field
    }

    /// What was found and what would be accepted, without the field.
    pub fn message(&self) -> String {
        if self.accepted.is_empty() {
            return self.found.clone();
        }
        format!("{}; accepted: {}", self.found, self.accepted)
    }
}

impl fmt::Display for PlaybookFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field(), self.message())
    }
}
