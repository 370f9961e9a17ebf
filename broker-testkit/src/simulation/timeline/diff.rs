//! What changed between two states of an object, in short.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Longer values are cut.
const LONGEST: usize = 60;
/// More changes are counted.
const MOST: usize = 8;
/// What every write changes, or what only repeats something else.
const NOISE: [&str; 11] = [
    "status.observedGeneration",
    "status.decidedAt",
    "metadata.managedFields",
    "metadata.resourceVersion",
    "metadata.generation",
    "metadata.creationTimestamp",
    "metadata.deletionGracePeriodSeconds",
    "metadata.uid",
    "metadata.annotations[kcp.io/cluster]",
    "metadata.annotations[broker.platform-mesh.io/applied]",
    "metadata.annotations[kcp.io/path]",
];

/// One change.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) path: String,
    pub(super) text: String,
}

/// What differs, the most telling first.
pub(super) fn between(before: &Value, after: &Value) -> Vec<Change> {
    let secret = after["kind"] == "Secret";
    let (old, new) = (flat(before, secret), flat(after, secret));
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut changes: Vec<Change> = paths
        .into_iter()
        .filter_map(|path| {
            let text = match (old.get(path), new.get(path)) {
                (old, new) if old == new => return None,
                (Some(_), Some(_)) | (None, None) if secret && is_content(path) => format!("{path} changed"),
                (None, Some(_)) if secret && is_content(path) => format!("{path} added"),
                (Some(old), Some(new)) => format!("{path}: {} → {}", short(old), short(new)),
                (None, Some(_)) if path == "metadata.deletionTimestamp" => "its deletion begins".to_owned(),
                (None, Some(new)) => format!("{path}: {}", short(new)),
                (Some(_), None) => format!("{path} removed"),
                (None, None) => return None,
            };
            Some(Change { path: path.clone(), text })
        })
        .collect();
    let more = changes.len().saturating_sub(MOST);
    if more > 0 {
        changes.truncate(MOST);
        changes.push(Change { path: "…".to_owned(), text: format!("{more} more") });
    }
    changes
}

/// What a new object asks for.
pub(super) fn summary(object: &Value) -> String {
    let told: Vec<String> = match object["kind"].as_str().unwrap_or_default() {
        "Secret" => {
            let keys = object["data"].as_object().into_iter().flatten().map(|(key, _)| key.as_str());
            vec![keys.collect::<Vec<_>>().join(", ")]
        }
        "Event" => vec![format!("{} {}", text(&object["reason"]), text(&object["message"]))],
        _ => flat(object, false)
            .into_iter()
            .filter(|(path, _)| path.starts_with("spec") || path.starts_with("data"))
            .map(|(path, value)| format!("{path}: {}", short(&value)))
            .take(MOST)
            .collect(),
    };
    told.join("; ")
}

fn is_content(path: &str) -> bool {
    path.starts_with("data[") || path.starts_with("stringData[")
}

/// Every value of an object by its path, as a text.
fn flat(object: &Value, secret: bool) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    flatten(object, "", &mut found);
    found.retain(|path, _| {
        !NOISE.iter().any(|noise| path.starts_with(noise)) && !path.ends_with("lastTransitionTime")
    });
    // A Migration's conditions say what its state and its message say.
    let moves = object["kind"] == "Migration" && found.contains_key("status.state");
    found.retain(|path, _| !moves || !path.starts_with("status.conditions["));
    if secret {
        found.retain(|path, _| {
            path != "metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]"
        });
    }
    found
}

fn flatten(value: &Value, path: &str, found: &mut BTreeMap<String, String>) {
    if let Some(told) = whole(value, path) {
        found.extend(told);
        return;
    }
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                flatten(field, &below(path, name), found);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (index, item) in items.iter().enumerate() {
                flatten(item, &format!("{path}[{}]", brief(&name_of(item, index))), found);
            }
        }
        Value::Null => {}
        Value::Array(_) | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            found.insert(path.to_owned(), text(value));
        }
    }
}

/// What is better told as one.
fn whole(value: &Value, path: &str) -> Option<Vec<(String, String)>> {
    // A condition.
    if path.contains("conditions[") && value.get("status").is_some() {
        let told = [&value["reason"], &value["message"]].map(text);
        let told = told.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
        let generation = value["observedGeneration"].as_i64().map_or_else(String::new, |of| format!("@{of}"));
        let status = format!("{}{generation}", text(&value["status"]));
        let status = if told.is_empty() { status } else { format!("{status} ({told})") };
        return Some(vec![(path.to_owned(), status)]);
    }
    // A copy, an offer, an end of a move: where it is, and what it is called.
    if path.starts_with("spec.")
        && let Some(cluster) = value.get("clusterName").and_then(Value::as_str)
    {
        let name = value.get("name").map(text).unwrap_or_default();
        let parts = [cluster.to_owned(), value.get("namespace").map(text).unwrap_or_default(), name];
        let told = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
        let uid: String = value.get("uid").map(text).unwrap_or_default().chars().take(8).collect();
        return Some(vec![(path.to_owned(), if uid.is_empty() { told } else { format!("{told} ({uid})") })]);
    }
    // Something handed over.
    if path.starts_with("status.relatedResources.")
        && let Some(kind) = value.pointer("/gvk/kind").map(text)
    {
        let parts = [&value["namespace"], &value["name"]].map(text);
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        return Some(vec![(path.to_owned(), format!("{kind} {}", parts.join("/")))]);
    }
    // Why an offer was chosen, or not.
    if path.starts_with("status.candidates[") {
        let why = value.get("message").or_else(|| value.get("score")).map(text).unwrap_or_default();
        return Some(vec![(path.to_owned(), format!("{} ({why})", text(&value["verdict"])))]);
    }
    None
}

fn below(path: &str, name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !["data", "binaryData", "stringData"].contains(&path);
    match (path.is_empty(), plain) {
        (true, _) => name.to_owned(),
        (false, true) => format!("{path}.{name}"),
        (false, false) => format!("{path}[{name}]"),
    }
}

/// What an item of a list is called.
fn name_of(item: &Value, index: usize) -> String {
    let own = ["type", "key", "name"].into_iter().find_map(|field| item.get(field)?.as_str());
    let offer = || {
        let offer = item.get("offer")?;
        Some(format!("{}/{}", offer.get("clusterName")?.as_str()?, offer.get("name")?.as_str()?))
    };
    match (own, item.get("verdict")) {
        (Some(own), None) => own.to_owned(),
        (Some(_) | None, _) => offer().unwrap_or_else(|| index.to_string()),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// Long hashes are told by their beginning, as people tell them apart.
pub(super) fn brief(name: &str) -> String {
    let mut text = String::new();
    let mut rest = name;
    while !rest.is_empty() {
        let hash = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_hexdigit()).len();
        let other = rest.len() - rest.trim_start_matches(|c: char| !c.is_ascii_hexdigit()).len();
        let (run, after) = rest.split_at(hash.max(other));
        match run.get(..8) {
            Some(beginning) if hash > 12 => {
                text.push_str(beginning);
                text.push('…');
            }
            _ => text.push_str(run),
        }
        rest = after;
    }
    text
}

fn short(text: &str) -> String {
    let line = brief(&text.replace('\n', " "));
    if line.chars().count() <= LONGEST {
        return if line.is_empty() { "\"\"".to_owned() } else { line };
    }
    let cut: String = line.chars().take(LONGEST - 1).collect();
    format!("{cut}…")
}
