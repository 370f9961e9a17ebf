//! What a person says to a move that runs: checked against where it stands, and written with the version that was looked
//! at.

use anyhow::bail;
use broker_kcp::api::v1alpha1::{Migration, MigrationState};
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::platform::Platform;

/// Somebody else may write meanwhile; nobody writes that often.
const TRIES: usize = 10;
/// The field manager of what is written here.
const MANAGER: &str = "resource-broker-migrate";

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Pause,
    Resume,
    Approve(Option<String>),
    Cancel,
    Rollback { allow_loss: bool },
}

/// Says it; returns what to tell.
pub(super) async fn steer(platform: &Platform, name: &str, order: &Order) -> anyhow::Result<String> {
    let api = platform.migrations()?;
    for _ in 0..TRIES {
        let found = api.get_opt(name).await;
        let found = found.map_err(|error| platform.failure(&format!("reading Migration {name}"), error))?;
        let Some(found) = found else {
            bail!("there is no Migration {name} in {}", platform.workspace);
        };
        let (spec, told) = match change(&found, order) {
            Ok(Change::Spec(spec, told)) => (spec, told),
            Ok(Change::Nothing(told)) => return Ok(told),
            Err(why) => bail!("{why}"),
        };
        let patch = json!({ "metadata": { "resourceVersion": found.resource_version() }, "spec": spec });
        let parameters = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        match api.patch(name, &parameters, &Patch::Merge(&patch)).await {
            Ok(_) => return Ok(told),
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => return Err(platform.failure(&format!("changing Migration {name}"), error)),
        }
    }
    bail!("Migration {name} was changed by somebody else {TRIES} times in a row: try again")
}

/// What becomes of the spec.
#[derive(Debug, PartialEq)]
enum Change {
    Spec(Value, String),
    Nothing(String),
}

fn change(migration: &Migration, order: &Order) -> Result<Change, String> {
    let (name, spec) = (migration.name_any(), &migration.spec);
    let status = migration.status.clone().unwrap_or_default();
    let receipt = status.receipt.clone().unwrap_or_default();
    let reached = status.state.unwrap_or(MigrationState::Pending);
    let switched = receipt.switched_at.is_some();
    let left_to_a_person = reached == MigrationState::Failed && switched;
    let over = matches!(
        reached,
        MigrationState::Completed
            | MigrationState::Failed
            | MigrationState::RolledBack
            | MigrationState::Cancelled
    );
    if over && !(left_to_a_person && matches!(order, Order::Approve(_) | Order::Rollback { .. })) {
        return Err(format!("{name} is over: {reached:?}"));
    }
    let already = |word: &str| Ok(Change::Nothing(format!("{name} is {word} already; nothing is changed")));
    match order {
        Order::Pause if spec.paused == Some(true) => already("paused"),
        Order::Pause => Ok(Change::Spec(
            json!({ "paused": true }),
            format!("{name} is paused; what holds up writes is finished first"),
        )),
        Order::Resume if spec.paused != Some(true) => {
            Ok(Change::Nothing(format!("{name} is not paused; nothing is changed")))
        }
        Order::Resume => Ok(Change::Spec(json!({ "paused": null }), format!("{name} goes on"))),
        Order::Cancel if switched => Err(format!(
            "the consumer of {name} was switched over: there is nothing to call off any more; `migrate rollback {name}` \
             goes back"
        )),
        Order::Cancel if spec.cancel == Some(true) => already("being called off"),
        Order::Cancel => Ok(Change::Spec(json!({ "cancel": true }), format!("{name} is being called off"))),
        Order::Rollback { .. } if !switched => Err(format!(
            "the consumer of {name} was not switched over yet: `migrate cancel {name}` calls it off"
        )),
        Order::Rollback { .. } if receipt.point_of_no_return_at.is_some() => {
            Err(format!("the old copy of {name} is being removed: there is no way back"))
        }
        Order::Rollback { allow_loss } => {
            let mut fields = json!({ "rollback": true });
            if let (true, Some(fields)) = (*allow_loss, fields.as_object_mut()) {
                fields.insert("allowLoss".to_owned(), true.into());
            }
            Ok(Change::Spec(fields, format!("{name} goes back to the old copy")))
        }
        Order::Approve(stage) => approve(migration, stage.as_deref(), status.stage.as_deref()),
    }
}

fn approve(migration: &Migration, asked: Option<&str>, current: Option<&str>) -> Result<Change, String> {
    let (name, spec) = (migration.name_any(), &migration.spec);
    let Some(stage) = asked.or(current) else {
        return Err(format!("{name} is in no stage: name the one that is approved"));
    };
    let stages: Vec<&str> =
        spec.playbook.iter().flat_map(|playbook| super::view::stage_names(&playbook.spec)).collect();
    if !stages.is_empty() && !stages.contains(&stage) {
        return Err(format!("{name} has no stage `{stage}`; there are: {}", stages.join(", ")));
    }
    if spec.approved_stages.iter().any(|approved| approved == stage) {
        return Ok(Change::Nothing(format!(
            "stage {stage} of {name} is approved already; nothing is changed"
        )));
    }
    let approved: Vec<&str> = spec.approved_stages.iter().map(String::as_str).chain([stage]).collect();
    Ok(Change::Spec(json!({ "approvedStages": approved }), format!("stage {stage} of {name} is approved")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migration(status: &Value, spec: &Value) -> Migration {
        let mut whole = json!({
            "metadata": { "name": "m" },
            "spec": { "from": { "clusterName": "a" }, "to": { "clusterName": "b" }, "playbook": {
                "name": "p", "spec": { "stages": [{ "name": "copy" }, { "name": "finalize" }] },
            }},
            "status": status,
        });
        whole["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn only_what_can_still_be_done_is_written() {
        let copying = || json!({ "state": "InitialInProgress", "stage": "copy" });
        let switched =
            || json!({ "state": "CutoverCompleted", "receipt": { "switchedAt": "2026-01-01T00:00:00Z" } });
        let no_return = || {
            let times =
                json!({ "switchedAt": "2026-01-01T00:00:00Z", "pointOfNoReturnAt": "2026-01-01T00:00:00Z" });
            json!({ "state": "CutoverCompleted", "receipt": times })
        };
        let late = || json!({ "state": "Failed", "stage": "copy", "receipt": { "switchedAt": "2026-01-01T00:00:00Z" } });
        let over = || json!({ "state": "Completed" });
        let back = || Order::Rollback { allow_loss: false };
        for (status, order, expected) in [
            (copying(), Order::Pause, Ok(json!({ "paused": true }))),
            (copying(), Order::Cancel, Ok(json!({ "cancel": true }))),
            (copying(), back(), Err("migrate cancel")),
            (copying(), Order::Approve(None), Ok(json!({ "approvedStages": ["copy"] }))),
            (copying(), Order::Approve(Some("no".to_owned())), Err("there are: copy, finalize")),
            (switched(), Order::Cancel, Err("migrate rollback")),
            (switched(), back(), Ok(json!({ "rollback": true }))),
            (
                switched(),
                Order::Rollback { allow_loss: true },
                Ok(json!({ "rollback": true, "allowLoss": true })),
            ),
            (no_return(), back(), Err("no way back")),
            (late(), Order::Pause, Err("is over: Failed")),
            (late(), back(), Ok(json!({ "rollback": true }))),
            (late(), Order::Approve(None), Ok(json!({ "approvedStages": ["copy"] }))),
            (over(), Order::Cancel, Err("is over: Completed")),
        ] {
            let found = change(&migration(&status, &json!({})), &order);
            match (found, expected) {
                (Ok(Change::Spec(spec, _)), Ok(expected)) => assert_eq!(spec, expected, "{order:?} {status}"),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
                (found, expected) => panic!("{order:?} {status}: {found:?}, expected {expected:?}"),
            }
        }
    }

    #[test]
    fn what_was_said_before_is_not_said_again() {
        let running = || json!({ "state": "InitialInProgress", "stage": "copy" });
        for (spec, order) in [
            (json!({ "paused": true }), Order::Pause),
            (json!({}), Order::Resume),
            (json!({ "cancel": true }), Order::Cancel),
            (json!({ "approvedStages": ["copy"] }), Order::Approve(None)),
        ] {
            let found = change(&migration(&running(), &spec), &order);
            assert!(matches!(found, Ok(Change::Nothing(_))), "{order:?}: {found:?}");
        }
        let approved = migration(&running(), &json!({ "approvedStages": ["copy"] }));
        let found = change(&approved, &Order::Approve(Some("finalize".to_owned())));
        let Ok(Change::Spec(spec, _)) = found else { panic!("{found:?}") };
        assert_eq!(spec, json!({ "approvedStages": ["copy", "finalize"] }));
    }
}
