//! The two servers: the embedded control plane, one for each scenario, and a real kcp, one for all.

use broker_testkit::control_plane::ControlPlane;
use broker_testkit::kcp::Kcp;
use kube::Config;

use crate::stage::chain;

/// A server with a workspace of the scenario's own.
pub(crate) struct Server {
    /// Its administrator.
    pub(crate) admin: Config,
    /// The administrator's kubeconfig, whatever workspace it points to.
    pub(crate) kubeconfig: String,
    /// The workspace.
    pub(crate) tree: String,
    /// Runs until this is dropped.
    pub(crate) embedded: Option<ControlPlane>,
}

impl Server {
    pub(crate) async fn embedded() -> Self {
        let server =
            ControlPlane::builder().start().await.unwrap_or_else(|error| panic!("{}", chain(&error)));
        Self {
            admin: server.admin_config(),
            kubeconfig: server.kubeconfig("root"),
            tree: "root".to_owned(),
            embedded: Some(server),
        }
    }

    pub(crate) async fn kcp() -> Self {
        let kcp = Kcp::shared().await.unwrap_or_else(|error| panic!("{}", chain(&error)));
        let tree = kcp.workspace("story").await.unwrap_or_else(|error| panic!("{}", chain(&error)));
        Self {
            admin: kcp.admin_config("root").await.unwrap(),
            kubeconfig: std::fs::read_to_string(kcp.kubeconfig()).unwrap(),
            tree: tree.path().to_owned(),
            embedded: None,
        }
    }
}
