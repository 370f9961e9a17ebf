//! Who may read what: SECURITY.md, "What is told where", as a function.

use std::collections::{BTreeMap, BTreeSet};

use super::token::{Found, Owner, Spot, search};

/// Where somebody reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The workspace of a consumer.
    Consumer(usize),
    /// The workspace of a provider.
    Provider(usize),
    /// The workspace of the platform.
    Platform,
    /// The log, and what waits in the queues.
    Log,
    /// The metrics, and whether it is ready.
    Metrics,
    /// Why the order of this consumer is where it is.
    Explain(usize),
    /// A bundle for a bug report.
    Bundle,
    /// The same with `--keep-names`.
    BundleWithNames,
}

/// Who was served by whom, as far as anybody may know.
#[derive(Clone, Debug, Default)]
pub(super) struct Truth {
    /// Providers that may hold the spec of a consumer's order.
    pub(super) served: BTreeMap<usize, BTreeSet<usize>>,
    /// The Secrets that were made for a consumer's order; `None` before that is looked at.
    pub(super) secrets: Option<BTreeMap<usize, BTreeSet<String>>>,
    /// What else tells whose something is: ids of clusters, uids, numbers in specs.
    pub(super) traces: BTreeMap<usize, Vec<String>>,
}

impl Truth {
    /// What a text has that does not belong into its place.
    pub(super) fn leaks(&self, place: Place, text: &str) -> Vec<String> {
        let found = search(text).into_iter().filter(|found| !self.belongs(place, found));
        let mut leaks: Vec<String> = found.map(|found| format!("{place:?}: {}", found.text)).collect();
        for (consumer, traces) in &self.traces {
            if is_known(place, *consumer) {
                continue;
            }
            let there = traces.iter().filter(|trace| text.contains(trace.as_str()));
            leaks.extend(there.map(|trace| format!("{place:?}: {trace} of consumer {consumer}")));
        }
        leaks
    }

    fn belongs(&self, place: Place, found: &Found) -> bool {
        let Some(owner) = found.owner else { return false };
        match (place, owner, found.spot) {
            (_, _, Spot::Unknown) => false,
            (Place::Consumer(reader), Owner::Consumer(of), _)
            | (Place::Provider(reader), Owner::Provider(of), _) => reader == of,
            (Place::Consumer(reader), Owner::Provider(_), Spot::Secret) => match &self.secrets {
                Some(made) => made.get(&reader).is_some_and(|made| made.contains(&found.text)),
                None => true,
            },
            (Place::Provider(reader), Owner::Consumer(of), Spot::Spec) => {
                self.served.get(&of).is_some_and(|served| served.contains(&reader))
            }
            (
                Place::Platform,
                Owner::Consumer(_),
                Spot::Name | Spot::Namespace | Spot::Workspace | Spot::Zone,
            )
            | (
                Place::Log | Place::BundleWithNames,
                Owner::Consumer(_),
                Spot::Name | Spot::Namespace | Spot::Workspace,
            )
            | (
                Place::Platform
                | Place::Log
                | Place::Metrics
                | Place::Explain(_)
                | Place::Bundle
                | Place::BundleWithNames,
                Owner::Provider(_),
                Spot::Offer | Spot::Workspace,
            ) => true,
            (
                Place::Explain(asked),
                Owner::Consumer(of),
                Spot::Name | Spot::Namespace | Spot::Workspace | Spot::Zone,
            ) => asked == of,
            _ => false,
        }
    }
}

/// Whether ids of a consumer may be read there.
fn is_known(place: Place, consumer: usize) -> bool {
    match place {
        Place::Platform | Place::Log | Place::BundleWithNames => true,
        Place::Consumer(reader) | Place::Explain(reader) => reader == consumer,
        Place::Provider(_) | Place::Metrics | Place::Bundle => false,
    }
}
