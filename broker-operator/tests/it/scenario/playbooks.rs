//! What the platform is told of its playbooks.

use broker_kcp::api::v1alpha1::{ConditionStatus, MigrationConfiguration, StagePhase};
use broker_operator::files::read_objects;
use broker_testkit::wait::until;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::actors::DEADLINE;
use crate::stage::Stage;

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
