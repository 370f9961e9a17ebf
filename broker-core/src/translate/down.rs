//! From the order to its copy.

use serde_json::{Map, Value};

use super::fingerprint::{FINGERPRINT_ANNOTATION, fingerprint};
use crate::order::{CopyRef, Policy};
use crate::resource::{Object, marker};
use crate::sabotage::{self, Bug};

/// What the copy of an order must be: everything but status and cluster-owned metadata, under the copy's own name.
///
/// Labels and annotations go down by the allow-list of the API, the broker's own keys never.
pub fn desired_copy(order: &Object, assignment: &str, copy: &CopyRef, policy: &Policy) -> Object {
    let mut object = Object::named(&copy.gvk(), &copy.key.namespace, &copy.key.name);
    for (key, value) in order.fields() {
        if !matches!(key.as_str(), "apiVersion" | "kind" | "metadata" | "status") {
            object.fields_mut().insert(key.clone(), value.clone());
        }
    }
    let mut labels = allowed(order, "labels", |key| policy.copy_labels.iter().any(|glob| glob.matches(key)));
    labels.insert(marker::ORDER_LABEL.to_owned(), assignment.into());
    if sabotage::is(Bug::ConsumerToldToProvider) {
        labels.insert("ordered-as".to_owned(), order.name().into());
    }
    object.set(&["metadata", "labels"], labels.into());
    let annotations =
        allowed(order, "annotations", |key| policy.copy_annotations.iter().any(|glob| glob.matches(key)));
    if !annotations.is_empty() {
        object.set(&["metadata", "annotations"], annotations.into());
    }
    let print = fingerprint(&Value::Object(object.fields().clone()));
    object.set(&["metadata", "annotations", FINGERPRINT_ANNOTATION], print.into());
    object.set(
        &["metadata", "annotations", marker::ORDER_GENERATION_ANNOTATION],
        order.generation().to_string().into(),
    );
    object
}

fn allowed(order: &Object, field: &str, is_allowed: impl Fn(&str) -> bool) -> Map<String, Value> {
    let Some(Value::Object(map)) = order.get(&["metadata", field]) else { return Map::new() };
    map.iter()
        .filter(|(key, _)| !key.starts_with(marker::PREFIX) && !key.contains("kcp.io/") && is_allowed(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}
