//! Roles that are there without being stored, as the real servers' bootstrap policy.

use serde_json::{Value, json};

const READ: [&str; 3] = ["get", "list", "watch"];
const WRITE: [&str; 5] = ["create", "delete", "deletecollection", "patch", "update"];

/// What even strangers may see.
pub(crate) fn for_everyone() -> Vec<Value> {
    vec![
        json!({"verbs": ["get"], "nonResourceURLs": ["/healthz", "/livez", "/readyz", "/version", "/version/"]}),
    ]
}

/// What everybody with a name may do: look at what is served, and ask about themselves.
pub(crate) fn for_authenticated() -> Vec<Value> {
    vec![
        json!({
            "verbs": ["get"],
            "nonResourceURLs": ["/", "/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*"],
        }),
        json!({
            "verbs": ["create"],
            "apiGroups": ["authorization.k8s.io"],
            "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
        }),
        json!({
            "verbs": ["create"],
            "apiGroups": ["authentication.k8s.io"],
            "resources": ["selfsubjectreviews"],
        }),
    ]
}

/// The rules of a built-in cluster role; none if there is no such role.
pub(crate) fn cluster_role(name: &str) -> Vec<Value> {
    let core = ["configmaps", "secrets", "serviceaccounts", "events"];
    let rule = |groups: &[&str], resources: &[&str], verbs: &[&str]| json!({"apiGroups": groups, "resources": resources, "verbs": verbs});
    match name {
        "cluster-admin" => vec![
            json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}),
            json!({"nonResourceURLs": ["*"], "verbs": ["*"]}),
        ],
        "admin" => vec![
            rule(&[""], &core, &READ),
            rule(&[""], &core, &WRITE),
            rule(&[""], &["serviceaccounts/token"], &["create"]),
            rule(&[""], &["namespaces"], &READ),
            rule(&["coordination.k8s.io"], &["leases"], &READ),
            rule(&["coordination.k8s.io"], &["leases"], &WRITE),
            rule(&["rbac.authorization.k8s.io"], &["roles", "rolebindings"], &READ),
            rule(&["rbac.authorization.k8s.io"], &["roles", "rolebindings"], &WRITE),
        ],
        "edit" => vec![
            rule(&[""], &core, &READ),
            rule(&[""], &core, &WRITE),
            rule(&[""], &["namespaces"], &READ),
            rule(&["coordination.k8s.io"], &["leases"], &READ),
            rule(&["coordination.k8s.io"], &["leases"], &WRITE),
        ],
        "view" => vec![
            rule(&[""], &["configmaps", "serviceaccounts", "events", "namespaces"], &READ),
            rule(&["coordination.k8s.io"], &["leases"], &READ),
        ],
        "system:kcp:workspace:access" => vec![json!({"verbs": ["access"], "nonResourceURLs": ["/"]})],
        "system:discovery" => for_authenticated(),
        _ => Vec::new(),
    }
}
