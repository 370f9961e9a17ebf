//! What may be written to a provider, and what must be on record by then.

use super::bench::Bench;
use super::invariant as promise;
use super::reading::{self, Named, Place};
use super::world::{Copy, Order, Record, place_of};
use crate::simulation::history::ChangeKind;
use broker_kcp::api::v1alpha1::Moves;

/// A copy is made or changed by the broker. The world is the one before.
pub(super) fn judge_copy(bench: &mut Bench<'_>) {
    if !bench.seen.broker || bench.seen.is_gone() || bench.seen.begins_deletion() || !bench.is_copy() {
        return;
    }
    let world = bench.world;
    let place = place_of(bench.seen.key(), bench.seen.object());
    let uid = reading::uid(bench.seen.object());
    let made = bench.seen.write.kind == ChangeKind::Added;
    let known = world.copies.get(uid).filter(|copy| copy.order.is_some());
    let record = world.naming(&place).next();
    let order = record.map(|record| &record.order).or_else(|| known.and_then(|copy| copy.order.as_ref()));
    let Some(order) = order else {
        bench.broken(promise::COPY_NOT_NAMED, format!("{place} is written, and no Assignment names it"));
        return;
    };
    let Some(order) = world.orders.get(order) else {
        bench.broken(
            promise::FINALIZER_MISSING,
            format!("{place} is written for the order {order}, which never was"),
        );
        return;
    };
    if made && let Some(record) = record {
        judge_new_copy(bench, &place, order, record);
    }
    if bench.seen.changed("/spec") {
        judge_spec(bench, &place, order);
    }
    if bench.is_paused(order) {
        bench.broken(
            promise::PAUSED_ORDER_TOUCHED,
            format!("{place} is written for {}, which is paused", order.key),
        );
    }
}

fn judge_new_copy(bench: &mut Bench<'_>, place: &Place, order: &Order, record: &Record) {
    if was_patched(bench) {
        bench.broken(promise::COPY_MADE_BY_PATCH, format!("{place} is made by a PATCH"));
    }
    let held = order.exists && reading::is_held(&order.object);
    if !held && !order.held.is_some_and(|until| bench.is_recent(until)) {
        bench.broken(
            promise::FINALIZER_MISSING,
            format!("{place} is made, and {} carries no finalizer", order.key),
        );
    }
    let named = record.named().find(|named| named.place == *place);
    let world = bench.world;
    for other in
        world.copies_of(order).filter(|other| other.lives() && !other.is_retained() && !other.leftover)
    {
        if named.is_some_and(|named| is_same_offer(other, named)) {
            bench.broken(
                promise::COPY_MADE_TWICE,
                format!("{place} is made for {}, which has {} of the same offer", order.key, other.place),
            );
        }
        let both = record.copies.iter().any(|named| named.place == other.place);
        if !both && !world.is_moving(&order.uid) {
            bench.broken(
                promise::TWO_COPIES,
                format!("{place} is made for {}, which has {} and does not move", order.key, other.place),
            );
        }
    }
    let lost = order.served && !world.copies_of(order).any(|copy| copy.lives() && copy.served);
    let holds_data = bench.terms(order).is_some_and(|terms| terms.moves == Moves::PlaybookOnly);
    if lost && holds_data && !world.has_playbook {
        bench.broken(
            promise::MOVED_WITHOUT_PLAYBOOK,
            format!("{place} is made in place of a lost copy of {}, which holds data", order.key),
        );
    }
}

/// The offer, namespace and kind are the same, the name is another.
fn is_same_offer(other: &Copy, named: &Named) -> bool {
    let same_place = || {
        (&other.place.namespace, &other.place.kind) == (&named.place.namespace, &named.place.kind)
            && other.place.cluster == named.place.cluster
    };
    other.place.name != named.place.name
        && !named.offer.is_null()
        && other.named.as_ref().is_some_and(|former| former.offer == named.offer)
        && same_place()
}

fn was_patched(bench: &Bench<'_>) -> bool {
    match &bench.seen.write.method {
        Some(method) => !method.eq_ignore_ascii_case("post") && !method.eq_ignore_ascii_case("create"),
        // A fresh object that was applied says so itself.
        None => reading::list(bench.seen.object(), "/metadata/managedFields")
            .iter()
            .any(|entry| entry["operation"] == "Apply" && entry["subresource"].is_null()),
    }
}

fn judge_spec(bench: &mut Bench<'_>, place: &Place, order: &Order) {
    let copy = bench.seen.object();
    let same_kind =
        (&order.key.group, &order.key.resource) == (&bench.seen.key().group, &bench.seen.key().resource);
    let spec = reading::at(copy, "/spec");
    if same_kind && !order.specs.values().any(|asked| reading::contains(spec, asked)) {
        bench.broken(
            promise::COPY_OF_ANOTHER,
            format!("{place} asks for what {} never asked for: {spec}", order.key),
        );
    }
}

/// An Assignment is written by the broker. The world is the one after.
pub(super) fn judge_assignment(bench: &mut Bench<'_>) {
    if !bench.seen.broker || !bench.seen.key().is(broker_core::resource::marker::GROUP, "assignments") {
        return;
    }
    let world = bench.world;
    let before = bench.seen.before.map(Record::read);
    let now = Record::read(bench.seen.object());
    if bench.seen.write.kind == ChangeKind::Added {
        judge_new_assignment(bench, &now);
    }
    if !bench.seen.is_gone() {
        for named in now.named() {
            let other = world.naming(&named.place).find(|other| other.order != now.order);
            if let Some(other) = other {
                let what = format!("{} names {}, which {} names too", now.name, named.place, other.name);
                bench.broken(promise::COPY_SHARED, what);
            }
        }
    }
    for dropped in before.iter().flat_map(Record::named) {
        if bench.seen.is_gone() || !now.names(&dropped.place) {
            judge_dropped(bench, &now, dropped);
        }
    }
}

fn judge_new_assignment(bench: &mut Bench<'_>, now: &Record) {
    let world = bench.world;
    for other in world.records_of(&now.order).filter(|other| other.name != now.name) {
        let what = format!("{} is made for the order {}, which has {}", now.name, now.order, other.name);
        bench.broken(promise::TWO_ASSIGNMENTS, what);
    }
    let Some(order) =
        world.orders.get(&now.order).filter(|order| order.lives() && reading::is_held(&order.object))
    else {
        return;
    };
    for copy in
        world.copies_of(order).filter(|copy| copy.lives() && !copy.is_retained() && !now.names(&copy.place))
    {
        if !world.records_of(&now.order).any(|other| other.names(&copy.place)) {
            let what = format!("{} is made for {}, which already has {}", now.name, order.key, copy.place);
            bench.broken(promise::PLACED_AGAIN, what);
        }
    }
}

fn judge_dropped(bench: &mut Bench<'_>, now: &Record, dropped: &Named) {
    let world = bench.world;
    let Some(copy) = world.copy_at(&dropped.place) else { return };
    let that = dropped.uid.as_ref().map_or(copy.ours, |uid| *uid == copy.uid);
    let retained = copy.is_retained() || world.orders.get(&now.order).is_some_and(|order| order.retain);
    if that && !retained && !world.is_gone(&copy.key.cluster) {
        bench.broken(
            promise::COPY_FORGOTTEN,
            format!("{} no longer names {}, which is there", now.name, copy.place),
        );
    }
}
