//! `demo --keep`: a kubeconfig with a context for each workspace, and what to try with it.

use anyhow::Context as _;
use broker_testkit::control_plane::ControlPlane;
use kube::config::Kubeconfig;

use super::progress::Progress;
use crate::files::write_private;

/// The workspaces, each a context of its own name; the consumer's is the current one.
const WORKSPACES: [&str; 4] = ["acme", "internal-ca", "public-ca", "platform"];

/// Prints how to look around, and waits for Ctrl-C. The kubeconfig is removed afterwards.
pub(super) async fn until_interrupted(server: &ControlPlane, progress: &Progress) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("resource-broker-demo-").tempdir()?;
    let path = folder.path().join("kubeconfig");
    let kubeconfig = serde_saphyr::to_string(&kubeconfig(server)?)?;
    write_private(&path, &kubeconfig).with_context(|| format!("cannot write {}", path.display()))?;
    progress.say(&instructions(&path.display().to_string()))?;
    tokio::signal::ctrl_c().await.context("cannot wait for Ctrl-C")?;
    Ok(())
}

fn kubeconfig(server: &ControlPlane) -> anyhow::Result<Kubeconfig> {
    let mut all = Kubeconfig::default();
    for workspace in WORKSPACES {
        let mut one = Kubeconfig::from_yaml(&server.kubeconfig(&format!("root:{workspace}")))?;
        for cluster in &mut one.clusters {
            workspace.clone_into(&mut cluster.name);
        }
        for user in &mut one.auth_infos {
            workspace.clone_into(&mut user.name);
        }
        for context in &mut one.contexts {
            workspace.clone_into(&mut context.name);
            if let Some(context) = &mut context.context {
                workspace.clone_into(&mut context.cluster);
                context.user = Some(workspace.to_owned());
            }
        }
        one.current_context = None;
        all = all.merge(one)?;
    }
    all.current_context = WORKSPACES.first().map(|first| (*first).to_owned());
    Ok(all)
}

fn instructions(kubeconfig: &str) -> String {
    format!(
        "\nEverything is still running. Contexts: {}. In another terminal:\n\n\
         \x20 export KUBECONFIG={kubeconfig}\n\
         \x20 kubectl get certificates\n\
         \x20 kubectl get secret my-app-cert-secret -o yaml\n\
         \x20 kubectl patch certificate my-app-cert --type merge -p '{{\"spec\":{{\"fqdn\":\"app.internal.corp\"}}}}'\n\
         \x20 kubectl describe certificate my-app-cert\n\
         \x20 kubectl --context platform get brokeredapis,assignments,migrations\n\
         \x20 kubectl --context internal-ca get acceptapis,certificates,secrets\n\n\
         Ctrl-C ends it.",
        WORKSPACES.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instructions_can_be_pasted() {
        let text = instructions("/tmp/x/kubeconfig");
        assert!(text.contains("\n  export KUBECONFIG=/tmp/x/kubeconfig\n"), "{text}");
        assert!(text.contains(r#"-p '{"spec":{"fqdn":"app.internal.corp"}}'"#), "{text}");
    }
}
