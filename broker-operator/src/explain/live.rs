//! As the broker of a live platform sees it: read through the same virtual workspaces, decided by the same code.

use anyhow::{Context, bail};
use broker_kcp::reconcile::{OrderQuery, explain_once};

use super::{ExplainArgs, Report};
use crate::init::Server;
use crate::offers::endpoints;

/// Asks the platform.
pub(super) async fn explain(args: &ExplainArgs, order: &str) -> anyhow::Result<Report> {
    let query = query(args, order)?;
    let server = Server::from_kubeconfig(args.kubeconfig.as_deref()).await?;
    let workspace = args.workspace.clone().or_else(|| server.current_workspace()).context(
        "the kubeconfig points to no workspace: name the platform's with --workspace, as in root:platform",
    )?;
    // Whatever follows is tried again and again: what cannot work is told first.
    endpoints(&server, &workspace).await?;
    let explained = tokio::time::timeout(args.timeout, explain_once(server.config(&workspace)?, &query));
    let explained = explained.await.with_context(|| {
        format!(
            "not all of {workspace} and its exports could be read within {} s: has the kubeconfig the broker's rights, \
             and does every shard answer? --timeout allows more time",
            args.timeout.as_secs()
        )
    })??;
    Ok(explained.into())
}

fn query(args: &ExplainArgs, order: &str) -> anyhow::Result<OrderQuery> {
    let named = order
        .split_once('/')
        .filter(|(resource, name)| !resource.is_empty() && !name.is_empty() && !name.contains('/'));
    let Some((resource, name)) = named else {
        bail!("`{order}` names no order: expected RESOURCE/NAME, as in certificate/my-app-cert");
    };
    Ok(OrderQuery {
        resource: resource.to_owned(),
        cluster: args.cluster.clone().unwrap_or_default(),
        namespace: args.namespace.clone(),
        name: name.to_owned(),
    })
}
