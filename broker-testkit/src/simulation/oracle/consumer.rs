//! What the broker writes into a consumer's cluster, and where it has nothing to write at all.

use std::time::Duration;

use broker_core::resource::marker;
use serde_json::Value;

use super::bench::Bench;
use super::invariant as promise;
use super::reading::{self, ReadyFor};
use super::world::{Copy, Order, World, is_related};
use crate::simulation::history::{ChangeKind, ObjectKey};

/// A Secret or `ConfigMap` in a consumer's cluster is written by the broker. The world is the one before.
pub(super) fn judge_mirror(bench: &mut Bench<'_>) {
    let (key, world) = (bench.seen.key().clone(), bench.world);
    if !bench.seen.broker || !is_related(&key) || !bench.setting.consumers.contains_key(&key.cluster) {
        return;
    }
    let belongs = |object: &Value| reading::label(object, marker::ORDER_LABEL).map(str::to_owned);
    if let Some(before) = bench.seen.before {
        let theirs = belongs(before);
        if !theirs.as_ref().is_some_and(|name| world.order_of_record.contains_key(name)) {
            bench.broken(
                promise::FOREIGN_OBJECT_TOUCHED,
                format!("{key} is written, and was not made for an order"),
            );
            return;
        }
        if !bench.seen.is_gone() && theirs != belongs(bench.seen.object()) {
            bench.broken(
                promise::FOREIGN_OBJECT_TOUCHED,
                format!("{key} is written, and was made for another order"),
            );
        }
    }
    let order = world.order_of_mirror(bench.seen).and_then(|uid| world.orders.get(&uid));
    if let Some(order) = order
        && bench.is_paused(order)
    {
        bench.broken(
            promise::PAUSED_ORDER_TOUCHED,
            format!("{key} of {} is written, which is paused", order.key),
        );
    }
    if bench.seen.is_gone() || bench.seen.begins_deletion() {
        return;
    }
    let Some(order) = order else {
        bench.broken(promise::MIRROR_OF_ANOTHER, format!("{key} is made for no order"));
        return;
    };
    if (&order.key.cluster, &order.key.namespace) != (&key.cluster, &key.namespace) {
        bench.broken(
            promise::MIRROR_OF_ANOTHER,
            format!("{key} is made for {}, which is elsewhere", order.key),
        );
    }
    let content = reading::content(bench.seen.object());
    let Some(content) = content.filter(|_| bench.seen.changed("/data") || bench.seen.changed("/binaryData"))
    else {
        return;
    };
    let own: Vec<&Copy> = world.origins(&content).filter(|copy| order.copies.contains(&copy.uid)).collect();
    if own.is_empty() {
        let whose =
            world.origins(&content).next().map_or_else(|| "nobody".to_owned(), |copy| copy.place.to_string());
        let what =
            format!("{key} of {} is written with what {whose} provides, none of its copies", order.key);
        bench.broken(promise::MIRROR_OF_ANOTHER, what);
    } else if !own.iter().any(|copy| order.pointed.contains_key(&copy.uid)) {
        let what =
            format!("{key} of {} is written before the order is switched to what provides it", order.key);
        bench.broken(promise::MIRROR_OF_ANOTHER, what);
    }
}

/// An order is written by the broker. The world is the one before.
pub(super) fn judge_order(bench: &mut Bench<'_>) {
    let world = bench.world;
    let Some(order) = world.orders.get(reading::uid(bench.seen.object())).filter(|_| bench.seen.broker)
    else {
        return;
    };
    if bench.seen.begins_deletion() {
        bench.broken(promise::ORDER_CHANGED, format!("{} is deleted by the broker", order.key));
    }
    if bench.seen.is_gone() {
        return;
    }
    if bench.seen.changed("/spec") {
        bench.broken(promise::ORDER_CHANGED, format!("the spec of {} is changed by the broker", order.key));
    }
    if bench.seen.changed("/status") {
        judge_status(bench, order);
    }
}

/// The copies whose status an order may show, each with the time from which on: those it was switched to; as long as
/// it was handed nothing, any of its own.
fn showing<'a>(world: &'a World, order: &Order) -> Vec<(&'a Copy, Duration)> {
    let copy = |uid| world.copies.get(uid);
    if order.served && !order.pointed.is_empty() {
        return order.pointed.iter().filter_map(|(uid, since)| Some((copy(uid)?, *since))).collect();
    }
    order.copies.iter().filter_map(|uid| Some((copy(uid)?, Duration::ZERO))).collect()
}

fn judge_status(bench: &mut Bench<'_>, order: &Order) {
    let world = bench.world;
    let object = bench.seen.object();
    let showing = showing(world, order);
    if showing.iter().any(|(copy, _)| copy.is_translated(order)) {
        return;
    }
    let status = reading::comparable_status(object);
    let before = bench.seen.before.map(reading::comparable_status).unwrap_or_default();
    let lag = bench.setting.lag;
    let shown = |(copy, since): &(&Copy, Duration)| copy.showed_since(&status, since.saturating_sub(lag));
    // Where nothing serves any more, or never did, there is nothing to show.
    let nothing_to_show =
        status.is_null() && !(order.served && world.pointed(order).is_some_and(Copy::lives));
    if status != before && !nothing_to_show && !showing.iter().any(shown) {
        let other = world.copies.values().find(|copy| copy.showed(&status));
        let whose = other.map_or_else(|| "no copy's".to_owned(), |copy| format!("that of {}", copy.place));
        let what = format!("the status of {} is {whose}, and it is not switched to that", order.key);
        bench.broken(promise::STATUS_OF_ANOTHER, what);
    }
    if let Some(ReadyFor::Generation(observed)) = reading::says_ready(object) {
        let asked = order.specs.get(&observed);
        let fits = |(copy, _): &(&Copy, Duration)| {
            asked.is_some_and(|asked| copy.ready_specs.iter().any(|spec| reading::contains(spec, asked)))
        };
        if !showing.iter().any(fits) {
            let what = format!("{} is Ready for generation {observed}, and no copy of it was", order.key);
            // Who waits for the present generation is misled; who reads an earlier one is only told wrong.
            let present = observed >= reading::generation(object);
            bench.broken(
                if present { promise::READY_TOO_EARLY } else { promise::GENERATION_MISTRANSLATED },
                what,
            );
        }
    }
    judge_readiness(bench, order);
    judge_naming(bench, order, &status, &before);
}

/// What a status names must be there first; where another copy's status is shown than before, it must be that one's.
fn judge_naming(bench: &mut Bench<'_>, order: &Order, status: &Value, before: &Value) {
    let Some(serving) = bench.world.pointed(order) else { return };
    let shown = !status.is_null() && serving.showed(status) && !serving.showed(before);
    let former = bench.seen.before.map(reading::related).unwrap_or_default();
    for (key, related) in reading::related(bench.seen.object()) {
        let named =
            ObjectKey::new(&order.key.cluster, "", &related.resource(), &related.namespace, &related.name);
        let why = match order.mirrored.get(&named) {
            None if former.get(&key) != Some(&related) => "which was never made",
            Some(content) if shown && !serving.contents.contains(content) => {
                "which holds what another copy provides"
            }
            Some(_) | None => continue,
        };
        let what = format!("the status of {} names {named}, {why}", order.key);
        bench.broken(promise::STATUS_AHEAD_OF_OBJECTS, what);
    }
}

fn judge_readiness(bench: &mut Bench<'_>, order: &Order) {
    let was = bench.seen.before.is_some_and(|before| reading::says_ready(before).is_some());
    let is = reading::says_ready(bench.seen.object()).is_some();
    let serving = bench.world.pointed(order).filter(|copy| copy.lives() && copy.ready);
    if was
        && !is
        && let Some(serving) = serving.filter(|copy| !bench.is_recent(copy.ready_changed))
    {
        let what = format!("{} is no longer Ready, and {} still is", order.key, serving.place);
        bench.broken(promise::READY_REGRESSED, what);
    }
}

/// Any write of the broker.
pub(super) fn judge_manners(bench: &mut Bench<'_>) {
    if !bench.seen.broker {
        return;
    }
    let metadata =
        ["/metadata/labels", "/metadata/annotations", "/metadata/finalizers", "/metadata/ownerReferences"];
    let spec = bench.seen.changed("/spec") || metadata.iter().any(|part| bench.seen.changed(part));
    if bench.seen.write.kind == ChangeKind::Modified && spec && bench.seen.changed("/status") {
        let what = format!("{} is written with its status at once", bench.seen.key());
        bench.broken(promise::SPEC_AND_STATUS_AT_ONCE, what);
    }
    judge_trespass(bench);
}

fn judge_trespass(bench: &mut Bench<'_>) {
    let (key, setting) = (bench.seen.key(), bench.setting);
    let consumes = setting.consumers.contains_key(&key.cluster);
    let provides = setting.providers.contains_key(&key.cluster);
    if !consumes && !provides || key.resource == "events" {
        return;
    }
    let made = bench.seen.write.kind == ChangeKind::Added;
    let ordered = consumes && setting.api(&key.group, &key.resource).is_some() && !made;
    let mirrored = consumes && is_related(key);
    let copied = provides && setting.has_copies_of(&key.group, &key.resource);
    let offered = provides && key.is(marker::GROUP, "acceptapis") && !made && !bench.seen.changed("/spec");
    if !(ordered || mirrored || copied || offered) {
        bench.broken(promise::TRESPASS, format!("{key} is written by the broker"));
    }
}
