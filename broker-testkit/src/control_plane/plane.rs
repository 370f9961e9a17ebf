//! What all rooms share: the store, the catalog, the accounts, and the one way in which objects are written.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::control_plane::kcp::shards::Shards;
use crate::control_plane::kcp::{claims, names as kcp, workspace};
use crate::control_plane::rbac::Tokens;
use crate::control_plane::registry::{Catalog, Served};
use crate::control_plane::sabotage::{self, Bug};
use crate::control_plane::storage::{CommitError, Expected, ObjectKey, Store, TableId};
use crate::control_plane::surroundings::Surroundings;
use crate::control_plane::value;

/// The state of one control plane.
#[derive(Debug)]
pub(crate) struct Plane {
    pub(crate) store: Arc<Store>,
    pub(crate) catalog: Catalog,
    pub(crate) tokens: Tokens,
    /// `https://127.0.0.1:PORT`.
    pub(crate) url: String,
    /// The certificate authority of the server, PEM.
    pub(crate) authority: String,
    /// Where workspaces live.
    pub(crate) shards: Arc<Shards>,
    /// Whether `sendInitialEvents` is honoured.
    pub(crate) streaming_lists: bool,
    /// The time, and what nobody can guess.
    pub(crate) surroundings: Surroundings,
}

/// Through which door a request looks at the objects.
#[derive(Debug, Clone)]
pub(crate) struct View {
    /// What can be seen.
    pub(crate) served: Arc<Served>,
    /// One cluster, or all of them.
    pub(crate) cluster: Option<Arc<str>>,
    /// The export whose virtual workspace this is.
    pub(crate) export: Option<Arc<claims::ExportView>>,
    /// The shard that a virtual workspace looks at; its clusters alone are seen.
    pub(crate) shard: Option<ShardView>,
    /// Whether the request came without a cluster in its path, as to a plain Kubernetes server.
    pub(crate) plain: bool,
}

/// One shard, as a virtual workspace looks at it.
#[derive(Debug, Clone)]
pub(crate) struct ShardView {
    pub(crate) shards: Arc<Shards>,
    /// The first one has none.
    pub(crate) name: Option<String>,
}

impl View {
    /// Whether a cluster can be seen at all.
    pub(crate) fn reaches(&self, cluster: &str) -> bool {
        self.shard.as_ref().is_none_or(|shard| shard.shards.holds(shard.name.as_deref(), cluster))
    }

    /// Whether this view may show less of a table than its scope holds.
    pub(crate) fn is_partial(&self) -> bool {
        self.export.is_some()
    }

    /// The label that objects of a table must carry to exist in this view.
    pub(crate) fn claim(&self, table: &TableId) -> Option<&claims::Visible> {
        self.export.as_ref()?.claim(table)
    }

    /// Whether the object exists in this view.
    pub(crate) fn shows(&self, table: &TableId, object: &Value) -> bool {
        self.claim(table).is_none_or(|visible| visible.admits(object))
    }
}

/// What became of a write.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// The object as it is stored now.
    Stored(Arc<Value>),
    /// It was the last finalizer's removal: the object is gone. Its last state.
    Removed(Arc<Value>),
}

impl Outcome {
    /// The object, there or gone.
    pub(crate) fn into_object(self) -> Arc<Value> {
        match self {
            Self::Stored(object) | Self::Removed(object) => object,
        }
    }
}

impl Plane {
    /// Now, as Kubernetes writes times.
    pub(crate) fn now(&self) -> String {
        self.surroundings.now()
    }

    /// A new object with its system metadata.
    pub(crate) fn fresh(&self, api_version: &str, kind: &str, key: &ObjectKey, generation: bool) -> Value {
        let mut metadata = json!({
            "name": key.name,
            "uid": self.surroundings.uuid().to_string(),
            "creationTimestamp": self.now(),
        });
        if !key.namespace.is_empty() {
            value::set(&mut metadata, &["namespace"], json!(key.namespace));
        }
        if generation {
            value::set(&mut metadata, &["generation"], json!(1));
        }
        json!({"apiVersion": api_version, "kind": kind, "metadata": metadata})
    }

    /// Completes an object with what the server itself writes into it.
    pub(crate) fn seal(&self, table: &TableId, key: &ObjectKey, object: &mut Value) {
        if !key.cluster.is_empty() {
            value::set_annotation(object, kcp::CLUSTER, &key.cluster);
            if *table == kcp::exports() || *table == kcp::bindings() {
                value::set_annotation(object, kcp::PATH, &workspace::path_of(self, &key.cluster));
            }
            claims::label(self, table, key, object);
        }
    }

    /// Creates an object.
    pub(crate) fn create(
        &self,
        table: &TableId,
        key: ObjectKey,
        mut object: Value,
    ) -> Result<Arc<Value>, CommitError> {
        self.seal(table, &key, &mut object);
        self.store.commit(table, key, &Expected::Absent, Some(object))
    }

    /// Replaces an object by its successor, unless nothing changed; removes it when its deletion was
    /// only waiting for finalizers that are gone now.
    pub(crate) fn replace(
        &self,
        table: &TableId,
        key: &ObjectKey,
        live: &Arc<Value>,
        mut object: Value,
    ) -> Result<Outcome, CommitError> {
        self.seal(table, key, &mut object);
        let expected = Expected::Is(Arc::clone(live));
        if is_released(&object) {
            self.store.commit(table, key.clone(), &expected, None)?;
            // The writer is answered with what it wrote, watches show the state before that.
            return Ok(Outcome::Removed(Arc::new(object)));
        }
        value::set(
            &mut object,
            &["metadata", "resourceVersion"],
            value::at(live, "/metadata/resourceVersion").clone(),
        );
        if object == **live && !sabotage::is(Bug::NoChangeIsAChange) {
            return Ok(Outcome::Stored(Arc::clone(live)));
        }
        self.store.commit(table, key.clone(), &expected, Some(object)).map(Outcome::Stored)
    }

    /// Changes an object for one of the server's own controllers, again and again until nobody interferes.
    ///
    /// Answers the object as it is afterwards, `None` if it is not there (any more).
    pub(crate) fn modify(
        &self,
        table: &TableId,
        key: &ObjectKey,
        change: impl Fn(&mut Value),
    ) -> Option<Arc<Value>> {
        loop {
            let live = self.store.get(table, key)?;
            let mut object = Value::clone(&live);
            change(&mut object);
            match self.replace(table, key, &live, object) {
                Ok(Outcome::Stored(stored)) => return Some(stored),
                Ok(Outcome::Removed(_)) => return None,
                Err(CommitError::Exists | CommitError::Stale) => {}
            }
        }
    }

    /// Begins the deletion of an object, or finishes it where nothing holds it.
    pub(crate) fn begin_deletion(&self, table: &TableId, key: &ObjectKey, finalizer: Option<&str>) {
        loop {
            let Some(live) = self.store.get(table, key) else { return };
            let mut object = Value::clone(&live);
            mark_deleted(&mut object, finalizer, &self.now());
            match self.replace(table, key, &live, object) {
                Ok(_) => return,
                Err(CommitError::Exists | CommitError::Stale) => {}
            }
        }
    }
}

/// Whether the object waits for nothing but its removal.
pub(crate) fn is_released(object: &Value) -> bool {
    value::is_terminating(object)
        && (value::list(object, "/metadata/finalizers").is_empty() || sabotage::is(Bug::FinalizersIgnored))
        // Only namespaces have finalizers of this second sort.
        && (object["kind"] != "Namespace" || value::list(object, "/spec/finalizers").is_empty())
}

/// Writes what the beginning of a deletion writes, once.
pub(crate) fn mark_deleted(object: &mut Value, finalizer: Option<&str>, now: &str) {
    if let Some(finalizer) = finalizer {
        let mut finalizers = value::finalizers(object);
        if !finalizers.iter().any(|f| f == finalizer) {
            finalizers.push(finalizer.to_owned());
            value::set_finalizers(object, &finalizers);
        }
    }
    if value::is_terminating(object) {
        return;
    }
    value::set(object, &["metadata", "deletionTimestamp"], json!(now));
    value::set(object, &["metadata", "deletionGracePeriodSeconds"], json!(0));
    if let Some(generation) = value::at(object, "/metadata/generation").as_i64() {
        value::set(object, &["metadata", "generation"], json!(generation + 1));
    }
    if object["kind"] == "Namespace" {
        value::set(object, &["status", "phase"], json!("Terminating"));
    }
}
