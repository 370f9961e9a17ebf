//! An administrator's kubeconfig with a context for each of several workspaces.

use anyhow::Context as _;
use kube::config::{Context, Kubeconfig, NamedContext};

/// The contexts are called like the workspaces below `tree`; the first is the current one.
pub(crate) fn of(admin: &Kubeconfig, tree: &str, workspaces: &[&str]) -> anyhow::Result<Kubeconfig> {
    let current = admin.current_context.as_deref().context("the kubeconfig has no current context")?;
    let context = admin.contexts.iter().find(|found| found.name == current);
    let context =
        context.and_then(|found| found.context.as_ref()).context("its current context is missing")?;
    let cluster = admin.clusters.iter().find(|found| found.name == context.cluster);
    let cluster = cluster.context("the cluster of its current context is missing")?;
    let server = cluster.cluster.as_ref().and_then(|cluster| cluster.server.as_deref()).unwrap_or_default();
    let (server, _) =
        server.split_once("/clusters/").context("the current context points to no workspace")?;

    let mut all = Kubeconfig {
        clusters: Vec::new(),
        contexts: Vec::new(),
        current_context: workspaces.first().map(|first| (*first).to_owned()),
        ..admin.clone()
    };
    for &workspace in workspaces {
        let mut cluster = cluster.clone();
        workspace.clone_into(&mut cluster.name);
        if let Some(cluster) = &mut cluster.cluster {
            cluster.server = Some(format!("{server}/clusters/{tree}:{workspace}"));
        }
        all.clusters.push(cluster);
        let context = Context {
            cluster: workspace.to_owned(),
            user: context.user.clone(),
            namespace: Some("default".to_owned()),
            ..Context::default()
        };
        let context = Some(context);
        all.contexts.push(NamedContext { name: workspace.to_owned(), context, ..NamedContext::default() });
    }
    Ok(all)
}
