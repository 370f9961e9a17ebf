//! The columns of built-in kinds.

use super::{Column, Columns, Source, age, custom_columns};
use jiff::Timestamp;
use serde_json::{Value, json};

type Compute = fn(&Value, Timestamp) -> Value;

/// The columns of a built-in kind, or just `Name` and `Age` for a kind of which nothing is known.
pub fn builtin_columns(group: &str, kind: &str) -> Columns {
    let columns = match (group, kind) {
        ("", "Namespace") => vec![
            name_column(),
            column("Status", "The status of the namespace", |object, _| at(object, "/status/phase")),
            age_column(),
        ],
        ("", "Secret") => vec![
            name_column(),
            column("Type", "Used to facilitate programmatic handling of secret data.", |object, _| {
                at(object, "/type")
            }),
            column("Data", "Data contains the secret data.", |object, _| count(object, &["data"])),
            age_column(),
        ],
        ("", "ConfigMap") => vec![
            name_column(),
            column("Data", "Data contains the configuration data.", |object, _| {
                count(object, &["data", "binaryData"])
            }),
            age_column(),
        ],
        ("", "ServiceAccount") => vec![name_column(), age_column()],
        ("" | "events.k8s.io", "Event") => event_columns(),
        ("coordination.k8s.io", "Lease") => vec![
            name_column(),
            column(
                "Holder",
                "holderIdentity contains the identity of the holder of a current lease.",
                |object, _| at(object, "/spec/holderIdentity"),
            ),
            age_column(),
        ],
        ("rbac.authorization.k8s.io", "Role" | "ClusterRole")
        | ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            vec![name_column(), created_at_column()]
        }
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => binding_columns(),
        ("core.kcp.io" | "tenancy.kcp.io" | "apis.kcp.io", _) => return custom_columns(&kcp_columns(kind)),
        _ => return custom_columns(&[]),
    };
    Columns { columns }
}

/// The columns of kcp's kinds, as their CRDs declare them.
fn kcp_columns(kind: &str) -> Vec<Value> {
    let age = json!({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"});
    let text = |name: &str, path: &str, description: &str| json!({"name": name, "type": "string", "jsonPath": path, "description": description});
    let phase = "The current phase (e.g. Scheduling, Initializing, Ready, Deleting)";
    match kind {
        "LogicalCluster" => vec![
            text("Phase", ".status.phase", phase),
            text("URL", ".status.URL", "URL to access the logical cluster"),
            age,
        ],
        "Workspace" => vec![
            text("Type", ".spec.type.name", "Type of the workspace"),
            text("Region", ".metadata.labels['region']", "The region this workspace is in"),
            text("Phase", ".status.phase", phase),
            text("URL", ".spec.URL", "URL to access the workspace"),
            age,
        ],
        "APIBinding" => vec![age, text("Ready", ".status.conditions[?(@.type==\"Ready\")].status", "")],
        "APIExportEndpointSlice" => {
            vec![text("Export", ".spec.export.name", ""), text("Partition", ".spec.partition", ""), age]
        }
        "APIResourceSchema" | "APIExport" => vec![age],
        _ => Vec::new(),
    }
}

fn column(name: &str, description: &str, compute: Compute) -> Column {
    Column {
        name: name.to_owned(),
        kind: "string".to_owned(),
        format: String::new(),
        description: description.to_owned(),
        priority: 0,
        source: Source::Computed(compute),
    }
}

fn wide(name: &str, description: &str, compute: Compute) -> Column {
    Column { priority: 1, ..column(name, description, compute) }
}

pub(super) fn name_column() -> Column {
    Column {
        format: "name".to_owned(),
        ..column("Name", "Name must be unique within a namespace.", |object, _| at(object, "/metadata/name"))
    }
}

fn age_column() -> Column {
    column("Age", "How long ago the object was created.", |object, now| {
        since(object, &["/metadata/creationTimestamp"], now)
    })
}

/// The age of kinds that the server knows nothing special of.
pub(super) fn date_age_column() -> Column {
    Column { kind: "date".to_owned(), ..age_column() }
}

fn created_at_column() -> Column {
    Column {
        kind: "date".to_owned(),
        ..column("Created At", "When the object was created.", |object, _| {
            at(object, "/metadata/creationTimestamp")
        })
    }
}

fn event_columns() -> Vec<Column> {
    vec![
        column(
            "Last Seen",
            "The time at which the most recent occurrence of this event was recorded.",
            |object, now| {
                let times = ["/series/lastObservedTime", LAST, OLD_LAST, FIRST, OLD_FIRST, "/eventTime"];
                since(object, &times, now)
            },
        ),
        column("Type", "Type of this event (Normal, Warning)", |object, _| at(object, "/type")),
        column("Reason", "The reason in one word.", |object, _| at(object, "/reason")),
        column("Object", "The object that this event is about.", |object, _| {
            let about = about(object);
            let kind = text(about, "/kind").to_lowercase();
            match text(about, "/name") {
                "" => Value::from(kind),
                name => Value::from(format!("{kind}/{name}")),
            }
        }),
        wide("Subobject", "The part of the object that is meant.", |object, _| {
            at(about(object), "/fieldPath")
        }),
        wide("Source", "The component reporting this event.", |object, _| {
            let pick =
                |paths: &[&str]| paths.iter().map(|path| text(object, path)).find(|found| !found.is_empty());
            let component = pick(&[
                "/source/component",
                "/deprecatedSource/component",
                "/reportingComponent",
                "/reportingController",
            ])
            .unwrap_or_default();
            let host = pick(&["/source/host", "/deprecatedSource/host", "/reportingInstance"]);
            Value::from(host.map_or_else(|| component.to_owned(), |host| format!("{component}, {host}")))
        }),
        column("Message", "A human-readable description of the status of this operation.", |object, _| {
            let message = [text(object, "/message"), text(object, "/note")].concat();
            Value::from(message.trim())
        }),
        wide("First Seen", "The time at which the event was first recorded.", |object, now| {
            since(object, &[FIRST, OLD_FIRST, "/eventTime"], now)
        }),
        wide("Count", "The number of times this event has occurred.", |object, _| {
            let counts = ["/series/count", "/count", "/deprecatedCount"];
            let found = counts.into_iter().filter_map(|path| object.pointer(path)?.as_i64()).find(|n| *n > 0);
            Value::from(found.unwrap_or(1))
        }),
        Column { priority: 1, ..name_column() },
    ]
}

const FIRST: &str = "/firstTimestamp";
const OLD_FIRST: &str = "/deprecatedFirstTimestamp";
const LAST: &str = "/lastTimestamp";
const OLD_LAST: &str = "/deprecatedLastTimestamp";

fn binding_columns() -> Vec<Column> {
    vec![
        name_column(),
        column("Role", "The role that is bound.", |object, _| {
            Value::from(format!("{}/{}", text(object, "/roleRef/kind"), text(object, "/roleRef/name")))
        }),
        age_column(),
        wide("Users", "Users in the binding", |object, _| subjects(object, "User")),
        wide("Groups", "Groups in the binding", |object, _| subjects(object, "Group")),
        wide("ServiceAccounts", "ServiceAccounts in the binding", |object, _| {
            subjects(object, "ServiceAccount")
        }),
    ]
}

fn subjects(object: &Value, kind: &str) -> Value {
    let all = object.get("subjects").and_then(Value::as_array).into_iter().flatten();
    let names: Vec<String> = all
        .filter(|subject| text(subject, "/kind") == kind)
        .map(|subject| match (kind, text(subject, "/namespace")) {
            ("ServiceAccount", namespace) => format!("{namespace}/{}", text(subject, "/name")),
            _ => text(subject, "/name").to_owned(),
        })
        .collect();
    Value::from(names.join(", "))
}

/// The object an event is about, in either version of events.
fn about(event: &Value) -> &Value {
    event.get("involvedObject").or_else(|| event.get("regarding")).unwrap_or(&Value::Null)
}

fn at(object: &Value, pointer: &str) -> Value {
    Value::from(text(object, pointer))
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn count(object: &Value, fields: &[&str]) -> Value {
    let sizes = fields.iter().filter_map(|field| object.get(*field)?.as_object());
    Value::from(sizes.map(serde_json::Map::len).sum::<usize>())
}

/// The age of the first of these timestamps that is there.
fn since(object: &Value, pointers: &[&str], now: Timestamp) -> Value {
    let found = pointers.iter().map(|pointer| text(object, pointer)).find(|time| !time.is_empty());
    Value::from(age::of(found.unwrap_or_default(), now))
}
