//! Looks at the server before an order is told that its record is lost: the record may only be late in the cache.
//!
//! Records, orders and copies come by different watches; to a broker that has just begun to lead, an order's finalizer
//! may be there before the Assignment that another one wrote earlier.

use broker_core::order::{OrderIdentity, moves_beyond};
use broker_core::port::OrderAddress;
use broker_core::resource::{Object, ObjectKey, marker};
use broker_core::translate::assignment_name;

use super::indexes::{BY_COPY, BY_MARK, object_text};
use super::observe::carries_our_mark;
use super::target::Target;
use crate::fleet::{Fleet, PLATFORM};
use crate::kcp::{ApiError, ApiErrorKind};
use crate::record::read_assignment;

/// Reads the Assignment of an order anew where the cached one does not fit what is there. Where that failed
/// nothing should be decided yet.
///
/// An order that says `AssignmentLost` already was looked after then; what changes about its record a watch tells.
pub(super) async fn look_again(fleet: &Fleet, address: &OrderAddress) -> Result<(), ApiError> {
    let api = address.gvr.group_resource();
    let export = fleet.plan().apis.get(&api).and_then(|export| fleet.export(export));
    let Some(followed) = export.as_ref().and_then(|export| export.followed(&address.gvr)) else {
        return Ok(());
    };
    let Some(order) = followed.cache.get(&address.key).filter(|order| !carries_our_mark(order)) else {
        return Ok(());
    };
    if address.uid.as_deref().is_some_and(|uid| uid != order.uid()) {
        return Ok(());
    }
    let name = assignment_name(&OrderIdentity::of(&order, &address.gvr, &address.key.cluster));
    let target = Target::assignments(fleet);
    let record = target.cache.get(&ObjectKey::new(PLATFORM, "", &name));
    let marked: Vec<(String, ObjectKey)> = fleet
        .kinds_of_copies(&api)
        .unwrap_or_default()
        .iter()
        .flat_map(|kind| {
            let found = kind.followed.cache.keys_of(BY_MARK, &name);
            found.into_iter().map(|key| (kind.name.clone(), key))
        })
        .collect();
    let is_named =
        |(kind, key): &(String, ObjectKey)| target.cache.read().count(BY_COPY, &object_text(kind, key)) > 0;
    let fits = match record {
        None => {
            marked.is_empty() && !order.finalizers().any(|finalizer| finalizer == marker::ORDER_FINALIZER)
        }
        Some(record) => marked.iter().all(is_named) && !is_behind(fleet, &name, &record),
    };
    let told = order.condition("Brokered").is_some_and(|condition| condition.reason == "AssignmentLost");
    if fits || told {
        return Ok(());
    }
    match target.api.get(&target.resource, "", &name).await {
        Ok(live) => {
            target.show(live);
            Ok(())
        }
        Err(error) if error.kind() == ApiErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether the moves of an order came further than its record.
fn is_behind(fleet: &Fleet, name: &str, record: &Object) -> bool {
    let moves: Vec<_> = fleet
        .platform()
        .migrations
        .find(BY_MARK, name)
        .filter_map(|(_, object)| fleet.kept_playbooks().read_migration(&object).ok().flatten())
        .collect();
    !moves.is_empty() && read_assignment(record).is_ok_and(|record| moves_beyond(&record, &moves))
}
