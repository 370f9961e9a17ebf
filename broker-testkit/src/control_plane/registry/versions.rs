//! Between the form in which objects are stored and the forms in which they are served.
//!
//! Versions of one kind differ in their name only, but for kcp's own kinds and for Events, which have two
//! API groups with different names for the same fields.

use std::sync::Arc;

use serde_json::{Value, json};

use super::definition::Definition;
use crate::control_plane::kcp::convert;
use crate::control_plane::value;

const NEWER_EVENTS: &str = "events.k8s.io/v1";

/// The names of an Event's fields: stored (core), and in `events.k8s.io`.
const EVENT_FIELDS: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
];

/// The object as it is stored.
pub(crate) fn to_storage(definition: &Definition, mut object: Value) -> Value {
    if definition.api_version() == NEWER_EVENTS {
        for (stored, newer) in EVENT_FIELDS {
            rename(&mut object, newer, stored);
        }
        value::set(&mut object, &["apiVersion"], json!("v1"));
        return object;
    }
    convert::to_storage(definition, object)
}

/// The object as this definition's version shows it.
pub(crate) fn from_storage(definition: &Definition, object: &Arc<Value>) -> Value {
    let mut shown = convert::from_storage(definition, object);
    if definition.api_version() == NEWER_EVENTS {
        for (stored, newer) in EVENT_FIELDS {
            rename(&mut shown, stored, newer);
        }
    }
    shown
}

fn rename(object: &mut Value, from: &str, to: &str) {
    if let Some(fields) = object.as_object_mut()
        && let Some(content) = fields.remove(from)
    {
        fields.insert(to.to_owned(), content);
    }
}
