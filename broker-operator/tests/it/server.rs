//! The two servers: the embedded control plane, one for each scenario, and a real kcp, one for all.

use broker_testkit::kcp::Kcp;
use kube::Config;

/// An embedded control plane.
pub(crate) struct Embedded;

impl Embedded {
    pub(crate) fn admin(&self) -> Config {
        unimplemented!()
    }
}

pub(crate) async fn embedded() -> Embedded {
    unimplemented!()
}

/// The real kcp's administrator, and a workspace of the scenario's own.
pub(crate) async fn kcp() -> (Config, String) {
    let kcp = Kcp::shared().await.unwrap_or_else(|error| panic!("{}", crate::stage::chain(&error)));
    let tree = kcp.workspace("story").await.unwrap_or_else(|error| panic!("{}", crate::stage::chain(&error)));
    (kcp.admin_config("root").await.unwrap(), tree.path().to_owned())
}
