//! Reading, writing and deleting objects of one resource through one view.
//!
//! Decides everything about a single object's life: defaults and validation, what a write may change,
//! generations, optimistic locks, finalizers. Authorisation happened before; the wire is not known here.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

use super::checks::check_name;
use super::definition::Definition;
use super::naming::{self, Found};
use super::options::{DeleteOptions, Propagation, WriteOptions};
use super::rules;
use super::versions;
use crate::control_plane::error::ApiError;
use crate::control_plane::machinery::apply::{self, ApplyError};
use crate::control_plane::machinery::patch::{self, PatchError};
use crate::control_plane::plane::{Outcome, Plane, View, is_released, mark_deleted};
use crate::control_plane::sabotage::{self, Bug};
use crate::control_plane::storage::{CommitError, ObjectKey};
use crate::control_plane::value;

/// What shall become of an object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proposal<'a> {
    pub(crate) definition: &'a Definition,
    pub(crate) cluster: &'a str,
    /// The object as it is; `None` for a new one.
    pub(crate) before: Option<&'a Value>,
    /// The object as it is to be.
    pub(crate) after: &'a Value,
}

/// What somebody besides the resource itself has to say about a write.
pub(crate) trait Guard: fmt::Debug + Sync {
    /// Refuses what the writer may not grant, before it is looked at whether it is in order.
    fn authorize(&self, proposal: &Proposal<'_>) -> Result<(), ApiError>;

    /// Refuses of what is in order what shall not be stored all the same.
    fn admit(&self, proposal: &Proposal<'_>) -> Result<(), ApiError>;
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

    /// What guards are shown.
    pub(super) fn proposal<'a>(&'a self, before: Option<&'a Value>, after: &'a Value) -> Proposal<'a> {
        Proposal { definition: self.definition, cluster: self.cluster, before, after }
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
    pub(crate) fn create(&self, object: Value, options: &WriteOptions) -> Result<Written, ApiError> {
        self.check_type(&object).map_err(|error| self.warned(error, &object, options))?;
        self.check_decodes(&object)?;
        let mut object = object;
        let mut warnings = self.check_fields(&object, options)?;
        warnings.extend(naming::drop_repeated_owners(&mut object, Found::InObject));
        let written = self.create_checked(object, options, &warnings, Ownership::Record);
        written.map_err(|error| error.warned(&warnings))
    }

    fn create_checked(
        &self,
        mut object: Value,
        options: &WriteOptions,
        warnings: &[String],
        ownership: Ownership,
    ) -> Result<Written, ApiError> {
        let generate = value::text(&object, "/metadata/generateName").to_owned();
        if value::name(&object).is_empty() && !generate.is_empty() {
            let base: String = generate.chars().take(58).collect();
            let name = format!("{base}{}", naming::random_suffix(&self.plane.surroundings, 5));
            value::set(&mut object, &["metadata", "name"], json!(name));
        }
        let name = value::name(&object).to_owned();
        self.check_namespace_of(&object)?;
        let versioned =
            value::text(&object, "/metadata/resourceVersion").parse().is_ok_and(|version: u64| version > 0);
        self.fresh_metadata(&mut object, &name);
        if self.definition.status {
            value::remove(&mut object, &["status"]);
        }
        self.insert(object, &name, options, (warnings, versioned), ownership)
    }

    fn insert(
        &self,
        mut object: Value,
        name: &str,
        options: &WriteOptions,
        (warnings, versioned): (&[String], bool),
        ownership: Ownership,
    ) -> Result<Written, ApiError> {
        let mut warnings = warnings.to_vec();
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
        schema.forget_empties(&mut object);
        rules::on_create(self.plane, self.definition, self.cluster, &mut object)?;
        self.guard.authorize(&self.proposal(None, &object))?;
        self.check_kind(&object, name)?;
        self.validate(None, &object, (&self.definition.kind, name), Vec::new())?;
        self.guard.admit(&self.proposal(None, &object))?;
        warnings.extend(naming::doubtful_finalizers(self.definition, None, &object));
        let key = self.key(name);
        if versioned && !options.dry_run {
            // Said by the real server's storage, which has no reason for it.
            let why = "resourceVersion should not be set on objects to be created";
            return Err(ApiError::unclassified(why).warned(&warnings));
        }
        let exists = || ApiError::already_exists(self.definition.subject(name)).warned(&warnings);
        if self.plane.store.get(&self.definition.table, &key).is_some() {
            return Err(exists());
        }
        self.check_namespace_open(name)?;
        let mut object = versions::to_storage(self.definition, object);
        self.check_claim(&key, &object)?;
        if options.dry_run {
            self.plane.seal(&self.definition.table, &key, &mut object);
            let object = present(self.definition, self.view, &Arc::new(object));
            return Ok(Written { object, created: true, warnings });
        }
        let stored = self.plane.create(&self.definition.table, key, object).map_err(|_| exists())?;
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
        self.check_type(object).map_err(|error| self.warned(error, object, options))?;
        self.check_decodes(object)?;
        let mut warnings = self.check_fields(object, options)?;
        let written = self.update_checked(name, object.clone(), subresource, options, &mut warnings);
        written.map_err(|error| error.warned(&warnings))
    }

    fn update_checked(
        &self,
        name: &str,
        mut object: Value,
        subresource: &str,
        options: &WriteOptions,
        warnings: &mut Vec<String>,
    ) -> Result<Written, ApiError> {
        self.check_namespace_of(&object)?;
        check_name(&object, name)?;
        warnings.extend(naming::drop_repeated_owners(&mut object, Found::InObject));
        if self.definition.creates_on_update() && subresource.is_empty() && self.visible(name).is_none() {
            let sent = value::uid(&object);
            if !sent.is_empty() {
                let why = format!("Precondition failed: UID in precondition: {sent}, UID in object meta: ");
                return Err(ApiError::conflict(self.definition.subject(name), &why));
            }
            value::remove(&mut object, &["metadata", "resourceVersion"]);
            return self.create_checked(object, options, warnings, Ownership::Record);
        }
        self.change(name, subresource, options, warnings, |live| {
            let sent = value::uid(&object);
            if !sent.is_empty() && sent != value::uid(live) {
                let why = format!(
                    "Precondition failed: UID in precondition: {sent}, UID in object meta: {}",
                    value::uid(live)
                );
                return Err(ApiError::conflict(self.definition.subject(name), &why));
            }
            self.check_lock(&object, name)?;
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
        let said = RefCell::new(Vec::new());
        let written = self.change(name, subresource, options, &[], |live| {
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
                PatchError::Rejected(_) => ApiError::rejected_patch(),
            })?;
            if let Some(why) = self.definition.schema.undecodable(&object) {
                return Err(ApiError::undecodable_patch(&why));
            }
            let mut object = self.definition.with_type(object);
            let undecodable = |error: ApiError| ApiError::undecodable_patch(&error.message);
            self.check_type(&object).map_err(undecodable)?;
            *said.borrow_mut() = self.check_fields(&object, options).map_err(undecodable)?;
            self.check_namespace_of(&object)?;
            said.borrow_mut().extend(naming::drop_repeated_owners(&mut object, Found::InPatched));
            check_name(&object, name)?;
            self.check_lock(&object, name)?;
            Ok((object, Ownership::Record))
        });
        let warnings = said.into_inner();
        match written {
            Ok(mut written) => {
                written.warnings.splice(..0, warnings);
                Ok(written)
            }
            Err(error) => Err(error.warned(&warnings)),
        }
    }

    /// A server-side apply.
    pub(crate) fn apply(
        &self,
        name: &str,
        applied: &Value,
        subresource: &str,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        if !subresource.is_empty() && self.visible(name).is_none() {
            return Err(self.not_found(name));
        }
        self.check_type(applied)?;
        if self.kind_error(applied).is_some() {
            let (version, kind) = (self.definition.api_version(), value::text(applied, "/kind"));
            return Err(ApiError::bad_request(format!("invalid object type: {version}, Kind={kind}")));
        }
        let contradiction =
            apply::check_applied(applied, &self.definition.schema, self.definition.api_version());
        contradiction.map_err(apply_error)?;
        // Fields that the schema does not know are contradictions: there is nothing left to warn of.
        self.apply_checked(name, applied, subresource, options, &[])
    }

    fn apply_checked(
        &self,
        name: &str,
        applied: &Value,
        subresource: &str,
        options: &WriteOptions,
        warnings: &[String],
    ) -> Result<Written, ApiError> {
        let sent = value::uid(applied);
        let decode = |merged: &Value| match self.definition.schema.undecodable(merged) {
            Some(why) => {
                Err(ApiError::unclassified(format!("failed to convert new object to proper version: {why}")))
            }
            None => Ok(()),
        };
        let check_name = |merged: &Value| {
            self.check_namespace_of(applied)?;
            let named = if value::name(applied).is_empty() { merged } else { applied };
            check_name(named, name)
        };
        loop {
            if self.visible(name).is_none() {
                if !subresource.is_empty() {
                    return Err(self.not_found(name));
                }
                let now = self.plane.now();
                let writer = self.writer(options, subresource, &now);
                let merged = apply::apply(None, applied, &self.definition.schema, writer, options.force);
                let mut object = merged.map_err(apply_error)?;
                decode(&object)?;
                if !sent.is_empty() {
                    let why = format!(
                        "uid mismatch: the provided object specified uid {sent}, and no existing object was found"
                    );
                    return Err(ApiError::conflict(self.definition.subject(name), &why));
                }
                check_name(&object)?;
                self.fresh_metadata(&mut object, name);
                if self.definition.status {
                    value::remove(&mut object, &["status"]);
                }
                return self.insert(object, name, options, (warnings, false), Ownership::Recorded);
            }
            let result = self.change(name, subresource, options, warnings, |live| {
                let now = self.plane.now();
                let writer = self.writer(options, subresource, &now);
                let merged =
                    apply::apply(Some(live), applied, &self.definition.schema, writer, options.force);
                let mut merged = merged.map_err(apply_error)?;
                decode(&merged)?;
                check_name(&merged)?;
                // An optimistic lock only if the client sent one.
                let lock = value::at(applied, "/metadata/resourceVersion").clone();
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
        warnings: &[String],
        make: impl Fn(&Value) -> Result<(Value, Ownership), ApiError>,
    ) -> Result<Written, ApiError> {
        let table = &self.definition.table;
        let key = self.key(name);
        loop {
            let stored = self.visible(name).ok_or_else(|| self.not_found(name))?;
            let mut live = versions::from_storage(self.definition, &stored);
            if self.view.plain {
                value::remove_metadata(&mut live, "annotations", crate::control_plane::kcp::names::CLUSTER);
            }
            let (proposed, ownership) = make(&live)?;
            let sent = value::text(&proposed, "/metadata/resourceVersion");
            if !sent.is_empty() && sent.parse::<u64>().is_err() {
                let why = format!("strconv.ParseUint: parsing \"{sent}\": invalid syntax");
                return Err(ApiError::unclassified(why));
            }
            let stale = !sent.is_empty() && sent != value::text(&live, "/metadata/resourceVersion");
            if stale && !sabotage::is(Bug::StaleWritesTaken) {
                return Err(ApiError::modified(self.definition.subject(name)));
            }
            let mut object = self.settle(&live, proposed, subresource, options, ownership)?;
            let mut warnings = warnings.to_vec();
            warnings.extend(naming::doubtful_finalizers(self.definition, Some(&live), &object));
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
                if is_released(&object) {
                    return Ok(Deleted::Gone(present(self.definition, self.view, &stored)));
                }
                return Ok(Deleted::Waiting(present(self.definition, self.view, &Arc::new(object))));
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
    let other_version = is_other_version(definition, object);
    if !other_version && !view.plain {
        return Arc::clone(object);
    }
    if !other_version {
        return Arc::new(without_cluster(object));
    }
    let shown = versions::from_storage(definition, object);
    Arc::new(if view.plain { without_cluster(&shown) } else { shown })
}

/// Whether an object is stored in another version than this.
pub(super) fn is_other_version(definition: &Definition, object: &Value) -> bool {
    object["apiVersion"] != definition.api_version.as_str()
}

/// An object as a server of plain Kubernetes shows it.
pub(super) fn without_cluster(object: &Value) -> Value {
    let mut shown = object.clone();
    value::remove_metadata(&mut shown, "annotations", crate::control_plane::kcp::names::CLUSTER);
    shown
}
