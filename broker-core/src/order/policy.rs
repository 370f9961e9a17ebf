//! How carefully the orders of one API are treated: the platform's word, from its BrokeredAPI.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::expression::Expression;
use crate::migration::Limits;
use crate::resource::{Gvk, Gvr};

/// Whether an order may be replaced freely.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Moves {
    /// Its objects hold data: an order moves only by a playbook.
    #[default]
    PlaybookOnly,
    /// Its objects hold no data: replace, switch, remove.
    Free,
}

/// Who starts the move away from a provider that merely does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Failover {
    /// The broker, after [`Policy::failover_after`].
    Automatic,
    /// A person.
    Manual,
}

/// How much a move needs the write fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Fence {
    /// Nothing is switched that was not fenced, unless a person allows for loss.
    Required,
    /// Where the provider answers none the move goes on, and its receipt says that writes may be lost.
    BestEffort,
}

/// How the orders of one brokered API are treated.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The brokered API.
    pub gvr: Gvr,
    /// Its kind.
    pub kind: String,
    /// Whether orders may move without a playbook.
    pub moves: Moves,
    /// Whether moves are enabled at all (`ENABLE_MIGRATION`).
    pub migrations_enabled: bool,
    /// How long the old copy stays after the hand-over was observed.
    pub grace_period: Duration,
    /// How long a new copy may take to become ready.
    pub ready_timeout: Duration,
    /// Who moves an order away from a provider that does not answer; `None` follows `moves`: see
    /// [`Policy::effective_failover`].
    pub failover: Option<Failover>,
    /// How much a move that copies data needs the write fence; `None` follows `moves`: see
    /// [`Policy::effective_fence`].
    pub fence: Option<Fence>,
    /// How long a provider must not have answered without a break before that is taken for more than a hiccup.
    pub failover_after: Duration,
    /// How many of its orders may move at the same time, and when too many have failed.
    pub limits: Limits,
    /// When a copy is ready; `None` uses the conventions of [`crate::order::readiness`].
    pub ready: Option<Expression>,
    /// Kinds that providers may hand over in `status.relatedResources`.
    pub related_kinds: Vec<Gvk>,
    /// Which labels of an order its copy carries.
    pub copy_labels: Vec<Glob>,
    /// Which annotations of an order its copy carries.
    pub copy_annotations: Vec<Glob>,
    /// Name of a mirrored object, with `${order}` and `${key}`.
    pub related_name: String,
}

impl Policy {
    /// The defaults of a BrokeredAPI.
    pub fn new(gvr: Gvr, kind: impl Into<String>) -> Self {
        Self {
            gvr,
            kind: kind.into(),
            moves: Moves::default(),
            migrations_enabled: true,
            grace_period: Duration::from_secs(30),
            ready_timeout: Duration::from_mins(10),
            failover: None,
            fence: None,
            failover_after: Duration::from_mins(5),
            limits: Limits::default(),
            ready: None,
            related_kinds: vec![Gvk::new("", "v1", "Secret"), Gvk::new("", "v1", "ConfigMap")],
            copy_labels: Vec::new(),
            copy_annotations: Vec::new(),
            related_name: "${order}-${key}".to_owned(),
        }
    }

    /// The failover in force: what is written, else Automatic where orders move freely, else Manual.
    pub fn effective_failover(&self) -> Failover {
        self.failover.unwrap_or(match self.moves {
            Moves::Free => Failover::Automatic,
            Moves::PlaybookOnly => Failover::Manual,
        })
    }

    /// The fence in force: what is written, else [`Fence::Required`] where objects hold data, else
    /// [`Fence::BestEffort`].
    pub fn effective_fence(&self) -> Fence {
        self.fence.unwrap_or(match self.moves {
            Moves::Free => Fence::BestEffort,
            Moves::PlaybookOnly => Fence::Required,
        })
    }

    /// Group, version and kind of the orders.
    pub fn gvk(&self) -> Gvk {
        Gvk::new(&self.gvr.group, &self.gvr.version, &self.kind)
    }
}

/// A pattern for label and annotation keys: `*` stands for any run of characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Glob(String);

impl Glob {
    /// A pattern; every text is one.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// Whether the whole key fits the pattern.
    pub fn matches(&self, key: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(mut rest) = parts.next().and_then(|first| key.strip_prefix(first)) else { return false };
        let mut last = None;
        for part in parts {
            if let Some(previous) = last.replace(part) {
                match rest.split_once(previous) {
                    Some((_, after)) => rest = after,
                    None => return false,
                }
            }
        }
        match last {
            Some(tail) => rest.ends_with(tail),
            None => rest.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_keys() {
        for (pattern, key, expected) in [
            ("team", "team", true),
            ("team", "teams", false),
            ("*", "anything", true),
            ("*", "", true),
            ("app.io/*", "app.io/x", true),
            ("app.io/*", "b.app.io/x", false),
            ("*/x", "a/x", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXcYb", false),
            ("a*a", "a", false),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(Glob::new(pattern).matches(key), expected, "{pattern} {key}");
        }
    }
}
