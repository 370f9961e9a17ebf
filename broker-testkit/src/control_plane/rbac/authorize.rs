//! Evaluates roles and bindings.

use serde_json::Value;

use super::bootstrap;
use super::{Action, User};
use crate::control_plane::error::{ApiError, Subject};
use crate::control_plane::plane::Plane;
use crate::control_plane::storage::{ObjectKey, Scope, TableId};
use crate::control_plane::value::{self, list, text, texts};

const GROUP: &str = "rbac.authorization.k8s.io";

/// Whether the user may do this in the cluster.
pub(crate) fn is_allowed(plane: &Plane, cluster: &str, user: &User, action: &Action<'_>) -> bool {
    if user.is_master() {
        return true;
    }
    let namespace = match action {
        Action::Resource { namespace, .. } if !namespace.is_empty() => *namespace,
        Action::Resource { group: "", resource: "namespaces", name, .. } => *name,
        Action::Resource { .. } | Action::Path { .. } => "",
    };
    rules_of(plane, cluster, user, namespace).iter().any(|rule| allows(rule, action))
}

/// All rules that count for a user in a namespace, or in none of them where it is empty.
pub(crate) fn rules_of(plane: &Plane, cluster: &str, user: &User, namespace: &str) -> Vec<Value> {
    if user.is_master() {
        return bootstrap::cluster_role("cluster-admin");
    }
    let user = user.within(cluster);
    let mut found = bootstrap::for_everyone();
    if user.groups.iter().any(|group| group == "system:authenticated") {
        found.extend(bootstrap::for_authenticated());
    }
    let everywhere = plane.store.list(&TableId::of(GROUP, "clusterrolebindings"), &Scope::cluster(cluster));
    for (_, binding) in everywhere.items.iter().filter(|(_, binding)| is_subject(binding, &user)) {
        found.extend(rules(plane, cluster, "", binding));
    }
    if !namespace.is_empty() {
        let scope = Scope::namespace(cluster, namespace);
        let here = plane.store.list(&TableId::of(GROUP, "rolebindings"), &scope);
        for (_, binding) in here.items.iter().filter(|(_, binding)| is_subject(binding, &user)) {
            found.extend(rules(plane, cluster, namespace, binding));
        }
    }
    found
}

/// The refusal of an action.
pub(crate) fn refusal(user: &User, action: &Action<'_>) -> ApiError {
    match action {
        Action::Path { verb, path } => ApiError::forbidden_path(&user.name, verb, path),
        Action::Resource { verb, group, resource, subresource, namespace, name } => {
            let full = if subresource.is_empty() {
                (*resource).to_owned()
            } else {
                format!("{resource}/{subresource}")
            };
            let place = if namespace.is_empty() {
                "at the cluster scope".to_owned()
            } else {
                format!("in the namespace \"{namespace}\"")
            };
            let why = format!(
                "User \"{}\" cannot {verb} resource \"{full}\" in API group \"{group}\" {place}",
                user.name
            );
            ApiError::forbidden(Subject { group, resource, name }, &why)
        }
    }
}

fn is_subject(binding: &Value, user: &User) -> bool {
    list(binding, "/subjects").iter().any(|subject| {
        let name = text(subject, "/name");
        match text(subject, "/kind") {
            "User" => name == user.name || name == "*",
            "Group" => user.groups.iter().any(|group| group == name),
            "ServiceAccount" => {
                user.name == format!("system:serviceaccount:{}:{name}", text(subject, "/namespace"))
            }
            _ => false,
        }
    })
}

/// The rules of the role a binding names; none if there is no such role.
fn rules(plane: &Plane, cluster: &str, namespace: &str, binding: &Value) -> Vec<Value> {
    referenced(plane, cluster, namespace, binding).unwrap_or_default()
}

/// The rules of the role a binding names; `None` if there is no such role.
pub(super) fn referenced(
    plane: &Plane,
    cluster: &str,
    namespace: &str,
    binding: &Value,
) -> Option<Vec<Value>> {
    let name = text(binding, "/roleRef/name");
    let (table, key) = match text(binding, "/roleRef/kind") {
        "Role" => (TableId::of(GROUP, "roles"), ObjectKey::new(cluster, namespace, name)),
        _ => (TableId::of(GROUP, "clusterroles"), ObjectKey::new(cluster, "", name)),
    };
    match plane.store.get(&table, &key) {
        Some(role) => Some(list(&role, "/rules").to_vec()),
        None if &*table.resource == "clusterroles" => built_in(plane, cluster, name),
        None => None,
    }
}

/// The rules of a built-in role; those for people gather what is labelled to be in them, as the real ones do.
fn built_in(plane: &Plane, cluster: &str, name: &str) -> Option<Vec<Value>> {
    let mut rules = bootstrap::cluster_role(name);
    if rules.is_empty() {
        return None;
    }
    let labelled = |role: &Value, to: &str| {
        let label = format!("rbac.authorization.k8s.io/aggregate-to-{to}");
        value::label(role, &label) == Some("true")
    };
    let gathered: &[&str] = match name {
        "admin" => &["admin", "edit", "view"],
        "edit" => &["edit", "view"],
        "view" => &["view"],
        _ => return Some(rules),
    };
    let all = plane.store.list(&TableId::of(GROUP, "clusterroles"), &Scope::cluster(cluster));
    for (_, role) in all.items.iter().filter(|(_, role)| gathered.iter().any(|to| labelled(role, to))) {
        rules.extend(list(role, "/rules").iter().cloned());
    }
    Some(rules)
}

/// Whether one rule allows the action.
fn allows(rule: &Value, action: &Action<'_>) -> bool {
    let has = |field: &str, wanted: &str| texts(rule, field).any(|found| found == "*" || found == wanted);
    match action {
        Action::Path { verb, path } => {
            has("/verbs", verb) && texts(rule, "/nonResourceURLs").any(|pattern| matches_path(pattern, path))
        }
        Action::Resource { verb, group, resource, subresource, name, .. } => {
            has("/verbs", verb)
                && has("/apiGroups", group)
                && texts(rule, "/resources").any(|pattern| covers(pattern, resource, subresource))
                && (list(rule, "/resourceNames").is_empty()
                    || texts(rule, "/resourceNames").any(|allowed| !name.is_empty() && allowed == *name))
        }
    }
}

/// Whether a pattern for paths is about this one.
pub(super) fn matches_path(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => path.starts_with(start),
        None => path == pattern,
    }
}

/// Whether a pattern for resources is about this one.
pub(super) fn covers(pattern: &str, resource: &str, subresource: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    match pattern.split_once('/') {
        None => subresource.is_empty() && pattern == resource,
        Some(("*", sub)) => sub == subresource,
        Some((main, sub)) => main == resource && sub == subresource,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Action, allows};

    fn action<'a>(verb: &'a str, resource: &'a str, subresource: &'a str, name: &'a str) -> Action<'a> {
        Action::Resource { verb, group: "apis.kcp.io", resource, subresource, namespace: "", name }
    }

    #[test]
    fn a_rule_with_resource_names_allows_only_those() {
        let rule = json!({
            "apiGroups": ["apis.kcp.io"], "resources": ["apiexports/content"],
            "resourceNames": ["certs"], "verbs": ["*"],
        });
        assert!(allows(&rule, &action("list", "apiexports", "content", "certs")));
        assert!(!allows(&rule, &action("list", "apiexports", "content", "other")));
        assert!(!allows(&rule, &action("list", "apiexports", "content", "")));
        assert!(!allows(&rule, &action("get", "apiexports", "", "certs")));
    }
}
