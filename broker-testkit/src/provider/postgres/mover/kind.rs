//! The helper objects that the mover works on.

use kube::api::{ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use serde::{Deserialize, Serialize};

/// `databasemoves.movers.example.com`, as the compute cluster needs it: a CustomResourceDefinition in YAML.
pub const DATABASE_MOVES: &str = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: databasemoves.movers.example.com
spec:
  group: movers.example.com
  names: {kind: DatabaseMove, listKind: DatabaseMoveList, plural: databasemoves, singular: databasemove}
  scope: Namespaced
  versions:
    - name: v1alpha1
      served: true
      storage: true
      subresources: {status: {}}
      additionalPrinterColumns:
        - {name: Step, type: string, jsonPath: .spec.step}
        - {name: Phase, type: string, jsonPath: .status.phase}
        - {name: Progress, type: integer, jsonPath: .status.copyProgress}
        - {name: Message, type: string, jsonPath: .status.message}
      schema:
        openAPIV3Schema:
          type: object
          required: [spec]
          properties:
            apiVersion: {type: string}
            kind: {type: string}
            metadata: {type: object}
            spec:
              type: object
              required: [step, from, to]
              properties:
                step:
                  description: What is to be done.
                  type: string
                  enum: [Replicate, Compare, CatchUp, Verify, Unchanged]
                from: {description: The Secret with the credentials of the old copy., type: string, minLength: 1}
                to: {description: The Secret with those of the new copy., type: string, minLength: 1}
            status:
              type: object
              properties:
                phase: {type: string, enum: [Running, Done, Failed]}
                message: {description: What is going on or went wrong., type: string}
                copyProgress: {description: Per cent of the bytes that were there., type: integer, format: int32}
                lagBytes: {description: Of the source's log that the target has yet to confirm., type: integer, format: int64}
                tables: {description: How many were copied or compared., type: integer, format: int32}
                rows: {description: How many were compared., type: integer, format: int64}
                identical: {description: Whether all that was compared is equal., type: boolean}
                position: {description: Of the source's log which the target must reach., type: string}
                snapshot: {description: Which transactions the target knew of when it had caught up., type: string}
                source: {description: The source database., type: string}
                target: {description: The target database., type: string}
";

/// `databasemoves.movers.example.com/v1alpha1`.
pub fn database_move_resource() -> ApiResource {
    let gvk = GroupVersionKind::gvk("movers.example.com", "v1alpha1", "DatabaseMove");
    ApiResource::from_gvk_with_plural(&gvk, "databasemoves")
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Step {
    Replicate,
    Compare,
    CatchUp,
    Verify,
    Unchanged,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Spec {
    pub(super) step: Step,
    pub(super) from: String,
    pub(super) to: String,
}

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize, Serialize)]
pub(super) enum Phase {
    #[default]
    Running,
    Done,
    Failed,
}

/// What the mover says of a step.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Status {
    pub(super) phase: Phase,
    pub(super) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) copy_progress: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lag_bytes: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tables: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rows: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) identical: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) position: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) snapshot: Option<String>,
    /// `host:port/database`, for the clean-up: the Secrets may be gone by then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) target: Option<String>,
}

impl Status {
    pub(super) fn failed(&self, why: impl Into<String>) -> Self {
        Self { phase: Phase::Failed, message: why.into(), ..self.clone() }
    }

    pub(super) fn running(&self, what: impl Into<String>) -> Self {
        Self { phase: Phase::Running, message: what.into(), ..self.clone() }
    }

    pub(super) fn done(&self, what: impl Into<String>) -> Self {
        Self { phase: Phase::Done, message: what.into(), ..self.clone() }
    }

    /// What an object says.
    pub(super) fn of(object: &DynamicObject) -> Self {
        let status = object.data.get("status").cloned().unwrap_or_default();
        serde_json::from_value(status).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_definition_lists_every_step_and_every_field_that_is_said() {
        let definition: serde_json::Value = serde_saphyr::from_str(DATABASE_MOVES).unwrap();
        let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
        for step in schema["spec"]["properties"]["step"]["enum"].as_array().unwrap() {
            serde_json::from_value::<Step>(step.clone()).unwrap();
        }
        let all = Status {
            copy_progress: Some(1),
            lag_bytes: Some(1),
            tables: Some(1),
            rows: Some(1),
            identical: Some(true),
            position: Some(String::new()),
            snapshot: Some(String::new()),
            source: Some(String::new()),
            target: Some(String::new()),
            ..Status::default()
        };
        let said = serde_json::to_value(all).unwrap();
        let known = schema["status"]["properties"].as_object().unwrap();
        assert_eq!(
            said.as_object().unwrap().keys().collect::<Vec<_>>(),
            known.keys().collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>()
        );
    }
}
