//! MigrationConfiguration: the playbook for moves between two kinds.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Condition, GoDuration, Gvk, Template, rules::MAX_EXPRESSION};

/// How objects of one kind move to another.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "broker.platform-mesh.io",
    version = "v1alpha1",
    kind = "MigrationConfiguration",
    plural = "migrationconfigurations",
    shortname = "migcfg",
    category = "broker",
    status = "MigrationConfigurationStatus",
    doc = "The playbook for moves from objects of one kind to objects of another.",
    derive = "PartialEq",
    printcolumn(name = "From", type_ = "string", json_path = ".spec.from.kind"),
    printcolumn(name = "To", type_ = "string", json_path = ".spec.to.kind"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct MigrationConfigurationSpec {
    /// The kind of the old copy.
    pub from: Gvk,
    /// The kind of the new copy.
    pub to: Gvk,
    /// Only for moves away from these providers: ids, aliases or paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub from_providers: Vec<String>,
    /// Only for moves to these providers: ids, aliases or paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub to_providers: Vec<String>,
    /// The steps, in order.
    #[schemars(
        length(min = 1, max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub stages: Vec<Stage>,
    /// The steps of the way back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub rollback: Vec<Stage>,
    /// How many moves may follow this playbook at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<MigrationBudget>,
}

/// One step of a playbook.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    /// Its name.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// When it runs; where it is omitted it follows from the stage's place in the playbook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<StagePhase>,
    /// What must be true before its templates are applied: CEL expressions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = MAX_EXPRESSION)))]
    pub preconditions: Vec<String>,
    /// What must be true before the next stage: CEL expressions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = MAX_EXPRESSION)))]
    pub success_conditions: Vec<String>,
    /// What ends the move when it is true: CEL expressions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = MAX_EXPRESSION)))]
    pub failure_conditions: Vec<String>,
    /// The helper objects it creates: YAML text or objects.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub templates: BTreeMap<String, Template>,
    /// Marks the last stage of the initial copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<bool>,
    /// Whether a person must approve before the next stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// How long it may take.
    #[serde(default = "stage_timeout")]
    pub timeout: GoDuration,
    /// Whether it can only run while the source can be reached.
    #[serde(default = "yes")]
    pub needs_source: bool,
}

/// When a stage runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum StagePhase {
    /// While the old copy serves and takes writes.
    Initial,
    /// While the old copy is fenced, before the switch.
    Cutover,
    /// After the switch, before the fence is lifted.
    Verify,
    /// Before the old copy is removed.
    Finalize,
}

/// Who lets a stage pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Approval {
    /// A person, by `spec.approvedStages` of the Migration.
    Required,
}

/// How many moves may follow a playbook at the same time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MigrationBudget {
    /// The most moves at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub max_concurrent: Option<i32>,
}

/// What is wrong with a playbook, and how it was understood.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MigrationConfigurationStatus {
    /// `Ready`: it can be followed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// In which phase each stage runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageResolution>,
    /// The generation all this was observed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// The phase a stage was understood to run in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StageResolution {
    /// The stage.
    pub name: String,
    /// Its phase.
    pub phase: StagePhase,
}

impl Default for Stage {
    fn default() -> Self {
        Self {
            name: String::new(),
            phase: None,
            preconditions: Vec::new(),
            success_conditions: Vec::new(),
            failure_conditions: Vec::new(),
            templates: BTreeMap::new(),
            progress: None,
            approval: None,
            timeout: stage_timeout(),
            needs_source: yes(),
        }
    }
}

fn stage_timeout() -> GoDuration {
    GoDuration::new("1h")
}

fn yes() -> bool {
    true
}
