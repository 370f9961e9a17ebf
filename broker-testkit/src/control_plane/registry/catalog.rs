//! What is served in a cluster: the built-in kinds, its CRDs, and what its bindings bring.
//!
//! Computed from the stored objects and kept until one of them changes, so that a kind is served from the
//! very revision at which its CRD or binding says so.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::builtin;
use super::custom;
use super::definition::Definition;
use crate::control_plane::kcp::names as kcp;
use crate::control_plane::storage::{ObjectKey, Scope, Store, TableId};
use crate::control_plane::value::{condition_is_true, text};

/// The definitions served in one cluster (or through one virtual workspace).
#[derive(Debug, Default)]
pub(crate) struct Served {
    definitions: Vec<Arc<Definition>>,
}

impl Served {
    /// Out of definitions; of two of the same resource the first counts.
    pub(crate) fn new(definitions: Vec<Arc<Definition>>) -> Self {
        Self { definitions }
    }

    /// The resource by its name in URLs.
    pub(crate) fn find(&self, group: &str, version: &str, resource: &str) -> Option<&Arc<Definition>> {
        self.definitions.iter().find(|d| d.group == group && d.version == version && d.plural == resource)
    }

    /// The resource in any version.
    pub(crate) fn find_any(&self, group: &str, resource: &str) -> Option<&Arc<Definition>> {
        self.definitions.iter().find(|d| d.group == group && d.plural == resource)
    }

    /// All of them, built-in ones first.
    pub(crate) fn all(&self) -> &[Arc<Definition>] {
        &self.definitions
    }
}

type Parsed = HashMap<(String, String), Vec<Arc<Definition>>>;

/// Answers what is served where.
#[derive(Debug)]
pub(crate) struct Catalog {
    store: Arc<Store>,
    builtin: Vec<Arc<Definition>>,
    sources: Vec<TableId>,
    clusters: Mutex<HashMap<String, (u64, Arc<Served>)>>,
    parsed: Mutex<Parsed>,
}

impl Catalog {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            builtin: builtin::definitions(),
            sources: vec![crds(), kcp::bindings(), kcp::bound_schemas()],
            clusters: Mutex::default(),
            parsed: Mutex::default(),
        }
    }

    /// The same for a copy of the store, with what was read of definitions so far.
    pub(crate) fn fork(&self, store: Arc<Store>) -> Self {
        let parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self {
            store,
            builtin: self.builtin.clone(),
            sources: self.sources.clone(),
            clusters: Mutex::default(),
            parsed: Mutex::new(parsed),
        }
    }

    /// The built-in kinds.
    pub(crate) fn builtin(&self) -> &[Arc<Definition>] {
        &self.builtin
    }

    /// What is served in a cluster.
    pub(crate) fn served(&self, cluster: &str) -> Arc<Served> {
        let revision = self.store.last_change(&self.sources);
        let mut clusters = self.clusters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, served)) = clusters.get(cluster)
            && *at == revision
        {
            return Arc::clone(served);
        }
        let served = Arc::new(Served::new(self.collect(cluster)));
        clusters.insert(cluster.to_owned(), (revision, Arc::clone(&served)));
        served
    }

    fn collect(&self, cluster: &str) -> Vec<Arc<Definition>> {
        let mut all = self.builtin.clone();
        let scope = Scope::cluster(cluster);
        for (_, crd) in self.store.list(&crds(), &scope).items {
            if condition_is_true(&crd, "Established") {
                all.extend(self.parse(&crd, "", custom::from_crd));
            }
        }
        for (_, binding) in self.store.list(&kcp::bindings(), &scope).items {
            let bound = binding.pointer("/status/boundResources").and_then(Value::as_array);
            for resource in bound.into_iter().flatten() {
                let identity = text(resource, "/schema/identityHash");
                let key = ObjectKey::new("", "", text(resource, "/schema/UID"));
                if let Some(schema) = self.store.get(&kcp::bound_schemas(), &key) {
                    all.extend(self.parse(&schema, identity, |schema| {
                        custom::from_api_resource_schema(schema, identity)
                    }));
                }
            }
        }
        all
    }

    /// The definitions of one schema object under one identity, parsed once per revision of the object.
    pub(crate) fn parse(
        &self,
        object: &Value,
        identity: &str,
        read: impl Fn(&Value) -> Vec<Definition>,
    ) -> Vec<Arc<Definition>> {
        let key = (
            format!("{}/{identity}", text(object, "/metadata/uid")),
            text(object, "/metadata/resourceVersion").to_owned(),
        );
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        parsed.entry(key).or_insert_with(|| read(object).into_iter().map(Arc::new).collect()).clone()
    }
}

/// The table of CustomResourceDefinitions.
pub(crate) fn crds() -> TableId {
    TableId::of("apiextensions.k8s.io", "customresourcedefinitions")
}
