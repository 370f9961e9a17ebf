//! Removes what we made and nobody knows of any more.
//!
//! An object that carries our mark and is named by no Assignment was left behind by a broker that crashed between two
//! writes of one that lost its lead, or was marked by somebody else. Only the former is removed: after a live look at
//! both the object, which must show that we created it, and the Assignment, which must be absent or name others.

use broker_core::resource::{Gvr, Object, ObjectKey, marker};
use serde_json::Value;

use super::indexes::{BY_COPY, object_text};
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
pub(super) async fn examine(fleet: &Fleet, api: &str, key: &ObjectKey) -> Result<Finding, ApiError> {
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
    match fleet.platform_api().get(&assignments, "", mark).await {
        Ok(record) => {
            let names_it = read_assignment(&record)
                .map_or(true, |assignment| assignment.named().any(|copy| copy.key == *key));
            if names_it {
                return Ok(Finding::Leave);
            }
        }
        Err(error) if error.kind() == ApiErrorKind::NotFound => {}
        Err(error) => return Err(error),
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

/// Whether the object's own history says that we wrote its spec, and under a name of ours.
fn we_created(object: &Object) -> bool {
    let ours = |entry: &Value| {
        entry.get("manager").and_then(Value::as_str) == Some(marker::MANAGER)
            && entry.pointer("/fieldsV1/f:spec").is_some()
    };
    let managed = object.get(&["metadata", "managedFields"]).and_then(Value::as_array);
    object.name().starts_with("c-") && managed.is_some_and(|entries| entries.iter().any(ours))
}
