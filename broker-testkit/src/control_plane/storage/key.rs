//! How tables and objects are named.

use std::fmt;
use std::sync::Arc;

/// One table: all objects of a group and resource, in all clusters, stored under one identity.
///
/// The identity is empty for kinds that every cluster has and for CRDs, and an export's identity hash for
/// kinds that clusters get by binding it: two exports of equal group and resource never share objects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TableId {
    /// The API group, empty for the core group.
    pub(crate) group: Arc<str>,
    /// The plural resource name.
    pub(crate) resource: Arc<str>,
    /// The identity hash of the export, or empty.
    pub(crate) identity: Arc<str>,
}

impl TableId {
    /// The table of a kind that is not bound from an export.
    pub(crate) fn of(group: &str, resource: &str) -> Self {
        Self::bound(group, resource, "")
    }

    /// The table of a kind bound from the export with this identity.
    pub(crate) fn bound(group: &str, resource: &str, identity: &str) -> Self {
        Self { group: group.into(), resource: resource.into(), identity: identity.into() }
    }

    /// Whether this is the table of that kind, whatever its identity.
    pub(crate) fn is(&self, group: &str, resource: &str) -> bool {
        &*self.group == group && &*self.resource == resource
    }
}

/// One object within a table. Ordered by cluster, namespace, name, which is the order of lists.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ObjectKey {
    /// The logical cluster's id.
    pub(crate) cluster: Arc<str>,
    /// The namespace, empty for cluster-scoped objects.
    pub(crate) namespace: Arc<str>,
    /// The object's name.
    pub(crate) name: Arc<str>,
}

impl ObjectKey {
    /// A key; `namespace` is empty for cluster-scoped objects.
    pub(crate) fn new(cluster: &str, namespace: &str, name: &str) -> Self {
        Self { cluster: cluster.into(), namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}|{}/{}", self.cluster, self.namespace, self.name)
    }
}

/// Which part of a table: all clusters or one, all namespaces or one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Scope {
    /// Only this cluster.
    pub(crate) cluster: Option<Arc<str>>,
    /// Only this namespace.
    pub(crate) namespace: Option<Arc<str>>,
}

impl Scope {
    /// All clusters and namespaces.
    pub(crate) fn everything() -> Self {
        Self::default()
    }

    /// Everything in one cluster.
    pub(crate) fn cluster(cluster: &str) -> Self {
        Self { cluster: Some(cluster.into()), namespace: None }
    }

    /// One namespace of one cluster.
    pub(crate) fn namespace(cluster: &str, namespace: &str) -> Self {
        Self { cluster: Some(cluster.into()), namespace: Some(namespace.into()) }
    }

    /// Whether the object lies in this scope.
    pub(crate) fn contains(&self, key: &ObjectKey) -> bool {
        self.covers_cluster(key)
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == key.namespace)
    }

    pub(super) fn covers_cluster(&self, key: &ObjectKey) -> bool {
        self.cluster.as_ref().is_none_or(|cluster| *cluster == key.cluster)
    }

    pub(super) fn start(&self) -> ObjectKey {
        let empty: Arc<str> = "".into();
        ObjectKey {
            cluster: self.cluster.clone().unwrap_or_else(|| Arc::clone(&empty)),
            namespace: Arc::clone(&empty),
            name: empty,
        }
    }
}
