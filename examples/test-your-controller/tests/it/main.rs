//! Everything the controller promises, against a server that is there in milliseconds and gone with the test.

#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use broker_testkit::control_plane::ControlPlane;
use broker_testkit::wait::until;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use kube::runtime::conditions::is_crd_established;
use kube::runtime::wait::await_condition;
use kube::{Api, Client, CustomResourceExt as _};
use test_your_controller::{Team, TeamSpec, run};

const DEADLINE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn members_of_a_team_may_edit_in_its_namespace_until_the_team_goes() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let server = ControlPlane::builder().start().await.unwrap();
    let client = Client::try_from(server.admin_config()).unwrap();
    let created = PostParams::default();
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    crds.create(&created, &Team::crd()).await.unwrap();
    let established = await_condition(crds, Team::crd_name(), is_crd_established());
    tokio::time::timeout(DEADLINE, established).await.unwrap().unwrap();
    tokio::spawn(run(client.clone()));

    let teams: Api<Team> = Api::all(client.clone());
    let nobody = teams.create(&created, &Team::new("team-a", TeamSpec::default())).await;
    assert!(nobody.unwrap_err().to_string().contains("spec.members"), "the schema counts");
    let spec = TeamSpec { members: vec!["ada".to_owned()] };
    assert!(teams.create(&created, &Team::new("red", spec.clone())).await.is_err(), "and its rules");
    teams.create(&created, &Team::new("team-a", spec)).await.unwrap();
    let settled = |team: Option<&Team>| team.is_some_and(|team| team.status.is_some());
    until(&teams, "team-a", "its status", DEADLINE, settled).await.unwrap();

    for (user, may) in [("ada", true), ("bob", false)] {
        let mut config = server.admin_config();
        config.auth_info.impersonate = Some(user.to_owned());
        let notes: Api<ConfigMap> = Api::namespaced(Client::try_from(config).unwrap(), "team-a");
        let metadata = ObjectMeta { generate_name: Some("note-".to_owned()), ..ObjectMeta::default() };
        let note = ConfigMap { metadata, ..ConfigMap::default() };
        assert_eq!(notes.create(&created, &note).await.is_ok(), may, "{user}");
    }

    teams.delete("team-a", &DeleteParams::default()).await.unwrap();
    let namespaces: Api<Namespace> = Api::all(client);
    let gone = |namespace: Option<&Namespace>| namespace.is_none();
    until(&namespaces, "team-a", "the namespace to go", DEADLINE, gone).await.unwrap();
}
