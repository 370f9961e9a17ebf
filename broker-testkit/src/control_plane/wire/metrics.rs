//! Counts requests, so that tests can say what somebody at rest costs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

/// What is counted together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct RequestKind {
    /// `get`, `list`, `watch`, `create`, …
    pub verb: String,
    /// The API group, empty for the core group and for paths that are no resource.
    pub group: String,
    /// The plural resource, empty for paths that are no resource.
    pub resource: String,
    /// The subresource, mostly empty.
    pub subresource: String,
    /// Who asked.
    pub user: String,
    /// The HTTP status of the answer.
    pub code: u16,
}

/// How many requests of each kind were answered (of watches: begun) so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requests {
    counts: BTreeMap<RequestKind, u64>,
}

impl Requests {
    /// All kinds with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (&RequestKind, u64)> {
        self.counts.iter().map(|(kind, count)| (kind, *count))
    }

    /// All requests of one user.
    pub fn by_user(&self, user: &str) -> u64 {
        self.iter().filter(|(kind, _)| kind.user == user).map(|(_, count)| count).sum()
    }

    /// All requests.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// What came in since an earlier snapshot.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let counts = self
            .counts
            .iter()
            .map(|(kind, count)| (kind.clone(), count - earlier.counts.get(kind).unwrap_or(&0)))
            .filter(|(_, count)| *count > 0)
            .collect();
        Self { counts }
    }
}

/// The counters of a running server.
#[derive(Debug, Default)]
pub(crate) struct Counters(Mutex<Requests>);

impl Counters {
    pub(crate) fn count(&self, kind: RequestKind) {
        let mut requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.counts.entry(kind).or_default() += 1;
    }

    pub(crate) fn snapshot(&self) -> Requests {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The counters in Prometheus' text format.
    pub(crate) fn render(&self) -> String {
        let mut text = String::from(
            "# HELP apiserver_request_total Counter of apiserver requests broken out for each verb, group, \
             resource, subresource, user and HTTP response code.\n# TYPE apiserver_request_total counter\n",
        );
        for (kind, count) in self.snapshot().iter() {
            let RequestKind { verb, group, resource, subresource, user, code } = kind;
            let verb = verb.to_uppercase();
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "apiserver_request_total{{code=\"{code}\",group=\"{group}\",resource=\"{resource}\",subresource=\"{subresource}\",user=\"{user}\",verb=\"{verb}\"}} {count}"
            );
        }
        text
    }
}
