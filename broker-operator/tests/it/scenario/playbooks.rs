//! What the platform is told of its playbooks.

use broker_kcp::api::v1alpha1::{ConditionStatus, MigrationConfiguration, StagePhase};
use broker_operator::files::read_objects;
use broker_testkit::wait::{until, until_all};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use crate::actors::DEADLINE;
use crate::look;
use crate::stage::Stage;

/// What everything that is made for a move carries.
pub(crate) const OF_A_MOVE: &str = "broker.platform-mesh.io/migration";
/// What asks a provider to take no more writes.
const FENCE: &str = "broker.platform-mesh.io/quiesce";

/// Waits until a playbook is told this of its present spec; gives back what was said.
async fn told(
    api: &Api<MigrationConfiguration>,
    name: &str,
    status: ConditionStatus,
    reason: &str,
) -> (String, Value) {
    let ready = |found: &MigrationConfiguration| {
        let said = found.status.as_ref()?;
        let condition = said.conditions.iter().find(|condition| condition.type_ == "Ready")?.clone();
        let is_current = said.observed_generation == found.metadata.generation;
        (is_current && condition.status == status && condition.reason.as_deref() == Some(reason))
            .then_some(condition)
    };
    let holds = |found: Option<&MigrationConfiguration>| found.and_then(ready).is_some();
    let what = format!("Ready={status:?}, {reason}");
    let found =
        until(api, name, &what, DEADLINE, holds).await.unwrap_or_else(|error| panic!("{error}")).unwrap();
    let stages = serde_json::to_value(&found.status.as_ref().unwrap().stages).unwrap();
    (ready(&found).unwrap().message.unwrap_or_default(), stages)
}

async fn create(api: &Api<MigrationConfiguration>, object: &Value) {
    api.create(&PostParams::default(), &serde_json::from_value(object.clone()).unwrap()).await.unwrap();
}

pub(crate) async fn a_playbook_is_told_whether_it_can_be_followed_and_how(stage: Stage) {
    let world = stage.with_two_authorities().await;
    let api = stage.configurations();
    let path = format!("{}/tests/it/mission/migrationconfiguration.yaml", env!("CARGO_MANIFEST_DIR"));
    let missions = read_objects(path.as_ref()).unwrap();
    for mission in &missions {
        create(&api, mission).await;
    }
    let (_, stages) = told(&api, "database-aws-to-azure", ConditionStatus::True, "Valid").await;
    assert_eq!(
        stages,
        json!([
            {"name": "initial-copy", "phase": StagePhase::Initial},
            {"name": "cutover", "phase": StagePhase::Verify},
        ])
    );
    let (_, stages) = told(&api, "database-migration-config", ConditionStatus::True, "Valid").await;
    assert_eq!(stages, json!([{"name": "initial-copy", "phase": StagePhase::Initial}]));

    // One that is broken, and mended.
    let mut broken = missions[1].clone();
    broken["metadata"]["name"] = json!("broken");
    broken["spec"]["from"]["kind"] = json!("Other");
    broken["spec"]["stages"][0]["successConditions"] = json!(["status.copyProgress =="]);
    create(&api, &broken).await;
    let (message, stages) = told(&api, "broken", ConditionStatus::False, "InvalidPlaybook").await;
    assert!(
        message.starts_with("spec.stages[0].successConditions[0]: `status.copyProgress ==`: line 1"),
        "{message}"
    );
    assert_eq!(stages, json!([]));
    let mended = json!({"spec": {"stages": broken["spec"]["stages"]}});
    let mut mended = mended;
    mended["spec"]["stages"][0]["successConditions"] = json!(["status.copyProgress == 100"]);
    api.patch("broken", &PatchParams::default(), &Patch::Merge(&mended)).await.unwrap();
    told(&api, "broken", ConditionStatus::True, "Valid").await;

    // A rival makes both unusable, until it goes.
    let mut rival = missions[0].clone();
    rival["metadata"]["name"] = json!("rival");
    create(&api, &rival).await;
    let (message, _) = told(&api, "rival", ConditionStatus::False, "AmbiguousPlaybook").await;
    assert!(message.starts_with("database-aws-to-azure fits some moves just as well"), "{message}");
    told(&api, "database-aws-to-azure", ConditionStatus::False, "AmbiguousPlaybook").await;
    told(&api, "database-migration-config", ConditionStatus::True, "Valid").await;
    api.delete("rival", &DeleteParams::default()).await.unwrap();
    told(&api, "database-aws-to-azure", ConditionStatus::True, "Valid").await;
    stage.close(world).await;
}

/// A playbook for certificates: a helper, which has both sides' Secrets, must say that it is done.
pub(crate) fn with_a_mover() -> Value {
    let certificate = json!({ "group": "example.com", "version": "v1alpha1", "kind": "Certificate" });
    json!({
        "apiVersion": "broker.platform-mesh.io/v1alpha1",
        "kind": "MigrationConfiguration",
        "metadata": { "name": "certificates" },
        "spec": { "from": certificate, "to": certificate, "stages": [
            {
                "name": "copy", "phase": "Initial",
                "templates": { "mover": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: move-{{ .To.Name }}\n\
                                         data:\n  from: {{ .From.Secrets.secret }}\n  to: {{ .To.Secrets.secret }}\n" },
                "successConditions": ["has(mover.data.done) && mover.data.done == 'yes'"],
            },
            { "name": "compare", "phase": "Verify", "successConditions": ["to.status.observedGeneration > 0"] },
        ] },
    })
}

/// Waits for its helper in the compute cluster, which must have both sides' credentials beside it.
pub(crate) async fn until_mover(compute: &Client) -> ConfigMap {
    let of_a_move = watcher::Config::default().labels(OF_A_MOVE);
    let movers: Api<ConfigMap> = Api::all(compute.clone());
    let found = until_all(&movers, of_a_move, "the mover", DEADLINE, |all| all.len() == 1).await;
    let mover = found.unwrap_or_else(|error| panic!("{error}")).remove(0);
    let secrets: Api<Secret> = Api::namespaced(compute.clone(), &mover.namespace().unwrap());
    for name in mover.data.as_ref().unwrap().values() {
        let credentials = secrets.get(name).await.unwrap();
        assert!(credentials.data.unwrap_or_default().contains_key("tls.crt"), "{name}");
    }
    mover
}

/// Says for the helper that it is done.
pub(crate) async fn finish(compute: &Client, mover: &ConfigMap) {
    let movers: Api<ConfigMap> = Api::namespaced(compute.clone(), &mover.namespace().unwrap());
    let done = Patch::Merge(json!({ "data": { "done": "yes" } }));
    movers.patch(&mover.name_any(), &PatchParams::default(), &done).await.unwrap();
}

pub(crate) async fn an_order_that_holds_data_moves_by_its_playbook_and_its_helpers_leave_nothing(
    stage: Stage,
) {
    let mut world = stage.with_two_authorities().await;
    let (compute, config) = stage.compute().await;
    stage.decree(json!({ "moves": "PlaybookOnly", "fence": "BestEffort" })).await;
    world.restart_the_operator_with(config).await;
    world.consumer.order("my-app-cert", "app.internal.corp").await;
    world.consumer.until_served("my-app-cert", &world.internal).await;
    world.consumer.change("my-app-cert", "app.corp.com").await;
    let without_playbook = |order: &_| look::brokered(order) == "NoPlaybook";
    world.consumer.until("my-app-cert", "to say that no playbook fits", without_playbook).await;

    // It begins the moment there is one.
    create(&stage.configurations(), &with_a_mover()).await;
    let mover = until_mover(&compute).await;
    let order = world.consumer.orders().get("my-app-cert").await.unwrap();
    assert_eq!(
        order.data["status"]["issuer"], "Internal CA",
        "what serves goes on: {}",
        order.data["status"]
    );

    finish(&compute, &mover).await;
    world.consumer.until_served("my-app-cert", &world.public).await;
    let migration = world.until_migration_completed().await;
    let receipt = migration.status.unwrap().receipt.unwrap();
    assert_eq!(receipt.verified, ["to.status.observedGeneration > 0"]);
    assert!(receipt.loss.is_some(), "no fence was asked for, and that is told");

    // Nothing of it is left.
    let of_a_move = watcher::Config::default().labels(OF_A_MOVE);
    let namespaces: Api<Namespace> = Api::all(compute.clone());
    let gone = until_all(&namespaces, of_a_move, "no helpers", DEADLINE, <[Namespace]>::is_empty).await;
    gone.unwrap_or_else(|error| panic!("{error}"));
    let left = Api::<Secret>::all(compute).list(&ListParams::default().labels(OF_A_MOVE)).await.unwrap();
    assert!(left.items.is_empty(), "{:?}", left.items.iter().map(ResourceExt::name_any).collect::<Vec<_>>());
    world.consumer.delete("my-app-cert").await;
    world.until_nothing_is_left().await;
    stage.close(world).await;
}

pub(crate) async fn a_fence_is_lifted_when_its_move_is_called_off(stage: Stage) {
    let world = stage.with_two_authorities().await;
    stage.decree(json!({ "moves": "PlaybookOnly" })).await;
    let certificate = json!({ "group": "example.com", "version": "v1alpha1", "kind": "Certificate" });
    let playbook = json!({
        "apiVersion": "broker.platform-mesh.io/v1alpha1",
        "kind": "MigrationConfiguration",
        "metadata": { "name": "certificates" },
        "spec": { "from": certificate, "to": certificate, "stages": [
            { "name": "catch-up", "phase": "Cutover", "successConditions": ["status.lag == 0"] },
        ] },
    });
    create(&stage.configurations(), &playbook).await;
    world.consumer.order("my-app-cert", "app.internal.corp").await;
    world.consumer.until_served("my-app-cert", &world.internal).await;
    let copies = world.internal.copies();
    let fenced = |copies: &[DynamicObject]| copies.iter().any(|copy| copy.annotations().contains_key(FENCE));
    let all = watcher::Config::default;
    assert!(!fenced(&copies.list(&ListParams::default()).await.unwrap().items));

    world.consumer.change("my-app-cert", "app.corp.com").await;
    let raised = until_all(&copies, all(), "the fence on what serves", DEADLINE, fenced).await;
    raised.unwrap_or_else(|error| panic!("{error}"));
    world.consumer.change("my-app-cert", "app.internal.corp").await;
    let lifted = until_all(&copies, all(), "the fence to be lifted", DEADLINE, |all| !fenced(all)).await;
    lifted.unwrap_or_else(|error| panic!("{error}"));
    world.public.until_copies(0).await;
    world.consumer.until_served("my-app-cert", &world.internal).await;
    world.consumer.delete("my-app-cert").await;
    world.until_nothing_is_left().await;
    stage.close(world).await;
}
