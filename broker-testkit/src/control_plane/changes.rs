//! What happens in a control plane, for whoever looks on from outside.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;

use super::storage::{self, ChangeKind};

/// One change of one stored object.
#[derive(Clone, Debug)]
pub struct StoredChange {
    /// The server's revision: the object's `resourceVersion` from here on.
    pub revision: u64,
    /// Id of the logical cluster; empty in a plain Kubernetes server.
    pub cluster: String,
    /// API group, empty for the core group.
    pub group: String,
    /// Plural name of the resource.
    pub resource: String,
    /// Namespace, empty for cluster-scoped objects.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// The object after the change; `None` where it was removed.
    pub object: Option<Arc<Value>>,
    /// The object before the change; `None` where it was created.
    pub before: Option<Arc<Value>>,
}

/// Everything that happens from the moment on at which it was asked for, in order.
#[derive(Debug)]
pub struct Changes {
    feed: UnboundedReceiver<Arc<storage::Change>>,
}

impl Changes {
    pub(super) fn new(feed: UnboundedReceiver<Arc<storage::Change>>) -> Self {
        Self { feed }
    }

    /// The next change, if there is one already.
    pub fn take(&mut self) -> Option<StoredChange> {
        self.feed.try_recv().ok().map(|change| public(&change))
    }

    /// Waits for the next change; `None` when the control plane is gone.
    pub async fn next(&mut self) -> Option<StoredChange> {
        self.feed.recv().await.map(|change| public(&change))
    }
}

fn public(change: &storage::Change) -> StoredChange {
    StoredChange {
        revision: change.revision,
        cluster: change.key.cluster.to_string(),
        group: change.table.group.to_string(),
        resource: change.table.resource.to_string(),
        namespace: change.key.namespace.to_string(),
        name: change.key.name.to_string(),
        object: (change.kind != ChangeKind::Deleted).then(|| Arc::clone(&change.object)),
        before: change.previous.clone(),
    }
}
