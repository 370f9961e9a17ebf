//! What has to be known of a kind to address it by URL.

use std::fmt;

use broker_core::resource::{Gvk, Gvr};

/// Whether objects of a kind live in namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// In namespaces.
    Namespaced,
    /// In the cluster itself.
    Cluster,
}

/// A kind as the API server serves it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource {
    /// Group, version and the plural in URLs.
    pub gvr: Gvr,
    /// The kind.
    pub kind: String,
    /// Whether its objects live in namespaces.
    pub scope: Scope,
}

impl Resource {
    /// A kind whose objects live in namespaces.
    pub fn namespaced(gvr: Gvr, kind: impl Into<String>) -> Self {
        Self { gvr, kind: kind.into(), scope: Scope::Namespaced }
    }

    /// A kind whose objects live in the cluster itself.
    pub fn cluster_scoped(gvr: Gvr, kind: impl Into<String>) -> Self {
        Self { gvr, kind: kind.into(), scope: Scope::Cluster }
    }

    /// Secrets.
    pub fn secrets() -> Self {
        Self::namespaced(Gvr::new("", "v1", "secrets"), "Secret")
    }

    /// Config maps.
    pub fn config_maps() -> Self {
        Self::namespaced(Gvr::new("", "v1", "configmaps"), "ConfigMap")
    }

    /// Events.
    pub fn events() -> Self {
        Self::namespaced(Gvr::new("", "v1", "events"), "Event")
    }

    /// Group, version and kind.
    pub fn gvk(&self) -> Gvk {
        Gvk::new(&self.gvr.group, &self.gvr.version, &self.kind)
    }

    /// The path of the collection: below the namespace where one is given, else across all of them.
    pub fn path(&self, namespace: &str) -> String {
        let root = if self.gvr.group.is_empty() {
            format!("/api/{}", self.gvr.version)
        } else {
            format!("/apis/{}/{}", self.gvr.group, self.gvr.version)
        };
        if namespace.is_empty() || self.scope == Scope::Cluster {
            format!("{root}/{}", self.gvr.resource)
        } else {
            format!("{root}/namespaces/{namespace}/{}", self.gvr.resource)
        }
    }

    /// Whether what is inside must not appear in any message.
    pub fn is_confidential(&self) -> bool {
        self.gvr.group.is_empty() && self.gvr.resource == "secrets"
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.gvr.fmt(f)
    }
}
