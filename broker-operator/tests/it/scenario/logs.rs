//! What the daemon writes into its log.

use broker_kcp::api::v1alpha1::MigrationConfiguration;
use kube::api::PostParams;
use serde_json::json;

use crate::look;
use crate::stage::Stage;

/// What the troubleshooting chapter of the Go system's documentation looks for, with `grep -i`, and what each finds here.
const GREPS: [(&[&str], &[&str]); 3] = [
    (&["routing", "migration"], &["routing", "migration"]),
    (&["routing", "filter", "provider selection"], &["routing", "filter", "provider selection"]),
    (
        &["migration", "stage", "success"],
        &["migration", "stage compare begins", "stage compare is over: success"],
    ),
];

pub(crate) async fn the_greps_that_people_know_find_what_they_look_for(stage: Stage) {
    let mut world = stage.with_two_authorities().await;
    world.kill_the_operator();
    let commands = stage.commands();
    let mut daemon = commands.daemon();

    // Nobody's, then somebody's, then another's by a playbook.
    world.consumer.order("my-app-cert", "app.example.org").await;
    let waits = |order: &_| look::brokered(order) == "NoMatchingOffer";
    world.consumer.until("my-app-cert", "the order to wait", waits).await;
    world.consumer.change("my-app-cert", "app.internal.corp").await;
    world.consumer.until_served("my-app-cert", &world.internal).await;
    stage.decree(json!({"moves": "PlaybookOnly", "fence": "BestEffort"})).await;
    let gvk = json!({"group": "example.com", "version": "v1alpha1", "kind": "Certificate"});
    let playbook: MigrationConfiguration = serde_json::from_value(json!({
        "metadata": {"name": "compare"},
        "spec": {"from": gvk, "to": gvk, "stages": [
            {"name": "compare", "phase": "Initial", "successConditions": ["to.metadata.name != from.metadata.name"]},
        ]},
    }))
    .unwrap();
    stage.configurations().create(&PostParams::default(), &playbook).await.unwrap();
    world.consumer.change("my-app-cert", "app.corp.com").await;
    world.consumer.until_served("my-app-cert", &world.public).await;
    world.until_migration_completed().await;

    let log = daemon.stop().await;
    for (words, found) in GREPS {
        let lines: Vec<String> = log
            .lines()
            .map(str::to_lowercase)
            .filter(|line| words.iter().any(|word| line.contains(word)))
            .collect();
        for expected in found {
            assert!(
                lines.iter().any(|line| line.contains(expected)),
                "{words:?} does not find {expected:?}:\n{log}"
            );
        }
    }
    drop(commands);
    stage.close(world).await;
}
