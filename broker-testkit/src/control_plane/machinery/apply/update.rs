//! Moving ownership along with values: conflicts, take-over, pruning of what is no longer applied.

use super::managed::{Owner, Owners};
use super::set::FieldSet;
use super::typed::{Comparison, field_set, remove};
use super::{ApplyError, Cause, Writer};
use crate::control_plane::machinery::schema::Schema;
use crate::control_plane::machinery::schema::node::Node;
use crate::control_plane::sabotage::{self, Bug};
use serde_json::Value;
use std::sync::LazyLock;

/// Metadata that only the server writes, and that nobody owns.
static NOBODYS: LazyLock<FieldSet> = LazyLock::new(|| {
    FieldSet::of(&[
        &["apiVersion"],
        &["kind"],
        &["metadata"],
        &["metadata", "name"],
        &["metadata", "namespace"],
        &["metadata", "creationTimestamp"],
        &["metadata", "selfLink"],
        &["metadata", "uid"],
        &["metadata", "clusterName"],
        &["metadata", "generation"],
        &["metadata", "managedFields"],
        &["metadata", "resourceVersion"],
    ])
});

/// What another owner would lose.
#[derive(Debug, Clone)]
pub(super) struct Conflict {
    owner: Owner,
    set: FieldSet,
}

impl Conflict {
    /// The conflict without some fields; `None` if nothing is left of it.
    pub(super) fn without(self, fields: &FieldSet) -> Option<Self> {
        let set = self.set.difference(fields);
        (!set.is_empty()).then_some(Self { owner: self.owner, set })
    }
}

/// The set without what nobody owns.
pub(super) fn strip(set: &FieldSet) -> FieldSet {
    set.difference(&NOBODYS)
}

/// The top-level fields that this endpoint neither writes nor owns.
pub(super) fn foreign_fields(schema: &Schema, writer: Writer<'_>) -> &'static [&'static str] {
    match (writer.subresource, writer.status_subresource) {
        ("status", _) if schema.is_native() => &["spec"],
        ("status", _) => &["metadata", "spec"],
        ("", true) => &["status"],
        _ => &[],
    }
}

fn comparison(old: &Value, new: &Value, schema: &Schema, writer: Writer<'_>) -> Comparison {
    let comparison = Comparison::between(old, new, schema.root());
    foreign_fields(schema, writer)
        .iter()
        .fold(comparison, |comparison, field| comparison.without_field(field))
}

/// What the owners other than `applier` would lose by going from `old` to `new`.
pub(super) fn conflicts(
    old: &Value,
    new: &Value,
    owners: &Owners,
    applier: &Owner,
    schema: &Schema,
    writer: Writer<'_>,
) -> Vec<Conflict> {
    let comparison = comparison(old, new, schema, writer);
    let changed = comparison.modified.union(&comparison.added);
    owners
        .iter()
        .filter(|(owner, _)| *owner != applier)
        .map(|(owner, owned)| Conflict { owner: owner.clone(), set: owned.set.intersection(&changed) })
        .filter(|conflict| !conflict.set.is_empty())
        .collect()
}

/// Takes what changes from all owners but `writer`'s own entry, and gives back what changed.
pub(super) fn update(
    old: &Value,
    new: &Value,
    owners: &mut Owners,
    own: Option<&Owner>,
    schema: &Schema,
    writer: Writer<'_>,
) -> Comparison {
    let comparison = comparison(old, new, schema, writer);
    let lost = comparison.modified.union(&comparison.added).union(&comparison.removed);
    for (owner, owned) in owners.iter_mut() {
        if Some(owner) != own {
            owned.set = owned.set.difference(&lost);
        }
    }
    owners.retain(|owner, owned| Some(owner) == own || !owned.set.is_empty());
    comparison
}

/// Removes what the applier applied last time, does not apply now, and nobody else owns.
pub(super) fn prune(merged: &Value, owners: &Owners, last: Option<&FieldSet>, root: &Node) -> Value {
    let Some(last) = last.filter(|last| !last.is_empty() && !sabotage::is(Bug::AppliedFieldsStay)) else {
        return merged.clone();
    };
    let last = last.with_declared_parents(root);
    let all = field_set(merged, root).with_declared_parents(root);
    let kept = |pruned: &Value| field_set(pruned, root).with_declared_parents(root);
    // What others own comes back, and so does what they own inside a removed item.
    let pruned = remove(merged, &last, root);
    let owned = owners.values().fold(FieldSet::default(), |all, owned| all.union(&owned.set));
    let owned = owned.with_declared_parents(root);
    let pruned = remove(merged, &all.difference(&kept(&pruned).union(&owned)), root);
    // What nobody owns comes back too, unless it was the applier's own.
    remove(merged, &all.difference(&kept(&pruned)).intersection(&last), root)
}

/// The error of a refused apply, worded as the real server words it.
pub(super) fn describe(conflicts: &[Conflict]) -> ApplyError {
    let causes: Vec<Cause> = conflicts
        .iter()
        .flat_map(|conflict| {
            let message = format!("conflict with {}", conflict.owner.described());
            conflict.set.paths().into_iter().map(move |field| Cause { field, message: message.clone() })
        })
        .collect();
    let message = if let [only] = causes.as_slice() {
        format!("Apply failed with 1 conflict: {}: {}", only.message, only.field)
    } else {
        let mut lines = Vec::new();
        for conflict in conflicts {
            lines.push(format!("conflicts with {}:", conflict.owner.described()));
            lines.extend(conflict.set.paths().into_iter().map(|path| format!("- {path}")));
        }
        format!("Apply failed with {} conflicts: {}", causes.len(), lines.join("\n"))
    };
    ApplyError::Conflict { message, causes }
}
