//! What is written to the order itself, and several writes at once.

use broker_core::order::Action;
use broker_core::port::{MigrationExecutor as _, PortErrorKind};
use broker_core::resource::marker;
use serde_json::json;

use super::work::{NO_UID, Work};
use super::{Broken, Shell};
use crate::contract::broken::{hold, same};

fn has_finalizer(order: &broker_core::resource::Object) -> bool {
    order.finalizers().any(|finalizer| finalizer == marker::ORDER_FINALIZER)
}

pub(super) async fn a_finalizer_is_put_on_and_taken_off(shell: &impl Shell) -> Result<(), Broken> {
    let work = Work::new(shell, "finalizer").await?;
    let (order, resource_version) = (work.order.clone(), work.seen_order()?.resource_version().to_owned());
    work.act(&Action::AddFinalizer { order: order.clone(), resource_version }).await?;
    hold(has_finalizer(&work.live(&order).await?), "the order has our finalizer", &json!(null))?;
    let seen = work.seen_order()?;
    hold(has_finalizer(&seen), "the finalizer is observed at once", &json!(null))?;
    let resource_version = seen.resource_version().to_owned();
    work.act(&Action::RemoveFinalizer { order: order.clone(), resource_version }).await?;
    hold(!has_finalizer(&work.live(&order).await?), "the order is free of it again", &json!(null))?;
    hold(!has_finalizer(&work.seen_order()?), "that is observed at once", &json!(null))
}

pub(super) async fn a_finalizer_for_another_version_is_a_conflict(shell: &impl Shell) -> Result<(), Broken> {
    let work = Work::new(shell, "finalizer-of-before").await?;
    let order = work.order.clone();
    let before = work.seen_order()?.resource_version().to_owned();
    let status = shell.ground().status.clone();
    work.act(&Action::ApplyStatus { order: order.clone(), uid: work.identity.uid.clone(), status }).await?;
    let late = Action::AddFinalizer { order: order.clone(), resource_version: before };
    work.refused(&late, PortErrorKind::Conflict).await?;
    hold(!has_finalizer(&work.live(&order).await?), "the order has no finalizer", &json!(null))
}

pub(super) async fn a_status_is_what_was_applied_last_and_whole(shell: &impl Shell) -> Result<(), Broken> {
    let work = Work::new(shell, "status").await?;
    let (order, uid) = (work.order.clone(), work.identity.uid.clone());
    let first = shell.ground().status.clone();
    work.act(&Action::ApplyStatus { order: order.clone(), uid: uid.clone(), status: first.clone() }).await?;
    let live = work.live(&order).await?;
    same(&status_of(&live), &first, "the status is what was applied")?;
    same(&status_of(&work.seen_order()?), &first, "it is observed at once")?;
    let second = json!({ "observedGeneration": 1 });
    work.act(&Action::ApplyStatus { order: order.clone(), uid, status: second.clone() }).await?;
    same(&status_of(&work.live(&order).await?), &second, "what is no longer applied is gone")?;
    let spec = live.get(&["spec"]).cloned().unwrap_or_default();
    same(&spec, &shell.ground().spec, "the spec is the consumer's")
}

pub(super) async fn a_status_for_another_order_of_the_name_is_a_conflict(
    shell: &impl Shell,
) -> Result<(), Broken> {
    let work = Work::new(shell, "status-of-another").await?;
    let status = shell.ground().status.clone();
    let order = work.order.clone();
    let other = Action::ApplyStatus { order: order.clone(), uid: NO_UID.to_owned(), status };
    work.refused(&other, PortErrorKind::Conflict).await?;
    same(&status_of(&work.live(&order).await?), &json!(null), "the order has no status")
}

pub(super) async fn actions_may_be_carried_out_side_by_side(shell: &impl Shell) -> Result<(), Broken> {
    let work = Work::new(shell, "side-by-side").await?;
    let (copy, made) = work.placed().await?;
    let (order, uid) = (work.order.clone(), work.identity.uid.clone());
    let resource_version = work.seen_order()?.resource_version().to_owned();
    let (target, related) = work.related("Zmlyc3Q=");
    let actions = [
        Action::AddFinalizer { order: order.clone(), resource_version },
        Action::Fence { copy: copy.clone(), uid: made.uid().to_owned(), raised: true },
        Action::CreateRelated { target: target.clone(), object: related },
    ];
    let results =
        futures::future::join_all(actions.iter().map(|action| shell.executor().execute(action))).await;
    for result in results {
        result.map_err(|error| Broken::new("each of them succeeds", error.to_string()))?;
    }
    let status = json!({ "observedGeneration": 1 });
    work.act(&Action::ApplyStatus { order, uid, status }).await?;
    hold(has_finalizer(&work.seen_order()?), "the finalizer is observed", &json!(null))?;
    let fence = work.seen_copy(&copy)?.annotation(marker::QUIESCE_ANNOTATION).map(str::to_owned);
    same(&json!(fence), &json!("true"), "the fence is observed")?;
    let mirrored = work.seen()?.mirrored.iter().any(|object| object.name() == target.key.name);
    hold(mirrored, "what is handed over is observed", &json!(null))
}

fn status_of(object: &broker_core::resource::Object) -> serde_json::Value {
    object.get(&["status"]).cloned().unwrap_or_default()
}
