//! What kcp's own admission refuses when everything else about an object is in order: with 403, and without causes.
//!
//! The real one lets its privileged users do some of it. Here nobody is: the administrator is the one people have there.

use serde_json::{Value, json};

use super::{claims, types};
use crate::control_plane::error::ApiError;
use crate::control_plane::machinery::schema::Schema;
use crate::control_plane::plane::Plane;
use crate::control_plane::rbac::{self, Action, User};
use crate::control_plane::registry::{Origin, Proposal, approval};
use crate::control_plane::storage::ObjectKey;
use crate::control_plane::value::{self, list, text, texts};

/// Groups of one word, as only Kubernetes has them.
const SINGLE_WORDS: &[&str] = &["apps", "batch", "extensions", "policy", "autoscaling"];
/// What exports may claim without saying whose it is.
const BUILT_IN: &[(&str, &[&str])] = &[
    ("", &["namespaces", "configmaps", "events", "resourcequotas", "secrets", "serviceaccounts"]),
    ("rbac.authorization.k8s.io", &["clusterroles", "clusterrolebindings", "roles", "rolebindings"]),
    ("certificates.k8s.io", &["certificatesigningrequests"]),
    ("coordination.k8s.io", &["leases"]),
    (
        "admissionregistration.k8s.io",
        &[
            "mutatingwebhookconfigurations",
            "validatingwebhookconfigurations",
            "validatingadmissionpolicies",
            "validatingadmissionpolicybindings",
        ],
    ),
    ("events.k8s.io", &["events"]),
    ("apiextensions.k8s.io", &["customresourcedefinitions"]),
    ("core.kcp.io", &["logicalclusters"]),
    ("authorization.k8s.io", &["subjectaccessreviews", "localsubjectaccessreviews"]),
];

/// Refuses an object that kcp does not want.
pub(crate) fn check(plane: &Plane, user: &User, proposal: &Proposal<'_>) -> Result<(), ApiError> {
    let Proposal { definition, cluster, before, after } = *proposal;
    if definition.origin != Origin::Builtin {
        return Ok(());
    }
    let refuse = |why: &str| ApiError::forbidden(definition.subject(value::name(after)), why);
    match (definition.kind.as_str(), before) {
        ("Workspace", None) => {
            for (field, name) in [("cluster", "Cluster"), ("URL", "URL")] {
                if !text(after, &format!("/spec/{field}")).is_empty() {
                    return Err(refuse(&format!("spec.{name} can only be set by system privileged users")));
                }
            }
            types::check_place(plane, cluster, after)
        }
        ("Workspace", Some(before)) => {
            if value::at(before, "/spec/URL") != value::at(after, "/spec/URL") {
                return Err(refuse("spec.URL can only be changed by system privileged users"));
            }
            if value::at(after, "/spec/type").is_null() && !value::at(before, "/spec/type").is_null() {
                return Err(refuse("spec.type: Invalid value: null: field is immutable"));
            }
            Ok(())
        }
        ("WorkspaceType", None) => types::check_name(after),
        ("LogicalCluster", None) => Err(refuse("LogicalCluster cannot be created")),
        ("CustomResourceDefinition", _) => {
            let group = text(after, "/spec/group");
            if group.ends_with("apis.kcp.io") {
                return Err(refuse(&format!("{group} is a reserved group")));
            }
            Ok(())
        }
        ("APIResourceSchema", None) => listed(&schema_errors(after), refuse),
        ("APIResourceSchema", Some(before)) if before["spec"] != after["spec"] => {
            listed(&[format!("spec: Invalid value: {}: is immutable", after["spec"])], refuse)
        }
        ("APIExport", _) => {
            let error = inconvertible(after).or_else(|| Some(refuse(&export_error(after)?)));
            error.map_or(Ok(()), Err)
        }
        ("APIBinding", None) => {
            listed(&binding_errors(after), refuse)?;
            may_bind(plane, user, cluster, "APIBinding", "reference/export", after)
                .map_err(|why| refuse(&why))
        }
        ("APIBinding", Some(_)) => listed(&binding_errors(after), refuse),
        ("APIExportEndpointSlice", None) => {
            may_bind(plane, user, cluster, "APIExportEndpointSlice", "export", after)
                .map_err(|why| refuse(&why))
        }
        _ => Ok(()),
    }
}

/// Refuses for several reasons at once.
fn listed(reasons: &[String], refuse: impl Fn(&str) -> ApiError) -> Result<(), ApiError> {
    if reasons.is_empty() { Ok(()) } else { Err(refuse(&format!("[{}]", reasons.join(" ")))) }
}

/// What is wrong with an APIResourceSchema.
fn schema_errors(schema: &Value) -> Vec<String> {
    let mut errors = Vec::new();
    let (group, plural, name) =
        (text(schema, "/spec/group"), text(schema, "/spec/names/plural"), value::name(schema));
    let invalid = |field: &str, value: &Value, why: &str| format!("{field}: Invalid value: {value}: {why}");
    let ending = format!(".{plural}.{}", if group.is_empty() { "core" } else { group });
    match name.strip_suffix(&ending) {
        None => errors.push(invalid("metadata.name", &json!(name), &format!("must end in {ending}"))),
        Some(prefix) if !is_prefix(prefix) => {
            let why = format!("must match ^[a-z]([-a-z0-9]*[a-z0-9])?$ in front of {ending}");
            errors.push(invalid("metadata.name", &json!(name), &why));
        }
        Some(_) => {}
    }
    errors.extend(approval(group, schema).map(|cause| format!("{}: {}", cause.field, cause.message)));
    if group == "core" {
        errors.push(invalid("spec.group", &json!(group), "must be empty string for the core group"));
    } else if !group.is_empty() && !group.contains('.') && !SINGLE_WORDS.contains(&group) {
        errors.push(invalid("spec.group", &json!(group), "should be a domain with at least one dot"));
    }
    let versions = list(schema, "/spec/versions");
    for (index, version) in versions.iter().enumerate() {
        let path = format!("spec.versions[{index}].schema");
        match version.get("schema").map(Schema::parse) {
            None => errors.push(format!("{path}: Required value")),
            Some(Err(error)) if error.path.is_empty() => errors.push(format!("{path}: {}", error.message)),
            Some(Err(error)) => errors.push(format!("{path}.{}: {}", error.path, error.message)),
            Some(Ok(_)) => {}
        }
    }
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        let why = "must have exactly one version marked as storage version";
        errors.push(invalid("spec.versions", &json!(versions), why));
    }
    errors
}

/// `^[a-z]([-a-z0-9]*[a-z0-9])?$`
fn is_prefix(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    text.starts_with(|c: char| c.is_ascii_lowercase()) && !text.ends_with('-') && text.chars().all(inner)
}

/// What is wrong with an APIExport: of several things the first.
fn export_error(export: &Value) -> Option<String> {
    let is_known = |group: &str, resource: &str| {
        group == "apis.kcp.io"
            || BUILT_IN.iter().any(|(of, resources)| *of == group && resources.contains(&resource))
    };
    for (index, claim) in list(export, "/spec/permissionClaims").iter().enumerate() {
        if text(claim, "/identityHash").is_empty()
            && !is_known(text(claim, "/group"), text(claim, "/resource"))
        {
            return Some(format!(
                "spec.permissionClaims[{index}].identityHash: Invalid value: \"\": identityHash is required for API \
                 types that are not built-in"
            ));
        }
    }
    for (index, resource) in list(export, "/spec/resources").iter().enumerate() {
        let (group, schema) = (text(resource, "/group"), text(resource, "/schema"));
        let ending =
            format!(".{}.{}", text(resource, "/name"), if group.is_empty() { "core" } else { group });
        if !schema.ends_with(&ending) {
            return Some(format!(
                "spec.resources[{index}].schema: Invalid value: {schema:?}: must end in {ending}"
            ));
        }
    }
    None
}

/// What is wrong with an APIBinding.
fn binding_errors(binding: &Value) -> Vec<String> {
    let mut errors = Vec::new();
    if text(binding, "/spec/reference/export/name").is_empty() {
        errors.push("spec.reference.export.name: Required value".to_owned());
    }
    // In the older version claims select otherwise.
    if text(binding, "/apiVersion") == "apis.kcp.io/v1alpha1" {
        return errors;
    }
    for (index, claim) in list(binding, "/spec/permissionClaims").iter().enumerate() {
        let (path, selector) = (format!("spec.permissionClaims[{index}].selector"), &claim["selector"]);
        let by = |field: &str| {
            selector[field].as_object().is_some_and(|map| !map.is_empty())
                || selector[field].as_array().is_some_and(|list| !list.is_empty())
        };
        let (labels, expressions) = (by("matchLabels"), by("matchExpressions"));
        if selector["matchAll"] == true {
            for (field, _) in
                [("matchLabels", labels), ("matchExpressions", expressions)].iter().filter(|(_, set)| *set)
            {
                errors.push(format!(
                    "{path}.{field}: Invalid value: {selector}: {field} cannot be used with matchAll"
                ));
            }
        } else if !labels && !expressions {
            errors.push(format!(
                "{path}: Required value: either one of matchAll, matchLabels, or matchExpressions must be set"
            ));
        }
    }
    errors
}

/// Why an export may not be bound, if it may not: that takes the right to `bind` it where it is. Whether it is there at
/// all nobody is told who may not.
fn may_bind(
    plane: &Plane,
    user: &User,
    cluster: &str,
    kind: &str,
    reference: &str,
    object: &Value,
) -> Result<(), String> {
    let of = |field: &str| text(object, &format!("/spec/{reference}/{field}"));
    let (path, export) = (of("path"), of("name"));
    let action = Action::Resource {
        verb: "bind",
        group: "apis.kcp.io",
        resource: "apiexports",
        subresource: "",
        namespace: "",
        name: export,
    };
    let home = claims::at_path(plane, cluster, path);
    // In one's own workspace, and in the root, it may come later.
    let is_there = |home: &str| {
        matches!(path, "" | "root")
            || plane.store.get(&super::names::exports(), &ObjectKey::new(home, "", export)).is_some()
    };
    let allowed = home.is_some_and(|home| is_there(&home) && rbac::is_allowed(plane, &home, user, &action));
    if allowed {
        return Ok(());
    }
    let whole = if path.is_empty() { export.to_owned() } else { format!("{path}:{export}") };
    Err(format!("unable to create {kind}: no permission to bind to export {whole}"))
}

/// Why an export of the older version cannot be brought into the newer one, if it cannot.
fn inconvertible(export: &Value) -> Option<ApiError> {
    let odd = texts(export, "/spec/latestResourceSchemas").find(|schema| schema.split('.').count() < 3)?;
    Some(ApiError::unclassified(format!(
        "failed to convert v1alpha1 APIExport to v1alpha2: invalid schema {odd:?}: must have at least 3 dot-separated \
         segments"
    )))
}
