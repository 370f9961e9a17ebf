//! What the server demands of a write before it happens.

use serde_json::{Value, json};

use super::definition::Definition;
use super::naming;
use super::operation::Resource;
use super::options::{DeleteOptions, FieldValidation, WriteOptions};
use super::rules;
use crate::control_plane::error::{ApiError, Cause, Subject};
use crate::control_plane::machinery::schema::FieldReason;
use crate::control_plane::storage::{ObjectKey, TableId};
use crate::control_plane::value;

impl Resource<'_> {
    /// An object created through a claim must be one that the claim shows.
    pub(super) fn check_claim(&self, key: &ObjectKey, object: &Value) -> Result<(), ApiError> {
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
    pub(super) fn protect_labels(&self, key: &ObjectKey, object: &mut Value) -> Result<(), ApiError> {
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

    pub(super) fn check_preconditions(
        &self,
        name: &str,
        live: &Value,
        options: &DeleteOptions,
    ) -> Result<(), ApiError> {
        let refuse = |what: &str, sent: &str, found: &str| {
            let then = match what {
                "UID" => "deleted and then recreated",
                _ => "modified",
            };
            let why = format!(
                "the {what} in the precondition ({sent}) does not match the {what} in record ({found}). The object \
                 might have been {then}"
            );
            // Here the real server names the kind.
            let Definition { group, kind, .. } = self.definition;
            Err(ApiError::conflict(Subject { group, resource: kind, name }, &why))
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

    pub(super) fn check_type(&self, object: &Value) -> Result<(), ApiError> {
        if !object.is_object() {
            return Err(ApiError::bad_request("the body of the request must be a JSON object"));
        }
        let expected = self.definition.api_version();
        let (version, kind) = (value::text(object, "/apiVersion"), value::text(object, "/kind"));
        if kind.is_empty() {
            return Err(ApiError::bad_request("Object 'Kind' is missing in the request's body"));
        }
        // Of custom resources the kind is looked at with everything else.
        if version != expected || self.definition.is_native() && kind != self.definition.kind {
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

    /// What the Go type of a native kind does not take is refused before anything else is looked at.
    pub(super) fn check_decodes(&self, object: &Value) -> Result<(), ApiError> {
        let Some(why) = self.definition.schema.undecodable(object) else { return Ok(()) };
        let Definition { kind, version, .. } = self.definition;
        let message = format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {why}");
        Err(ApiError::bad_request(message))
    }

    /// Custom resources are updated only by who says of which version.
    pub(super) fn check_lock(&self, object: &Value, name: &str) -> Result<(), ApiError> {
        let definition = self.definition;
        let custom = !definition.is_native() || definition.kind == "Lease";
        if !custom || !value::text(object, "/metadata/resourceVersion").is_empty() {
            return Ok(());
        }
        let cause = Cause::invalid("metadata.resourceVersion", &json!(0), "must be specified for an update");
        Err(ApiError::invalid(&definition.group, &definition.plural, name, vec![cause]))
    }

    pub(super) fn check_namespace_of(&self, object: &Value) -> Result<(), ApiError> {
        let sent = value::text(object, "/metadata/namespace");
        if self.definition.namespaced && !sent.is_empty() && sent != self.namespace {
            let message =
                "the namespace of the provided object does not match the namespace sent on the request";
            return Err(ApiError::bad_request(message));
        }
        Ok(())
    }

    /// A namespace takes new objects only while it is there and stays.
    pub(super) fn check_namespace_open(&self, name: &str) -> Result<(), ApiError> {
        if !self.definition.namespaced {
            return Ok(());
        }
        let table = TableId::of("", "namespaces");
        let key = ObjectKey::new(self.cluster, "", self.namespace);
        let about = Subject { group: "", resource: "namespaces", name: self.namespace };
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

    pub(super) fn check_fields(
        &self,
        object: &Value,
        options: &WriteOptions,
    ) -> Result<Vec<String>, ApiError> {
        if options.field_validation == FieldValidation::Ignore {
            return Ok(Vec::new());
        }
        // What is of another kind or group has other fields, but for metadata; of a version that is not there, none.
        let version = value::text(object, "/apiVersion");
        let group = version.rsplit_once('/').map_or("", |(group, _)| group);
        let is_other = self.kind_error(object).is_some() || group != self.definition.group;
        let is_versionless = !is_other && version != self.definition.api_version();
        let fields = object.as_object().into_iter().flatten().map(|(field, _)| field);
        let unknowable = fields.filter(|field| !matches!(field.as_str(), "apiVersion" | "kind" | "metadata"));
        let unknown: Vec<String> = self
            .definition
            .schema
            .unknown_fields(object)
            .into_iter()
            .filter(|path| !(is_other || is_versionless) || path.starts_with("metadata."))
            .chain(unknowable.filter(|_| is_versionless).cloned())
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

    /// A refusal of a custom resource that is of another type, with warnings about its metadata: that was read already,
    /// where it is of any type at all.
    pub(super) fn warned(&self, error: ApiError, object: &Value, options: &WriteOptions) -> ApiError {
        let is_read = !self.definition.is_native() && !value::text(object, "/kind").is_empty();
        match self.check_fields(object, options) {
            Ok(warnings) if is_read => error.warned(&warnings),
            Ok(_) | Err(_) => error,
        }
    }

    /// What of metadata was changed that cannot be.
    pub(super) fn immutable_metadata(live: &Value, object: &Value) -> Vec<Cause> {
        let mut causes = Vec::new();
        for field in ["name", "namespace", "uid"] {
            let pointer = format!("/metadata/{field}");
            let (was, is) = (value::at(live, &pointer), value::at(object, &pointer));
            if !is.is_null() && is != "" && is != was {
                causes.push(Cause::invalid(&format!("metadata.{field}"), is, "field is immutable"));
            }
        }
        for field in ["deletionTimestamp", "deletionGracePeriodSeconds"] {
            let pointer = format!("/metadata/{field}");
            let (was, is) = (value::at(live, &pointer), value::at(object, &pointer));
            if !is.is_null() && is != was {
                causes.push(Cause::invalid(&format!("metadata.{field}"), is, "field is immutable"));
            }
        }
        if value::is_terminating(live) {
            let before = value::finalizers(live);
            let added: Vec<String> =
                value::finalizers(object).into_iter().filter(|f| !before.contains(f)).collect();
            if !added.is_empty() {
                causes.push(Cause {
                    reason: FieldReason::Forbidden,
                    message: format!(
                        "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                        added.iter().map(|f| format!("\"{f}\"")).collect::<Vec<_>>().join(", ")
                    ),
                    field: "metadata.finalizers".to_owned(),
                });
            }
        }
        causes
    }

    /// What is wrong with the kind that an object says it is of.
    pub(super) fn kind_error(&self, object: &Value) -> Option<Cause> {
        // Of native kinds that was looked at before.
        let (kind, expected) = (value::text(object, "/kind"), self.definition.kind.as_str());
        (kind != expected).then(|| Cause::invalid("kind", &json!(kind), &format!("must be {expected}")))
    }

    /// Refuses an object of another kind. Nothing else is looked at then.
    pub(super) fn check_kind(&self, object: &Value, name: &str) -> Result<(), ApiError> {
        let Some(cause) = self.kind_error(object) else { return Ok(()) };
        Err(self.invalid(value::text(object, "/kind"), name, vec![cause]))
    }

    /// Refuses an object that is not valid, also for the causes that were found already. It was said to be of `kind`.
    pub(super) fn validate(
        &self,
        live: Option<&Value>,
        object: &Value,
        (kind, name): (&str, &str),
        found: Vec<Cause>,
    ) -> Result<(), ApiError> {
        let mut causes = naming::check(self.definition, object);
        causes.extend(found);
        let schema = &self.definition.schema;
        let errors = schema.errors(live, object, causes.iter().any(|cause| cause.reason.blocks_rules()));
        causes.extend(errors.into_iter().map(|error| Cause {
            reason: error.reason,
            message: error.message,
            field: error.field,
        }));
        causes.extend(rules::check(self.definition, object));
        if causes.is_empty() { Ok(()) } else { Err(self.invalid(kind, name, causes)) }
    }

    fn invalid(&self, kind: &str, name: &str, causes: Vec<Cause>) -> ApiError {
        ApiError::invalid(&self.definition.group, kind, name, causes)
    }
}

/// An object is written where its name says.
pub(super) fn check_name(object: &Value, name: &str) -> Result<(), ApiError> {
    let found = value::name(object);
    if found == name {
        return Ok(());
    }
    if found.is_empty() {
        let message =
            format!("the name of the object ({name} based on URL) was undeterminable: name must be provided");
        return Err(ApiError::bad_request(message));
    }
    let message = format!("the name of the object ({found}) does not match the name on the URL ({name})");
    Err(ApiError::bad_request(message))
}
