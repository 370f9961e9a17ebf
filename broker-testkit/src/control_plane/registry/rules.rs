//! What the server adds to and demands of objects of built-in kinds, beyond any schema.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::definition::{Definition, Origin};
use crate::control_plane::error::{ApiError, Cause};
use crate::control_plane::kcp;
use crate::control_plane::machinery::schema::{FieldReason, Schema};
use crate::control_plane::plane::Plane;
use crate::control_plane::value::{self, list, text};

/// Fills in the defaults of built-in kinds. Whoever writes an object owns them.
pub(crate) fn complete(definition: &Definition, object: &mut Value) {
    if definition.origin == Origin::Builtin {
        defaults(definition, object);
    }
}

/// Adds to a new object what the server itself writes.
pub(crate) fn on_create(
    plane: &Plane,
    definition: &Definition,
    cluster: &str,
    object: &mut Value,
) -> Result<(), ApiError> {
    if definition.origin != Origin::Builtin {
        return Ok(());
    }
    match definition.kind.as_str() {
        "Namespace" => {
            value::set(object, &["spec", "finalizers"], json!(["kubernetes"]));
            value::set(object, &["status"], json!({"phase": "Active"}));
        }
        "CustomResourceDefinition" => {
            refuse_conversion(object)?;
            value::set_finalizers(object, &["customresourcecleanup.apiextensions.k8s.io".to_owned()]);
        }
        "Workspace" | "APIBinding" | "APIExport" => {
            kcp::rules::on_create(plane, &definition.kind, cluster, object)?;
        }
        _ => {}
    }
    Ok(())
}

/// Adds to a changed object what the server itself writes; answers which changes of what cannot change it has.
pub(crate) fn on_update(
    definition: &Definition,
    live: &Value,
    object: &mut Value,
) -> Result<Vec<Cause>, ApiError> {
    let mut causes = Vec::new();
    if definition.origin != Origin::Builtin {
        return Ok(causes);
    }
    if live["immutable"] == true && matches!(definition.kind.as_str(), "ConfigMap" | "Secret") {
        for field in ["immutable", "data", "binaryData"] {
            if live.get(field) != object.get(field) {
                let why = "field is immutable when `immutable` is set";
                causes.push(Cause::forbidden(field, why));
            }
        }
    }
    let mut keep = |field: &str| {
        let pointer = format!("/{}", field.replace('.', "/"));
        let (was, is) = (live.pointer(&pointer), object.pointer(&pointer));
        if was != is {
            causes.push(Cause::invalid(field, is.unwrap_or(&Value::Null), "field is immutable"));
        }
    };
    match definition.kind.as_str() {
        "Secret" => keep("type"),
        "RoleBinding" | "ClusterRoleBinding" => {
            let (was, is) = (live["roleRef"].clone(), object["roleRef"].clone());
            if was != is {
                causes.push(Cause::invalid("roleRef", &is, "cannot change roleRef"));
            }
        }
        "Namespace" => {
            // Only the `finalize` endpoint takes them away.
            value::set(object, &["spec", "finalizers"], value::at(live, "/spec/finalizers").clone());
        }
        "CustomResourceDefinition" => {
            refuse_conversion(object)?;
            keep("spec.group");
            keep("spec.scope");
            keep("spec.names.plural");
            keep("spec.names.kind");
        }
        kind => kcp::rules::on_update(kind, object),
    }
    Ok(causes)
}

/// Objects are the same in every version but for its name.
fn refuse_conversion(object: &Value) -> Result<(), ApiError> {
    if text(object, "/spec/conversion/strategy") == "Webhook" {
        return Err(ApiError::not_implemented("conversion webhooks"));
    }
    Ok(())
}

/// What must not be deleted.
pub(crate) fn on_delete(definition: &Definition, live: &Value) -> Result<(), ApiError> {
    let name = value::name(live);
    if definition.kind == "Namespace" && matches!(name, "default" | "kube-system" | "kube-public") {
        return Err(ApiError::forbidden(definition.subject(name), "this namespace may not be deleted"));
    }
    if definition.kind == "LogicalCluster"
        && definition.origin == Origin::Builtin
        && value::at(live, "/spec/directlyDeletable") != true
    {
        return Err(ApiError::forbidden(definition.subject(name), "LogicalCluster cannot be deleted"));
    }
    Ok(())
}

/// What is wrong with an object.
pub(crate) fn check(definition: &Definition, object: &Value) -> Vec<Cause> {
    if definition.origin != Origin::Builtin {
        return Vec::new();
    }
    let mut causes = Vec::new();
    match definition.kind.as_str() {
        "ConfigMap" => {
            check_keys("data", object, &mut causes);
            check_keys("binaryData", object, &mut causes);
        }
        "Secret" => check_secret(object, &mut causes),
        "Lease" => check_lease(object, &mut causes),
        "Role" => check_role(object, &mut causes),
        "CustomResourceDefinition" => check_crd(object, &mut causes),
        "RoleBinding" | "ClusterRoleBinding" if text(object, "/roleRef/name").is_empty() => {
            causes.push(Cause::required("roleRef.name", ""));
        }
        "LogicalCluster" if value::name(object) != kcp::names::LOGICAL_CLUSTER => {
            let (field, name) = ("metadata.name", json!(value::name(object)));
            causes.push(Cause::unsupported(field, &name, &[kcp::names::LOGICAL_CLUSTER]));
        }
        _ => {}
    }
    causes
}

fn defaults(definition: &Definition, object: &mut Value) {
    match definition.kind.as_str() {
        "Namespace" => {
            let name = value::name(object).to_owned();
            value::set_label(object, "kubernetes.io/metadata.name", &name);
        }
        "Secret" => {
            if text(object, "/type").is_empty() {
                value::set(object, &["type"], json!("Opaque"));
            }
            let plain = object.get("stringData").and_then(Value::as_object).cloned().unwrap_or_default();
            for (key, content) in plain {
                let encoded = STANDARD.encode(content.as_str().unwrap_or_default());
                value::set(object, &["data", &key], json!(encoded));
            }
            value::remove(object, &["stringData"]);
        }
        "RoleBinding" | "ClusterRoleBinding" => {
            if text(object, "/roleRef/apiGroup").is_empty() && object["roleRef"].is_object() {
                value::set(object, &["roleRef", "apiGroup"], json!("rbac.authorization.k8s.io"));
            }
            let subjects = object.get_mut("subjects").and_then(Value::as_array_mut);
            for subject in subjects.into_iter().flatten() {
                let person = matches!(subject["kind"].as_str(), Some("User" | "Group"));
                if person && text(subject, "/apiGroup").is_empty() {
                    value::set(subject, &["apiGroup"], json!("rbac.authorization.k8s.io"));
                }
            }
        }
        "CustomResourceDefinition" => {
            let kind = text(object, "/spec/names/kind").to_owned();
            for (field, default) in [("singular", kind.to_lowercase()), ("listKind", format!("{kind}List"))] {
                if text(object, &format!("/spec/names/{field}")).is_empty() && !kind.is_empty() {
                    value::set(object, &["spec", "names", field], json!(default));
                }
            }
            if object.pointer("/spec/conversion").is_none() {
                value::set(object, &["spec", "conversion"], json!({"strategy": "None"}));
            }
        }
        _ => {}
    }
}

/// The keys of data are names of files.
fn check_keys(field: &str, object: &Value, causes: &mut Vec<Cause>) {
    for key in object.get(field).and_then(Value::as_object).into_iter().flatten().map(|(key, _)| key) {
        let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if key.is_empty() || !key.chars().all(inner) {
            let why = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  \
                       or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
            causes.push(Cause::invalid(&format!("{field}[{key}]"), &json!(key), why));
        }
    }
}

fn check_secret(object: &Value, causes: &mut Vec<Cause>) {
    check_keys("data", object, causes);
    let data = object.get("data").and_then(Value::as_object);
    for (key, content) in data.into_iter().flatten() {
        let valid = content.as_str().is_some_and(|text| STANDARD.decode(text).is_ok());
        if !valid {
            let why = "must be base64-encoded";
            causes.push(Cause::invalid(&format!("data[{key}]"), &json!("<omitted>"), why));
        }
    }
    let keys: &[&str] = match text(object, "/type") {
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        // One of them is enough.
        "kubernetes.io/basic-auth"
            if ["username", "password"]
                .iter()
                .all(|key| object.pointer(&format!("/data/{key}")).is_none()) =>
        {
            &["username", "password"]
        }
        "kubernetes.io/service-account-token" => {
            if value::annotation(object, "kubernetes.io/service-account.name").is_none() {
                let field = "metadata.annotations[kubernetes.io/service-account.name]";
                causes.push(Cause::required(field, ""));
            }
            &[]
        }
        _ => &[],
    };
    for key in keys {
        if object.get("data").and_then(|data| data.get(*key)).is_none() {
            causes.push(Cause::required(&format!("data[{key}]"), ""));
        }
    }
}

fn check_lease(object: &Value, causes: &mut Vec<Cause>) {
    for (field, least, why) in [
        ("leaseDurationSeconds", 1, "must be greater than 0"),
        ("leaseTransitions", 0, "must be greater than or equal to 0"),
    ] {
        let value = value::at(object, &format!("/spec/{field}"));
        if value.as_i64().is_some_and(|number| number < least) {
            causes.push(Cause::invalid(&format!("spec.{field}"), value, why));
        }
    }
}

fn check_role(object: &Value, causes: &mut Vec<Cause>) {
    for (index, rule) in list(object, "/rules").iter().enumerate() {
        for (field, why) in [
            ("verbs", "verbs must contain at least one value"),
            ("apiGroups", "resource rules must supply at least one api group"),
            ("resources", "resource rules must supply at least one resource"),
        ] {
            if list(rule, &format!("/{field}")).is_empty() {
                causes.push(Cause::required(&format!("rules[{index}].{field}"), why));
            }
        }
    }
}

fn check_crd(object: &Value, causes: &mut Vec<Cause>) {
    let (group, plural) = (text(object, "/spec/group"), text(object, "/spec/names/plural"));
    let expected = format!("{plural}.{group}");
    if value::name(object) != expected {
        let why = "must be spec.names.plural+\".\"+spec.group";
        causes.push(Cause::invalid("metadata.name", &json!(value::name(object)), why));
    }
    causes.extend(approval(group, object));
    let versions = list(object, "/spec/versions");
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        let why = "must have exactly one version marked as storage version";
        causes.push(Cause::invalid("spec.versions", &json!(versions.len()), why));
    }
    for (index, version) in versions.iter().enumerate() {
        let path = format!("spec.versions[{index}].schema.openAPIV3Schema");
        match version.pointer("/schema/openAPIV3Schema") {
            None => causes.push(Cause::required(&path, "schemas are required")),
            Some(schema) => check_schema(&path, schema, causes),
        }
    }
}

/// What is missing where a definition is of a group that is Kubernetes' own.
pub(crate) fn approval(group: &str, object: &Value) -> Option<Cause> {
    const ANNOTATION: &str = "api-approved.kubernetes.io";
    let is_protected = ["k8s.io", "kubernetes.io"]
        .iter()
        .any(|domain| group.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')));
    if !is_protected {
        return None;
    }
    let field = format!("metadata.annotations[{ANNOTATION}]");
    let about = "see https://github.com/kubernetes/enhancements/pull/1111";
    match value::annotation(object, ANNOTATION) {
        None | Some("") => {
            let why = format!("protected groups must have approval annotation {ANNOTATION:?}, {about}");
            Some(Cause::required(&field, &why))
        }
        Some(found) if found.starts_with("unapproved") || found.contains("://") => None,
        Some(found) => {
            let why = format!(
                "protected groups must have approval annotation {ANNOTATION:?} with either a URL or a reason starting \
                 with \"unapproved\", {about}"
            );
            Some(Cause::invalid(&field, &json!(found), &why))
        }
    }
}

fn check_schema(path: &str, schema: &Value, causes: &mut Vec<Cause>) {
    if let Err(error) = Schema::parse(schema) {
        let field = if error.path.is_empty() { path.to_owned() } else { format!("{path}.{}", error.path) };
        causes.push(Cause { reason: FieldReason::Invalid, message: error.message, field });
    }
}
