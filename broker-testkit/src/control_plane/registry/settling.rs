//! What is stored of what was sent: the server's own fields, the other endpoint's fields, the generation.

use serde_json::{Map, Value, json};

use super::definition::Definition;
use super::operation::{Ownership, Resource};
use super::options::WriteOptions;
use super::rules;
use crate::control_plane::error::ApiError;
use crate::control_plane::machinery::apply::{self, Writer};
use crate::control_plane::value;

impl Resource<'_> {
    /// What is stored of a proposed object: the server's fields put back, the other endpoint's fields
    /// kept, generation counted, ownership recorded, everything validated.
    pub(super) fn settle(
        &self,
        live: &Value,
        mut object: Value,
        subresource: &str,
        options: &WriteOptions,
        ownership: Ownership,
    ) -> Result<Value, ApiError> {
        let name = value::name(live).to_owned();
        let definition = self.definition;
        if !value::at(&object, "/metadata").is_object() {
            return Err(ApiError::bad_request("metadata must be an object"));
        }
        // A status is taken out of whatever it comes in; a refusal repeats what that was said to be.
        let kind = value::text(&object, "/kind").to_owned();
        if subresource != "status" {
            self.check_kind(&object, &name)?;
        }
        let mut causes = Self::immutable_metadata(live, &object);
        let schema = &definition.schema;
        schema.prune(&mut object);
        match ownership {
            Ownership::Record => {
                // In what is of another kind, the real server does not look for nulls.
                if kind == definition.kind {
                    schema.fill_defaults(&mut object);
                } else {
                    schema.fill_defaults_after_apply(&mut object);
                }
                rules::complete(definition, &mut object);
                // Before the other endpoint's fields are put back: who sends them is noted, as by the real one.
                let now = self.plane.now();
                let writer = self.writer(options, subresource, &now);
                apply::record_update(Some(live), &mut object, schema, writer);
            }
            Ownership::Recorded => {
                schema.fill_defaults_after_apply(&mut object);
                rules::complete(definition, &mut object);
            }
        }
        // What goes with this is answered as it was written; what stays is read back.
        if !(value::is_terminating(live) && value::finalizers(&object).is_empty()) {
            schema.forget_empties(&mut object);
        }
        if subresource == "status" {
            // Where it came in something of another kind, the real server loses sight of who owns what.
            let is_known = kind == definition.kind;
            let managed = value::at(&object, "/metadata/managedFields");
            let managed = if is_known { managed.clone() } else { Value::Null };
            let status = object.get("status").cloned();
            object = live.clone();
            match status {
                // Null is what is left where nothing is applied any more of what was there: it is told that it may not be.
                Some(status) => value::set(&mut object, &["status"], status),
                None => value::remove(&mut object, &["status"]),
            }
            set_or_remove(&mut object, &["metadata", "managedFields"], managed);
        } else if definition.status {
            let status = live.get("status").cloned().unwrap_or(Value::Null);
            set_or_remove(&mut object, &["status"], status);
        }
        restore_system_metadata(live, &mut object);
        causes.extend(rules::on_update(definition, live, &mut object)?);
        self.guard.authorize(&self.proposal(Some(live), &object))?;
        if definition.generation && desired_state_differs(definition, live, &object) {
            let generation = value::at(live, "/metadata/generation").as_i64().unwrap_or(0) + 1;
            value::set(&mut object, &["metadata", "generation"], json!(generation));
        }
        self.validate(Some(live), &object, (&kind, &name), causes)?;
        self.guard.admit(&self.proposal(Some(live), &object))?;
        Ok(object)
    }

    pub(super) fn fresh_metadata(&self, object: &mut Value, name: &str) {
        let metadata = [
            ("name", json!(name)),
            ("uid", json!(self.plane.surroundings.uuid().to_string())),
            ("creationTimestamp", json!(self.plane.now())),
            ("namespace", if self.definition.namespaced { json!(self.namespace) } else { Value::Null }),
            ("deletionTimestamp", Value::Null),
            ("deletionGracePeriodSeconds", Value::Null),
            ("resourceVersion", Value::Null),
            ("selfLink", Value::Null),
        ];
        for (field, content) in metadata {
            set_or_remove(object, &["metadata", field], content);
        }
        if self.definition.generation {
            value::set(object, &["metadata", "generation"], json!(1));
        }
        drop_nulls(object, &["labels", "annotations", "finalizers", "ownerReferences"]);
    }

    pub(super) fn writer<'w>(
        &'w self,
        options: &'w WriteOptions,
        subresource: &'w str,
        now: &'w str,
    ) -> Writer<'w> {
        Writer {
            manager: &options.manager,
            api_version: self.definition.api_version(),
            subresource,
            now,
            status_subresource: self.definition.status,
        }
    }
}

fn set_or_remove(object: &mut Value, path: &[&str], content: Value) {
    if content.is_null() {
        value::remove(object, path);
    } else {
        value::set(object, path, content);
    }
}

fn drop_nulls(object: &mut Value, fields: &[&str]) {
    for field in fields {
        let found = value::at(object, &format!("/metadata/{field}"));
        let empty = found.is_null()
            || found.as_object().is_some_and(Map::is_empty)
            || found.as_array().is_some_and(Vec::is_empty);
        if empty {
            value::remove(object, &["metadata", field]);
        }
    }
}

/// What no client can change is as it was.
fn restore_system_metadata(live: &Value, object: &mut Value) {
    for field in [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "resourceVersion",
        "generateName",
    ] {
        let was = value::at(live, &format!("/metadata/{field}")).clone();
        set_or_remove(object, &["metadata", field], was);
    }
    value::remove(object, &["metadata", "selfLink"]);
    drop_nulls(object, &["labels", "annotations", "finalizers", "ownerReferences"]);
    for field in ["apiVersion", "kind"] {
        value::set(object, &[field], value::at(live, &format!("/{field}")).clone());
    }
}

/// Whether anything but metadata (and status, where that is written apart) differs.
fn desired_state_differs(definition: &Definition, live: &Value, object: &Value) -> bool {
    let relevant = |(key, _): &(&String, &Value)| {
        !matches!(key.as_str(), "metadata" | "apiVersion" | "kind")
            && (!definition.status || key.as_str() != "status")
    };
    let (Some(live), Some(object)) = (live.as_object(), object.as_object()) else { return false };
    !live.iter().filter(relevant).eq(object.iter().filter(relevant))
}
