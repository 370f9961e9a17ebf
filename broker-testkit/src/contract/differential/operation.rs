//! What a sequence consists of: requests with blanks, watches, and waiting for rest.
//!
//! An operation is plain data, so that a sequence can be printed, stored, shortened and played again. What only a
//! server knows (versions, uids, generated names, tokens) is left blank in it and filled in for each server by
//! itself, see [`super::memory`].

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is sent in one request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path and query behind the namespace, such as `configmaps/a`, with the kind's own prefix before it:
    /// `<kind>` is the name of one of the kinds.
    pub kind: String,
    /// Name and subresource, empty for the collection.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The query, with blanks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<(String, String)>,
    /// The form that is asked for; plain JSON where it is empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub accept: String,
    /// The media type of the body; plain JSON where it is empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media: String,
    /// The object as it was last read on this server, which the body is merged into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edits: Option<String>,
    /// The body, with blanks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// A request; its answer is compared.
    Send(Request),
    /// A watch that stays open until the end of the sequence, when `marker` is written; all events up to that are
    /// compared in order.
    Watch {
        /// How it is opened.
        request: Request,
        /// A write that the watch must show.
        marker: Request,
    },
    /// Waits until the garbage collector has nothing left to do; then everything that is there is compared.
    Settle,
}

impl Operation {
    fn kind(&self) -> Option<&String> {
        match self {
            Self::Send(request) | Self::Watch { request, .. } => Some(&request.kind),
            Self::Settle => None,
        }
    }
}

/// Operations in order.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Sequence {
    /// The steps.
    pub operations: Vec<Operation>,
}

impl Sequence {
    /// Whether somebody else than the client writes too, in an order of their own: the garbage collector.
    pub(super) fn is_collected(&self) -> bool {
        self.operations.contains(&Operation::Settle)
    }

    /// The kinds that it is about.
    pub(super) fn kinds(&self) -> Vec<String> {
        let mut kinds: Vec<String> = self.operations.iter().filter_map(Operation::kind).cloned().collect();
        kinds.sort();
        kinds.dedup();
        kinds
    }

    /// The same without some operations.
    pub(super) fn without(&self, range: std::ops::Range<usize>) -> Self {
        let kept = self.operations.iter().enumerate().filter(|(index, _)| !range.contains(index));
        Self { operations: kept.map(|(_, operation)| operation.clone()).collect() }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.kind)?;
        if !self.name.is_empty() {
            write!(f, "/{}", self.name)?;
        }
        for (index, (key, value)) in self.query.iter().enumerate() {
            write!(f, "{}{key}={value}", if index == 0 { '?' } else { '&' })?;
        }
        for media in [&self.accept, &self.media].into_iter().filter(|media| !media.is_empty()) {
            write!(f, " [{media}]")?;
        }
        if let Some(edited) = &self.edits {
            write!(f, " {edited} with")?;
        }
        self.body.as_ref().map_or(Ok(()), |body| write!(f, " {body}"))
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(request) => request.fmt(f),
            Self::Watch { request, marker } => write!(f, "WATCH {request} UNTIL {marker}"),
            Self::Settle => f.write_str("SETTLE"),
        }
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, operation) in self.operations.iter().enumerate() {
            writeln!(f, "{index:3}. {operation}")?;
        }
        Ok(())
    }
}
