//! The objects that a provider hands over with a copy, and what becomes of them at the consumer.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::fingerprint::{FINGERPRINT_ANNOTATION, fingerprint};
use crate::order::{CopyRef, Policy, Provided, World};
use crate::resource::{Gvk, Object, ObjectKey, ObjectRef, marker};

/// One entry of a copy's `status.relatedResources`, as the provider wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelatedReference {
    /// The key of the entry.
    pub key: String,
    /// The object it names, in the provider's cluster.
    pub target: ObjectRef,
}

/// Why an entry is not handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelatedRefusal {
    /// The entry cannot be read, or its key cannot become part of a name.
    Malformed,
    /// The kind is not among the API's `relatedKinds`.
    Kind(String),
    /// It is in another namespace than the copy.
    Namespace,
    /// It belongs to another copy.
    NotOwned,
    /// It is missing, or lacks the managed label.
    Missing,
}

impl RelatedRefusal {
    /// What the consumer and the platform are told; names nothing of other parties.
    pub fn message(&self, key: &str) -> String {
        match self {
            Self::Malformed => {
                format!("the provider's entry `{key}` in status.relatedResources cannot be read")
            }
            Self::Kind(kind) => {
                format!("the provider names an object of kind {kind} as `{key}`, which is not handed over")
            }
            Self::Namespace => {
                format!("the provider names an object outside the copy's namespace as `{key}`")
            }
            Self::NotOwned => format!("the provider names an object as `{key}` that belongs to another copy"),
            Self::Missing => {
                format!(
                    "the object that the provider names as `{key}` is missing or lacks the label {}",
                    marker::MANAGED_LABEL
                )
            }
        }
    }

    /// Whether it may yet be right without anybody's doing: the object is expected to appear.
    pub const fn is_pending(&self) -> bool {
        matches!(self, Self::Missing)
    }
}

/// What the serving copy hands over.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Handed {
    /// By key: the object at the consumer and what it must be.
    pub wanted: BTreeMap<String, (ObjectRef, Object)>,
    /// By key: what is not handed over, and why.
    pub refused: BTreeMap<String, RelatedRefusal>,
}

/// What a copy names in `status.relatedResources`, readable or not. Used by the observer, too, to know what to read.
pub fn references(copy: &Object, at: &CopyRef) -> BTreeMap<String, Result<RelatedReference, RelatedRefusal>> {
    let Some(Value::Object(entries)) = copy.get(&["status", "relatedResources"]) else {
        return BTreeMap::new();
    };
    entries.iter().map(|(key, entry)| (key.clone(), reference(key, entry, at))).collect()
}

fn reference(key: &str, entry: &Value, at: &CopyRef) -> Result<RelatedReference, RelatedRefusal> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let gvk = entry.get("gvk");
    let group = text(gvk.and_then(|gvk| gvk.get("group")));
    let kind = Gvk {
        group: if group == "core" { String::new() } else { group },
        version: text(gvk.and_then(|gvk| gvk.get("version"))),
        kind: text(gvk.and_then(|gvk| gvk.get("kind"))),
    };
    let name = text(entry.get("name"));
    if name.is_empty() || kind.kind.is_empty() || !is_label(key) {
        return Err(RelatedRefusal::Malformed);
    }
    let namespace = text(entry.get("namespace"));
    if !namespace.is_empty() && namespace != at.key.namespace {
        return Err(RelatedRefusal::Namespace);
    }
    let key_at = ObjectKey { cluster: at.key.cluster.clone(), namespace: at.key.namespace.clone(), name };
    Ok(RelatedReference { key: key.to_owned(), target: ObjectRef { gvk: kind, key: key_at } })
}

/// What the consumer must hold while `copy` serves the order.
pub fn desired_related(world: &World<'_>, assignment: &str, at: &CopyRef, copy: &Object) -> Handed {
    let mut handed = Handed::default();
    for (key, entry) in references(copy, at) {
        match entry.and_then(|reference| mirror(world, assignment, at, &reference)) {
            Ok(wanted) => {
                handed.wanted.insert(key, wanted);
            }
            Err(refusal) => {
                handed.refused.insert(key, refusal);
            }
        }
    }
    handed
}

fn mirror(
    world: &World<'_>,
    assignment: &str,
    at: &CopyRef,
    reference: &RelatedReference,
) -> Result<(ObjectRef, Object), RelatedRefusal> {
    let named = &reference.target.gvk;
    let gvk = allowed_kind(world.policy, named).ok_or_else(|| RelatedRefusal::Kind(named.kind.clone()))?;
    let target = ObjectRef { gvk: gvk.clone(), key: reference.target.key.clone() };
    let Some(Provided::Present { object, shared }) = world.provided.get(&target) else {
        return Err(RelatedRefusal::Missing);
    };
    if *shared && !owned_by(object, at) || belongs_to_another(object, at) {
        return Err(RelatedRefusal::NotOwned);
    }
    let order = &world.identity;
    let name =
        world.policy.related_name.replace("${order}", &order.key.name).replace("${key}", &reference.key);
    let mut wanted = Object::named(gvk, &order.key.namespace, &name);
    for (field, value) in object.fields() {
        if !matches!(field.as_str(), "apiVersion" | "kind" | "metadata" | "status") {
            wanted.fields_mut().insert(field.clone(), value.clone());
        }
    }
    let labels = json!({ marker::MANAGED_LABEL: marker::MANAGED_VALUE, marker::ORDER_LABEL: assignment });
    wanted.set(&["metadata", "labels"], labels);
    let owner = json!({
        "apiVersion": world.policy.gvk().api_version(),
        "kind": world.policy.kind,
        "name": order.key.name,
        "uid": order.uid,
    });
    wanted.set(&["metadata", "ownerReferences"], Value::Array(vec![owner]));
    wanted.set(&["metadata", "annotations", marker::KEY_ANNOTATION], reference.key.clone().into());
    let print = fingerprint(&Value::Object(wanted.fields().clone()));
    wanted.set(&["metadata", "annotations", FINGERPRINT_ANNOTATION], print.into());
    let key = ObjectKey { cluster: order.key.cluster.clone(), namespace: order.key.namespace.clone(), name };
    Ok((ObjectRef { gvk: gvk.clone(), key }, wanted))
}

/// The API's own spelling of a kind that a provider names; a missing version is the API's.
fn allowed_kind<'p>(policy: &'p Policy, named: &Gvk) -> Option<&'p Gvk> {
    policy.related_kinds.iter().find(|kind| {
        kind.kind == named.kind
            && kind.group == named.group
            && (named.version.is_empty() || kind.version == named.version)
    })
}

fn owner_uids<'o>(object: &'o Object, at: &'o CopyRef) -> impl Iterator<Item = &'o str> {
    let text =
        |map: &'o Map<String, Value>, key: &str| map.get(key).and_then(Value::as_str).unwrap_or_default();
    let owners = object.get(&["metadata", "ownerReferences"]).and_then(Value::as_array).into_iter().flatten();
    owners.filter_map(Value::as_object).filter_map(move |owner| {
        let same_kind = text(owner, "kind") == at.kind
            && text(owner, "apiVersion").split_once('/').map_or("", |(group, _)| group) == at.gvr.group;
        same_kind.then(|| text(owner, "uid"))
    })
}

fn owned_by(object: &Object, at: &CopyRef) -> bool {
    owner_uids(object, at).any(|uid| Some(uid) == at.uid.as_deref())
}

/// Owned by an object of the copy's kind, but not by this copy.
fn belongs_to_another(object: &Object, at: &CopyRef) -> bool {
    owner_uids(object, at).next().is_some() && !owned_by(object, at)
}

/// Whether the text can be part of a name: lower-case letters, digits and `-`, beginning and ending with neither `-`.
fn is_label(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= 63
        && text.starts_with(plain)
        && text.ends_with(plain)
        && text.chars().all(|c| plain(c) || c == '-')
}
