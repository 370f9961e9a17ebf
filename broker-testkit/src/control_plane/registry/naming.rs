//! Which names and labels objects may have.

use serde_json::{Value, json};

use super::definition::Definition;
use crate::control_plane::error::Cause;
use crate::control_plane::surroundings::Surroundings;
use crate::control_plane::value::{self, list, text, texts};

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', \
and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
'[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', \
and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is \
'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

const NAME_PART: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and \
end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

/// The characters Kubernetes makes random names of: none that could form a word.
const RANDOM: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// `length` random characters for names.
pub(crate) fn random_suffix(surroundings: &Surroundings, length: usize) -> String {
    let bytes = [surroundings.uuid().into_bytes(), surroundings.uuid().into_bytes()].concat();
    bytes
        .iter()
        // Bytes 6 and 8 of a version 4 UUID are partly fixed.
        .enumerate()
        .filter(|(index, _)| index % 16 != 6 && index % 16 != 8)
        .take(length)
        .filter_map(|(_, byte)| RANDOM.get(usize::from(*byte) % RANDOM.len()))
        .map(|byte| char::from(*byte))
        .collect()
}

/// What is wrong with the metadata of an object that is written.
pub(crate) fn check(definition: &Definition, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    check_name(definition, text(object, "/metadata/name"), &mut causes);
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
    for (key, value) in labels.into_iter().flatten() {
        if !is_qualified_name(key) {
            causes.push(Cause::invalid("metadata.labels", &json!(key), NAME_PART));
        }
        let text = value.as_str().unwrap_or_default();
        if text.len() > 63 {
            causes.push(Cause::invalid("metadata.labels", value, "must be no more than 63 bytes"));
        } else if !text.is_empty() && !is_label_value(text) {
            causes.push(Cause::invalid("metadata.labels", value, LABEL_VALUE));
        }
    }
    let annotations = object.pointer("/metadata/annotations").and_then(Value::as_object);
    for key in annotations.into_iter().flatten().map(|(key, _)| key) {
        if !is_qualified_name(&key.to_lowercase()) {
            causes.push(Cause::invalid("metadata.annotations", &json!(key), NAME_PART));
        }
    }
    for (index, finalizer) in texts(object, "/metadata/finalizers").enumerate() {
        if !is_qualified_name(finalizer) {
            causes.push(Cause::invalid("metadata.finalizers", &json!(finalizer), NAME_PART));
        }
        let standard = matches!(finalizer, "kubernetes" | "orphan" | "foregroundDeletion");
        let core =
            definition.is_native() && matches!(definition.group.as_str(), "" | "rbac.authorization.k8s.io");
        if core && !standard && !finalizer.contains('/') {
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            causes.push(Cause::invalid(&format!("metadata.finalizers[{index}]"), &json!(finalizer), why));
        }
    }
    let owners = list(object, "/metadata/ownerReferences");
    if owners.iter().filter(|owner| owner["controller"] == true).count() > 1 {
        let why = "Only one reference can have Controller set to true.";
        causes.push(Cause::invalid("metadata.ownerReferences", &json!(owners), why));
    }
    for owner in owners {
        for (field, what) in [("apiVersion", "version"), ("kind", "kind"), ("name", "name"), ("uid", "uid")] {
            if owner[field].as_str().unwrap_or_default().is_empty() {
                let path = format!("metadata.ownerReferences.{field}");
                causes.push(Cause::invalid(&path, &json!(""), &format!("{what} must not be empty")));
            }
        }
    }
    causes
}

/// In what of a request something is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// In the object that was sent.
    InObject,
    /// In what a patch made of the object that is there, which the real server looks at after admission.
    InPatched,
}

/// Removes references to owners that were there before word by word, and answers the warning about them.
pub(crate) fn drop_repeated_owners(object: &mut Value, found: Found) -> Option<String> {
    let owners = list(object, "/metadata/ownerReferences");
    let (mut kept, mut repeated) = (Vec::<Value>::new(), Vec::new());
    for owner in owners {
        if kept.contains(owner) {
            repeated.push(text(owner, "/uid").to_owned());
        } else {
            kept.push(owner.clone());
        }
    }
    if repeated.is_empty() {
        return None;
    }
    value::set(object, &["metadata", "ownerReferences"], Value::Array(kept));
    let when = match found {
        Found::InObject => "",
        Found::InPatched => " after mutating admission happens",
    };
    Some(format!(
        ".metadata.ownerReferences contains duplicate entries{when}; API server dedups owner references in 1.20+, and may \
         reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}",
        repeated.join(", ")
    ))
}

/// Warnings about finalizers that were not there before and are nobody's in particular, as of custom resources.
pub(crate) fn doubtful_finalizers(
    definition: &Definition,
    live: Option<&Value>,
    object: &Value,
) -> Vec<String> {
    if definition.is_native() {
        return Vec::new();
    }
    let before: Vec<&str> = live.into_iter().flat_map(|live| texts(live, "/metadata/finalizers")).collect();
    let standard = |finalizer: &str| matches!(finalizer, "kubernetes" | "orphan" | "foregroundDeletion");
    texts(object, "/metadata/finalizers")
        .filter(|finalizer| !before.contains(finalizer) && !finalizer.contains('/') && !standard(finalizer))
        .map(|finalizer| {
            format!(
                "metadata.finalizers: \"{finalizer}\": prefer a domain-qualified finalizer name to avoid accidental \
                 conflicts with other finalizer writers"
            )
        })
        .collect()
}

fn check_name(definition: &Definition, name: &str, causes: &mut Vec<Cause>) {
    if name.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
        return;
    }
    let free = definition.group == "rbac.authorization.k8s.io";
    let label = definition.kind == "Namespace" || definition.kind == "Workspace";
    if free {
        if name.contains('/') || name.contains('%') || name == "." || name == ".." {
            causes.push(Cause::invalid("metadata.name", &json!(name), "may not contain '/' or '%'"));
        }
    } else if label {
        if name.len() > 63 {
            causes.push(Cause::invalid("metadata.name", &json!(name), "must be no more than 63 bytes"));
        } else if !is_label(name) {
            causes.push(Cause::invalid("metadata.name", &json!(name), LABEL));
        }
    } else if name.len() > 253 {
        causes.push(Cause::invalid("metadata.name", &json!(name), "must be no more than 253 bytes"));
    } else if !name.split('.').all(is_label) {
        causes.push(Cause::invalid("metadata.name", &json!(name), SUBDOMAIN));
    }
}

fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.chars().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn is_label_value(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.chars().all(inner) && edge(text.chars().next()) && edge(text.chars().last())
}

fn is_qualified_name(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => {
            prefix.split('.').all(is_label) && !name.is_empty() && name.len() <= 63 && is_label_value(name)
        }
        None => !text.is_empty() && text.len() <= 63 && is_label_value(text),
    }
}
