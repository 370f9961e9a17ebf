//! What concerns one order: itself, its records, copies, Secrets and Events.

use std::collections::BTreeSet;

use broker_core::resource::marker;
use serde_json::Value;

use crate::simulation::history::{Entry, Event, History, ObjectKey, Write};

/// Everything that belongs to some orders.
#[derive(Debug, Default)]
pub(super) struct Concern {
    /// Names of Assignments.
    records: BTreeSet<String>,
    /// The orders' and copies' own uids.
    uids: BTreeSet<String>,
    /// The objects themselves, for requests.
    keys: BTreeSet<ObjectKey>,
}

impl Concern {
    /// What belongs to the orders whose `cluster/namespace/name` ends with this.
    pub(super) fn of(history: &History, order: &str) -> Self {
        let mut concern = Self::default();
        let writes = || history.iter().filter_map(written);
        for write in writes().filter(|write| write.key.is(marker::GROUP, "assignments")) {
            let part = |field: &str| text(&write.object, &format!("/spec/order/{field}")).to_owned();
            if ends(&[part("clusterName"), part("namespace"), part("name")], order) {
                concern.records.insert(write.key.name.clone());
                concern.uids.insert(part("uid"));
            }
        }
        for write in writes() {
            if concern.owns(write) {
                concern.uids.insert(text(&write.object, "/metadata/uid").to_owned());
                concern.keys.insert(write.key.clone());
            } else if ends(
                &[write.key.cluster.clone(), write.key.namespace.clone(), write.key.name.clone()],
                order,
            ) {
                concern.keys.insert(write.key.clone());
            }
        }
        concern
    }

    /// Whether an entry concerns them; what nobody can tell does.
    pub(super) fn includes(&self, entry: &Entry) -> bool {
        match &entry.event {
            Event::Wrote(write) => self.keys.contains(&write.key),
            Event::Called(call) => self.keys.contains(&call.key) || call.fault.is_some(),
            Event::Harmed { .. } | Event::Said { .. } => true,
        }
    }

    fn owns(&self, write: &Write) -> bool {
        let object = &write.object;
        let label = object.get("metadata").and_then(|m| m.get("labels")?.get(marker::ORDER_LABEL)?.as_str());
        let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
        let mut owners = owners.into_iter().flatten().filter_map(|owner| owner["uid"].as_str());
        (write.key.is(marker::GROUP, "assignments") && self.records.contains(&write.key.name))
            || label.is_some_and(|name| self.records.contains(name))
            || [text(object, "/metadata/uid"), text(object, "/involvedObject/uid")]
                .iter()
                .any(|uid| !uid.is_empty() && self.uids.contains(*uid))
            || owners.any(|uid| self.uids.contains(uid))
    }
}

fn written(entry: &Entry) -> Option<&Write> {
    match &entry.event {
        Event::Wrote(write) => Some(write),
        Event::Called(_) | Event::Harmed { .. } | Event::Said { .. } => None,
    }
}

/// Whether these parts, joined, end with this at the beginning of a part.
fn ends(parts: &[String], with: &str) -> bool {
    let path = parts
        .iter()
        .filter(|part| !part.is_empty())
        .fold(String::new(), |path, part| format!("{path}/{part}"));
    path.ends_with(&format!("/{}", with.trim_start_matches('/')))
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
