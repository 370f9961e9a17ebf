//! Refusals in the form in which Kubernetes words them.
//!
//! Clients branch on `code` and `reason` and people read `message`: both are kept letter by letter.

use serde_json::{Map, Value, json};

use super::machinery::schema::FieldReason;

const NO_SUCH_PATH: &str = "404 page not found";

/// An answer other than success.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct ApiError {
    /// The HTTP status.
    pub(crate) code: u16,
    /// The machine-readable reason.
    pub(crate) reason: &'static str,
    /// What people read.
    pub(crate) message: String,
    /// `Status.details`, without the causes.
    pub(crate) details: Map<String, Value>,
    /// `Status.details.causes`.
    pub(crate) causes: Vec<Value>,
    /// What is to be said besides, in `Warning` headers.
    pub(crate) warnings: Vec<String>,
}

/// The kind and name an error is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// The API group.
    pub(crate) group: &'a str,
    /// The plural resource.
    pub(crate) resource: &'a str,
    /// The object's name.
    pub(crate) name: &'a str,
}

impl Subject<'_> {
    fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.resource.to_owned()
        } else {
            format!("{}.{}", self.resource, self.group)
        }
    }

    fn details(&self) -> Map<String, Value> {
        let mut details = Map::new();
        details.insert("name".to_owned(), json!(self.name));
        if !self.group.is_empty() {
            details.insert("group".to_owned(), json!(self.group));
        }
        details.insert("kind".to_owned(), json!(self.resource));
        details
    }
}

impl ApiError {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: Map::new(),
            causes: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The refusal of a request about whose body there is something to say too, unless that was said already.
    pub(crate) fn warned(mut self, warnings: &[String]) -> Self {
        if self.warnings.is_empty() {
            self.warnings = warnings.to_vec();
        }
        self
    }

    /// The request's options, such as `CreateOptions`, have values that are not allowed.
    pub(crate) fn invalid_options(kind: &str, causes: Vec<Cause>) -> Self {
        Self::invalid("meta.k8s.io", kind, "", causes)
    }

    pub(crate) fn not_found(about: Subject<'_>) -> Self {
        let message = format!("{} \"{}\" not found", about.qualified(), about.name);
        Self { details: about.details(), ..Self::new(404, "NotFound", message) }
    }

    /// A resource that a group does not have, where the group itself answers.
    pub(crate) fn no_such_resource() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource")
    }

    /// The path names nothing that is served. The only refusal that is no `Status` on the wire.
    pub(crate) fn no_such_path() -> Self {
        Self::new(404, "", NO_SUCH_PATH)
    }

    /// Whether the path names nothing that is served.
    pub(crate) fn is_no_such_path(&self) -> bool {
        self.message == NO_SUCH_PATH
    }

    pub(crate) fn already_exists(about: Subject<'_>) -> Self {
        let message = format!("{} \"{}\" already exists", about.qualified(), about.name);
        Self { details: about.details(), ..Self::new(409, "AlreadyExists", message) }
    }

    /// An optimistic lock failed.
    pub(crate) fn modified(about: Subject<'_>) -> Self {
        Self::conflict(
            about,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    pub(crate) fn conflict(about: Subject<'_>, why: &str) -> Self {
        let message =
            format!("Operation cannot be fulfilled on {} \"{}\": {why}", about.qualified(), about.name);
        Self { details: about.details(), ..Self::new(409, "Conflict", message) }
    }

    /// A server-side apply met fields of other managers.
    pub(crate) fn apply_conflict(message: impl Into<String>, causes: Vec<Value>) -> Self {
        Self { causes, ..Self::new(409, "Conflict", message) }
    }

    pub(crate) fn forbidden(about: Subject<'_>, why: &str) -> Self {
        let message = if about.name.is_empty() {
            format!("{} is forbidden: {why}", about.qualified())
        } else {
            format!("{} \"{}\" is forbidden: {why}", about.qualified(), about.name)
        };
        let mut details = about.details();
        if about.name.is_empty() {
            details.remove("name");
        }
        Self { details, ..Self::new(403, "Forbidden", message) }
    }

    /// Refused, whatever it is about.
    pub(crate) fn forbidden_for(why: &str) -> Self {
        Self::new(403, "Forbidden", format!("forbidden: {why}"))
    }

    /// A request for something that is no resource was refused.
    pub(crate) fn forbidden_path(user: &str, verb: &str, path: &str) -> Self {
        Self::new(403, "Forbidden", format!("forbidden: User \"{user}\" cannot {verb} path \"{path}\""))
    }

    /// One or more fields have values that are not allowed. `kind` is `Secret` or `Certificate.example.com`.
    pub(crate) fn invalid(group: &str, kind: &str, name: &str, causes: Vec<Cause>) -> Self {
        let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let listed: Vec<String> = causes.iter().map(|c| format!("{}: {}", c.field, c.message)).collect();
        let summary = match listed.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let message = format!("{qualified} \"{name}\" is invalid: {summary}");
        let mut details = Map::new();
        if !name.is_empty() {
            details.insert("name".to_owned(), json!(name));
        }
        if !group.is_empty() {
            details.insert("group".to_owned(), json!(group));
        }
        details.insert("kind".to_owned(), json!(kind));
        let causes = causes.into_iter().map(Cause::into_json).collect();
        Self { details, causes, ..Self::new(422, "Invalid", message) }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// A patch that does not fit its object.
    pub(crate) fn rejected_patch() -> Self {
        let message = "the server rejected our request due to an error in our request";
        Self::new(422, "Invalid", message)
    }

    /// A patch that makes something of an object that is no object of its kind.
    pub(crate) fn undecodable_patch(why: &str) -> Self {
        let message = format!(" \"\" is invalid: patch: Invalid value: {why}");
        let causes = vec![json!({"reason": "FieldValueInvalid", "message": why, "field": "patch"})];
        Self { causes, ..Self::new(422, "Invalid", message) }
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    pub(crate) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", message)
    }

    pub(crate) fn not_acceptable() -> Self {
        let message = "only the following media types are accepted: application/json";
        Self::new(406, "NotAcceptable", message)
    }

    pub(crate) fn unsupported_media_type(accepted: &str) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {accepted}"
        );
        Self::new(415, "UnsupportedMediaType", message)
    }

    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// What the real server answers with 500 and no reason.
    pub(crate) fn unclassified(message: impl Into<String>) -> Self {
        Self::new(500, "", message)
    }

    /// Something this control plane leaves out on purpose.
    pub(crate) fn not_implemented(what: &str) -> Self {
        Self::new(501, "NotImplemented", format!("the embedded control plane does not implement {what}"))
    }

    /// The `Status` object.
    pub(crate) fn to_status(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "code": self.code,
        });
        if let (false, Some(map)) = (self.reason.is_empty(), status.as_object_mut()) {
            map.insert("reason".to_owned(), json!(self.reason));
        }
        let mut details = self.details.clone();
        if !self.causes.is_empty() {
            details.insert("causes".to_owned(), Value::Array(self.causes.clone()));
        }
        // Only of a patch that does not fit there are details without any.
        let has_details = !details.is_empty() || self.reason == "Invalid";
        if let (true, Some(map)) = (has_details, status.as_object_mut()) {
            map.insert("details".to_owned(), Value::Object(details));
        }
        status
    }
}

/// One field with a value that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cause {
    /// In which way it is not.
    pub(crate) reason: FieldReason,
    /// `Required value`, `Invalid value: "x": why`, …
    pub(crate) message: String,
    /// The field's path.
    pub(crate) field: String,
}

impl Cause {
    pub(crate) fn invalid(field: &str, value: &Value, why: &str) -> Self {
        Self {
            reason: FieldReason::Invalid,
            message: format!("Invalid value: {value}: {why}"),
            field: field.to_owned(),
        }
    }

    pub(crate) fn required(field: &str, why: &str) -> Self {
        let message =
            if why.is_empty() { "Required value".to_owned() } else { format!("Required value: {why}") };
        Self { reason: FieldReason::Required, message, field: field.to_owned() }
    }

    /// A value that is none of the allowed ones.
    pub(crate) fn unsupported(field: &str, value: &Value, supported: &[&str]) -> Self {
        let supported: Vec<String> = supported.iter().map(|word| format!("{word:?}")).collect();
        Self {
            reason: FieldReason::NotSupported,
            message: format!("Unsupported value: {value}: supported values: {}", supported.join(", ")),
            field: field.to_owned(),
        }
    }

    /// A value where there may be none.
    pub(crate) fn forbidden(field: &str, why: &str) -> Self {
        Self { reason: FieldReason::Forbidden, message: format!("Forbidden: {why}"), field: field.to_owned() }
    }

    fn into_json(self) -> Value {
        json!({"reason": self.reason.as_str(), "message": self.message, "field": self.field})
    }
}
