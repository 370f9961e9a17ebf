//! `run --check`, and what stops a start.

use broker_kcp::api::v1alpha1::MigrationConfiguration;
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use crate::actors::DEADLINE;
use crate::stage::Stage;

pub(crate) async fn what_the_broker_needs_and_does_not_have_is_told_before_it_runs(stage: Stage) {
    let world = stage.with_two_authorities().await;
    let commands = stage.commands();
    let check = async |variables: &[(&str, &str)]| commands.run_as_broker(&["--check"], variables).await;

    // The rights that `init` gave are all that it needs.
    let ran = check(&[]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    for line in [
        "ok       the configuration is understood",
        "ok       BrokeredAPI certificates.example.com",
        "ok       export acceptapi: acceptapis.broker.platform-mesh.io can be listed at ",
        "ok       export certificates.example.com: certificates.example.com can be listed at ",
    ] {
        assert!(ran.out.contains(line), "{line}: {}", ran.out);
    }
    assert!(
        ran.out.lines().any(|line| line.starts_with("ok       all ") && line.contains(" rights in ")),
        "{}",
        ran.out
    );

    // What is wrong with a playbook, and that nothing could run what it makes.
    let gvk = json!({"group": "example.com", "version": "v1alpha1", "kind": "Certificate"});
    let playbook: MigrationConfiguration = serde_json::from_value(json!({
        "metadata": {"name": "by-job"},
        "spec": {"from": gvk, "to": gvk, "stages": [{
            "name": "copy",
            "templates": {"job": {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "copy"}}},
            "successConditions": ["nobody.status.ready"],
        }]},
    }))
    .unwrap();
    stage.configurations().create(&PostParams::default(), &playbook).await.unwrap();
    let ran = check(&[]).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.out.contains("MISSING  MigrationConfiguration by-job: /spec/stages/0/successConditions/0: "),
        "{}",
        ran.out
    );

    // A right that is missing is told by verb and resource.
    let roles: Api<ClusterRole> = Api::all(stage.platform_client());
    let mut role = roles.get("resource-broker").await.unwrap();
    for rule in role.rules.iter_mut().flatten() {
        if rule.resources.iter().flatten().any(|resource| resource == "migrations/status") {
            rule.verbs.retain(|verb| verb != "patch");
        }
    }
    roles.replace("resource-broker", &PostParams::default(), &role).await.unwrap();
    let told = "MISSING  the right in ";
    let missing = "to patch migrations/status of broker.platform-mesh.io";
    // Servers take a moment to notice that a role changed.
    let seen = async {
        loop {
            let ran = check(&[]).await;
            if ran.out.lines().any(|line| line.starts_with(told) && line.ends_with(missing)) {
                return ran;
            }
        }
    };
    let ran = tokio::time::timeout(DEADLINE, seen).await.expect("the missing right is not told");
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(!ran.out.contains("to get migrations/status"), "{}", ran.out);

    // What is not understood stops the start, in one line.
    for (variables, told) in [
        (("ENABLE_MIGRATION", "maybe"), "error: ENABLE_MIGRATION is \"maybe\": expected true or false"),
        (
            ("RESOURCE_BROKER_CONFIG", "/nowhere/broker.yaml"),
            "error: cannot read the configuration file /nowhere/broker.yaml: ",
        ),
    ] {
        for arguments in [&["--check"][..], &[]] {
            let ran = commands.run_as_broker(arguments, &[variables]).await;
            assert_eq!((ran.code, ran.err.lines().count()), (1, 1), "{ran:?}");
            assert!(ran.err.starts_with(told), "{ran:?}");
        }
    }
    drop(commands);
    stage.close(world).await;
}
