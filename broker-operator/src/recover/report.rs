//! What was found out about one order and done, for people and as `-o json` and `-o yaml` give it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use broker_core::offer::OfferId;
use broker_core::order::recovery::{Candidate, Held, Undecided};
use broker_core::order::{Assignment, Loss};
use broker_core::resource::{ClusterName, ObjectKey};
use broker_kcp::reconcile::{Recovered, Step};
use serde::Serialize;

use crate::explain::OrderName;

/// One order whose record is, or was, lost.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The order.
    order: OrderName,
    /// What is wrong with its record: `Missing`, `Empty`, `Older`, `OtherCopy`; nothing where it fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<&'static str>,
    /// What was done: `Nothing`, `Adopted`, `PlacedAgain`, `Undecided`, `Failed`.
    outcome: &'static str,
    /// Whether nothing was written.
    dry_run: bool,
    /// Why, and what to do.
    message: String,
    /// The Assignment that was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    assignment: Option<String>,
    /// The copy that it names as the one that serves the order.
    #[serde(skip_serializing_if = "Option::is_none")]
    copy: Option<ObjectKey>,
    /// Copies of the order that the broker removes once that one is ready.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    leftovers: Vec<ObjectKey>,
    /// The copies that may serve the order.
    candidates: Vec<Shown>,
    /// Copies that nobody has and that were ordered with the same words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    similar: Vec<ObjectKey>,
    /// The paths of the clusters that are named by id, as far as they are known.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    paths: BTreeMap<ClusterName, String>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    copy: ObjectKey,
    offer: OfferId,
    ready: bool,
    /// Whether what the consumer holds is this copy's: `Yes`, `No`, `Unknown`.
    held: &'static str,
}

impl Report {
    /// The report on an order.
    pub(super) fn new(recovered: &Recovered, dry_run: bool, paths: &BTreeMap<ClusterName, String>) -> Self {
        let (outcome, record) = match &recovered.step {
            Step::Nothing => ("Nothing", None),
            Step::Adopted(record) => ("Adopted", Some(record.as_ref())),
            Step::PlacedAgain => ("PlacedAgain", None),
            Step::Undecided(_) => ("Undecided", None),
            Step::Failed(_) => ("Failed", None),
        };
        let message = message(recovered, dry_run);
        let order = &recovered.order;
        let mut report = Self {
            order: OrderName {
                resource: recovered.api.group_resource(),
                version: recovered.api.version.clone(),
                cluster: Some(order.cluster.clone()),
                namespace: order.namespace.clone(),
                name: order.name.clone(),
            },
            lost: recovered.loss.map(word),
            outcome,
            dry_run,
            message,
            assignment: record.map(|record| record.name.clone()),
            copy: record.and_then(Assignment::serving).map(|copy| copy.key.clone()),
            leftovers: record
                .map(|record| record.leftovers.iter().map(|copy| copy.key.clone()).collect())
                .unwrap_or_default(),
            candidates: recovered.candidates.iter().map(Shown::from).collect(),
            similar: recovered.similar.clone(),
            paths: BTreeMap::new(),
        };
        let mut named: Vec<&ClusterName> = vec![&recovered.order.cluster];
        named.extend(report.candidates.iter().map(|candidate| &candidate.copy.cluster));
        named.extend(report.similar.iter().map(|key| &key.cluster));
        report.paths = named
            .into_iter()
            .filter_map(|cluster| Some((cluster.clone(), paths.get(cluster)?.clone())))
            .collect();
        report
    }

    /// Whether the order's record is not lost any more, or would not be.
    pub(super) fn is_settled(&self) -> bool {
        matches!(self.outcome, "Nothing" | "Adopted" | "PlacedAgain")
    }

    /// The report for people, ending with a line break.
    pub(super) fn text(&self) -> String {
        let order = &self.order;
        let mut text = format!("{}/{}", order.resource, order.name);
        if !order.namespace.is_empty() {
            let _ = write!(text, " in namespace {}", order.namespace);
        }
        if let Some(cluster) = &order.cluster {
            let _ = write!(text, " of {}", self.called(cluster));
        }
        let _ = writeln!(text, ": {}", self.message);
        for candidate in &self.candidates {
            let is = if candidate.ready { "ready" } else { "not ready" };
            let held = match candidate.held {
                "Yes" => "the consumer holds what it provides",
                "No" => "the consumer holds something else",
                _ => "the consumer holds nothing to tell by",
            };
            let mark = if self.copy.as_ref() == Some(&candidate.copy) {
                "serves it"
            } else if self.leftovers.contains(&candidate.copy) {
                "goes once that one is ready"
            } else {
                "found"
            };
            let _ = writeln!(text, "  {}  {mark}: {is}, {held}", self.named(&candidate.copy));
        }
        for key in &self.similar {
            let _ = writeln!(text, "  {}  nobody has it, and its spec is the order's", self.named(key));
        }
        text
    }

    /// A copy as `--copy` takes it.
    fn named(&self, key: &ObjectKey) -> String {
        format!("{}/{}/{}", self.called(&key.cluster), key.namespace, key.name)
    }

    fn called<'r>(&'r self, cluster: &'r ClusterName) -> &'r str {
        self.paths.get(cluster).map_or(cluster.as_str(), String::as_str)
    }
}

impl From<&Candidate> for Shown {
    fn from(candidate: &Candidate) -> Self {
        Self {
            copy: candidate.copy.key.clone(),
            offer: candidate.copy.offer.clone(),
            ready: candidate.ready,
            held: match candidate.held {
                Held::Yes => "Yes",
                Held::No => "No",
                Held::Unknown => "Unknown",
            },
        }
    }
}

fn word(loss: Loss) -> &'static str {
    match loss {
        Loss::Missing => "Missing",
        Loss::Empty => "Empty",
        Loss::Older => "Older",
        Loss::OtherCopy => "OtherCopy",
    }
}

fn message(recovered: &Recovered, dry_run: bool) -> String {
    let wrong = match recovered.loss {
        None => {
            return match &recovered.step {
                Step::Failed(why) => format!("nothing can be told about it: {why}"),
                Step::Nothing | Step::Adopted(_) | Step::PlacedAgain | Step::Undecided(_) => {
                    "its record fits what is there; nothing is changed".to_owned()
                }
            };
        }
        Some(Loss::Missing) => "its record is missing",
        Some(Loss::Empty) => "its record names nothing",
        Some(Loss::Older) => "its record is older than what serves it",
        Some(Loss::OtherCopy) => "its record names a copy in whose place there is another of ours",
    };
    let is = if dry_run { "would be" } else { "is" };
    let done = match &recovered.step {
        Step::Nothing => "nothing is changed".to_owned(),
        Step::Adopted(record) => {
            let verb = if record.uid.is_empty() { "written anew" } else { "replaced" };
            format!("Assignment {} {is} {verb}", record.name)
        }
        Step::PlacedAgain => format!("what kept it from being placed {is} removed; it {is} placed anew"),
        Step::Failed(why) => format!("writing it failed: {why}; asking again is safe"),
        Step::Undecided(Undecided::NothingFound) if recovered.similar.is_empty() => {
            "no copy of it is found. Name one with --copy, or have it placed anew with --place-again".to_owned()
        }
        Step::Undecided(Undecided::NothingFound) => {
            "no copy is known to be its. If one of these is, name it with --copy; if none is, have it placed anew with --place-again"
                .to_owned()
        }
        Step::Undecided(Undecided::Ambiguous) => {
            "several copies may serve it, and nothing tells which does: name one with --copy. The others go once it is ready"
                .to_owned()
        }
        Step::Undecided(Undecided::NoSuchCopy) => {
            "what --copy names is not there, or belongs to an order that is there".to_owned()
        }
        Step::Undecided(Undecided::Unreachable(clusters)) => {
            let clusters: Vec<&str> = clusters.iter().map(ClusterName::as_str).collect();
            let which = if clusters.is_empty() { String::new() } else { format!(" ({})", clusters.join(", ")) };
            format!("providers that may hold a copy of it do not answer{which}: ask again when they do, or name a copy with --copy")
        }
        Step::Undecided(Undecided::TooMany) => {
            "it has more copies than a record can name: remove those that nobody needs".to_owned()
        }
    };
    format!("{wrong}; {done}")
}
