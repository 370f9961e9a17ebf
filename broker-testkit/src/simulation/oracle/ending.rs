//! The end of an order.

use broker_core::resource::marker;

use super::bench::Bench;
use super::invariant as promise;
use super::reading;

/// The broker lets an order go. The world is the one before.
pub(super) fn judge(bench: &mut Bench<'_>) {
    let held = bench.seen.before.is_some_and(reading::is_held);
    let released = bench.seen.is_gone() || !reading::is_held(bench.seen.object());
    let world = bench.world;
    let Some(order) = bench.order() else { return };
    let order = match world.orders.get(&order.uid) {
        // What nobody can find any more, or reach, is waited for by nobody.
        Some(order) if bench.seen.broker && held && released && !order.lost => order,
        _ => return,
    };
    if bench.is_paused(order) {
        bench.broken(promise::PAUSED_ORDER_TOUCHED, format!("{} is let go while it is paused", order.key));
    }
    if world.is_gone(&order.key.cluster) {
        return;
    }
    for copy in world.copies_of(order) {
        if world.is_gone(&copy.key.cluster) || copy.is_retained() || order.retain {
            continue;
        }
        let what = format!("{} is let go, and {} is still there", order.key, copy.place);
        bench.broken(promise::FINALIZER_REMOVED_TOO_EARLY, what);
    }
    for key in &order.mirrors {
        let Some(mirror) = world.objects.get(key) else { continue };
        // What lost the label cannot be seen by the broker.
        let visible = reading::label(mirror, marker::MANAGED_LABEL) == Some(marker::MANAGED_VALUE);
        if visible && !reading::is_terminating(mirror) {
            let what = format!("{} is let go, and {key} is still there", order.key);
            bench.broken(promise::FINALIZER_REMOVED_TOO_EARLY, what);
        }
    }
}
