//! Carrying out what was decided: each write with the guard that its contract names, as a server would.

use std::collections::BTreeMap;

use broker_core::migration::Migration;
use broker_core::order::Action;
use broker_core::resource::{Object, ObjectKey, marker};
use serde_json::{Value, json};

use super::planning::{CLUSTERS, ORDER_UID, cluster_of, uid_of};
use super::state::{Copy, HelperSet, Id, Link, State, Stores, Word, forget};

/// Carries out one write. One that its guard refuses changes nothing.
#[expect(clippy::too_many_lines, reason = "one arm for each kind of write")]
pub(super) fn write(stores: &mut Stores, state: &mut State, action: &Action) {
    match action {
        Action::AddFinalizer { resource_version, .. } => finalizers(stores, state, resource_version, true),
        Action::RemoveFinalizer { resource_version, .. } => {
            finalizers(stores, state, resource_version, false)
        }
        Action::ApplyStatus { uid, status, .. } => {
            if let Some(id) = state.order.filter(|_| uid == ORDER_UID) {
                let mut order = stores.object(id).as_ref().clone();
                order.set(&["status"], timeless(status));
                state.order = Some(stores.put_object(order));
            }
        }
        Action::Tell { .. } => {}
        Action::CreateAssignment(record) => {
            if state.assignment.is_none() {
                let mut record = record.clone();
                "assignment-uid".clone_into(&mut record.uid);
                state.assignment = Some(stores.put_assignment(record));
            }
        }
        Action::UpdateAssignment(record) => {
            if let Some(there) = state.assignment.filter(|id| id.version() == record.resource_version) {
                let mut record = record.clone();
                record.status = stores.assignment(there).status.clone();
                state.assignment = Some(stores.put_assignment(record));
            }
        }
        Action::ApplyAssignmentStatus { status, .. } => {
            if let Some(there) = state.assignment {
                let mut record = stores.assignment(there).as_ref().clone();
                record.status = status.clone();
                state.assignment = Some(stores.put_assignment(record));
            }
        }
        Action::DeleteAssignment { .. } => state.assignment = None,
        Action::CreateMigration(record) => {
            let taken = state.migrations.iter().any(|id| stores.migration(*id).name == record.name);
            if !taken {
                let mut record = record.clone();
                record.uid = format!("uid-{}", record.name);
                begin(stores, state, record);
            }
        }
        Action::UpdateMigration(record) => {
            if let Some(slot) = state.migrations.iter_mut().find(|id| id.version() == record.resource_version)
            {
                if stores.migration(*slot).position != record.position {
                    state.word = Word::Nothing;
                }
                *slot = stores.put_migration(record.clone());
            }
        }
        Action::DeleteMigration { name, .. } => {
            state.migrations.retain(|id| stores.migration(*id).name != *name);
        }
        Action::AdoptMigration(record) => {
            if state.request.take_if(|id| id.version() == record.resource_version).is_some() {
                begin(stores, state, record.clone());
            }
        }
        Action::AnswerRequest { resource_version, answer, .. } => {
            if let Some(there) = state.request.filter(|id| id.version() == *resource_version) {
                let mut request = stores.request(there).as_ref().clone();
                request.told = Some(answer.clone());
                state.request = Some(stores.put_request(request));
            }
        }
        Action::CreateCopy { copy, object } => {
            let key = stores.put_key(&copy.key);
            if state.links[cluster_of(&copy.key)] == Link::Answers && copy_at(state, key).is_none() {
                let object = stores.put_object(object.clone());
                state.copies.push(Copy {
                    key,
                    object,
                    ready: false,
                    quiesced: false,
                    fenced: false,
                    deleting: false,
                    age: 0,
                });
            }
        }
        Action::ApplyCopy { copy, object } => {
            let guarded = object.uid() == uid_of(&copy.key);
            let mut object = object.clone();
            forget(&mut object, "uid");
            let object = stores.put_object(object);
            if let Some(there) = reached(stores, state, &copy.key).filter(|_| guarded) {
                there.object = object;
            }
        }
        Action::DeleteCopy { copy, .. } => {
            if let Some(there) = reached(stores, state, &copy.key) {
                there.deleting = true;
            }
        }
        Action::Fence { copy, raised, .. } => {
            if let Some(there) = reached(stores, state, &copy.key) {
                there.fenced = *raised;
            }
        }
        Action::CreateHelper { migration, key, object } => {
            create_helper(stores, state, migration, key, object)
        }
        Action::ApplyHelper { migration, key, object } => {
            change_helpers(stores, state, migration, |set| {
                set.objects.insert(key.clone(), object.clone());
            });
        }
        Action::DeleteHelpers { migration, .. } => {
            for slot in &mut state.helpers {
                slot.1 |= stores.helpers(slot.0).migration == *migration;
            }
        }
        Action::CreateRelated { object, .. } => {
            if state.mirrored.is_none() {
                let mut object = object.clone();
                object.set(&["metadata", "uid"], "mirrored-uid".into());
                state.mirrored = Some(stores.put_object(object));
            }
        }
        Action::ApplyRelated { object, .. } => {
            if state.mirrored.is_some() {
                state.mirrored = Some(stores.put_object(object.clone()));
            }
        }
        Action::DeleteRelated { .. } => state.mirrored = None,
    }
}

/// A move is recorded: nothing was done for it yet.
fn begin(stores: &mut Stores, state: &mut State, record: Migration) {
    state.migrations.push(stores.put_migration(record));
    state.word = Word::Nothing;
    state.noted.begins = true;
}

fn finalizers(stores: &mut Stores, state: &mut State, version: &str, held: bool) {
    let Some(id) = state.order.filter(|id| id.version() == version) else { return };
    let mut order = stores.object(id).as_ref().clone();
    let finalizers = if held { json!([marker::ORDER_FINALIZER]) } else { json!([]) };
    order.set(&["metadata", "finalizers"], finalizers);
    settle_order(stores, state, order);
}

/// Stores the order; one that is being deleted and is held by nobody goes, and what it owns with it.
pub(super) fn settle_order(stores: &mut Stores, state: &mut State, order: Object) {
    if order.is_deleting() && order.finalizers().next().is_none() {
        state.order = None;
        state.mirrored = None;
    } else {
        state.order = Some(stores.put_object(order));
    }
}

/// A status without the times of transitions: nothing is decided by them.
fn timeless(status: &Value) -> Value {
    let mut status = status.clone();
    let conditions = status.get_mut("conditions").and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten().filter_map(Value::as_object_mut) {
        if let Some(at) = condition.get_mut("lastTransitionTime") {
            *at = "then".into();
        }
    }
    status
}

fn copy_at(state: &mut State, key: Id) -> Option<&mut Copy> {
    state.copies.iter_mut().find(|copy| copy.key == key)
}

/// A copy in a cluster that answers.
fn reached<'s>(stores: &mut Stores, state: &'s mut State, key: &ObjectKey) -> Option<&'s mut Copy> {
    let answers = state.links[cluster_of(key)] == Link::Answers;
    let key = stores.put_key(key);
    copy_at(state, key).filter(|_| answers)
}

fn create_helper(stores: &mut Stores, state: &mut State, migration: &str, key: &str, object: &Object) {
    if !key.is_empty() {
        change_helpers(stores, state, migration, |set| {
            set.objects.entry(key.to_owned()).or_insert_with(|| object.clone());
        });
        return;
    }
    let is_there = state.helpers.iter().any(|(id, _)| stores.helpers(*id).migration == migration);
    if !is_there {
        let mut namespace = object.clone();
        namespace.set(&["metadata", "uid"], format!("uid-{}", object.name()).into());
        let set = HelperSet { migration: migration.to_owned(), namespace, objects: BTreeMap::new() };
        state.helpers.push((stores.put_helpers(set), false));
    }
}

fn change_helpers(
    stores: &mut Stores,
    state: &mut State,
    migration: &str,
    change: impl FnOnce(&mut HelperSet),
) {
    let slot =
        state.helpers.iter_mut().find(|(id, going)| !going && stores.helpers(*id).migration == migration);
    if let Some(slot) = slot {
        let mut set = stores.helpers(slot.0).as_ref().clone();
        change(&mut set);
        slot.0 = stores.put_helpers(set);
    }
}

/// A provider's cluster leaves with everything in it.
pub(super) fn lose_cluster(stores: &Stores, state: &mut State, cluster: usize) {
    state.links[cluster] = Link::Gone;
    state.copies.retain(|copy| stores.key(copy.key).cluster.as_str() != CLUSTERS[cluster]);
}
