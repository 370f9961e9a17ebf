//! What is in `deploy` for Prometheus and Grafana, judged by Prometheus' own tool and held to the documentation.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Runs Prometheus' own tool from `deploy/prometheus`, and shows what it says where it finds fault.
pub(crate) fn promtool(arguments: &[&str], input: Option<&str>) {
    let mut child = Command::new("promtool")
        .args(arguments)
        .current_dir(root().join("deploy/prometheus"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("promtool is missing (Debian's package prometheus): {error}"));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.unwrap_or_default().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let told = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "promtool {arguments:?}:\n{}\n{}", told.concat(), input.unwrap_or(""));
}

/// The metrics that `docs/metrics.md` lists, by the first column of its tables.
pub(crate) fn documented() -> BTreeSet<String> {
    let page = read("docs/metrics.md");
    let names = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    names.filter(|name| name.starts_with("resource_broker_")).map(str::to_owned).collect()
}

/// The metrics of the broker that an expression asks for.
fn asked_for(text: &str) -> BTreeSet<String> {
    let words = text.split(|sign: char| !(sign.is_ascii_alphanumeric() || sign == '_'));
    let names = words.filter(|word| word.starts_with("resource_broker_"));
    let family = |name: &str| {
        let suffix = ["_bucket", "_sum", "_count"].into_iter().find_map(|suffix| name.strip_suffix(suffix));
        suffix.filter(|name| name.ends_with("_seconds")).unwrap_or(name).to_owned()
    };
    names.map(family).collect()
}

/// The alerts, in their order.
fn alerts() -> Vec<Value> {
    let rules: Value = serde_saphyr::from_str(&read("deploy/prometheus/rules.yaml")).unwrap();
    let groups = rules["groups"].as_array().unwrap().iter();
    groups.flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

#[test]
fn prometheus_takes_the_rules_and_each_alert_fires_when_it_should() {
    promtool(&["check", "rules", "rules.yaml"], None);
    promtool(&["test", "rules", "rules_test.yaml"], None);
}

#[test]
fn each_alert_is_tested_both_ways_and_has_a_page_that_says_what_to_do() {
    let tests: Value = serde_saphyr::from_str(&read("deploy/prometheus/rules_test.yaml")).unwrap();
    let cases = tests["tests"].as_array().unwrap().iter();
    let cases: Vec<&Value> = cases.flat_map(|test| test["alert_rule_test"].as_array().unwrap()).collect();
    let (mut pages, mut names) = (BTreeSet::new(), BTreeSet::new());
    for alert in alerts() {
        let name = alert["alert"].as_str().unwrap();
        let of_alert = cases.iter().filter(|case| case["alertname"] == name);
        let firing: Vec<bool> = of_alert
            .map(|case| case["exp_alerts"].as_array().is_some_and(|expected| !expected.is_empty()))
            .collect();
        assert!(firing.contains(&true), "{name} is never expected to fire");
        assert!(firing.contains(&false), "{name} is never expected to be silent");
        assert!(matches!(alert["labels"]["severity"].as_str(), Some("critical" | "warning")), "{name}");
        assert!(alert["annotations"]["summary"].is_string(), "{name} has no summary");
        let url = alert["annotations"]["runbook_url"].as_str().unwrap();
        assert_eq!(url, format!("docs/runbooks/{name}.md"));
        let page = read(url);
        assert!(page.starts_with(&format!("# {name}\n")), "{url}");
        for heading in ["\n## What it means\n", "\n## What to look at\n", "\n## What to do\n"] {
            assert!(page.contains(heading), "{url} lacks {heading:?}");
        }
        pages.insert(format!("{name}.md"));
        assert!(names.insert(name.to_owned()), "two alerts are named {name}");
    }
    let written = std::fs::read_dir(root().join("docs/runbooks")).unwrap();
    let written: BTreeSet<String> =
        written.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    pages.insert("README.md".to_owned());
    assert_eq!(written, pages);
    let index = read("docs/runbooks/README.md");
    for page in pages.iter().filter(|page| *page != "README.md") {
        assert!(index.contains(&format!("]({page})")), "docs/runbooks/README.md lacks {page}");
    }
}

#[test]
fn rules_and_dashboard_ask_for_metrics_that_there_are() {
    let documented = documented();
    assert!(documented.len() > 10, "{documented:?}");
    let dashboard = read("deploy/grafana/resource-broker.json");
    let parsed: Value = serde_json::from_str(&dashboard).unwrap();
    let panels = parsed["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "two panels have one id");
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let rules: Vec<Value> = targets
        .enumerate()
        .map(|(at, target)| {
            let expression = target["expr"].as_str().unwrap().replace("$__rate_interval", "5m");
            json!({ "record": format!("panel:{at}"), "expr": expression })
        })
        .collect();
    assert!(rules.len() > 20, "{rules:?}");
    let file = tempfile::NamedTempFile::new().unwrap();
    let group = json!({ "groups": [{ "name": "dashboard", "rules": rules }] });
    std::fs::write(file.path(), group.to_string()).unwrap();
    promtool(&["check", "rules", file.path().to_str().unwrap()], None);
    for text in [read("deploy/prometheus/rules.yaml"), dashboard] {
        let asked = asked_for(&text);
        assert!(asked.len() > 5, "{asked:?}");
        let unknown: Vec<&String> = asked.difference(&documented).collect();
        assert!(unknown.is_empty(), "not in docs/metrics.md: {unknown:?}");
    }
}
