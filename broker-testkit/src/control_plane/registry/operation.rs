//! Reading, writing and deleting objects of one resource through one view.
//!
//! Decides everything about a single object's life: defaults and validation, what a write may change,
//! generations, optimistic locks, finalizers. Authorisation happened before; the wire is not known here.

use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

use super::checks::check_name;
use super::definition::Definition;
use super::naming;
use super::options::{DeleteOptions, Propagation, WriteOptions};
use super::rules;
use super::versions;
use crate::control_plane::error::{ApiError, Cause};
use crate::control_plane::machinery::apply::{self, ApplyError};
use crate::control_plane::machinery::patch::{self, PatchError};
use crate::control_plane::plane::{Outcome, Plane, View, mark_deleted};
use crate::control_plane::storage::{CommitError, ObjectKey};
use crate::control_plane::value;

/// What somebody besides the resource itself has to say about a write that is in order.
pub(crate) trait Guard: fmt::Debug + Sync {
    /// Refuses what shall not be stored; `before` is the object as it is, `None` for a new one.
    fn admit(
        &self,
        definition: &Definition,
        cluster: &str,
        before: Option<&Value>,
        after: &Value,
    ) -> Result<(), ApiError>;
}

/// One resource in one cluster and namespace, seen through a view.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resource<'a> {
    pub(crate) plane: &'a Plane,
    pub(crate) view: &'a View,
    pub(crate) definition: &'a Definition,
    pub(crate) cluster: &'a str,
    /// Empty for cluster-scoped resources.
    pub(crate) namespace: &'a str,
    pub(crate) guard: &'a dyn Guard,
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
            let name = format!("{base}{}", naming::random_suffix(&self.plane.surroundings, 5));
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
                let now = self.plane.now();
                apply::record_update(None, &mut object, schema, self.writer(options, "", &now));
            }
            Ownership::Recorded => {
                schema.fill_defaults_after_apply(&mut object);
                rules::complete(self.definition, &mut object);
            }
        }
        rules::on_create(self.plane, self.definition, self.cluster, &mut object)?;
        self.guard.admit(self.definition, self.cluster, None, &object)?;
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
        check_name(object, name)?;
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
            self.check_lock(object, name)?;
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
            check_name(&object, name)?;
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
        if value::name(&applied).is_empty() {
            value::set(&mut applied, &["metadata", "name"], json!(name));
        }
        check_name(&applied, name)?;
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
                let now = self.plane.now();
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
                let now = self.plane.now();
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
            mark_deleted(&mut object, finalizer, &self.plane.now());
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
}

/// Whether the ownership of fields is still to be recorded.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ownership {
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
