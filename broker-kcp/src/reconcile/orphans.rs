//! Removes what we made and nobody knows of any more.
//!
//! An object that carries our mark and is named by no Assignment was left behind by a broker that crashed between two
//! writes of one that lost its lead, or was marked by somebody else, or is all that is left of what an order had before
//! its records were lost or restored from a backup. Only the first is removed: after [`judge_stray`] said so from what is
//! known, and again after a live look at both the object, which must show that we created it, and the Assignment.

use std::collections::BTreeSet;

use broker_core::order::{Assignment, Moves, OrderIdentity, Stray, judge_stray, waits_for_record};
use broker_core::resource::{Gvr, Object, ObjectKey, marker};
use broker_core::translate::helper_namespace;
use serde_json::Value;

use super::indexes::{BY_COPY, BY_ORDER, object_text};
use super::observe::carries_our_mark;
use super::registry::KcpProviderRegistry;
use crate::fleet::{Fleet, PLATFORM};
use crate::kcp::{ApiError, ApiErrorKind, Preconditions, Resource};
use crate::record::read_assignment;

/// What was found out about an object that carries our mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// It is a copy, or gone, or not ours.
    Leave,
    /// It was an orphan and is removed.
    Removed,
}

/// Looks at one marked object of a brokered API and removes it if it is an orphan of ours.
pub(super) async fn examine(
    fleet: &Fleet,
    registry: &KcpProviderRegistry,
    api: &str,
    key: &ObjectKey,
) -> Result<Finding, ApiError> {
    let plan = fleet.plan();
    // Whose copies may be of this kind.
    let own = plan.apis.contains_key(api).then(|| api.to_owned());
    let others = plan.copies.get(api).into_iter().flat_map(|copies| copies.apis.iter().cloned());
    let apis: BTreeSet<String> = own.into_iter().chain(others).collect();
    if !apis.iter().all(|api| fleet.is_synced(api)) {
        return Ok(Finding::Leave);
    }
    let Some(export) = fleet.export_of(api) else {
        return Ok(Finding::Leave);
    };
    let Some(followed) = export.kinds().get(api).and_then(|kind| export.followed(&kind.gvr)) else {
        return Ok(Finding::Leave);
    };
    let named =
        |fleet: &Fleet| fleet.platform().assignments.read().count(BY_COPY, &object_text(api, key)) > 0;
    let marked = followed
        .cache
        .get(key)
        .filter(|object| !object.is_deleting() && object.annotation(marker::RETAINED_ANNOTATION).is_none());
    let Some(mark) = marked.as_ref().and_then(|object| object.label(marker::ORDER_LABEL)) else {
        return Ok(Finding::Leave);
    };
    // Looked at again when a cluster that does not answer does.
    if named(fleet) || export.is_silent(&key.cluster) {
        return Ok(Finding::Leave);
    }
    let policies = registry.policies();
    let moves: Option<Vec<Moves>> =
        apis.iter().map(|api| policies.orders.get(api).map(|policy| policy.moves)).collect();
    let moves = match moves {
        Some(moves) if !moves.is_empty() && moves.iter().all(|moves| *moves == Moves::Free) => Moves::Free,
        Some(moves) if !moves.is_empty() => Moves::PlaybookOnly,
        Some(_) | None => return Ok(Finding::Leave),
    };
    let judge = |record: Option<&Assignment>| {
        let waits = |api: &String| orders_wait(fleet, api, mark);
        judge_stray(key, record, moves, record.is_none() && apis.iter().any(waits))
    };
    let cached = fleet.platform().assignments.get(&ObjectKey::new(PLATFORM, "", mark));
    let known = cached.as_deref().map(read_assignment).transpose();
    // What cannot be read may name it. No call is made for what stays.
    if known.map_or(Stray::Stays, |record| judge(record.as_ref())) == Stray::Stays {
        tracing::debug!(object = %key, "a marked object that no assignment names stays: it may be all that is left of an order");
        return Ok(Finding::Leave);
    }
    let Some(home) = export.home(&key.cluster) else { return Ok(Finding::Leave) };
    let live = match home.api.get(&followed.resource, &key.namespace, &key.name).await {
        Ok(live) => live,
        Err(error) if error.kind() == ApiErrorKind::NotFound => return Ok(Finding::Leave),
        Err(error) => return Err(error),
    };
    if !we_created(&live) {
        tracing::warn!(object = %key, "an object carries our mark and is not ours; it is not brokered");
        return Ok(Finding::Leave);
    }
    let assignments =
        Resource::cluster_scoped(Gvr::new(marker::GROUP, marker::VERSION, "assignments"), "Assignment");
    let record = match fleet.platform_api().get(&assignments, "", mark).await {
        Ok(record) => match read_assignment(&record) {
            Ok(record) => Some(record),
            Err(_) => return Ok(Finding::Leave),
        },
        Err(error) if error.kind() == ApiErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if judge(record.as_ref()) == Stray::Stays {
        return Ok(Finding::Leave);
    }
    let preconditions = Preconditions {
        uid: Some(live.uid().to_owned()),
        resource_version: Some(live.resource_version().to_owned()),
    };
    match home.api.delete(&followed.resource, &key.namespace, &key.name, &preconditions).await {
        Ok(_) => {}
        Err(error) if error.kind() == ApiErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    tracing::info!(object = %key, platform = PLATFORM, "removed a copy that no assignment names");
    Ok(Finding::Removed)
}

/// Whether any order of the API waits for its record: then what nobody names may be its.
fn orders_wait(fleet: &Fleet, api: &str, mark: &str) -> bool {
    let export = fleet.export_of(api);
    let Some(followed) = export.as_ref().and_then(|export| export.followed(&export.kinds().get(api)?.gvr))
    else {
        return true;
    };
    let assignments = &fleet.platform().assignments;
    let has_record = |identity: &OrderIdentity| {
        let mut found = assignments.find(BY_ORDER, &object_text(api, &identity.key));
        found.any(|(_, record)| record.text(&["spec", "order", "uid"]) == Some(&identity.uid))
    };
    followed.cache.packed().iter().any(|(key, packed)| {
        let object = packed.object();
        let identity = OrderIdentity::of(&object, &followed.resource.gvr, &key.cluster);
        !carries_our_mark(&object) && waits_for_record(&object, &identity, has_record(&identity), mark)
    })
}

/// Whether the object's own history says that we wrote its spec, and under a name of ours.
fn we_created(object: &Object) -> bool {
    let ours = |entry: &Value| {
        entry.get("manager").and_then(Value::as_str) == Some(marker::MANAGER)
            && entry.get("fieldsV1").and_then(Value::as_object).is_some_and(|fields| {
                fields.keys().any(|field| !matches!(field.as_str(), "f:metadata" | "f:status"))
            })
    };
    let managed = object.get(&["metadata", "managedFields"]).and_then(Value::as_array);
    object.name().starts_with("c-") && managed.is_some_and(|entries| entries.iter().any(ours))
}

/// Removes the helpers of a move whose record is gone, after a look at the platform: they hold credentials.
pub(super) async fn remove_helpers(fleet: &Fleet, migration: &str) -> Result<(), ApiError> {
    let Some(compute) = fleet.compute() else { return Ok(()) };
    let Some(namespace) = compute.helpers(migration).and_then(|helpers| helpers.namespace) else {
        return Ok(());
    };
    if namespace.is_deleting() || namespace.name() != helper_namespace(migration) {
        return Ok(());
    }
    let record =
        Resource::cluster_scoped(Gvr::new(marker::GROUP, marker::VERSION, "migrations"), "Migration");
    match fleet.platform_api().get(&record, "", migration).await {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == ApiErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let (kind, _) = compute.kind(&namespace.gvk()).await?;
    let preconditions = Preconditions { uid: Some(namespace.uid().to_owned()), resource_version: None };
    match compute.api().delete(&kind, "", namespace.name(), &preconditions).await {
        Ok(_) => {
            tracing::info!(migration, namespace = namespace.name(), "helpers of no move are removed");
            Ok(())
        }
        Err(error) if error.kind() == ApiErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
