//! A small controller, as somebody might have it: each `Team` gets a namespace, in which its members may edit.
//!
//! It knows nothing of any test. Everything it makes is owned by its Team, so that the garbage collector takes it away.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::runtime::{Controller, watcher};
use kube::{Api, Client, CustomResource, Resource as _, ResourceExt as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What this controller is called in `managedFields`.
const MANAGER: &str = "teams";
/// What failed is tried again after so long.
const PAUSE: Duration = Duration::from_secs(5);

/// People who work together.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "teams.example.com",
    version = "v1",
    kind = "Team",
    status = "TeamStatus",
    doc = "People who work together.",
    derive = "PartialEq",
    validation = Rule::new("self.metadata.name.startsWith('team-')").message("a team's name begins with team-"),
    printcolumn(name = "Namespace", type_ = "string", json_path = ".status.namespace")
)]
pub struct TeamSpec {
    /// Names of users.
    #[schemars(length(min = 1))]
    pub members: Vec<String>,
}

/// What a team has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TeamStatus {
    /// Its namespace.
    pub namespace: String,
}

/// Why a team has not what it should have.
#[derive(Debug, thiserror::Error)]
#[error("cannot bring team {team} on")]
pub struct TeamError {
    team: String,
    source: kube::Error,
}

/// Brings teams on until the process ends.
pub async fn run(client: Client) {
    let teams: Api<Team> = Api::all(client.clone());
    Controller::new(teams, watcher::Config::default())
        .owns(Api::<Namespace>::all(client.clone()), watcher::Config::default())
        .owns(Api::<RoleBinding>::all(client.clone()), watcher::Config::default())
        .run(reconcile, |_, _, _| Action::requeue(PAUSE), Arc::new(client))
        .for_each(async |done| {
            if let Err(error) = done {
                tracing::warn!(error = &error as &dyn std::error::Error, "a team is not what it should be");
            }
        })
        .await;
}

async fn reconcile(team: Arc<Team>, client: Arc<Client>) -> Result<Action, TeamError> {
    let name = team.name_any();
    bring_on(&team, &name, &client).await.map_err(|source| TeamError { team: name, source })?;
    Ok(Action::await_change())
}

async fn bring_on(team: &Team, name: &str, client: &Client) -> Result<(), kube::Error> {
    let Some(owner) = team.controller_owner_ref(&()).filter(|_| team.meta().deletion_timestamp.is_none())
    else {
        return Ok(());
    };
    let apply = PatchParams::apply(MANAGER).force();
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "ownerReferences": [owner]},
    });
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces.patch(name, &apply, &Patch::Apply(namespace)).await?;
    let group = "rbac.authorization.k8s.io";
    let users = team.spec.members.iter().map(|user| json!({"apiGroup": group, "kind": "User", "name": user}));
    let binding = json!({
        "apiVersion": format!("{group}/v1"), "kind": "RoleBinding",
        "metadata": {"name": "members", "ownerReferences": [owner]},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "edit"},
        "subjects": users.collect::<Vec<_>>(),
    });
    let bindings: Api<RoleBinding> = Api::namespaced(client.clone(), name);
    bindings.patch("members", &apply, &Patch::Apply(binding)).await?;
    let status = json!({
        "apiVersion": Team::api_version(&()), "kind": Team::kind(&()), "status": TeamStatus { namespace: name.to_owned() },
    });
    Api::<Team>::all(client.clone()).patch_status(name, &apply, &Patch::Apply(status)).await?;
    Ok(())
}
