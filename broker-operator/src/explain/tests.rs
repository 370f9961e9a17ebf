#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests may fail loudly")]

use std::path::{Path, PathBuf};

use broker_core::testing::CANARY;

use super::*;

const CERTIFICATE: &str = "apiVersion: example.com/v1alpha1
kind: Certificate
metadata: {name: my-app-cert}
spec: {fqdn: app.corp.co}
";

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn ask(files: &[(&str, &str)], resource: Option<&str>) -> anyhow::Result<offline::Found> {
    let folder = folder(files);
    offline::explain(&[folder.path().join("order.yaml")], &[folder.path().join("offers")], resource)
}

fn offer(name: &str, more: &str) -> String {
    format!(
        "---\napiVersion: broker.platform-mesh.io/v1alpha1\nkind: AcceptAPI\nmetadata: {{name: {name}, namespace: ca}}\n\
         spec:\n  gvr: {{resource: certificates}}\n{more}"
    )
}

fn suffix(name: &str, suffix: &str) -> String {
    offer(name, &format!("  filters: [{{key: fqdn, suffix: {suffix}}}]\n"))
}

fn the_overview(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/mission").join(file)
}

#[test]
fn the_nearest_miss_is_told_in_words() {
    let found = ask(
        &[
            ("order.yaml", CERTIFICATE),
            ("offers/a.yaml", &suffix("internal", ".internal.corp")),
            ("offers/b.yaml", &suffix("public", ".corp.com")),
        ],
        None,
    )
    .unwrap();
    let misses: Vec<String> = found.reports[0].why.misses.iter().map(ToString::to_string).collect();
    assert_eq!(
        misses,
        ["spec.fqdn is app.corp.co: ends with no suffix of [.corp.com, .internal.corp]; nearest .corp.com"]
    );
    let table = table::table(&found.reports[0]);
    let expected = "certificates.example.com/my-app-cert in namespace default
No offer would serve it (2 considered).

OFFER        PROVIDER  VERDICT  WHY
ca/public    b         Filter   ✗ filters[0] spec.fqdn is app.corp.co: does not end with .corp.com
ca/internal  a         Filter   ✗ filters[0] spec.fqdn is app.corp.co: does not end with
                                .internal.corp

✗ spec.fqdn is app.corp.co: ends with no suffix of [.corp.com, .internal.corp]; nearest .corp.com
The consumer reads: spec.fqdn is `app.corp.co`; accepted: ends with `.corp.com`, or ends with
  `.internal.corp`
";
    let trimmed: Vec<&str> = table.lines().map(str::trim_end).collect();
    assert_eq!(trimmed.join("\n") + "\n", expected);
}

#[test]
fn an_offer_that_translates_would_serve_as_any_other() {
    let translation = "  translation:\n    gvk: {group: cert-manager.io, version: v1, kind: Certificate}\n    \
                       template: {spec: {commonName: \"${self.spec.fqdn}\"}}\n";
    let offers = offer("translating", translation);
    let found = ask(&[("order.yaml", CERTIFICATE), ("offers/a.yaml", &offers)], None).unwrap();
    let report = &found.reports[0];
    assert_eq!(report.chosen.as_ref().map(|offer| offer.name.as_str()), Some("translating"), "{report:?}");
}

#[test]
fn a_table_is_never_wider_than_a_terminal() {
    let long = "x".repeat(150);
    let found = ask(
        &[
            ("order.yaml", &CERTIFICATE.replace("app.corp.co", &long)),
            (
                "offers/a-provider-with-quite-a-long-name/of-its-file.yaml",
                &suffix("an-offer-with-a-name-that-is-as-long-as-people-like-them", &format!(".{long}")),
            ),
        ],
        None,
    )
    .unwrap();
    let table = table::table(&found.reports[0]);
    let widest = table
        .lines()
        .take_while(|line| !line.starts_with('✗'))
        .map(|line| line.trim_end().chars().count())
        .max();
    assert!(widest <= Some(100), "{table}");
}

#[test]
fn the_overviews_offers_decide_about_the_overviews_orders() {
    let order = the_overview("orders.yaml");
    let offers =
        [the_overview("acceptapi.yaml"), the_overview("../../../../examples/certificates/certificates.yaml")];
    let found = offline::explain(std::slice::from_ref(&order), &offers, None);
    // Nothing there tells how a VirtualMachine's resource is called.
    let error = format!("{:#}", found.unwrap_err());
    assert!(
        error.contains("VirtualMachine web-server")
            && error.contains("--resource virtualmachines.cloudapi.example.com"),
        "{error}"
    );

    let text = std::fs::read_to_string(order).unwrap();
    let two = text.rsplit_once("---").unwrap().0;
    let folder = folder(&[("order.yaml", two)]);
    let found = offline::explain(&[folder.path().join("order.yaml")], &offers, None).unwrap();
    let chosen: Vec<_> =
        found.reports.iter().map(|report| report.chosen.as_ref().unwrap().name.as_str()).collect();
    // certType, which the first offer wants, is a default of the definition; 100Gi lies in 10 to 1000.
    assert_eq!(chosen, ["internal-ca-certificates", "my-provider-api"]);
    assert!(found.notes.iter().any(|note| note.contains("databases.example.com")), "{:?}", found.notes);
}

#[test]
fn what_a_file_says_of_its_status_is_not_believed() {
    let unready = suffix("public", ".co")
        + "status: {conditions: [{type: Ready, status: 'False'}], assignedOrders: 9}\n";
    let order = CERTIFICATE.to_owned() + "status: {relatedResources: {}}\n";
    let found = ask(&[("order.yaml", &order), ("offers/a.yaml", &unready)], None).unwrap();
    assert_eq!(found.reports[0].chosen.as_ref().unwrap().name, "public");
}

#[test]
fn brokered_apis_in_the_files_have_the_last_word() {
    let rules = |providers: &str| {
        format!(
            "apiVersion: broker.platform-mesh.io/v1alpha1\nkind: BrokeredAPI\nmetadata: {{name: certificates.example.com}}\nspec: {{{providers}}}\n"
        )
    };
    let two = suffix("one", ".co") + "  priority: 10\n";
    let asked = |providers: &str| {
        ask(
            &[
                ("order.yaml", CERTIFICATE),
                ("offers/a.yaml", &two),
                ("offers/b.yaml", &suffix("two", ".co")),
                ("offers/api.yaml", &rules(providers)),
            ],
            None,
        )
    };
    let chosen =
        |providers: &str| asked(providers).unwrap().reports[0].chosen.as_ref().map(|id| id.name.clone());
    assert_eq!(chosen("").as_deref(), Some("one"));
    assert_eq!(chosen("providers: [{cluster: b, alias: ours}]").as_deref(), Some("two"));
    assert_eq!(
        chosen("providers: [{cluster: a, scheduling: Cordoned}, {cluster: '*'}]").as_deref(),
        Some("two")
    );
    assert_eq!(chosen("providers: [{cluster: c}]"), None);
    let refused = |providers: &str| format!("{:#}", asked(providers).unwrap_err());
    assert!(refused("gracePeriod: soon").contains("gracePeriod"), "{}", refused("gracePeriod: soon"));
    let other = rules("").replace("certificates.", "others.");
    let error =
        ask(&[("order.yaml", CERTIFICATE), ("offers/a.yaml", &two), ("offers/api.yaml", &other)], None);
    assert!(format!("{:#}", error.unwrap_err()).contains("is not brokered"));
}

#[test]
fn providers_are_told_by_annotation_else_by_file() {
    let annotated =
        suffix("one", ".co").replace("namespace: ca", "namespace: ca, annotations: {kcp.io/cluster: 2hkd}");
    let found = ask(
        &[
            ("order.yaml", CERTIFICATE),
            ("offers/eu/a.yaml", &suffix("two", ".co")),
            ("offers/b.yaml", &annotated),
        ],
        None,
    )
    .unwrap();
    let mut providers: Vec<_> =
        found.reports[0].why.nearest.iter().map(|c| c.offer.cluster.as_str()).collect();
    providers.sort_unstable();
    assert_eq!(providers, ["2hkd", "eu/a"]);
    assert!(found.notes.iter().any(|note| note.contains("lot")), "{:?}", found.notes);
}

#[test]
fn the_same_value_is_printed_as_json_and_yaml() {
    let found = ask(
        &[("order.yaml", CERTIFICATE), ("offers/a.yaml", &suffix("one", ".org"))],
        Some("certificates.example.com"),
    )
    .unwrap();
    let json: serde_json::Value =
        serde_json::from_str(&shown(&found.reports, Output::Json).unwrap()).unwrap();
    let yaml: serde_json::Value =
        serde_saphyr::from_str(&shown(&found.reports, Output::Yaml).unwrap()).unwrap();
    assert_eq!(json, yaml);
    assert_eq!(json["why"]["nearest"][0]["first"]["problem"], "does not end with .org");
    assert_eq!(json["order"]["resource"], "certificates.example.com");
    assert_eq!(json.get("chosen"), None);
}

#[test]
fn the_consumers_message_names_nobody() {
    let text = offer(
        &format!("{CANARY}-offer"),
        "  filters: [{key: fqdn, suffix: .org}]\n  cost: \"31337.5\"\n  capacity: {orders: 31337}\n",
    );
    let found = ask(&[("order.yaml", CERTIFICATE), (&format!("offers/{CANARY}.yaml"), &text)], None).unwrap();
    let message = &found.reports[0].consumer_message;
    assert!(message.contains("spec.fqdn") && message.contains(".org"), "{message}");
    assert!(!message.contains(CANARY) && !message.contains("31337"), "{message}");
}

#[test]
fn a_resource_of_another_group_is_refused() {
    let error = ask(
        &[("order.yaml", CERTIFICATE), ("offers/a.yaml", &suffix("one", ".org"))],
        Some("certificates.other.com"),
    );
    assert!(format!("{:#}", error.unwrap_err()).contains("is not of the group"));
}
