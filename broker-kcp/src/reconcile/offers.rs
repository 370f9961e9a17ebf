//! Tells providers whether their offers can be chosen, and how many orders they serve.
//!
//! Nothing decides by what is written here: availability is computed where it is needed.

use broker_core::offer::{Availability, OfferId};
use broker_core::port::ProviderRegistry;
use broker_core::resource::{Gvr, Object, ObjectKey, marker};
use serde_json::json;

use super::conditions::{Wanted, entry, says};
use super::registry::KcpProviderRegistry;
use crate::fleet::Fleet;
use crate::kcp::ApiError;

/// Whether all that is told of an offer was read: what was not would be told as missing, and taken back a moment later.
/// Asked for again as soon as that changes.
fn is_known(fleet: &Fleet, availability: &Availability) -> bool {
    let api = availability.api.as_ref().map(Gvr::group_resource);
    fleet.platform_is_synced()
        && fleet.is_planned()
        && fleet.offers().is_some_and(|export| export.is_synced())
        && api.is_none_or(|api| !fleet.plan().apis.contains_key(&api) || fleet.is_synced(&api))
}

/// Brings the status of one AcceptAPI up to date. True where something was written.
pub(super) async fn report(
    fleet: &Fleet,
    registry: &KcpProviderRegistry,
    key: &ObjectKey,
) -> Result<bool, ApiError> {
    let Some(export) = fleet.offers() else { return Ok(false) };
    let Some(followed) = export.kinds().values().find_map(|kind| export.followed(&kind.gvr)) else {
        return Ok(false);
    };
    let Some(object) = followed.cache.get(key).filter(|object| !object.is_deleting()) else {
        return Ok(false);
    };
    let offers = registry.offers();
    let Some(listing) = offers.get(&OfferId::from(key.clone())) else { return Ok(false) };
    let availability = listing.availability();
    if !is_known(fleet, availability) {
        return Ok(false);
    }
    let wanted = Wanted {
        kind: "Available",
        status: availability.status().as_str(),
        reason: availability.reason(),
        message: &availability.message,
    };
    let status = json!({
        "conditions": [entry(&wanted, &object, fleet.now())],
        "assignedOrders": registry.assigned(key),
        "observedGeneration": object.generation(),
    });
    // What does not answer cannot be told; it is told when it does.
    if says(object.get(&["status"]), &status) || fleet.may_be_silent(&key.cluster) {
        return Ok(false);
    }
    let Some(home) = export.home(&key.cluster) else { return Ok(false) };
    let mut patch = Object::named(&followed.resource.gvk(), &key.namespace, &key.name);
    patch.set(&["metadata", "uid"], object.uid().into());
    patch.set(&["metadata", "resourceVersion"], object.resource_version().into());
    patch.set(&["status"], status);
    let written = home.api.apply_status(&followed.resource, &patch, marker::MANAGER).await?;
    followed.cache.written(&home.source, key.clone(), written);
    tracing::info!(
        offer = %key, available = wanted.status, reason = wanted.reason, why = wanted.message, "offer reported"
    );
    Ok(true)
}
