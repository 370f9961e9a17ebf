//! A move that a person asks for, in names: which order is meant, or why that cannot be told.
//!
//! Knows nothing of offers: whether the order can go where it is wanted is decided with the order itself.

use std::collections::BTreeSet;

use super::{Controls, MigrationState};
use crate::order::OrderIdentity;
use crate::resource::{ClusterName, Gvk};
use crate::time::Timestamp;

/// So many candidates are told.
const MAX_TOLD: usize = 5;
/// The longest name of a move that a person asks for: names of helper objects' namespaces are made from it.
const LONGEST_NAME: usize = 56;

/// What a person asks for, before the broker has taken it up as the record of a move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Name of the object; the record keeps it.
    pub name: String,
    /// Uid.
    pub uid: String,
    /// Version it was read at.
    pub resource_version: String,
    /// When it was made: the older is served first.
    pub created_at: Option<Timestamp>,
    /// Where the order is said to be.
    pub from: End,
    /// Where it shall go.
    pub to: End,
    /// Which order, where its name alone does not say it.
    pub order: Option<OrderName>,
    /// What else the person says.
    pub controls: Controls,
    /// What the person was told last.
    pub told: Option<Answer>,
}

/// One end of a move, as a person writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// The kind of the object there.
    pub gvk: Option<Gvk>,
    /// The order's name.
    pub name: Option<String>,
    /// The order's namespace.
    pub namespace: Option<String>,
    /// The provider: an id, alias or path.
    pub cluster: String,
}

/// An order, as a person writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderName {
    /// The consumer: an id or path.
    pub cluster: String,
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// What is said to a request that is not carried out, or not yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// `Pending` while it waits, `Cancelled` where it never will be.
    pub state: MigrationState,
    /// `PascalCase` reason.
    pub reason: String,
    /// What was found, for the platform's people.
    pub message: String,
}

impl Answer {
    /// It waits, for this.
    pub fn waits(reason: &str, message: impl Into<String>) -> Self {
        Self { state: MigrationState::Pending, reason: reason.to_owned(), message: message.into() }
    }

    /// It is over before it began.
    pub fn cancelled(message: impl Into<String>) -> Self {
        Self {
            state: MigrationState::Cancelled,
            reason: MigrationState::Cancelled.as_str().to_owned(),
            message: message.into(),
        }
    }
}

/// An order that may be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The order.
    pub order: OrderIdentity,
    /// What its consumer is called: ids and paths. The first is told.
    pub consumer: Vec<String>,
    /// What the provider is called whose copy serves it: ids, aliases and paths. The first is told.
    pub provider: Vec<String>,
    /// The kinds it goes by: its own, and that of its copy.
    pub kinds: Vec<Gvk>,
}

impl Candidate {
    fn is_served_by(&self, cluster: &str) -> bool {
        self.provider.iter().any(|name| name == cluster)
    }

    fn is(&self, order: &OrderName) -> bool {
        self.order.key.name == order.name
            && self.consumer.contains(&order.cluster)
            && order.namespace.as_ref().is_none_or(|namespace| *namespace == self.order.key.namespace)
    }

    fn is_of(&self, gvk: &Gvk) -> bool {
        self.kinds.iter().any(|kind| kind.group == gvk.group && kind.kind == gvk.kind)
    }

    fn place(&self) -> String {
        let key = &self.order.key;
        let consumer = self.consumer.first().map_or(key.cluster.as_str(), String::as_str);
        let api = self.order.gvr.group_resource();
        if key.namespace.is_empty() {
            format!("{api} {} of {consumer}", key.name)
        } else {
            format!("{api} {}/{} of {consumer}", key.namespace, key.name)
        }
    }

    fn provider(&self) -> &str {
        self.provider.first().map_or("nobody", String::as_str)
    }
}

impl Request {
    /// The name of the order that is meant; `None` where the request names none, or several.
    pub fn order_name(&self) -> Option<&str> {
        self.consistent().ok()
    }

    /// Which of the candidates is meant: the orders of that name which are assigned.
    ///
    /// # Errors
    /// What is wrong with the names: who asked corrects them, or waits until what they say is there.
    pub fn resolve(&self, candidates: impl IntoIterator<Item = Candidate>) -> Result<OrderIdentity, Answer> {
        let name = self.consistent()?;
        let namespace = self.namespace();
        let mut known: Vec<Candidate> = candidates
            .into_iter()
            .filter(|it| it.order.key.name == name)
            .filter(|it| namespace.is_none_or(|namespace| it.order.key.namespace == namespace))
            .filter(|it| self.order.as_ref().is_none_or(|order| it.is(order)))
            .collect();
        // The same words at every look.
        known.sort_by(|one, other| one.order.cmp(&other.order));
        let called = namespace.map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}"));
        if known.is_empty() {
            let of = self.order.as_ref().map(|order| format!(" of {}", order.cluster)).unwrap_or_default();
            let message = format!("no order {called}{of} is served by anybody");
            return Err(Answer::waits("UnknownOrder", message));
        }
        let from = &self.from.cluster;
        let (there, elsewhere): (Vec<_>, Vec<_>) = known.into_iter().partition(|it| it.is_served_by(from));
        if there.is_empty() {
            let found = listed(elsewhere.iter().map(|it| format!("{} by {}", it.place(), it.provider())));
            let message = format!("no order {called} is served by `{from}`; served are {found}");
            return Err(Answer::waits("NotServedThere", message));
        }
        let (fitting, others): (Vec<_>, Vec<_>) = match &self.from.gvk {
            Some(gvk) => there.into_iter().partition(|it| it.is_of(gvk)),
            None => (there, Vec::new()),
        };
        match fitting.as_slice() {
            [one] => Ok(one.order.clone()),
            [] => {
                let kinds = others.iter().flat_map(|it| &it.kinds).map(ToString::to_string);
                let found = listed(kinds.collect::<BTreeSet<_>>());
                let kind = self.from.gvk.as_ref().map(ToString::to_string).unwrap_or_default();
                let message = format!("spec.from.gvk is {kind}; what `{from}` serves as {called} is {found}");
                Err(Answer::waits("ContradictoryReference", message))
            }
            several => {
                let found = listed(several.iter().map(Candidate::place));
                let message = format!(
                    "{} orders {called} are served by `{from}`: {found}; say in spec.order which one is meant",
                    several.len()
                );
                Err(Answer::waits("AmbiguousOrder", message))
            }
        }
    }

    fn namespace(&self) -> Option<&str> {
        let order = self.order.as_ref().and_then(|order| order.namespace.as_deref());
        order.or(self.from.namespace.as_deref()).or(self.to.namespace.as_deref())
    }

    /// The order's name, where all that is written agrees on it.
    fn consistent(&self) -> Result<&str, Answer> {
        let label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.len() > LONGEST_NAME || !self.name.chars().all(label) {
            let message = format!(
                "the name of a Migration has at most {LONGEST_NAME} of a-z, 0-9 and -: make another one"
            );
            return Err(Answer::waits("InvalidName", message));
        }
        let order = self.order.as_ref();
        let names = [self.from.name.as_deref(), self.to.name.as_deref(), order.map(|it| it.name.as_str())];
        let name = agreed("name", names)?.ok_or_else(|| {
            Answer::waits("UnknownOrder", "no order is named: spec.from.name is its name at the consumer")
        })?;
        let namespaces = [
            self.from.namespace.as_deref(),
            self.to.namespace.as_deref(),
            order.and_then(|order| order.namespace.as_deref()),
        ];
        agreed("namespace", namespaces)?;
        if self.from.cluster == self.to.cluster {
            let message =
                format!("spec.from.clusterName and spec.to.clusterName are both `{}`", self.to.cluster);
            return Err(Answer::waits("ContradictoryReference", message));
        }
        Ok(name)
    }
}

/// The one value of what is written in up to three places.
fn agreed<'a>(field: &str, written: [Option<&'a str>; 3]) -> Result<Option<&'a str>, Answer> {
    let mut values = written.into_iter().flatten();
    let Some(first) = values.next() else { return Ok(None) };
    match values.find(|value| *value != first) {
        None => Ok(Some(first)),
        Some(other) => Err(Answer::waits(
            "ContradictoryReference",
            format!(
                "a move is of one order: as its {field} both `{first}` and `{other}` are written in spec.from, \
                 spec.to or spec.order"
            ),
        )),
    }
}

fn listed(found: impl IntoIterator<Item = String>) -> String {
    let all: Vec<String> = found.into_iter().collect();
    let more = all.len().saturating_sub(MAX_TOLD);
    let told = all.into_iter().take(MAX_TOLD).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{told} and {more} more") } else { told }
}

/// A request that is about one order, and where it wants that to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The request.
    pub request: Request,
    /// The provider that is meant; where nobody with an offer goes by that name, those who do.
    pub target: Result<ClusterName, Vec<String>>,
}

impl Asked {
    /// A request, with the providers that have offers and what each is called. The first name is told.
    pub fn of(request: Request, providers: impl IntoIterator<Item = (ClusterName, Vec<String>)>) -> Self {
        let mut known = Vec::new();
        let mut meant = Vec::new();
        for (cluster, names) in providers {
            if names.contains(&request.to.cluster) {
                meant.push(cluster.clone());
            }
            known.push(names.into_iter().next().unwrap_or_else(|| cluster.to_string()));
        }
        let target = match meant.as_slice() {
            [one] => Ok(one.clone()),
            _ => Err(known),
        };
        Self { request, target }
    }

    /// Why the provider is not known.
    pub(crate) fn unknown_target(&self, known: &[String]) -> Answer {
        let known = listed(known.iter().cloned());
        let message =
            format!("no provider with an offer is called `{}`; there are {known}", self.request.to.cluster);
        Answer::waits("UnknownProvider", message)
    }
}

#[cfg(test)]
mod tests;
