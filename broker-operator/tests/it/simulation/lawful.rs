//! Records of moves against the pure machine: each state of one follows from the one before by one event.

use std::collections::BTreeSet;
use std::time::Duration;

use broker_core::migration::{Event, Migration, Position, transition};
use broker_core::resource::{Object, marker};
use broker_kcp::record::read_migration;
use broker_testkit::simulation::history::{Event as Entry, History, Write};
use serde_json::Value;

fn written(history: &History) -> impl Iterator<Item = (Duration, &Write)> {
    history.entries().iter().filter_map(|entry| match &entry.event {
        Entry::Wrote(write) if write.key.is(marker::GROUP, "migrations") => Some((entry.at, write)),
        _ => None,
    })
}

/// The states that moves were in.
pub(crate) fn states(history: &History) -> BTreeSet<&'static str> {
    written(history).filter_map(|(_, write)| Some(record(&write.object)?.state().as_str())).collect()
}

/// What does not follow.
pub(crate) fn breaches(history: &History) -> Vec<String> {
    written(history)
        .filter_map(|(at, write)| {
            let (before, after) = (record(write.before.as_deref()?)?, record(&write.object)?);
            let lawful = before.position == after.position || follows(&before, after.position);
            (!lawful).then(|| {
                let (before, after) = (before.position, after.position);
                format!("at {at:?} {} is {after:?}, which does not follow from {before:?}", write.key)
            })
        })
        .collect()
}

fn record(object: &Value) -> Option<Migration> {
    read_migration(&Object::try_from(object.clone()).ok()?).ok()?
}

/// A record is never older than what it is about where nothing is restored, so two events are for nobody here.
fn follows(before: &Migration, after: Position) -> bool {
    let events = Event::ALL.into_iter().filter(|event| !matches!(event, Event::SwitchSeen | Event::EndSeen));
    events
        .filter_map(|event| transition(before.position, event, &before.route()).ok())
        .any(|next| next == after)
}
