//! The people and providers around the broker: who orders, edits, offers, provides.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use broker_core::migration::{Answer, Controls, Migration, MigrationState, Request};
use broker_core::offer::{CopyKind, OfferId, OfferSpec};
use broker_core::order::{Compute, Policy};
use broker_core::playbook::{Playbook, Playbooks};
use broker_core::port::{OrderAddress, PortError};
use broker_core::resource::{ClusterName, Gvk, Gvr, Object, ObjectKey, ObjectRef, marker};
use serde_json::{Value, json};

use super::{COMPUTE, MemoryFleet, State};

impl MemoryFleet {
    /// Lets time pass.
    pub fn advance(&self, span: Duration) {
        let mut state = self.lock();
        state.now = state.now.plus(span);
    }

    /// Sets the clock back.
    pub fn set_back(&self, span: Duration) {
        let mut state = self.lock();
        state.now = state.now.before(span);
    }

    /// A provider offers.
    pub fn offer(&self, id: &OfferId, spec: OfferSpec) {
        self.lock().offers.insert(id.clone(), spec);
    }

    /// Every cluster serves a kind that copies may have beside the orders' own.
    pub fn serve_kind(&self, gvr: Gvr, kind: &str) {
        let mut state = self.lock();
        let apis = [state.policy.gvr.group_resource()].into();
        state.kinds.push(CopyKind { gvr, kind: kind.to_owned(), apis });
    }

    /// A provider withdraws its offer.
    pub fn withdraw(&self, id: &OfferId) {
        self.lock().offers.remove(id);
    }

    /// A cluster leaves the fleet, with everything in it.
    pub fn remove_cluster(&self, cluster: &str) {
        self.lock().gone.insert(cluster.into());
    }

    /// A cluster stops, or starts again, to answer. While it does not, nothing can be written to it.
    pub fn set_reachable(&self, cluster: &str, reachable: bool) {
        let mut state = self.lock();
        if reachable {
            state.unreachable.remove(&cluster.into());
            state.unread.remove(&cluster.into());
        } else {
            let now = state.now;
            state.unreachable.entry(cluster.into()).or_insert(now);
        }
    }

    /// A cluster does not answer, and what it said before is not known either: as to a broker that starts meanwhile.
    pub fn lose_sight(&self, cluster: &str) {
        self.set_reachable(cluster, false);
        self.lock().unread.insert(cluster.into());
    }

    /// What the broker has seen of how long clusters do not answer begins again, as after its restart.
    pub fn forget_silence(&self) {
        let mut state = self.lock();
        let now = state.now;
        state.unreachable.values_mut().for_each(|since| *since = now);
    }

    /// Changes how the orders of the API are treated.
    pub fn set_policy(&self, change: impl FnOnce(&mut Policy)) {
        let mut state = self.lock();
        change(Arc::make_mut(&mut state.policy));
    }

    /// The platform writes playbooks.
    pub fn set_playbooks(&self, playbooks: impl IntoIterator<Item = Playbook>) {
        self.lock().playbooks = Arc::new(Playbooks::new(playbooks));
    }

    /// There is a cluster for helper objects, it does not answer, or there is none.
    pub fn set_compute(&self, compute: Compute) {
        self.lock().compute = compute;
    }

    /// Somebody deletes the records of all moves.
    pub fn forget_migrations(&self) {
        self.lock().migrations.clear();
    }

    /// A person asks for a move.
    pub fn ask(&self, mut request: Request) {
        let mut state = self.lock();
        let version = state.next_version();
        request.uid = format!("uid-{version}");
        request.resource_version = version;
        request.created_at = Some(state.now);
        state.requests.insert(request.name.clone(), request);
    }

    /// What was said last to what a person asks for, as far as it was not taken up: why nobody knows which order is meant,
    /// or why that cannot move.
    pub fn answered(&self, request: &str) -> Option<Answer> {
        let state = self.lock();
        let request = state.requests.get(request)?;
        state.resolve(request).err().or_else(|| request.told.clone())
    }

    /// A person deletes the record of a move, or what was asked for.
    pub fn take_back(&self, migration: &str) {
        let mut state = self.lock();
        state.migrations.remove(migration);
        state.requests.remove(migration);
    }

    /// A person says something about a move.
    pub fn control(&self, migration: &str, change: impl FnOnce(&mut Controls)) {
        let mut state = self.lock();
        let version = state.next_version();
        if let Some(record) = state.migrations.get_mut(migration) {
            change(&mut record.controls);
            record.resource_version = version;
        } else if let Some(request) = state.requests.get_mut(migration) {
            change(&mut request.controls);
            request.resource_version = version;
        }
    }

    /// Somebody creates an object, or replaces everything in it but metadata and status. Returns its address.
    pub fn write(&self, cluster: &str, object: &Value) -> Option<OrderAddress> {
        let object = Object::try_from(object.clone()).ok()?;
        let mut state = self.lock();
        let target = ObjectRef { gvk: object.gvk(), key: object.key_in(&cluster.into()) };
        match state.objects.get(&target).cloned() {
            None => {
                state.insert(&target, object);
            }
            Some(there) => {
                let mut next = there.as_ref().clone();
                for (key, value) in object.fields() {
                    if key != "metadata" && key != "status" {
                        next.fields_mut().insert(key.clone(), value.clone());
                    }
                }
                next.set(&["metadata", "generation"], (there.generation() + 1).into());
                state.put(&target, next);
            }
        }
        Some(OrderAddress { gvr: state.policy.gvr.clone(), key: target.key, uid: None })
    }

    /// Somebody changes one field of an object, status included.
    pub fn set(&self, target: &ObjectRef, keys: &[&str], value: Value) {
        let mut state = self.lock();
        if let Some(there) = state.objects.get(target).cloned() {
            let mut next = there.as_ref().clone();
            next.set(keys, value);
            state.put(target, next);
        }
    }

    /// Somebody deletes an object; its finalizers are respected.
    pub fn delete(&self, target: &ObjectRef) -> Result<(), PortError> {
        let mut state = self.lock();
        let Some(there) = state.objects.get(target).cloned() else { return Ok(()) };
        let mut next = there.as_ref().clone();
        next.set(&["metadata", "deletionTimestamp"], state.now.to_rfc3339().into());
        state.put(target, next);
        Ok(())
    }

    /// One object.
    pub fn get(&self, kind: &Gvk, cluster: &str, namespace: &str, name: &str) -> Option<Arc<Object>> {
        let target = ObjectRef { gvk: kind.clone(), key: ObjectKey::new(cluster, namespace, name) };
        self.lock().objects.get(&target).cloned()
    }

    /// The copies in a provider's cluster.
    pub fn copies_in(&self, cluster: &str) -> Vec<Arc<Object>> {
        let state = self.lock();
        let kind = state.policy.gvk();
        let here = |target: &ObjectRef| target.gvk == kind && target.key.cluster.as_str() == cluster;
        state
            .objects
            .iter()
            .filter(|(target, _)| here(target))
            .map(|(_, object)| Arc::clone(object))
            .collect()
    }

    /// From now on the copies in a cluster have this in their status, beside what every provider says.
    pub fn say(&self, cluster: &str, status: &Value) {
        let mut state = self.lock();
        let said = state.said.entry(cluster.into()).or_default();
        if let Value::Object(status) = status {
            said.extend(status.clone());
        }
    }

    /// The helper objects of all moves.
    pub fn helpers(&self) -> Vec<Arc<Object>> {
        let state = self.lock();
        let there = state.objects.iter().filter(|(target, _)| target.key.cluster.as_str() == COMPUTE);
        there.map(|(_, object)| Arc::clone(object)).collect()
    }

    /// Lets a provider work: a fence on a copy is answered unless its cluster was said to have `quiesced` otherwise;
    /// every copy in its cluster gets a Secret that names the provider, and becomes ready.
    /// Returns whether anything changed.
    pub fn provide(&self, cluster: &str) -> bool {
        let copies = self.copies_in(cluster);
        let mut state = self.lock();
        let mut changed = false;
        for copy in copies.iter().filter(|copy| !copy.is_deleting()) {
            changed |= provide(&mut state, cluster, copy);
        }
        changed
    }

    /// States of the migrations of all orders, by name of the record.
    pub fn migration_states(&self) -> Vec<MigrationState> {
        self.lock().migrations.values().map(Migration::state).collect()
    }

    /// The clusters that hold a copy.
    pub fn clusters_with_copies(&self) -> BTreeSet<String> {
        let state = self.lock();
        let kind = state.policy.gvk();
        let copies = state
            .objects
            .iter()
            .filter(|(target, object)| target.gvk == kind && object.label(marker::ORDER_LABEL).is_some());
        copies.map(|(target, _)| target.key.cluster.to_string()).collect()
    }
}

fn provide(state: &mut State, cluster: &str, copy: &Object) -> bool {
    let kind = state.policy.gvk();
    let secret_name = format!("{}-tls", copy.name());
    let secret = ObjectRef {
        gvk: Gvk::new("", "v1", "Secret"),
        key: ObjectKey::new(cluster, copy.namespace(), secret_name.clone()),
    };
    let content = json!({ "issuer": cluster, "fqdn": copy.get(&["spec", "fqdn"]) });
    let before = state.version;
    match state.objects.get(&secret).cloned() {
        None => {
            let mut object = Object::named(&secret.gvk, copy.namespace(), &secret_name);
            object.set(&["type"], "kubernetes.io/tls".into());
            object.set(&["data"], content);
            object.set(&["metadata", "labels"], json!({ marker::MANAGED_LABEL: marker::MANAGED_VALUE }));
            let owner = json!({ "apiVersion": kind.api_version(), "kind": kind.kind, "name": copy.name(), "uid": copy.uid() });
            object.set(&["metadata", "ownerReferences"], json!([owner]));
            state.insert(&secret, object);
        }
        Some(there) if there.get(&["data"]) != Some(&content) => {
            let mut next = there.as_ref().clone();
            next.set(&["data"], content);
            state.put(&secret, next);
        }
        Some(_) => {}
    }
    let mut status = json!({
        "observedGeneration": copy.generation(),
        "issuer": cluster,
        "conditions": [{ "type": "Ready", "status": "True", "reason": "Issued", "message": "", "observedGeneration": copy.generation() }],
        "relatedResources": { "secret": { "name": secret_name, "namespace": copy.namespace(), "gvk": { "group": "", "version": "v1", "kind": "Secret" } } },
    });
    let said = state.said.get(&ClusterName::from(cluster)).cloned().unwrap_or_default();
    if let Value::Object(fields) = &mut status {
        if copy.annotation(marker::QUIESCE_ANNOTATION) == Some("true") {
            fields.insert("quiesced".to_owned(), true.into());
        }
        fields.extend(said);
    }
    if copy.get(&["status"]) != Some(&status) {
        let target = ObjectRef { gvk: kind, key: copy.key_in(&cluster.into()) };
        let mut next = copy.clone();
        next.set(&["status"], status);
        state.put(&target, next);
    }
    state.version != before
}
