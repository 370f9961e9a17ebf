use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;

/// The first object of the YAML, as `T` and as it was written.
fn read<T: DeserializeOwned>(yaml: &str) -> (T, Value) {
    let value: Value = serde_saphyr::from_str(yaml).unwrap();
    (serde_json::from_value(value.clone()).unwrap(), value)
}

#[test]
fn an_offer_of_the_overview_is_read_with_its_filters() {
    let (offer, written) = read::<AcceptApi>(
        r#"
apiVersion: broker.platform-mesh.io/v1alpha1
kind: AcceptAPI
metadata:
  name: my-provider-api
  namespace: provider-workspace
spec:
  gvr: {group: example.com, version: v1alpha1, resource: databases}
  filters:
    - key: spec.engine
      valueIn: ["postgres", "mysql"]
    - key: spec.storage
      boundary: {min: 10, max: 1Ti}
status:
  conditions:
    - type: Available
      status: "True"
"#,
    );
    assert_eq!(offer.spec.weight, 100);
    assert_eq!(offer.spec.scheduling, Scheduling::Active);
    let boundary = offer.spec.filters[1].boundary.clone().unwrap();
    assert_eq!(boundary.min, Some(IntOrText::Int(10)));
    assert_eq!(boundary.max, Some(IntOrText::Text("1Ti".into())));
    assert_eq!(serde_json::to_value(&offer).unwrap()["spec"]["filters"], written["spec"]["filters"]);
    assert_eq!(serde_json::to_value(&offer).unwrap()["status"], written["status"]);
}

#[test]
fn an_offer_may_leave_group_and_version_out_and_the_core_group_differs_from_none() {
    let spec = |gvr: Value| -> AcceptApiSpec { serde_json::from_value(json!({ "gvr": gvr })).unwrap() };
    assert_eq!(spec(json!({"resource": "certificates"})).gvr.group, None);
    let core = spec(json!({"group": "", "resource": "certificates"}));
    assert_eq!(core.gvr.group.as_deref(), Some(""));
}

#[test]
fn a_migration_may_leave_kinds_out() {
    let (migration, written) = read::<Migration>(
        r"
apiVersion: broker.platform-mesh.io/v1alpha1
kind: Migration
metadata: {name: failover-migration}
spec:
  from: {name: production-db, clusterName: failing-provider}
  to: {name: production-db, clusterName: healthy-provider}
",
    );
    assert_eq!(migration.spec.from.gvk, None);
    assert_eq!(serde_json::to_value(&migration).unwrap()["spec"], written["spec"]);
}

#[test]
fn templates_are_text_or_objects() {
    let (playbook, _) = read::<MigrationConfiguration>(
        r#"
apiVersion: broker.platform-mesh.io/v1alpha1
kind: MigrationConfiguration
metadata: {name: p}
spec:
  from: {group: a.example.com, version: v1, kind: A}
  to: {group: b.example.com, version: v1, kind: B}
  stages:
    - name: copy
      successConditions: ["status.copyProgress == 100"]
      templates:
        text: |
          # only a comment
        object:
          kind: Job
      progress: true
"#,
    );
    let stage = &playbook.spec.stages[0];
    assert_eq!(stage.progress, Some(true));
    assert!(stage.needs_source);
    assert_eq!(stage.timeout.as_str(), "1h");
    assert!(matches!(&stage.templates["text"], Template::Yaml(text) if text.starts_with("# only")));
    assert!(matches!(&stage.templates["object"], Template::Object(o) if o["kind"] == "Job"));
}

#[test]
fn failover_and_fence_follow_from_moves_where_they_are_not_written() {
    let api = |spec: Value| -> BrokeredApiSpec { serde_json::from_value(spec).unwrap() };
    let data = api(json!({}));
    assert_eq!((data.effective_failover(), data.effective_fence()), (Failover::Manual, Fence::Required));
    let free = api(json!({"moves": "Free"}));
    assert_eq!((free.effective_failover(), free.effective_fence()), (Failover::Automatic, Fence::BestEffort));
    let strict = api(json!({"moves": "Free", "fence": "Required"}));
    assert_eq!(strict.effective_fence(), Fence::Required);
}

#[test]
fn what_a_type_leaves_out_equals_what_the_server_would_default() {
    let empty: BrokeredApiSpec = serde_json::from_value(json!({})).unwrap();
    assert_eq!(empty, BrokeredApiSpec::default());
    assert_eq!(
        serde_json::to_value(BrokeredApiSpec::default()).unwrap(),
        json!({
            "gracePeriod": "30s", "readyTimeout": "10m", "failoverAfter": "5m", "relatedKinds": ["Secret", "ConfigMap"],
            "relatedName": "${order}-${key}", "moves": "PlaybookOnly",
            "limits": {"concurrentMoves": 10, "haltAfterFailures": 3}
        })
    );
}
