//! How the caches can be asked: by mark, by what a status names, by what a record names.

use std::collections::BTreeSet;

use broker_core::migration::MigrationState;
use broker_core::resource::{ClusterName, Object, ObjectKey, marker};
use serde_json::Value;

use super::routes::{OrderKey, order_of};
use crate::fleet::Indexes;
use crate::record::is_request;
use crate::store::Index;

/// Orders, copies and related objects by the assignment that their mark names.
pub(super) const BY_MARK: &str = "mark";
/// Orders and copies by the objects that their status hands over.
pub(super) const BY_RELATED: &str = "related";
/// Assignments by their order.
pub(super) const BY_ORDER: &str = "order";
/// Assignments by their copies.
pub(super) const BY_COPY: &str = "copy";
/// Assignments by the offers that have a place for them.
pub(super) const BY_OFFER: &str = "offer";
/// Assignments by the name of their order, in whatever cluster and namespace.
pub(super) const BY_NAME: &str = "name";
/// What people ask for and nobody took up: under the names of the orders that may be meant, and all under [`ANY`].
pub(super) const BY_ASKED: &str = "asked";
/// The text under which everything that is asked for is found; no order has that name.
pub(super) const ANY: &str = "*";

/// Assignments by what keeps their orders from moving, or else says how they are.
pub(super) const BY_REASON: &str = "reason";
/// Assignments by the clusters of their copies.
pub(super) const BY_CLUSTER: &str = "cluster";
/// Assignments by the API, the consumer, the phase and the reason that count for a census; see [`Standing`].
pub(super) const BY_STANDING: &str = "standing";
/// Moves that have not ended, all under [`ANY`].
pub(super) const BY_ACTIVE: &str = "active";

/// The indexes that observation needs.
pub const INDEXES: Indexes = Indexes {
    orders: &[Index { name: BY_MARK, texts: mark }, Index { name: BY_RELATED, texts: related }],
    related: &[Index { name: BY_MARK, texts: mark }],
    assignments: &[
        Index { name: BY_ORDER, texts: order },
        Index { name: BY_COPY, texts: copies },
        Index { name: BY_OFFER, texts: offer },
        Index { name: BY_REASON, texts: reason },
        Index { name: BY_NAME, texts: name },
        Index { name: BY_CLUSTER, texts: clusters },
        Index { name: BY_STANDING, texts: standing },
    ],
    migrations: &[
        Index { name: BY_MARK, texts: mark },
        Index { name: BY_ASKED, texts: asked },
        Index { name: BY_ACTIVE, texts: active },
    ],
};

/// The text under which an object of a kind is found by [`BY_RELATED`].
pub(super) fn related_text(kind: &str, key: &ObjectKey) -> String {
    format!("{kind} {key}")
}

/// The text under which an assignment is found by [`BY_ORDER`] and [`BY_COPY`]; `api` is `<resource>.<group>`.
pub(super) fn object_text(api: &str, key: &ObjectKey) -> String {
    format!("{api} {key}")
}

/// The order that an assignment found by [`BY_ORDER`] is about, by the text it was found under.
pub(super) fn order_of_text(text: &str) -> Option<OrderKey> {
    let (api, key) = text.split_once(' ')?;
    // Neither a namespace nor a name has any of these.
    let (cluster, name) = key.rsplit_once('|')?;
    let (namespace, name) = name.split_once('/').unwrap_or(("", name));
    (!name.is_empty())
        .then(|| OrderKey { api: api.to_owned(), key: ObjectKey::new(cluster, namespace, name) })
}

/// How the order of an assignment counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// The API, as `<resource>.<group>`.
    pub(super) api: String,
    /// Whose order it is.
    pub(super) consumer: ClusterName,
    /// The phase, empty where nothing is said yet.
    pub(super) phase: String,
    /// The reason of the condition `Ready`, where there is one.
    pub(super) reason: Option<String>,
}

impl Standing {
    /// What the text of [`BY_STANDING`] begins with for orders of an API.
    pub(super) fn beginning(api: &str) -> String {
        format!("{api}\t")
    }

    /// Reads a text of [`BY_STANDING`].
    pub(super) fn of_text(text: &str) -> Option<Self> {
        let mut words = text.splitn(4, '\t');
        let (api, consumer, phase, reason) = (words.next()?, words.next()?, words.next()?, words.next()?);
        Some(Self {
            api: api.to_owned(),
            consumer: consumer.into(),
            phase: phase.to_owned(),
            reason: Some(reason.to_owned()).filter(|reason| !reason.is_empty()),
        })
    }
}

fn standing(_: &ObjectKey, object: &Object) -> Vec<String> {
    let Some(OrderKey { api, key }) = order_of(object) else { return Vec::new() };
    let phase = object.text(&["status", "phase"]).unwrap_or_default();
    let reason = object.condition("Ready").map(|condition| condition.reason).unwrap_or_default();
    vec![format!("{}{}\t{phase}\t{reason}", Standing::beginning(&api), key.cluster)]
}

fn clusters(_: &ObjectKey, object: &Object) -> Vec<String> {
    let named: BTreeSet<&str> =
        copies_of(object).filter_map(|copy| copy.get("clusterName")?.as_str()).collect();
    named.into_iter().map(str::to_owned).collect()
}

fn active(_: &ObjectKey, object: &Object) -> Vec<String> {
    let state = object.text(&["status", "state"]).and_then(MigrationState::from_text).unwrap_or_default();
    if is_request(object) || state.is_final() { Vec::new() } else { vec![ANY.to_owned()] }
}

fn mark(_: &ObjectKey, object: &Object) -> Vec<String> {
    object.label(marker::ORDER_LABEL).map(str::to_owned).into_iter().collect()
}

/// A status names objects of its own namespace and cluster only; what else it may say is refused elsewhere.
fn related(key: &ObjectKey, object: &Object) -> Vec<String> {
    let entries = object.get(&["status", "relatedResources"]).and_then(Value::as_object);
    entries
        .into_iter()
        .flat_map(serde_json::Map::values)
        .filter_map(|entry| {
            let kind = entry.pointer("/gvk/kind")?.as_str()?;
            let name = entry.get("name")?.as_str()?;
            let at = ObjectKey {
                cluster: key.cluster.clone(),
                namespace: key.namespace.clone(),
                name: name.to_owned(),
            };
            Some(related_text(kind, &at))
        })
        .collect()
}

fn order(_: &ObjectKey, object: &Object) -> Vec<String> {
    let text = |key: &str| object.text(&["spec", "order", key]).unwrap_or_default();
    let gvr = |key: &str| object.text(&["spec", "order", "gvr", key]).unwrap_or_default();
    let api = group_resource(gvr("group"), gvr("resource"));
    vec![object_text(&api, &ObjectKey::new(text("clusterName"), text("namespace"), text("name")))]
}

fn copies(_: &ObjectKey, object: &Object) -> Vec<String> {
    copies_of(object)
        .map(|copy| {
            let text = |pointer: &str| copy.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let api = group_resource(text("/gvk/group"), text("/resource"));
            object_text(&api, &ObjectKey::new(text("/clusterName"), text("/namespace"), text("/name")))
        })
        .collect()
}

/// Everything that an assignment names as a copy.
fn copies_of(assignment: &Object) -> impl Iterator<Item = &Value> {
    let lists = ["copies", "leftovers"].into_iter();
    lists.filter_map(|field| assignment.get(&["spec", field])?.as_array()).flatten()
}

fn reason(_: &ObjectKey, object: &Object) -> Vec<String> {
    object.condition("Ready").map(|condition| condition.reason).into_iter().collect()
}

fn name(_: &ObjectKey, object: &Object) -> Vec<String> {
    object.text(&["spec", "order", "name"]).map(str::to_owned).into_iter().collect()
}

fn asked(_: &ObjectKey, object: &Object) -> Vec<String> {
    if !is_request(object) {
        return Vec::new();
    }
    let names = ["from", "to", "order"].map(|end| object.text(&["spec", end, "name"]));
    let names: BTreeSet<&str> = names.into_iter().flatten().chain([ANY]).collect();
    names.into_iter().map(str::to_owned).collect()
}

fn offer(_: &ObjectKey, object: &Object) -> Vec<String> {
    offers_of(object).iter().map(ObjectKey::to_string).collect()
}

/// The offer that serves an assignment's order, and those of its copies: while it moves, it has a place with both.
pub(super) fn offers_of(assignment: &Object) -> BTreeSet<ObjectKey> {
    let serving = assignment.get(&["spec", "offer"]);
    let copies = assignment.get(&["spec", "copies"]).and_then(Value::as_array);
    let offers = serving.into_iter().chain(copies.into_iter().flatten().filter_map(|copy| copy.get("offer")));
    offers
        .map(|offer| {
            let text = |key: &str| offer.get(key).and_then(Value::as_str).unwrap_or_default();
            ObjectKey::new(text("clusterName"), text("namespace"), text("name"))
        })
        .collect()
}

fn group_resource(group: &str, resource: &str) -> String {
    if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") }
}
