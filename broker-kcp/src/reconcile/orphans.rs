//! Removes what we made and nobody knows of any more.
//!
//! An object that carries our mark and is named by no Assignment was left behind by a broker that crashed between two
//! writes of one that lost its lead, or was marked by somebody else, or is all that is left of what an order had before
//! its records were lost or restored from a backup. Only the first is removed: after [`judge_stray`] said so from what is
//! known, and again after a live look at both the object, which must show that we created it, and the Assignment.

use broker_core::order::{Assignment, OrderIdentity, Stray, judge_stray, waits_for_record};
use broker_core::resource::{Gvr, Object, ObjectKey, marker};
use serde_json::Value;

use super::indexes::{BY_COPY, BY_ORDER, object_text};
use super::observe::carries_our_mark;
use super::registry::KcpProviderRegistry;
use crate::fleet::{Fleet, Followed, PLATFORM};
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
    if !fleet.is_synced(api) {
        return Ok(Finding::Leave);
    }
    let plan = fleet.plan();
    let Some(export) = plan.apis.get(api).and_then(|export| fleet.export(export)) else {
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
    let Some(moves) = registry.policies().orders.get(api).map(|policy| policy.moves) else {
        return Ok(Finding::Leave);
    };
    let judge = |record: Option<&Assignment>| {
        judge_stray(key, record, moves, record.is_none() && orders_wait(fleet, api, followed, mark))
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
fn orders_wait(fleet: &Fleet, api: &str, followed: &Followed, mark: &str) -> bool {
    let assignments = &fleet.platform().assignments;
    let has_record = |identity: &OrderIdentity| {
        let found = assignments.find(BY_ORDER, &object_text(api, &identity.key));
        found.iter().any(|(_, record)| record.text(&["spec", "order", "uid"]) == Some(&identity.uid))
    };
    followed.cache.read().iter().any(|(key, object)| {
        let identity = OrderIdentity::of(object, &followed.resource.gvr, &key.cluster);
        !carries_our_mark(object) && waits_for_record(object, &identity, has_record(&identity), mark)
    })
}

/// Whether the object's own history says that we wrote its spec, and under a name of ours.
fn we_created(object: &Object) -> bool {
    let ours = |entry: &Value| {
        entry.get("manager").and_then(Value::as_str) == Some(marker::MANAGER)
            && entry.pointer("/fieldsV1/f:spec").is_some()
    };
    let managed = object.get(&["metadata", "managedFields"]).and_then(Value::as_array);
    object.name().starts_with("c-") && managed.is_some_and(|entries| entries.iter().any(ours))
}
