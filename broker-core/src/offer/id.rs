//! The identity of an offer.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::resource::{ClusterName, ObjectKey};

/// Which AcceptAPI an offer is: its provider's cluster, namespace and name.
///
/// AcceptAPI may be served cluster-scoped: then the namespace is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OfferId {
    /// The provider's cluster.
    pub cluster: ClusterName,
    /// The AcceptAPI's namespace; empty where it is cluster-scoped.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The AcceptAPI's name.
    pub name: String,
}

impl OfferId {
    /// An identity from its parts; an empty namespace means cluster-scoped.
    pub fn new(
        cluster: impl Into<ClusterName>,
        namespace: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        Self { cluster: cluster.into(), namespace: namespace.into(), name: name.into() }
    }
}

impl From<ObjectKey> for OfferId {
    fn from(key: ObjectKey) -> Self {
        Self { cluster: key.cluster, namespace: key.namespace, name: key.name }
    }
}

impl From<OfferId> for ObjectKey {
    fn from(id: OfferId) -> Self {
        Self { cluster: id.cluster, namespace: id.namespace, name: id.name }
    }
}

impl fmt::Display for OfferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{}|{}", self.cluster, self.name)
        } else {
            write!(f, "{}|{}/{}", self.cluster, self.namespace, self.name)
        }
    }
}
