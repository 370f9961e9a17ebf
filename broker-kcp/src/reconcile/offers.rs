//! Tells providers whether their offers can be chosen, and how many orders they serve.
//!
//! Nothing decides by what is written here: availability is computed where it is needed.

use broker_core::offer::OfferId;
use broker_core::port::ProviderRegistry;
use broker_core::resource::{Object, ObjectKey, marker};
use serde_json::json;

use super::conditions::{Wanted, entry, says};
use super::registry::KcpProviderRegistry;
use crate::fleet::Fleet;
use crate::kcp::ApiError;

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
    patch.set(&["status"], status);
    let written = home.api.apply_status(&followed.resource, &patch, marker::MANAGER).await?;
    followed.cache.written(&home.source, key.clone(), written);
    tracing::info!(
        offer = %key, available = wanted.status, reason = wanted.reason, why = wanted.message, "offer reported"
    );
    Ok(true)
}
