//! A live look before anything is given up because it is no longer seen.
//!
//! A list can come from a replica that lags, and miss an order or a copy that is there: taken at its word, what serves
//! the order would be replaced or removed. What a watch showed deleted, or we deleted ourselves, is gone; of everything
//! else the server is asked once. What serves is always seen, so that this costs no calls at rest. Records that lag are
//! looked after elsewhere (`lost`).

use std::sync::Arc;

use broker_core::order::OrderIdentity;
use broker_core::port::OrderAddress;
use broker_core::resource::ObjectKey;
use broker_core::translate::assignment_name;

use crate::fleet::{Export, Fleet, PLATFORM};
use crate::kcp::{ApiError, ApiErrorKind, Resource};
use crate::record::read_assignment;
use crate::store::Cache;

/// Looks for what the records name and the caches do not show of one order: itself and its copies.
pub(super) async fn look(fleet: &Fleet, address: &OrderAddress) -> Result<(), ApiError> {
    let api = address.gvr.group_resource();
    let uid = match &address.uid {
        Some(uid) => {
            ask(fleet, &api, &address.key, uid).await?;
            uid.clone()
        }
        None => match seen_through(fleet, &api).and_then(|(_, _, cache)| cache.get(&address.key)) {
            Some(order) => order.uid().to_owned(),
            None => return Ok(()),
        },
    };
    let identity = OrderIdentity { gvr: address.gvr.clone(), key: address.key.clone(), uid };
    let record = fleet.platform().assignments.get(&ObjectKey::new(PLATFORM, "", assignment_name(&identity)));
    // One that cannot be read is told of where the order is observed.
    let Some(Ok(assignment)) = record.map(|record| read_assignment(&record)) else { return Ok(()) };
    for copy in assignment.named() {
        if let Some(uid) = &copy.uid {
            ask(fleet, &copy.gvr.group_resource(), &copy.key, uid).await?;
        }
    }
    Ok(())
}

/// Asks for one object that is not seen, unless it is known to be gone. Where it is found, it is seen from then on.
async fn ask(fleet: &Fleet, api: &str, key: &ObjectKey, uid: &str) -> Result<(), ApiError> {
    let Some((export, kind, cache)) = seen_through(fleet, api) else { return Ok(()) };
    let is_seen = || cache.get(key).is_some_and(|object| object.uid() == uid);
    if is_seen() || cache.read().is_known_gone(uid) {
        return Ok(());
    }
    // What does not answer is waited for, and what is no longer bound is let go: neither is asked.
    if fleet.silence(&export, &key.cluster).is_some() || !export.is_bound(&key.cluster) {
        return Ok(());
    }
    let Some(home) = export.home(&key.cluster) else { return Ok(()) };
    match home.api.get(&kind, &key.namespace, &key.name).await {
        Ok(live) if live.uid() == uid => {
            tracing::warn!(object = %key, "what a list did not show is there");
            cache.written(&home.source, key.clone(), live);
            // Else the watch tells what became of it.
            if is_seen() { Ok(()) } else { Err(ApiError::behind("get", format!("{kind} {key}"))) }
        }
        Ok(_) => {
            cache.write().ended(uid);
            Ok(())
        }
        Err(error) if error.kind() == ApiErrorKind::NotFound => {
            cache.write().ended(uid);
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Through which export the objects of an API are seen, and what is seen.
fn seen_through(fleet: &Fleet, api: &str) -> Option<(Arc<Export>, Resource, Cache)> {
    let export = fleet.export_of(api)?;
    let followed = export.followed(&export.kinds().get(api)?.gvr)?;
    let (kind, cache) = (followed.resource.clone(), followed.cache.clone());
    Some((export, kind, cache))
}
