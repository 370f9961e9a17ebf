//! Reading, writing and deleting objects of one resource through one view.
//!
//! Decides everything about a single object's life: defaults and validation, what a write may change,
//! generations, optimistic locks, finalizers. Authorisation happened before; the wire is not known here.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::definition::Definition;
use super::naming;
use super::options::{DeleteOptions, FieldValidation, Propagation, WriteOptions};
use super::rules;
use super::versions;
use crate::control_plane::error::{ApiError, Cause};
use crate::control_plane::machinery::apply::{self, ApplyError, Writer};
use crate::control_plane::machinery::patch::{self, PatchError};
use crate::control_plane::plane::{Outcome, Plane, View, mark_deleted};
use crate::control_plane::storage::{CommitError, ObjectKey};
use crate::control_plane::value;

/// One resource in one cluster and namespace, seen through a view.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resource<'a> {
    pub(crate) plane: &'a Plane,
    pub(crate) view: &'a View,
    pub(crate) definition: &'a Definition,
    pub(crate) cluster: &'a str,
    /// Empty for cluster-scoped resources.
    pub(crate) namespace: &'a str,
}

/// The result of a write.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) object: Arc<Value>,
    pub(crate) created: bool,
    pub(crate) warnings: Vec<String>,
}

/// The result of a deletion.
#[derive(Debug, Clone)]
pub(crate) enum Deleted {
    /// Finalizers hold it.
    Waiting(Arc<Value>),
    /// It is gone.
    Gone(Arc<Value>),
}

/// A change of an existing object.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Patch<'a> {
    Json(&'a Value),
    Merge(&'a Value),
    Strategic(&'a Value),
}

impl Resource<'_> {
    fn key(&self, name: &str) -> ObjectKey {
        ObjectKey::new(self.cluster, self.namespace, name)
    }

    fn visible(&self, name: &str) -> Option<Arc<Value>> {
        let table = &self.definition.table;
        self.plane.store.get(table, &self.key(name)).filter(|object| self.view.shows(table, object))
    }

    fn not_found(&self, name: &str) -> ApiError {
        ApiError::not_found(self.definition.subject(name))
    }

    /// One object.
    pub(crate) fn get(&self, name: &str) -> Result<Arc<Value>, ApiError> {
        let object = self.visible(name).ok_or_else(|| self.not_found(name))?;
        Ok(present(self.definition, self.view, &object))
    }

    /// A new object.
    pub(crate) fn create(&self, mut object: Value, options: &WriteOptions) -> Result<Written, ApiError> {
        self.check_type(&object)?;
        let generate = value::text(&object, "/metadata/generateName").to_owned();
        if value::name(&object).is_empty() {
            if generate.is_empty() {
                let cause = Cause::required("metadata.name", "name or generateName is required");
                return Err(self.invalid("", vec![cause]));
            }
            let base: String = generate.chars().take(58).collect();
            let name = format!("{base}{}", naming::random_suffix(5));
            value::set(&mut object, &["metadata", "name"], json!(name));
        }
        let name = value::name(&object).to_owned();
        self.check_namespace_of(&object)?;
        if !value::text(&object, "/metadata/resourceVersion").is_empty() {
            return Err(ApiError::bad_request("resourceVersion should not be set on objects to be created"));
        }
        let warnings = self.check_fields(&object, options)?;
        self.fresh_metadata(&mut object, &name);
        if self.definition.status {
            value::remove(&mut object, &["status"]);
        }
        self.insert(object, &name, options, warnings, Ownership::Record)
    }

    fn insert(
        &self,
        mut object: Value,
        name: &str,
        options: &WriteOptions,
        warnings: Vec<String>,
        ownership: Ownership,
    ) -> Result<Written, ApiError> {
        let schema = &self.definition.schema;
        self.protect_labels(&self.key(name), &mut object)?;
        schema.prune(&mut object);
        match ownership {
            Ownership::Record => {
                schema.fill_defaults(&mut object);
                rules::complete(self.definition, &mut object);
                let now = value::now();
                apply::record_update(None, &mut object, schema, self.writer(options, "", &now));
            }
            Ownership::Recorded => {
                schema.fill_defaults_after_apply(&mut object);
                rules::complete(self.definition, &mut object);
            }
        }
        rules::on_create(self.plane, self.definition, self.cluster, &mut object)?;
        self.validate(None, &object, name)?;
        let key = self.key(name);
        if self.plane.store.get(&self.definition.table, &key).is_some() {
            return Err(ApiError::already_exists(self.definition.subject(name)));
        }
        self.check_namespace_open(name)?;
        let mut object = versions::to_storage(self.definition, object);
        self.check_claim(&key, &object)?;
        if options.dry_run {
            self.plane.seal(&self.definition.table, &key, &mut object);
            let object = present(self.definition, self.view, &Arc::new(object));
            return Ok(Written { object, created: true, warnings });
        }
        let stored = self
            .plane
            .create(&self.definition.table, key, object)
            .map_err(|_| ApiError::already_exists(self.definition.subject(name)))?;
        Ok(Written { object: present(self.definition, self.view, &stored), created: true, warnings })
    }

    /// An object created through a claim must be one that the claim shows.
    fn check_claim(&self, key: &ObjectKey, object: &Value) -> Result<(), ApiError> {
        let table = &self.definition.table;
        if self.view.claim(table).is_none() {
            return Ok(());
        }
        let mut sealed = object.clone();
        self.plane.seal(table, key, &mut sealed);
        if self.view.shows(table, &sealed) {
            return Ok(());
        }
        let why = "object does not match required labels";
        Err(ApiError::forbidden(self.definition.subject(&key.name), why))
    }

    /// The labels that a claim selects by stay on objects written through it.
    fn protect_labels(&self, key: &ObjectKey, object: &mut Value) -> Result<(), ApiError> {
        for (label, wanted) in self.view.protected(self.plane, self.cluster, &self.definition.table) {
            match value::label(object, &label) {
                None => value::set_label(object, &label, &wanted),
                Some(found) if found == wanted => {}
                Some(_) => {
                    let why = format!("protected label {label} must have value {wanted}");
                    return Err(ApiError::forbidden(self.definition.subject(&key.name), &why));
                }
            }
        }
        Ok(())
    }

    /// A whole new state of an object, or of one of its subresources.
    pub(crate) fn update(
        &self,
        name: &str,
        object: &Value,
        subresource: &str,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        self.check_type(object)?;
        self.check_namespace_of(object)?;
        if value::name(object) != name {
            let message = format!(
                "the name of the object ({}) does not match the name on the URL ({name})",
                value::name(object)
            );
            return Err(ApiError::bad_request(message));
        }
        let warnings = self.check_fields(object, options)?;
        self.change(name, subresource, options, warnings, |live| {
            let sent = value::uid(object);
            if !sent.is_empty() && sent != value::uid(live) {
                let why = format!(
                    "Precondition failed: UID in precondition: {sent}, UID in object meta: {}",
                    value::uid(live)
                );
                return Err(ApiError::conflict(self.definition.subject(name), &why));
            }
            Ok((object.clone(), Ownership::Record))
        })
    }

    /// A change of an object in one of the three older patch formats.
    pub(crate) fn patch(
        &self,
        name: &str,
        patch: Patch<'_>,
        subresource: &str,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        self.change(name, subresource, options, Vec::new(), |live| {
            let mut object = live.clone();
            match patch {
                Patch::Json(operations) => patch::json_patch(&mut object, operations),
                Patch::Merge(change) => {
                    patch::merge_patch(&mut object, change);
                    Ok(())
                }
                Patch::Strategic(change) => {
                    patch::strategic_merge_patch(&mut object, change, &self.definition.schema)
                }
            }
            .map_err(|error| match error {
                PatchError::Malformed(why) => ApiError::bad_request(why),
                PatchError::Rejected(why) => ApiError::rejected_patch(&why),
            })?;
            self.check_fields(&object, options)?;
            Ok((object, Ownership::Record))
        })
    }

    /// A server-side apply.
    pub(crate) fn apply(
        &self,
        name: &str,
        applied: &Value,
        subresource: &str,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        self.check_type(applied)?;
        self.check_namespace_of(applied)?;
        let warnings = self.check_fields(applied, options)?;
        let sent = value::uid(applied);
        let mut applied = applied.clone();
        value::set(&mut applied, &["metadata", "name"], json!(name));
        loop {
            if self.visible(name).is_none() {
                if !subresource.is_empty() {
                    return Err(self.not_found(name));
                }
                if !sent.is_empty() {
                    let why = format!(
                        "uid mismatch: the provided object specified uid {sent}, and no existing object was found"
                    );
                    return Err(ApiError::conflict(self.definition.subject(name), &why));
                }
                let now = value::now();
                let writer = self.writer(options, subresource, &now);
                let merged = apply::apply(None, &applied, &self.definition.schema, writer, options.force);
                let mut object = merged.map_err(apply_error)?;
                self.fresh_metadata(&mut object, name);
                if self.definition.status {
                    value::remove(&mut object, &["status"]);
                }
                return self.insert(object, name, options, warnings, Ownership::Recorded);
            }
            let result = self.change(name, subresource, options, warnings.clone(), |live| {
                let now = value::now();
                let writer = self.writer(options, subresource, &now);
                let merged =
                    apply::apply(Some(live), &applied, &self.definition.schema, writer, options.force);
                let mut merged = merged.map_err(apply_error)?;
                // An optimistic lock only if the client sent one.
                let lock = value::at(&applied, "/metadata/resourceVersion").clone();
                value::set(&mut merged, &["metadata", "resourceVersion"], lock);
                Ok((merged, Ownership::Recorded))
            });
            match result {
                // Deleted in between: the next round creates it.
                Err(error) if error.code == 404 => {}
                other => return other,
            }
        }
    }

    /// Reads, lets `make` say what the object shall be, and writes; again if somebody came between.
    fn change(
        &self,
        name: &str,
        subresource: &str,
        options: &WriteOptions,
        warnings: Vec<String>,
        make: impl Fn(&Value) -> Result<(Value, Ownership), ApiError>,
    ) -> Result<Written, ApiError> {
        let table = &self.definition.table;
        let key = self.key(name);
        loop {
            let stored = self.visible(name).ok_or_else(|| self.not_found(name))?;
            let live = versions::from_storage(self.definition, &stored);
            let (proposed, ownership) = make(&live)?;
            let sent = value::text(&proposed, "/metadata/resourceVersion");
            if !sent.is_empty() && sent != value::text(&live, "/metadata/resourceVersion") {
                return Err(ApiError::modified(self.definition.subject(name)));
            }
            let mut object = self.settle(&live, proposed, subresource, options, ownership)?;
            self.protect_labels(&key, &mut object)?;
            let mut object = versions::to_storage(self.definition, object);
            let version = value::at(&stored, "/apiVersion");
            if value::at(&object, "/apiVersion") != version {
                value::set(&mut object, &["apiVersion"], version.clone());
            }
            if options.dry_run {
                self.plane.seal(table, &key, &mut object);
                let object = present(self.definition, self.view, &Arc::new(object));
                return Ok(Written { object, created: false, warnings });
            }
            match self.plane.replace(table, &key, &stored, object) {
                Ok(outcome) => {
                    let object = present(self.definition, self.view, &outcome.into_object());
                    return Ok(Written { object, created: false, warnings });
                }
                Err(CommitError::Exists | CommitError::Stale) => {}
            }
        }
    }

    /// What is stored of a proposed object: the server's fields put back, the other endpoint's fields
    /// kept, generation counted, ownership recorded, everything validated.
    fn settle(
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
        self.check_immutable_metadata(live, &object, &name)?;
        let schema = &definition.schema;
        schema.prune(&mut object);
        match ownership {
            Ownership::Record => {
                schema.fill_defaults(&mut object);
                rules::complete(definition, &mut object);
                // Before the other endpoint's fields are put back: who sends them is noted, as by the real one.
                let now = value::now();
                let writer = self.writer(options, subresource, &now);
                apply::record_update(Some(live), &mut object, schema, writer);
            }
            Ownership::Recorded => {
                schema.fill_defaults_after_apply(&mut object);
                rules::complete(definition, &mut object);
            }
        }
        if subresource == "status" {
            let managed = value::at(&object, "/metadata/managedFields").clone();
            let status = value::at(&object, "/status").clone();
            object = live.clone();
            set_or_remove(&mut object, &["status"], status);
            set_or_remove(&mut object, &["metadata", "managedFields"], managed);
        } else if definition.status {
            let status = live.get("status").cloned().unwrap_or(Value::Null);
            set_or_remove(&mut object, &["status"], status);
        }
        restore_system_metadata(live, &mut object);
        rules::on_update(self.plane, definition, self.cluster, live, &mut object)?;
        if definition.generation && desired_state_differs(definition, live, &object) {
            let generation = value::at(live, "/metadata/generation").as_i64().unwrap_or(0) + 1;
            value::set(&mut object, &["metadata", "generation"], json!(generation));
        }
        self.validate(Some(live), &object, &name)?;
        Ok(object)
    }

    /// Deletes an object, or begins to.
    pub(crate) fn delete(&self, name: &str, options: &DeleteOptions) -> Result<Deleted, ApiError> {
        let table = &self.definition.table;
        let key = self.key(name);
        loop {
            let Some(stored) = self.visible(name) else {
                if self.plane.store.get(table, &key).is_some() {
                    let why = "object does not match required labels";
                    return Err(ApiError::forbidden(self.definition.subject(name), why));
                }
                return Err(self.not_found(name));
            };
            self.check_preconditions(name, &stored, options)?;
            rules::on_delete(self.definition, &stored)?;
            let finalizer = match options.propagation {
                Propagation::Background => None,
                Propagation::Foreground => Some("foregroundDeletion"),
                Propagation::Orphan => Some("orphan"),
            };
            let mut object = Value::clone(&stored);
            mark_deleted(&mut object, finalizer);
            if options.dry_run {
                return Ok(Deleted::Gone(present(self.definition, self.view, &stored)));
            }
            match self.plane.replace(table, &key, &stored, object) {
                Ok(Outcome::Stored(object)) => {
                    return Ok(Deleted::Waiting(present(self.definition, self.view, &object)));
                }
                Ok(Outcome::Removed(object)) => {
                    return Ok(Deleted::Gone(present(self.definition, self.view, &object)));
                }
                Err(CommitError::Exists | CommitError::Stale) => {}
            }
        }
    }

    fn check_preconditions(&self, name: &str, live: &Value, options: &DeleteOptions) -> Result<(), ApiError> {
        let refuse = |what: &str, sent: &str, found: &str| {
            let why = format!(
                "Precondition failed: {what} in precondition: {sent}, {what} in object meta: {found}"
            );
            Err(ApiError::conflict(self.definition.subject(name), &why))
        };
        if let Some(sent) = options.uid.as_deref().filter(|sent| *sent != value::uid(live)) {
            return refuse("UID", sent, value::uid(live));
        }
        let found = value::text(live, "/metadata/resourceVersion");
        if let Some(sent) = options.resource_version.as_deref().filter(|sent| *sent != found) {
            return refuse("ResourceVersion", sent, found);
        }
        Ok(())
    }

    fn check_type(&self, object: &Value) -> Result<(), ApiError> {
        if !object.is_object() {
            return Err(ApiError::bad_request("the body of the request must be a JSON object"));
        }
        let expected = self.definition.api_version();
        let (version, kind) = (value::text(object, "/apiVersion"), value::text(object, "/kind"));
        if kind.is_empty() {
            return Err(ApiError::bad_request("Object 'Kind' is missing in the request's body"));
        }
        if version != expected || kind != self.definition.kind {
            let message = format!(
                "{kind} in version \"{version}\" cannot be handled as a {} of {expected}",
                self.definition.kind
            );
            return Err(ApiError::bad_request(message));
        }
        if object.get("metadata").is_some_and(|m| !m.is_object() && !m.is_null()) {
            return Err(ApiError::bad_request("metadata must be an object"));
        }
        Ok(())
    }

    fn check_namespace_of(&self, object: &Value) -> Result<(), ApiError> {
        let sent = value::text(object, "/metadata/namespace");
        if self.definition.namespaced && !sent.is_empty() && sent != self.namespace {
            let message =
                "the namespace of the provided object does not match the namespace sent on the request";
            return Err(ApiError::bad_request(message));
        }
        Ok(())
    }

    /// A namespace takes new objects only while it is there and stays.
    fn check_namespace_open(&self, name: &str) -> Result<(), ApiError> {
        if !self.definition.namespaced {
            return Ok(());
        }
        let table = crate::control_plane::storage::TableId::of("", "namespaces");
        let key = ObjectKey::new(self.cluster, "", self.namespace);
        let about =
            crate::control_plane::error::Subject { group: "", resource: "namespaces", name: self.namespace };
        let Some(namespace) = self.plane.store.get(&table, &key) else {
            return Err(ApiError::not_found(about));
        };
        if value::is_terminating(&namespace) {
            let why = format!(
                "unable to create new content in namespace {} because it is being terminated",
                self.namespace
            );
            let mut error = ApiError::forbidden(self.definition.subject(name), &why);
            error.causes.push(json!({
                "reason": "NamespaceTerminating",
                "message": format!("namespace {} is being terminated", self.namespace),
                "field": "metadata.namespace",
            }));
            return Err(error);
        }
        Ok(())
    }

    fn check_fields(&self, object: &Value, options: &WriteOptions) -> Result<Vec<String>, ApiError> {
        if options.field_validation == FieldValidation::Ignore {
            return Ok(Vec::new());
        }
        let unknown: Vec<String> = self
            .definition
            .schema
            .unknown_fields(object)
            .into_iter()
            .map(|path| format!("unknown field \"{path}\""))
            .collect();
        if options.field_validation == FieldValidation::Strict && !unknown.is_empty() {
            let message = format!(
                "{} in version \"{}\" cannot be handled as a {}: strict decoding error: {}",
                self.definition.kind,
                self.definition.version,
                self.definition.kind,
                unknown.join(", ")
            );
            return Err(ApiError::bad_request(message));
        }
        Ok(unknown)
    }

    fn check_immutable_metadata(&self, live: &Value, object: &Value, name: &str) -> Result<(), ApiError> {
        let mut causes = Vec::new();
        for field in ["name", "namespace", "uid"] {
            let pointer = format!("/metadata/{field}");
            let (was, is) = (value::at(live, &pointer), value::at(object, &pointer));
            if !is.is_null() && is != "" && is != was {
                causes.push(Cause::invalid(&format!("metadata.{field}"), is, "field is immutable"));
            }
        }
        if value::is_terminating(live) {
            let before = value::finalizers(live);
            let added: Vec<String> =
                value::finalizers(object).into_iter().filter(|f| !before.contains(f)).collect();
            if !added.is_empty() {
                causes.push(Cause {
                    reason: "FieldValueForbidden".to_owned(),
                    message: format!(
                        "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                        added.iter().map(|f| format!("\"{f}\"")).collect::<Vec<_>>().join(", ")
                    ),
                    field: "metadata.finalizers".to_owned(),
                });
            }
        }
        if causes.is_empty() { Ok(()) } else { Err(self.invalid(name, causes)) }
    }

    fn fresh_metadata(&self, object: &mut Value, name: &str) {
        let metadata = [
            ("name", json!(name)),
            ("uid", json!(uuid::Uuid::new_v4().to_string())),
            ("creationTimestamp", json!(value::now())),
            ("namespace", if self.definition.namespaced { json!(self.namespace) } else { Value::Null }),
            ("generation", if self.definition.generation { json!(1) } else { Value::Null }),
            ("deletionTimestamp", Value::Null),
            ("deletionGracePeriodSeconds", Value::Null),
            ("resourceVersion", Value::Null),
            ("selfLink", Value::Null),
        ];
        for (field, content) in metadata {
            set_or_remove(object, &["metadata", field], content);
        }
        drop_nulls(object, &["labels", "annotations", "finalizers", "ownerReferences"]);
    }

    fn validate(&self, live: Option<&Value>, object: &Value, name: &str) -> Result<(), ApiError> {
        let mut causes = naming::check(self.definition, object);
        let schema = &self.definition.schema;
        let errors =
            live.map_or_else(|| schema.validate(object), |live| schema.validate_update(live, object));
        causes.extend(errors.into_iter().map(|error| Cause {
            reason: error.reason.as_str().to_owned(),
            message: error.message,
            field: error.field,
        }));
        causes.extend(rules::check(self.definition, object));
        if causes.is_empty() { Ok(()) } else { Err(self.invalid(name, causes)) }
    }

    fn invalid(&self, name: &str, causes: Vec<Cause>) -> ApiError {
        ApiError::invalid(&self.definition.group, &self.definition.kind, name, causes)
    }

    fn writer<'w>(&'w self, options: &'w WriteOptions, subresource: &'w str, now: &'w str) -> Writer<'w> {
        Writer {
            manager: &options.manager,
            api_version: self.definition.api_version(),
            subresource,
            now,
            status_subresource: self.definition.status,
        }
    }
}

/// Whether the ownership of fields is still to be recorded.
#[derive(Debug, Clone, Copy)]
enum Ownership {
    Record,
    Recorded,
}

fn apply_error(error: ApplyError) -> ApiError {
    match error {
        ApplyError::BadRequest(why) => ApiError::bad_request(why),
        ApplyError::Contradiction(why) => ApiError::unclassified(why),
        ApplyError::Conflict { message, causes } => {
            let causes = causes
                .into_iter()
                .map(|c| json!({"reason": "FieldManagerConflict", "message": c.message, "field": c.field}))
                .collect();
            ApiError::apply_conflict(message, causes)
        }
    }
}

/// An object as a client of this version and view sees it.
pub(crate) fn present(definition: &Definition, view: &View, object: &Arc<Value>) -> Arc<Value> {
    let other_version = object["apiVersion"] != definition.api_version.as_str();
    if !other_version && !view.plain {
        return Arc::clone(object);
    }
    let mut shown =
        if other_version { versions::from_storage(definition, object) } else { Value::clone(object) };
    if view.plain {
        value::remove_metadata(&mut shown, "annotations", crate::control_plane::kcp::names::CLUSTER);
    }
    Arc::new(shown)
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
