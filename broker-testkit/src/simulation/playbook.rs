//! How simulated orders that hold data move: the spec of a MigrationConfiguration whose helpers a
//! [`SimulatedMover`](super::SimulatedMover) works on.

use broker_kcp::kcp::Resource;
use serde_json::{Map, Value, json};

/// From any provider to any other, or to `third` alone, and then with an approval before the switch and one after it. On the
/// way `back` the rows that the new copy took are carried along.
pub(super) fn playbook(orders: &Resource, third: Option<&str>, back: bool) -> Value {
    let gvr = &orders.gvr;
    let kind = json!({"group": gvr.group, "version": gvr.version, "kind": orders.kind});
    let there = ["From", "To"];
    let approved = third.is_some();
    let mut spec = Map::new();
    spec.insert("from".to_owned(), kind.clone());
    spec.insert("to".to_owned(), kind);
    let stages = json!([
        of_phase(stage("copy", "carry", there), "Initial", approved),
        of_phase(stage("catch-up", "carry", there), "Cutover", false),
        of_phase(stage("compare", "compare", there), "Verify", approved),
    ]);
    spec.insert("stages".to_owned(), stages);
    if back {
        spec.insert("rollback".to_owned(), json!([stage("carry-back", "carry", ["To", "From"])]));
    }
    if let Some(third) = third {
        spec.insert("toProviders".to_owned(), json!([third]));
    }
    Value::Object(spec)
}

/// A stage with one helper, of its own name, that is over when the mover says so.
fn stage(name: &str, step: &str, [from, to]: [&str; 2]) -> Map<String, Value> {
    let key = name.replace('-', "");
    let credentials = |of: &str| format!("{{{{ .{of}.Secrets.key }}}}");
    let helper = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
        "data": {"step": step, "from": credentials(from), "to": credentials(to)},
    });
    let says = |answer: &str| json!([format!("{key}.data.done == '{answer}'")]);
    let mut stage = Map::new();
    stage.insert("name".to_owned(), name.into());
    stage.insert("successConditions".to_owned(), says("yes"));
    stage.insert("failureConditions".to_owned(), says("no"));
    stage.insert("templates".to_owned(), json!({ key.as_str(): helper }));
    stage
}

fn of_phase(mut stage: Map<String, Value>, phase: &str, approved: bool) -> Map<String, Value> {
    stage.insert("phase".to_owned(), phase.into());
    if approved {
        stage.insert("approval".to_owned(), "Required".into());
    }
    stage
}
