//! As the broker of a live platform sees it: read through the same virtual workspaces, decided by the same code.

use broker_kcp::reconcile::explain_once;

use super::{ExplainArgs, Report};
use crate::platform::{Platform, order_query};

/// Asks the platform.
pub(super) async fn explain(args: &ExplainArgs, order: &str) -> anyhow::Result<Report> {
    let (cluster, namespace) = (args.cluster.as_deref(), args.namespace.as_deref());
    let query = order_query(order, cluster, namespace, "certificate/my-app-cert")?;
    let platform =
        Platform::open(args.kubeconfig.as_deref(), args.workspace.as_deref(), &args.clusters).await?;
    let explaining = |access| explain_once(access, &query);
    Ok(platform.ask(args.timeout, "--timeout allows more time", explaining).await?.into())
}
