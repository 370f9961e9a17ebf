//! The switch, and the end of old copies.

use broker_core::resource::marker;
use broker_kcp::api::v1alpha1::Moves;

use super::bench::Bench;
use super::invariant as promise;
use super::reading;
use super::world::{Copy, Order, Record};

/// An Assignment's pointer is moved by the broker. The world is the one after.
pub(super) fn judge_pointer(bench: &mut Bench<'_>) {
    let assignment = bench.seen.key().is(marker::GROUP, "assignments");
    if !bench.seen.broker || !assignment || bench.seen.is_gone() {
        return;
    }
    let world = bench.world;
    let now = Record::read(bench.seen.object());
    let Some(order) = world.orders.get(&now.order).filter(|order| order.lives()) else { return };
    let before = bench.seen.before.map(Record::read).and_then(|record| record.pointer);
    let moved = match (&before, &now.pointer) {
        (Some(old), Some(new)) => !old.is(new),
        (None, None) => false,
        (None, Some(_)) | (Some(_), None) => true,
    };
    if !moved {
        return;
    }
    // Who served until now: what was pointed to, or, where that was taken away, what was pointed to before.
    let new = world.pointed(order);
    let place = before.as_ref().map(|old| &old.place);
    let former = |copy: &&Copy| new.is_none_or(|new| new.uid != copy.uid) && copy.served;
    let pointed = || order.pointed.iter().filter_map(|(uid, since)| Some((since, world.copies.get(uid)?)));
    let old = match place {
        Some(place) => {
            pointed().filter(|(_, copy)| copy.place == *place && former(copy)).max_by_key(|(since, _)| *since)
        }
        None => pointed().filter(|(_, copy)| former(copy)).max_by_key(|(since, _)| *since),
    };
    let Some((_, old)) = old else { return };
    if bench.is_paused(order) {
        bench.broken(promise::PAUSED_ORDER_TOUCHED, format!("{} is switched while it is paused", order.key));
    }
    let holds_data = bench.terms(order).is_some_and(|terms| terms.moves == Moves::PlaybookOnly);
    if let Some(new) = &now.pointer
        && holds_data
        && !world.has_playbook
    {
        let what = format!("{} moves from {} to {} without a playbook", order.key, old.place, new.place);
        bench.broken(promise::MOVED_WITHOUT_PLAYBOOK, what);
    }
    let made_again =
        !old.lives() && now.pointer.as_ref().is_none_or(|new| new.place.cluster == old.place.cluster);
    let mut recorded = world.moves.values().filter(|found| found.order.as_deref() == Some(&order.uid));
    if !made_again
        && new.is_some()
        && !recorded.any(|found| found.state != "Completed" && found.state != "Cancelled")
    {
        let what = format!("{} is switched from {}, and no Migration says so", order.key, old.place);
        bench.broken(promise::MOVED_WITHOUT_MIGRATION, what);
    }
    let fit = new.is_some_and(|new| new.exists && new.was_ready(bench.seen.at, bench.setting.lag));
    if !fit && !made_again {
        let to = now.pointer.as_ref().map_or_else(|| "nothing".to_owned(), |new| new.place.to_string());
        let why = match new {
            None => "which is not there",
            Some(new) if !new.exists => "which is gone",
            Some(_) => "which is not ready",
        };
        let what = format!("{} is switched from {} to {to}, {why}", order.key, old.place);
        bench.broken(promise::POINTER_TO_UNREADY, what);
    }
}

/// A copy's deletion is begun by the broker. The world is the one before.
pub(super) fn judge_deletion(bench: &mut Bench<'_>) {
    if !bench.seen.broker || !bench.seen.begins_deletion() || !bench.is_copy() {
        return;
    }
    let world = bench.world;
    let Some(copy) = world.copies.get(reading::uid(bench.seen.object())) else { return };
    if copy.is_retained() {
        bench.broken(
            promise::RETAINED_COPY_DELETED,
            format!("{} is deleted, and is marked as retained", copy.place),
        );
        return;
    }
    let Some(order) = copy.order.as_ref().and_then(|uid| world.orders.get(uid)) else {
        if !copy.ours && reading::label(&copy.object, marker::ORDER_LABEL).is_none() {
            let what = format!("{} is deleted, and was never the broker's", copy.place);
            bench.broken(promise::FOREIGN_OBJECT_TOUCHED, what);
        }
        return;
    };
    if bench.is_paused(order) {
        bench.broken(
            promise::PAUSED_ORDER_TOUCHED,
            format!("{} of {} is deleted, which is paused", copy.place, order.key),
        );
    }
    let serving = world.pointed(order).filter(|serving| serving.exists);
    if !order.lives() {
        if order.retain && serving.is_some_and(|serving| serving.uid == copy.uid) {
            let what = format!("{} is deleted with {}, which asks to retain it", copy.place, order.key);
            bench.broken(promise::RETAINED_COPY_DELETED, what);
        }
        return;
    }
    // Nothing was handed out, or the consumer is leaving: nobody can miss it.
    if !copy.served || world.is_gone(&order.key.cluster) {
        return;
    }
    match serving {
        None => {
            let what = format!("{} is deleted, and {} is served by nothing else", copy.place, order.key);
            bench.broken(promise::SERVING_COPY_DELETED, what);
        }
        Some(serving) if serving.uid == copy.uid => {
            let what = format!("{} is deleted, and {} is served by it", copy.place, order.key);
            bench.broken(promise::SERVING_COPY_DELETED, what);
        }
        Some(serving) => judge_old_copy(bench, order, copy, serving),
    }
}

fn judge_old_copy(bench: &mut Bench<'_>, order: &Order, old: &Copy, serving: &Copy) {
    let at = bench.seen.at;
    let said = |why: String| format!("{} of {} is deleted {why}", old.place, order.key);
    if !serving.was_ready(at, bench.setting.lag) {
        let what = said(format!("while {} is not ready", serving.place));
        bench.broken(promise::OLD_COPY_DELETED_WITHOUT_REPLACEMENT, what);
    }
    let Some(handed) = order.handed else {
        let what = said(format!("before the consumer holds what {} provides", serving.place));
        bench.broken(promise::OLD_COPY_DELETED_BEFORE_HAND_OVER, what);
        return;
    };
    if was_undone(bench, old) {
        return;
    }
    let grace = bench.terms(order).map(|terms| terms.grace).unwrap_or_default();
    let kept = at.saturating_sub(handed);
    if kept.saturating_add(bench.setting.ahead) < grace {
        let what = said(format!("{kept:?} after the hand-over, the grace period is {grace:?}"));
        bench.broken(promise::OLD_COPY_DELETED_IN_GRACE_PERIOD, what);
    }
    let recorded = |found: &super::world::Move| {
        found.order.as_deref() == Some(&order.uid) && found.no_return && !found.has_ended()
    };
    if !old.leftover && !bench.world.moves.values().any(recorded) {
        bench.broken(promise::NO_RETURN_NOT_RECORDED, said("before that is recorded".to_owned()));
    }
}

/// Whether this copy is what a move wanted to reach and was called back from: it gets no grace period.
fn was_undone(bench: &Bench<'_>, copy: &Copy) -> bool {
    let migration = copy.named.as_ref().and_then(|named| named.migration.as_ref());
    migration.and_then(|name| bench.world.moves.get(name)).is_some_and(|found| found.state != "Completed")
}
