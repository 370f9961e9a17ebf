//! What a restored backup does to a fleet, and the broker's search for what nobody names.

use std::collections::BTreeMap;
use std::sync::Arc;

use broker_core::migration::Migration;
use broker_core::order::{Action, Assignment, OrderIdentity, Stray, judge_stray, waits_for_record};
use broker_core::resource::{Object, ObjectKey, ObjectRef, marker};

use super::{MemoryFleet, State};

/// The platform's records at one time.
#[derive(Clone, Debug)]
pub struct Backup {
    assignments: BTreeMap<String, Assignment>,
    migrations: BTreeMap<String, Migration>,
}

impl MemoryFleet {
    /// The platform's records as they are.
    pub fn back_up(&self) -> Backup {
        let state = self.lock();
        Backup { assignments: state.assignments.clone(), migrations: state.migrations.clone() }
    }

    /// The platform's Assignments become what they were; they get new uids and versions, as restored objects do.
    pub fn restore_assignments(&self, backup: &Backup) {
        let mut state = self.lock();
        let mut assignments = backup.assignments.clone();
        for record in assignments.values_mut() {
            let version = state.next_version();
            record.uid = format!("uid-{version}");
            record.resource_version = version;
        }
        state.assignments = assignments;
    }

    /// The platform's Migrations become what they were.
    pub fn restore_migrations(&self, backup: &Backup) {
        let mut state = self.lock();
        let mut migrations = backup.migrations.clone();
        for record in migrations.values_mut() {
            let version = state.next_version();
            record.uid = format!("uid-{version}");
            record.resource_version = version;
        }
        state.migrations = migrations;
    }

    /// The restored object has everything that it had but its uid: others' references to it lead nowhere.
    pub fn restore_object(&self, target: &ObjectRef) {
        let mut state = self.lock();
        if let Some(there) = state.objects.get(target).cloned() {
            let mut next = there.as_ref().clone();
            let uid = format!("uid-{}", state.next_version());
            next.set(&["metadata", "uid"], uid.into());
            state.put(target, next);
        }
    }

    /// Writes an Assignment as `recover` does: a new one, or the next version of one that is there.
    pub fn record(&self, record: &Assignment) -> Result<(), broker_core::port::PortError> {
        let action = if record.uid.is_empty() {
            Action::CreateAssignment(record.clone())
        } else {
            Action::UpdateAssignment(record.clone())
        };
        self.lock().record(&action)
    }

    /// Looks at every object that carries the broker's mark and is named by nobody, and removes what was left behind.
    /// Returns what it removed.
    pub fn sweep(&self) -> Vec<ObjectKey> {
        let mut state = self.lock();
        let strays: Vec<(ObjectRef, Arc<Object>)> = state
            .objects
            .iter()
            .filter(|(target, object)| {
                target.gvk == state.policy.gvk()
                    && object.annotation(marker::RETAINED_ANNOTATION).is_none()
                    && object.label(marker::ORDER_LABEL).is_some()
                    && !state.is_named(&target.key)
            })
            .map(|(target, object)| (target.clone(), Arc::clone(object)))
            .collect();
        let mut removed = Vec::new();
        for (target, object) in strays {
            let mark = object.label(marker::ORDER_LABEL).unwrap_or_default();
            let verdict = judge_stray(
                &target.key,
                state.assignments.get(mark),
                state.policy.moves,
                state.orders_wait(mark),
            );
            if verdict == Stray::Goes {
                let mut next = object.as_ref().clone();
                next.set(&["metadata", "deletionTimestamp"], state.now.to_rfc3339().into());
                state.put(&target, next);
                removed.push(target.key);
            }
        }
        removed
    }
}

impl State {
    /// Whether any order waits for its record.
    fn orders_wait(&self, mark: &str) -> bool {
        self.objects.iter().any(|(target, object)| {
            let identity = OrderIdentity::of(object, &self.policy.gvr, &target.key.cluster);
            let has_record = self.assignments.values().any(|record| record.order == identity);
            target.gvk == self.policy.gvk()
                && object.label(marker::ORDER_LABEL).is_none()
                && waits_for_record(object, &identity, has_record, mark)
        })
    }
}
