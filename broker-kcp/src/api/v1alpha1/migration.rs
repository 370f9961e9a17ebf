//! Migration: the staged move of one order from one copy to another.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Condition, Gvk, Gvr, OfferRef, rules::rule};

/// One move; made by the broker when an order must move, or by a person.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "broker.platform-mesh.io",
    version = "v1alpha1",
    kind = "Migration",
    plural = "migrations",
    shortname = "mig",
    category = "broker",
    status = "MigrationStatus",
    doc = "The move of one order from one provider to another; made by the broker or by a person.",
    derive = "PartialEq",
    printcolumn(name = "Order", type_ = "string", json_path = ".spec.from.name"),
    printcolumn(name = "From", type_ = "string", json_path = ".spec.from.clusterName"),
    printcolumn(name = "To", type_ = "string", json_path = ".spec.to.clusterName"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Stage", type_ = "string", json_path = ".status.stage"),
    printcolumn(name = "Percent", type_ = "integer", json_path = ".status.progress.percent"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule("self.from == oldSelf.from && self.to == oldSelf.to", "a migration keeps its from and to: make another one"),
    rule("!has(oldSelf.playbook) || (has(self.playbook) && self.playbook == oldSelf.playbook)", "a migration keeps the playbook that it follows"),
    rule("!has(oldSelf.binding) || (has(self.binding) && self.binding == oldSelf.binding)", "a migration keeps what was made of its names"),
    rule("!has(oldSelf.order) || (has(self.order) && self.order == oldSelf.order)", "a migration stays with its order"),
    rule("!(self.?cancel.orValue(false) && self.?rollback.orValue(false))", "cancel (before the switch) and rollback (after it) exclude each other")
]))]
pub struct MigrationSpec {
    /// Where the order is served now.
    pub from: MigrationEnd,
    /// Where it shall be served.
    pub to: MigrationEnd,
    /// The order, where its name alone would be ambiguous.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<MigrationOrder>,
    /// Stops before the next step until it is unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// Undoes a move that has not switched yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<bool>,
    /// Undoes a move that has switched, as long as the old copy is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<bool>,
    /// The stages a person has approved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub approved_stages: Vec<String>,
    /// The source is lost: only stages that do not need it run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_source: Option<bool>,
    /// Writes made to the source during the move may be lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_loss: Option<bool>,
    /// How many moves of the order to this offer had failed in a row before, in migrations that the broker made: the
    /// more, the longer it waits before the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub failed_before: Option<i64>,
    /// What the broker made of the names, in migrations that a person made: written once, when the move begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<MigrationBinding>,
    /// The playbook that it follows, as it was when the move began; written by the broker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub playbook: Option<FollowedPlaybook>,
}

/// What a person's names stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MigrationBinding {
    /// The serial number of the copy that the move makes.
    #[schemars(range(min = 1))]
    pub serial: i64,
    /// The order's kind.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// The order, with the id of its cluster, its uid and its API.
    pub order: MigrationOrder,
    /// The offer that serves it.
    pub from: OfferRef,
    /// The offer that is to serve it.
    pub to: OfferRef,
}

/// A playbook as it was when a move began: a later edit is for later moves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FollowedPlaybook {
    /// Name of the MigrationConfiguration.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its spec.
    #[schemars(extend("x-kubernetes-preserve-unknown-fields" = true), schema_with = "any_object")]
    pub spec: serde_json::Map<String, serde_json::Value>,
}

fn any_object(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

/// One end of a move: names are the order's, the cluster is the provider's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MigrationEnd {
    /// The kind of the object there; by default what is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gvk: Option<Gvk>,
    /// The order's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub name: Option<String>,
    /// The order's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// The provider's cluster: its id, alias or path.
    #[schemars(length(min = 1, max = 253))]
    pub cluster_name: String,
    /// The offer there, in migrations that the broker made; a person may leave it to the broker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<OfferRef>,
}

/// The order of a migration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MigrationOrder {
    /// The consumer's cluster: its id, alias or path.
    #[schemars(length(min = 1, max = 253))]
    pub cluster_name: String,
    /// Its namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its uid, in migrations that the broker made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub uid: Option<String>,
    /// Its API, in migrations that the broker made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gvr: Option<Gvr>,
}

/// How far a move has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MigrationStatus {
    /// How far it has come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<MigrationState>,
    /// The stage it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// The move's own identity, for logs and for the providers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// How much of the playbook is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// What happened when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// What it waits for or why it ended, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// `DataCopied`, `CutoverComplete`, `Fenced`, `Ready`, `Complete`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The generation all this was observed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// How far a move has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum MigrationState {
    /// Not started.
    Pending,
    /// The replacement is being made and filled.
    InitialInProgress,
    /// The replacement is ready.
    InitialCompleted,
    /// The old copy is fenced, the last stages before the switch run.
    CutoverInProgress,
    /// The consumer sees the replacement; the old copy is still there.
    CutoverCompleted,
    /// Done, the old copy is gone.
    Completed,
    /// It ended without success; the message says what is left to a person.
    Failed,
    /// It was undone after the switch.
    RolledBack,
    /// It was undone before the switch.
    Cancelled,
}

/// How much of the playbook is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Progress {
    /// Stages done.
    pub stages_completed: i64,
    /// Stages of the playbook.
    pub stages_total: i64,
    /// The same in percent.
    pub percent: i64,
    /// Whether these are the stages of the way back, after the switch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reverting: Option<bool>,
}

/// What happened when, and what was checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Receipt {
    /// When it began (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub started_at: Option<String>,
    /// When the stage that runs began (RFC 3339); empty between two stages.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub stage_since: Option<String>,
    /// When the switch was about to begin, and the fence to be raised (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub cutover_at: Option<String>,
    /// When the old copy was seen to take no more writes (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub fenced_at: Option<String>,
    /// When the consumer was switched (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub switched_at: Option<String>,
    /// When it was decided to delete the old copy (RFC 3339); from then on there is no way back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub point_of_no_return_at: Option<String>,
    /// When it ended (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub completed_at: Option<String>,
    /// How long the switch itself took, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub switch_pause_millis: Option<i64>,
    /// How long writes were fenced, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fence_millis: Option<i64>,
    /// What was checked before the old copy was let go.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verified: Vec<String>,
    /// Why acknowledged writes may have been lost, where that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<String>,
    /// Which copy took which of the acknowledged writes, and why the move did not go back, where it failed after the
    /// switch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub writes: Option<String>,
}
