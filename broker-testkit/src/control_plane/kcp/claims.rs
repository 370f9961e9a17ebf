//! Permission claims: which objects of other kinds an export sees through the bindings that accepted it.
//!
//! As in kcp, visibility is a label: the server writes `claimed.internal.apis.kcp.io/…` on every object a
//! binding's claim selects, and the virtual workspace shows exactly the objects that carry it. So an object
//! that begins or ceases to be visible is an ordinary change of that object, and watches need nothing special.

use std::collections::HashMap;

use serde_json::Value;

use super::convert::claim_is_on;
use super::{door, names};
use crate::control_plane::machinery::selector::LabelSelector;
use crate::control_plane::plane::{Plane, View};
use crate::control_plane::storage::{ObjectKey, Scope, TableId};
use crate::control_plane::value::{self, list, text, texts};

/// What an export's virtual workspace shows.
#[derive(Debug, Clone)]
pub(crate) struct ExportView {
    /// The cluster the export is in.
    pub(crate) cluster: String,
    /// The export's name.
    pub(crate) name: String,
    /// What must be on objects of a table to be seen; tables of the export itself are seen whole.
    pub(crate) claims: HashMap<TableId, Visible>,
}

/// The label that makes objects visible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Visible {
    pub(crate) label: String,
    pub(crate) value: String,
}

impl Visible {
    pub(crate) fn admits(&self, object: &Value) -> bool {
        value::label(object, &self.label) == Some(self.value.as_str())
    }
}

impl ExportView {
    pub(crate) fn claim(&self, table: &TableId) -> Option<&Visible> {
        self.claims.get(table)
    }
}

/// The label of one claim of one export: as in kcp its key is the export's and its value the claim's, so that several
/// exports may claim the same objects.
pub(crate) fn visible(cluster: &str, export: &str, claim: &Value) -> Visible {
    let identity = text(claim, "/identityHash");
    let content = format!("{}/{}/{identity}", text(claim, "/group"), text(claim, "/resource"));
    Visible {
        label: format!("{}{}", names::CLAIMED, export_hash(cluster, export)),
        value: short_hash(&content),
    }
}

/// The label of bindings to an export.
pub(crate) fn bindings_of(cluster: &str, export: &str) -> Visible {
    Visible { label: names::BOUND_EXPORT.to_owned(), value: export_hash(cluster, export) }
}

fn export_hash(cluster: &str, export: &str) -> String {
    short_hash(&format!("{cluster}|{export}"))
}

fn short_hash(text: &str) -> String {
    value::hash(text, 10)
}

/// The accepted claims of a binding that its export makes too.
fn accepted<'a>(plane: &Plane, binding: &'a Value) -> Option<(String, String, Vec<&'a Value>)> {
    let cluster = text(binding, "/status/apiExportClusterName");
    let name = text(binding, "/spec/reference/export/name");
    if cluster.is_empty() {
        return None;
    }
    let export = plane.store.get(&names::exports(), &ObjectKey::new(cluster, "", name))?;
    let claims = list(binding, "/spec/permissionClaims")
        .iter()
        .filter(|claim| claim["state"] == "Accepted")
        .filter(|claim| list(&export, "/spec/permissionClaims").iter().any(|asked| same_claim(asked, claim)))
        .collect();
    Some((cluster.to_owned(), name.to_owned(), claims))
}

pub(crate) fn same_claim(one: &Value, other: &Value) -> bool {
    ["/group", "/resource", "/identityHash"].iter().all(|field| text(one, field) == text(other, field))
}

/// The claim by which an export may use a resource in a cluster, with the binding's selector.
pub(crate) fn accepted_claim(
    plane: &Plane,
    view: &ExportView,
    cluster: &str,
    group: &str,
    resource: &str,
) -> Option<Value> {
    let binding = binding_to(plane, cluster, &view.cluster, &view.name)?;
    let (_, _, claims) = accepted(plane, &binding)?;
    claims.into_iter().find(|claim| claim_is_on(claim, group, resource)).cloned()
}

/// The binding of a cluster to an export.
pub(crate) fn binding_to(
    plane: &Plane,
    cluster: &str,
    export_cluster: &str,
    export: &str,
) -> Option<std::sync::Arc<Value>> {
    plane.store.list(&names::bindings(), &Scope::cluster(cluster)).items.into_iter().map(|(_, b)| b).find(
        |b| {
            text(b, "/status/apiExportClusterName") == export_cluster
                && text(b, "/spec/reference/export/name") == export
        },
    )
}

/// Writes the labels of visibility that an object has to carry, and removes those it must not.
pub(crate) fn label(plane: &Plane, table: &TableId, key: &ObjectKey, object: &mut Value) {
    if table.is("apis.kcp.io", "apibindings") {
        let reference = text(object, "/spec/reference/export/name").to_owned();
        if let Some(cluster) = referenced_cluster(plane, &key.cluster, object) {
            let label = bindings_of(&cluster, &reference);
            value::set_label(object, &label.label, &label.value);
        }
    }
    let mut wanted: Vec<Visible> = Vec::new();
    for (_, binding) in plane.store.list(&names::bindings(), &Scope::cluster(&key.cluster)).items {
        let Some((cluster, export, claims)) = accepted(plane, &binding) else { continue };
        for claim in claims {
            let same = claim_is_on(claim, &table.group, &table.resource)
                && text(claim, "/identityHash") == &*table.identity;
            if same && selects(claim, object) {
                wanted.push(visible(&cluster, &export, claim));
            }
        }
    }
    let present: Vec<String> = object
        .pointer("/metadata/labels")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|labels| labels.keys())
        .filter(|label| label.starts_with(names::CLAIMED))
        .cloned()
        .collect();
    for label in present {
        if !wanted.iter().any(|visible| visible.label == label) {
            value::remove_metadata(object, "labels", &label);
        }
    }
    for visible in wanted {
        value::set_label(object, &visible.label, &visible.value);
    }
}

fn selects(claim: &Value, object: &Value) -> bool {
    let Some(selector) = claim.get("selector") else { return true };
    LabelSelector::from_object(selector).is_ok_and(|selector| selector.matches(object))
}

/// Where the export is that a binding names.
pub(crate) fn referenced_cluster(plane: &Plane, cluster: &str, binding: &Value) -> Option<String> {
    at_path(plane, cluster, text(binding, "/spec/reference/export/path"))
}

/// The cluster that a path means to somebody in another one: without a path it is that one.
pub(super) fn at_path(plane: &Plane, cluster: &str, path: &str) -> Option<String> {
    if path.is_empty() { Some(cluster.to_owned()) } else { door::resolve(plane, path) }
}

/// Whether the claim covers the verb.
pub(crate) fn covers(claim: &Value, verb: &str) -> bool {
    let verbs = list(claim, "/verbs");
    verbs.is_empty() || texts(claim, "/verbs").any(|allowed| allowed == "*" || allowed == verb)
}

impl View {
    /// The labels that objects of a table must carry to be written through this view.
    pub(crate) fn protected(&self, plane: &Plane, cluster: &str, table: &TableId) -> Vec<(String, String)> {
        let Some(export) = &self.export else { return Vec::new() };
        let claim = accepted_claim(plane, export, cluster, &table.group, &table.resource);
        let selector = claim.as_ref().and_then(|claim| claim.get("selector"));
        let selector = selector.and_then(|selector| LabelSelector::from_object(selector).ok());
        selector.map(|selector| selector.fixed_labels()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_can_be_seen_through_several_exports() {
        let claim = json!({"group": "", "resource": "secrets"});
        let mut object = json!({"metadata": {"name": "one"}});
        let through = ["databases.example.com", "certificates.example.com"];
        let labels = through.map(|export| visible("platform", export, &claim));
        for label in &labels {
            value::set_label(&mut object, &label.label, &label.value);
        }
        assert!(labels.iter().all(|label| label.admits(&object)), "{object}");
        assert!(!visible("platform", "other.example.com", &claim).admits(&object));
    }
}
