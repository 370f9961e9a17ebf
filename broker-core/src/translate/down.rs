//! From the order to its copy.

use serde_json::{Map, Value};

use super::fingerprint::{FINGERPRINT_ANNOTATION, fingerprint};
use super::translation::{Translation, Untranslated};
use crate::order::{CopyRef, Glob, Policy};
use crate::resource::{Object, marker};
use crate::sabotage::{self, Bug};

/// What the copy of an order must be: everything but status and cluster-owned metadata, under the copy's own name; a copy
/// of another kind than the order's is what the translation of its offer makes of the order.
///
/// Labels and annotations go down by the allow-list of the API, and as the translation adds them; the broker's own keys
/// never.
///
/// # Errors
/// Where the copy is of another kind, and what it would be cannot be told.
pub fn desired_copy(
    order: &Object,
    assignment: &str,
    copy: &CopyRef,
    policy: &Policy,
    translation: Option<&Translation>,
) -> Result<Object, Untranslated> {
    let mut object = Object::named(&copy.gvk(), &copy.key.namespace, &copy.key.name);
    let mut body = if copy.is_of(policy) {
        order.fields().clone()
    } else {
        let translation = translation.filter(|translation| translation.makes(copy));
        let translation = translation.ok_or(Untranslated::Unknown)?;
        translation.fill(order, copy, policy).map_err(Untranslated::NoValue)?
    };
    let own = body.remove("metadata").filter(|_| !copy.is_of(policy)).unwrap_or_default();
    for (key, value) in body {
        if !matches!(key.as_str(), "apiVersion" | "kind" | "status") {
            object.fields_mut().insert(key, value);
        }
    }
    let mut labels = allowed(order, "labels", &policy.copy_labels);
    labels.extend(texts(&own, "labels"));
    labels.insert(marker::ORDER_LABEL.to_owned(), assignment.into());
    if sabotage::is(Bug::ConsumerToldToProvider) {
        labels.insert("ordered-as".to_owned(), order.name().into());
    }
    object.set(&["metadata", "labels"], labels.into());
    let mut annotations = allowed(order, "annotations", &policy.copy_annotations);
    annotations.extend(texts(&own, "annotations"));
    if !annotations.is_empty() {
        object.set(&["metadata", "annotations"], annotations.into());
    }
    let print = fingerprint(&Value::Object(object.fields().clone()));
    object.set(&["metadata", "annotations", FINGERPRINT_ANNOTATION], print.into());
    object.set(
        &["metadata", "annotations", marker::ORDER_GENERATION_ANNOTATION],
        order.generation().to_string().into(),
    );
    Ok(object)
}

fn texts(metadata: &Value, field: &str) -> Map<String, Value> {
    metadata.get(field).and_then(Value::as_object).cloned().unwrap_or_default()
}

/// The labels or annotations of an order that its copies may carry.
pub(super) fn allowed(order: &Object, field: &str, globs: &[Glob]) -> Map<String, Value> {
    let is_allowed = |key: &str| globs.iter().any(|glob| glob.matches(key));
    let Some(Value::Object(map)) = order.get(&["metadata", field]) else { return Map::new() };
    map.iter()
        .filter(|(key, _)| !key.starts_with(marker::PREFIX) && !key.contains("kcp.io/") && is_allowed(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}
