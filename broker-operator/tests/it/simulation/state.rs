//! How a world stands, read from its history alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use broker_testkit::simulation::history::{ChangeKind, Event, History, ObjectKey, Write};
use serde_json::{Value, json};

use super::template::Template;

/// What is there in the end, in the words of people: who ordered what, who serves it, with what. Names, times and
/// versions that differ from one good run to another are left out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct State(Value);

impl State {
    pub(crate) fn of(history: &History, template: &Template) -> Self {
        let market = template.market();
        let named = |id: &str| {
            template
                .clusters
                .iter()
                .find(|(_, cluster)| *cluster == id)
                .map_or(id.to_owned(), |(name, _)| name.clone())
        };
        let mut orders = BTreeMap::new();
        let mut others: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for (ObjectKey { cluster, resource, namespace, name, .. }, object) in objects(history) {
            let place = named(&cluster);
            let is_consumer = market.consumers.contains(&place);
            let is_ordered = resource == market.orders.gvr.resource;
            match resource.as_str() {
                _ if is_consumer && is_ordered => {
                    orders
                        .insert(format!("{place}/{namespace}/{name}"), order(&object, template.goods.mark()));
                }
                "secrets" if is_consumer => {
                    orders.insert(format!("{place}/{namespace}/{name}"), secret(&object));
                }
                _ if is_ordered || resource == "secrets" => {
                    let seen = if is_ordered { object["spec"].clone() } else { secret(&object) };
                    others.entry(format!("{place} {resource}")).or_default().push(seen);
                }
                "assignments" => {
                    let copies = object["spec"]["copies"].as_array().map_or(0, Vec::len);
                    let pointer = object["spec"]["pointer"].is_string();
                    let offer = named(object["spec"]["offer"]["clusterName"].as_str().unwrap_or_default());
                    let phase = object["status"]["phase"].clone();
                    let entry = json!({"copies": copies, "pointer": pointer, "offer": offer, "phase": phase});
                    others.entry("assignments".to_owned()).or_default().push(entry);
                }
                _ => {}
            }
        }
        for all in others.values_mut() {
            all.sort_by_key(Value::to_string);
        }
        Self(json!({"consumers": orders, "others": others}))
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

/// Everything that was made in the history and is still there.
pub(super) fn objects(history: &History) -> BTreeMap<ObjectKey, Arc<Value>> {
    let mut objects = BTreeMap::new();
    for entry in history.entries() {
        let Event::Wrote(Write { kind, key, object, .. }) = &entry.event else { continue };
        let key = key.clone();
        match kind {
            ChangeKind::Deleted => objects.remove(&key),
            ChangeKind::Added | ChangeKind::Modified => objects.insert(key, Arc::clone(object)),
        };
    }
    objects
}

fn order(object: &Value, mark: &str) -> Value {
    let status = &object["status"];
    let current = status["observedGeneration"] == object["metadata"]["generation"];
    let conditions: Vec<Value> = status["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|condition| json!([condition["type"], condition["status"], condition["reason"]]))
        .collect();
    json!({
        "spec": object["spec"],
        "by": status[mark],
        "current": current,
        "conditions": conditions,
        "related": status["relatedResources"],
        "finalizers": object["metadata"]["finalizers"],
        "deleting": object["metadata"]["deletionTimestamp"].is_string(),
    })
}

/// Who made a Secret and for which spec; not what is secret in it.
fn secret(object: &Value) -> Value {
    let text = |key: &str| {
        let bytes = STANDARD.decode(object["data"][key].as_str().unwrap_or_default()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    json!({"by": text("by"), "spec": text("spec"), "key": !text("key").is_empty()})
}
