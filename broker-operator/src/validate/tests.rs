#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may fail loudly")]

use super::*;

/// What is told about these files, one line each.
fn told(files: &[(&str, &str)]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let outcome = look(&[folder.path().to_owned()]).unwrap();
    let inside = format!("{}/", folder.path().display());
    text(&outcome).lines().map(|line| line.replace(&inside, "")).collect()
}

const BROKEN: &str = r"apiVersion: broker.platform-mesh.io/v1alpha1
kind: AcceptAPI
metadata:
  name: broken
  namespace: ca
spec:
  gvr:
    resource: certificates
    grup: example.com
  priority: high
  scheduling: cordoned
  filters:
    - key: spec.fqdn
      suffx: .corp.com
      valueIn: []
    - key: spec.storage
      boundary: {min: 100, max: 10}
    - key: spec.a
      valueIn: [x, y]
      suffix: .z
    - key: spec.b
    - expression: self.spec.fqdn + 'x'
    - key: status.ready
      valueIn: ['true']
";

#[test]
fn every_mistake_is_told_with_line_and_column() {
    let object = "AcceptAPI ca/broken spec";
    assert_eq!(
        told(&[("a.yaml", BROKEN)]),
        [
            format!(
                "a.yaml:9:5: error[UnknownField]: {object}.gvr.grup: there is no such field; did you mean group?"
            ),
            format!("a.yaml:10:13: error[Type]: {object}.priority: is the text `high`; expected an integer"),
            format!(
                "a.yaml:11:15: error[Value]: {object}.scheduling: is `cordoned`; accepted: Active, Cordoned, Draining; did \
                 you mean Cordoned?"
            ),
            format!(
                "a.yaml:14:7: error[UnknownField]: {object}.filters[0].suffx: there is no such field; did you mean suffix?"
            ),
            format!(
                "a.yaml:15:16: error[Empty]: {object}.filters[0].valueIn: is an empty list; expected at least one value"
            ),
            format!(
                "a.yaml:17:17: error[Rule]: {object}.filters[1].boundary: min is above max: nothing could pass"
            ),
            format!(
                "a.yaml:21:7: error[Rule]: {object}.filters[3]: a filter needs a criterion: valueIn, notIn, prefix, suffix, \
                 boundary or expression"
            ),
        ]
    );
    // With those mended, the meaning shows.
    let mended = BROKEN
        .replace("    grup: example.com\n", "")
        .replace("high", "1")
        .replace("cordoned", "Active")
        .replace("suffx", "suffix")
        .replace("      valueIn: []\n", "")
        .replace("max: 10}", "max: 1000}")
        .replace("    - key: spec.b\n", "");
    assert_eq!(
        told(&[("a.yaml", &mended)]),
        [
            format!(
                "a.yaml:19:19: error[InvalidFilter]: {object}.filters[3].expression: is `self.spec.fqdn + 'x'`; accepted: \
                 an expression that is true or false; this is always of type sum"
            ),
            format!(
                "a.yaml:20:12: error[InvalidFilter]: {object}.filters[4].key: is `status.ready`; accepted: a field of spec \
                 or metadata: the status, and what changes with it, is written by the provider itself"
            ),
        ]
    );
    let mended =
        mended.replace("status.ready", "spec.ready").replace("self.spec.fqdn + 'x'", "self.spec.fqdn");
    assert_eq!(
        told(&[("a.yaml", &mended)]),
        [
            "a.yaml:15:23: advice[BareBound]: AcceptAPI ca/broken spec.filters[1].boundary.min: 100 has no unit, on a field \
             whose values have units: it counts as 100Gi against 100Gi, as 100G against 100G and as 100 against 100; write \
             the unit, as in 100Gi"
                .to_owned(),
            "a.yaml:15:33: advice[BareBound]: AcceptAPI ca/broken spec.filters[1].boundary.max: 1000 has no unit, on a \
             field whose values have units: it counts as 1000Gi against 100Gi, as 1000G against 100G and as 1000 against \
             100; write the unit, as in 1000Gi"
                .to_owned(),
            format!(
                "a.yaml:18:15: error[Unreachable]: {object}.filters[2].suffix: none of the values [x, y] of filters[2] \
                 passes suffix of filters[2] (ends with `.z`): no order passes"
            ),
            format!(
                "a.yaml:19:19: warning[ExpressionType]: {object}.filters[3].expression: its answer is whatever the field \
                 holds, and it holds only where that is the boolean true; compare it, as in self.spec.fqdn == 'value'"
            ),
        ]
    );
}

#[test]
fn a_brokered_api_is_looked_at_too() {
    let text = r"apiVersion: broker.platform-mesh.io/v1alpha1
kind: BrokeredAPI
metadata: {name: certificates.example.com}
spec:
  gracePeriod: soon
  ready: self.status.
  providers:
    - {cluster: a, alias: ours}
    - {cluster: b, alias: ours}
    - {cluster: c}
    - {cluster: '*'}
    - {}
";
    let object = "BrokeredAPI certificates.example.com spec";
    let found = told(&[("api.yaml", text)]);
    assert_eq!(found.len(), 5, "{found:#?}");
    assert!(
        found[0].starts_with(&format!("api.yaml:5:16: error[Duration]: {object}.gracePeriod: ")),
        "{}",
        found[0]
    );
    assert!(
        found[1].starts_with(&format!("api.yaml:6:10: error[Expression]: {object}.ready: line 1")),
        "{}",
        found[1]
    );
    assert!(
        found[2].starts_with(&format!("api.yaml:9:27: warning[Duplicate]: {object}.providers[1].alias: ")),
        "{}",
        found[2]
    );
    assert!(
        found[3].starts_with(&format!("api.yaml:10:7: advice[Shadowed]: {object}.providers[2]: ")),
        "{}",
        found[3]
    );
    assert!(
        found[4].starts_with(&format!("api.yaml:12:7: error[Duplicate]: {object}.providers[4]: ")),
        "{}",
        found[4]
    );
}

#[test]
fn a_condition_of_readiness_must_be_true_or_false() {
    let text = "apiVersion: broker.platform-mesh.io/v1alpha1\nkind: BrokeredAPI\nmetadata: {name: a.example.com}\nspec: {ready: size(self.status.x)}\n";
    assert!(told(&[("a.yaml", text)])[0].contains("error[ExpressionType]"));
    let nobody = text.replace("size(self.status.x)", "status.ready");
    assert!(told(&[("a.yaml", &nobody)])[0].contains("known are self"), "{:?}", told(&[("a.yaml", &nobody)]));
}

#[test]
fn offers_of_several_files_are_looked_at_beside_each_other() {
    let offer = |name: &str, more: &str| {
        format!(
            "apiVersion: broker.platform-mesh.io/v1alpha1\nkind: AcceptAPI\nmetadata: {{name: {name}}}\nspec:\n  gvr: {{resource: certificates}}\n{more}"
        )
    };
    let found = told(&[
        ("a.yaml", &offer("first", "  priority: 5\n")),
        ("b.yaml", &offer("second", "  filters: [{key: a, prefix: x}]\n")),
    ]);
    assert_eq!(
        found,
        [
            "b.yaml:5:3: warning[Shadowed]: AcceptAPI second spec.priority: it never gets a new order: whatever it takes is \
          taken by first, which goes first by its priority"
        ]
    );
}

const PLAYBOOK: &str = r"apiVersion: broker.platform-mesh.io/v1alpha1
kind: MigrationConfiguration
metadata:
  name: broken
spec:
  from: {group: example.com, version: v1, kind: Database}
  to: {group: example.com, version: v1, kind: Database}
  stages:
    - name: copy
      timeout: soon
      succesConditions: []
      successConditions:
        - status.copyProgress ==
        - stauts.ready == true
      templates:
        job: |
          apiVersion: batch/v1
          kind: Job
          metadata: {namespace: '{{ .From.Namespace }}'}
        map:
          apiVersion: v1
          kind: ConfigMap
          data: {a: '${nope}'}
      progress: true
    - name: check
      phase: Initial
      preconditions: [map.data.a == '1']
    - name: check
";

#[test]
fn every_mistake_in_a_playbook_is_told_with_line_and_column() {
    let found = told(&[("p.yaml", PLAYBOOK)]);
    let object = "MigrationConfiguration broken spec";
    for expected in [
        format!("p.yaml:10:16: error[Duration]: {object}.stages[0].timeout: is `soon`; accepted: a time"),
        format!(
            "p.yaml:11:7: error[UnknownField]: {object}.stages[0].succesConditions: there is no such field; did you mean \
             successConditions?"
        ),
        format!(
            "p.yaml:13:11: error[Expression]: {object}.stages[0].successConditions[0]: `status.copyProgress ==`: line 1"
        ),
        format!(
            "p.yaml:14:11: error[UnknownName]: {object}.stages[0].successConditions[1]: `stauts.ready == true`: line 1, column \
             1: `stauts` is not known here; accepted: from, to, metadata, spec, status, job, map"
        ),
        format!(
            "p.yaml:17:11: error[Template]: {object}.stages[0].templates.job: metadata.namespace: cannot be set"
        ),
        format!(
            "p.yaml:23:21: error[Template]: {object}.stages[0].templates.map.data.a: `${{nope}}`: line 1"
        ),
        format!("p.yaml:28:7: error[Duplicate]: {object}.stages[2]: has the same name as entry [1]"),
    ] {
        assert!(found.iter().any(|line| line.starts_with(&expected)), "{expected}\n{found:#?}");
    }
    assert_eq!(found.len(), 7, "nothing twice: {found:#?}");
}

#[test]
fn playbooks_of_several_files_that_fit_the_same_moves_are_told() {
    let playbook = |name: &str, providers: &str| {
        format!(
            "apiVersion: broker.platform-mesh.io/v1alpha1\nkind: MigrationConfiguration\nmetadata: {{name: {name}}}\nspec:\n  \
             from: {{version: v1, kind: A}}\n  to: {{version: v1, kind: A}}\n  fromProviders: {providers}\n  stages: [{{name: a, \
             phase: Cutover, successConditions: [status.ready == true]}}]\n"
        )
    };
    let found = told(&[
        ("a.yaml", &playbook("one", "[aws, gcp]")),
        ("b.yaml", &playbook("two", "[gcp]")),
        ("c.yaml", &playbook("any", "[]")),
    ]);
    let words = "fits some moves just as well, and then none is followed; make one more specific by fromProviders or toProviders";
    assert_eq!(
        found,
        [
            format!("a.yaml:5:3: error[AmbiguousPlaybook]: MigrationConfiguration one spec: two {words}"),
            format!("b.yaml:5:3: error[AmbiguousPlaybook]: MigrationConfiguration two spec: one {words}"),
        ]
    );
}

#[test]
fn the_overviews_objects_have_no_errors() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/mission");
    let outcome = look(&[folder]).unwrap();
    assert!(outcome.findings.iter().all(|finding| finding.level == Level::Advice), "{}", text(&outcome));
    assert_eq!(outcome.objects, 6);
    // Two bounds without a unit, two playbooks without a stage under the fence.
    assert_eq!(summary(&outcome), "6 objects: 0 errors, 0 warnings, 4 pieces of advice");
    let resolved: Vec<&str> = outcome
        .notes
        .iter()
        .filter_map(|note| note.split_once(": MigrationConfiguration "))
        .map(|(_, note)| note)
        .collect();
    assert_eq!(
        resolved,
        [
            "database-aws-to-azure: stage initial-copy runs in phase Initial, stage cutover runs in phase Verify",
            "database-migration-config: stage initial-copy runs in phase Initial",
        ]
    );
    assert!(outcome.notes.iter().any(|note| note.contains("Migration failover-migration is passed over")));
}

#[test]
fn what_is_no_yaml_is_a_finding_and_what_is_not_there_an_error() {
    let found = told(&[("a.yaml", "kind: A\nspec: [\n")]);
    assert!(found[0].starts_with("a.yaml:2:7: error[Syntax]: "), "{found:?}");
    assert!(matches!(look(&[PathBuf::from("/no/such/file")]), Err(FileError::Read { .. })));
}
