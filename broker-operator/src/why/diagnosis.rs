//! One sentence about what is wrong with an order, what it follows from, and what to run next. Pure.

use std::fmt::Write as _;
use std::time::Duration;

use broker_core::resource::ClusterName;
use serde::Serialize;

use crate::explain::Report;
use crate::platform::{age, order_title};
use crate::status::OrderStatus;
use crate::status::tree::{Copy, CopyState, Move};

/// Who leads the brokers of the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lead {
    /// Nobody holds the Lease. (Nor does one that runs with elections switched off.)
    Nobody,
    /// Somebody, who shows signs of life.
    Held {
        /// Who.
        holder: String,
    },
    /// Somebody, who has shown none for longer than the Lease lasts.
    Silent {
        /// Who.
        holder: String,
        /// For how long.
        silent: Duration,
    },
}

/// What is wrong with an order.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnosis {
    /// The order, for people.
    pub order: String,
    /// One stable word: the reason of the order's condition `Brokered`, or `NoBroker`, `BrokerBehind`, `ProviderAtWork`
    /// or `NotReady` where that does not tell it.
    pub reason: String,
    /// What it means.
    pub diagnosis: String,
    /// What it follows from.
    pub evidence: Vec<String>,
    /// Commands to run next, the most likely first.
    pub next: Vec<String>,
}

impl Diagnosis {
    /// Whether nothing is wrong.
    pub fn is_well(&self) -> bool {
        self.reason == WELL
    }

    /// For people; ends with a line break.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{}\n{}: {}\n", self.order, self.reason, self.diagnosis);
        for (title, lines) in [("Because", &self.evidence), ("Run next", &self.next)] {
            if lines.is_empty() {
                continue;
            }
            let _ = writeln!(text, "\n{title}:");
            for line in lines {
                let _ = writeln!(text, "  {line}");
            }
        }
        text
    }
}

/// The reason of an order that is served.
const WELL: &str = "Bound";

/// What each reason means, for those who run the platform.
pub(super) const MEANINGS: &[(&str, &str)] = &[
    ("NoMatchingOffer", "no offer takes the order as it is"),
    ("NotReady", "the provider did not make it ready in time"),
    ("Migrating", "the order moves to another provider"),
    ("RolledBack", "the order goes back to the provider that served it before"),
    ("MoveFailed", "the order should move, and the move failed"),
    ("NoPlaybook", "the order should move; it holds data, and no playbook says how to move it"),
    ("AmbiguousPlaybook", "the order should move, and two playbooks fit it equally well"),
    ("FenceRequired", "the order should move, and its playbook copies data without holding writes up"),
    ("NoComputeCluster", "the order should move, and there is no cluster for its playbook's helpers"),
    ("MovesHalted", "the order should move; too many orders do at the moment, or too many moves failed"),
    ("MigrationDisabled", "the order should move, and moves are switched off"),
    ("ForeignObject", "an object of the consumer's own has the name that something of the order needs"),
    ("RelatedObjectMissing", "the provider names an object that is not there, or is not labelled as managed"),
    ("RelatedObjectRefused", "the provider names an object that is not handed over"),
    ("RelatedTypeDiffers", "a Secret of the order would have to change its type, which cannot be"),
    ("CopyRefused", "the provider's workspace refuses the copy"),
    ("CopyLost", "what was provided was deleted by somebody else"),
    ("NotTranslated", "the order cannot be put into the provider's own terms"),
    ("ProviderUnreachable", "the provider does not answer"),
    ("AssignmentLost", "the record of who serves the order is missing, or does not fit what is there"),
    ("Paused", "the order is paused by its annotation: nothing is changed for it"),
    ("Terminating", "the order is being deleted, and something of it is left"),
];

/// What is wrong with an order, as it stands.
pub(super) fn diagnose(status: &OrderStatus, explained: Option<&Report>, lead: &Lead) -> Diagnosis {
    let mut found = Diagnosis {
        order: order_title(&status.order, status.path.as_deref()),
        reason: status.next.reason.to_owned(),
        diagnosis: String::new(),
        evidence: Vec::new(),
        next: Vec::new(),
    };
    if !status.next.planned.is_empty() {
        behind(status, lead, &mut found);
        return found;
    }
    let serving = status.serving().or_else(|| status.assignment.iter().flat_map(|it| &it.copies).next());
    if found.reason == WELL {
        match serving {
            Some(copy) if copy.state != CopyState::Ready => at_work(copy, &mut found),
            Some(_) | None => "the order is served; nothing is to be done".clone_into(&mut found.diagnosis),
        }
        return found;
    }
    let meaning = MEANINGS.iter().find(|(reason, _)| *reason == found.reason);
    found.diagnosis = meaning.map_or_else(|| status.next.message.clone(), |(_, text)| (*text).to_owned());
    if !status.next.message.is_empty() && status.next.message != found.diagnosis {
        found.evidence.push(status.next.message.clone());
    }
    if let Some(explained) = explained.filter(|it| it.chosen.is_none()) {
        found.evidence.extend(explained.why.misses.iter().map(ToString::to_string));
    }
    for copy in status.assignment.iter().flat_map(|it| &it.copies) {
        found.evidence.push(about(copy));
    }
    // One that is completed is no trouble any more.
    if let Some(last) = status.moves.last().filter(|last| last.state != "Completed") {
        found.evidence.push(format!("Migration {} is {}: {}", last.name, last.state, last.message));
    }
    found.next = commands(status, &found.reason, serving);
    found
}

/// A broker would write something now: either none is at work, or it is about to.
fn behind(status: &OrderStatus, lead: &Lead, found: &mut Diagnosis) {
    let planned = status.next.planned.join(", ");
    found.evidence.push(format!("a broker would do now: {planned}"));
    let logs = "kubectl logs -n platform-mesh-system deployment/resource-broker | grep -i routing".to_owned();
    match lead {
        Lead::Held { holder } => {
            "BrokerBehind".clone_into(&mut found.reason);
            "the broker has not come to it yet, or its writes are refused".clone_into(&mut found.diagnosis);
            found.evidence.push(format!("{holder} holds the Lease and shows signs of life"));
        }
        Lead::Silent { holder, silent } => {
            "NoBroker".clone_into(&mut found.reason);
            "no broker is at work".clone_into(&mut found.diagnosis);
            let silent = age(silent.as_secs());
            found
                .evidence
                .push(format!("{holder} holds the Lease and has shown no sign of life for {silent}"));
        }
        Lead::Nobody => {
            "NoBroker".clone_into(&mut found.reason);
            "no broker is at work, unless one runs with elections switched off"
                .clone_into(&mut found.diagnosis);
            found.evidence.push("nobody holds the Lease resource-broker".to_owned());
        }
    }
    found.next = vec!["kubectl get pods -n platform-mesh-system".to_owned(), logs];
}

/// The broker has done its part.
fn at_work(copy: &Copy, found: &mut Diagnosis) {
    let (reason, diagnosis) = match copy.state {
        CopyState::NotReady => ("NotReady", "the provider says that it is not ready"),
        CopyState::Ready
        | CopyState::Progressing
        | CopyState::Deleting
        | CopyState::Absent
        | CopyState::Unknown
        | CopyState::Gone => ("ProviderAtWork", "the provider has not made it ready yet"),
    };
    reason.clone_into(&mut found.reason);
    diagnosis.clone_into(&mut found.diagnosis);
    found.evidence.push(about(copy));
    found.next.push(look_at(copy));
}

/// A copy in one line, with what its provider says.
fn about(copy: &Copy) -> String {
    let mut text = format!("copy {} at {} is {:?}", copy.name, copy.provider, copy.state);
    if let Some(since) = &copy.silent_since {
        let _ = write!(text, "; its provider has not answered since {since}");
    }
    for condition in copy.conditions.iter().filter(|condition| condition.status != "True") {
        let _ = write!(text, "; {} is {}", condition.kind, condition.status);
        let words = [condition.reason.as_str(), condition.message.as_str()];
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        if !words.is_empty() {
            let _ = write!(text, " ({})", words.join(": "));
        }
    }
    text
}

/// How the provider's people look at a copy.
fn look_at(copy: &Copy) -> String {
    let Copy { kind, name, namespace, provider, .. } = copy;
    format!("kubectl get {} {name} -n {namespace} -o yaml   # in {provider}", kind.to_lowercase())
}

/// What to run next, for each reason.
fn commands(status: &OrderStatus, reason: &str, serving: Option<&Copy>) -> Vec<String> {
    let order = named(status);
    let cluster = status.path.clone().or_else(|| status.order.cluster.as_ref().map(ToString::to_string));
    let cluster = cluster.unwrap_or_default();
    let last = status.moves.last().map_or("MIGRATION", |it| it.name.as_str());
    let api = &status.order.resource;
    let of_consumer = |verb: &str| format!("kubectl {verb}   # in {cluster}");
    let limits = format!("kubectl get brokeredapi {api} -o yaml   # spec.limits");
    let look = serving.map(look_at);
    match reason {
        "NoMatchingOffer" => {
            vec![format!("resource-broker explain {order}"), "resource-broker offers".to_owned()]
        }
        "Migrating" | "RolledBack" => vec![format!("resource-broker migrate watch {last}")],
        "MoveFailed" => failed(status.moves.last(), last),
        "NoPlaybook" | "AmbiguousPlaybook" | "FenceRequired" => vec![
            "kubectl get migrationconfigurations".to_owned(),
            "resource-broker validate PLAYBOOK.yaml".to_owned(),
        ],
        "NoComputeCluster" => vec!["resource-broker run --compute-kubeconfig FILE".to_owned()],
        "MovesHalted" => vec!["kubectl get migrations".to_owned(), limits],
        "MigrationDisabled" => {
            let enable =
                "kubectl set env -n platform-mesh-system deployment/resource-broker ENABLE_MIGRATION=true";
            vec![enable.to_owned()]
        }
        "ProviderUnreachable" => {
            let mut next = vec!["resource-broker offers".to_owned()];
            next.extend(serving.map(|copy| format!("resource-broker drain {}", copy.provider)));
            next
        }
        "AssignmentLost" => vec![format!("resource-broker recover {order} --dry-run")],
        "Paused" => {
            let key = broker_core::resource::marker::PAUSED_ANNOTATION;
            vec![of_consumer(&format!("annotate {api} {} {key}-", status.order.name))]
        }
        "ForeignObject" | "RelatedTypeDiffers" => vec![of_consumer("get secrets,configmaps")],
        "Terminating" => vec![format!("resource-broker status {order}")],
        _ => look.into_iter().collect(),
    }
}

/// A move that failed: before the switch it is tried again by itself, after it a person decides.
fn failed(last: Option<&Move>, name: &str) -> Vec<String> {
    let watch = format!("kubectl get migration {name} -o yaml");
    if last.is_some_and(|it| it.switched_at.is_some()) {
        return vec![
            watch,
            format!("resource-broker migrate approve {name}   # take it as it is"),
            format!(
                "resource-broker migrate rollback {name} --allow-loss   # give up what was written since"
            ),
        ];
    }
    vec![watch]
}

/// The order as arguments of a command.
fn named(status: &OrderStatus) -> String {
    let order = &status.order;
    let mut text = format!("{}/{}", order.resource, order.name);
    if !order.namespace.is_empty() {
        let _ = write!(text, " -n {}", order.namespace);
    }
    if let Some(cluster) = status.path.as_deref().or(order.cluster.as_ref().map(ClusterName::as_str)) {
        let _ = write!(text, " --cluster {cluster}");
    }
    text
}
