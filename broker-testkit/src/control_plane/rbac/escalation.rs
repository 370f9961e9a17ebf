//! Nobody grants rights that they do not have: what writing roles and bindings takes besides the right to write them.
//!
//! A role takes every right in it, or the verb `escalate` on it; a binding every right of the role it names, or the
//! verb `bind` on that. An aggregation rule can gather anything, so it takes everything.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::authorize::{covers, matches_path, referenced, rules_of};
use super::{Action, User, bootstrap, is_allowed};
use crate::control_plane::error::{ApiError, Subject};
use crate::control_plane::plane::Plane;
use crate::control_plane::registry::{Origin, Proposal};
use crate::control_plane::value::{list, name, text, texts};

const GROUP: &str = "rbac.authorization.k8s.io";

/// Refuses what grants more than the user has.
pub(crate) fn may_grant(plane: &Plane, user: &User, proposal: &Proposal<'_>) -> Result<(), ApiError> {
    let Proposal { definition, cluster, before, after } = *proposal;
    if definition.group != GROUP
        || definition.origin != Origin::Builtin
        || user.is_master()
        || before.is_some_and(|before| only_metadata_differs(before, after))
    {
        return Ok(());
    }
    let within = user.within(cluster);
    let namespace = text(after, "/metadata/namespace");
    let about = Subject { group: GROUP, resource: &definition.plural, name: name(after) };
    let may = |verb, resource, name| {
        let action = Action::Resource { verb, group: GROUP, resource, subresource: "", namespace, name };
        is_allowed(plane, cluster, user, &action)
    };
    let granted = match definition.kind.as_str() {
        "Role" | "ClusterRole" if may("escalate", &definition.plural, about.name) => return Ok(()),
        "Role" | "ClusterRole" => list(after, "/rules").to_vec(),
        _ => {
            let (kind, role) = (text(after, "/roleRef/kind"), text(after, "/roleRef/name"));
            let resource = if kind == "Role" { "roles" } else { "clusterroles" };
            if may("bind", resource, role) {
                return Ok(());
            }
            let missing = Subject { group: GROUP, resource, name: role };
            referenced(plane, cluster, namespace, after).ok_or_else(|| ApiError::not_found(missing))?
        }
    };
    let held = rules_of(plane, cluster, &within, namespace);
    let missing = uncovered(&held, &granted);
    if !missing.is_empty() {
        let why = format!(
            "user {:?} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
            within.name,
            quoted(within.groups.iter().map(String::as_str)),
            described(&missing),
        );
        return Err(ApiError::forbidden(about, &why));
    }
    let aggregates = |role: &Value| !list(role, "/aggregationRule/clusterRoleSelectors").is_empty();
    if (aggregates(after) || before.is_some_and(aggregates))
        && !uncovered(&held, &bootstrap::cluster_role("cluster-admin")).is_empty()
    {
        let why = "must have cluster-admin privileges to use the aggregationRule";
        return Err(ApiError::forbidden(about, why));
    }
    Ok(())
}

/// What the garbage collector and owners of finalizers change is nobody's right.
fn only_metadata_differs(before: &Value, after: &Value) -> bool {
    let rest = |object: &Value| {
        let mut object = object.clone();
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            for field in ["ownerReferences", "finalizers", "managedFields", "resourceVersion"] {
                metadata.remove(field);
            }
        }
        object
    };
    rest(before) == rest(after)
}

/// One verb on one resource, or on one path: what a rule is broken down to, so that a single rule covers it or none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Right {
    Resource { group: String, resource: String, name: Option<String>, verb: String },
    Path { path: String, verb: String },
}

/// The rights of `granted` that no rule of `held` covers.
fn uncovered(held: &[Value], granted: &[Value]) -> Vec<Right> {
    let rights = granted.iter().flat_map(broken_down);
    rights.filter(|right| !held.iter().any(|rule| right.is_covered_by(rule))).collect()
}

fn broken_down(rule: &Value) -> Vec<Right> {
    let mut rights = Vec::new();
    let names: Vec<Option<&str>> = match list(rule, "/resourceNames") {
        [] => vec![None],
        _ => texts(rule, "/resourceNames").map(Some).collect(),
    };
    for group in texts(rule, "/apiGroups") {
        for resource in texts(rule, "/resources") {
            for verb in texts(rule, "/verbs") {
                rights.extend(names.iter().map(|name| Right::Resource {
                    group: group.to_owned(),
                    resource: resource.to_owned(),
                    name: name.map(str::to_owned),
                    verb: verb.to_owned(),
                }));
            }
        }
    }
    for path in texts(rule, "/nonResourceURLs") {
        let right = |verb: &str| Right::Path { path: path.to_owned(), verb: verb.to_owned() };
        rights.extend(texts(rule, "/verbs").map(right));
    }
    rights
}

impl Right {
    fn is_covered_by(&self, rule: &Value) -> bool {
        let has = |field: &str, wanted: &str| texts(rule, field).any(|found| found == "*" || found == wanted);
        match self {
            Self::Resource { group, resource, name, verb } => {
                let (main, sub) = resource.split_once('/').unwrap_or((resource, ""));
                // A pattern such as `*/status` is covered as it stands.
                let resources =
                    texts(rule, "/resources").any(|found| found == resource || covers(found, main, sub));
                let limited = !list(rule, "/resourceNames").is_empty();
                let named = |name: &String| texts(rule, "/resourceNames").any(|found| found == name);
                has("/verbs", verb)
                    && has("/apiGroups", group)
                    && resources
                    && (!limited || name.as_ref().is_some_and(named))
            }
            Self::Path { path, verb } => {
                has("/verbs", verb) && texts(rule, "/nonResourceURLs").any(|found| matches_path(found, path))
            }
        }
    }
}

/// The rights as the real server words them: verbs of one resource together, a line each.
fn described(rights: &[Right]) -> String {
    let mut verbs_of: BTreeMap<Right, Vec<&str>> = BTreeMap::new();
    for right in rights {
        let (of, verb) = match right {
            Right::Resource { group, resource, name, verb } => {
                let (group, resource, name) = (group.clone(), resource.clone(), name.clone());
                (Right::Resource { group, resource, name, verb: String::new() }, verb)
            }
            // Only resources are put together.
            Right::Path { verb, .. } => (right.clone(), verb),
        };
        verbs_of.entry(of).or_default().push(verb);
    }
    let lines: BTreeSet<String> = verbs_of
        .iter()
        .map(|(right, verbs)| {
            let verbs = quoted(verbs.iter().copied());
            match right {
                Right::Resource { group, resource, name, .. } => {
                    let names =
                        name.as_ref().map_or_else(String::new, |name| format!(", ResourceNames:[{name:?}]"));
                    format!("{{APIGroups:[{group:?}], Resources:[{resource:?}]{names}, Verbs:{verbs}}}")
                }
                Right::Path { path, .. } => format!("{{NonResourceURLs:[{path:?}], Verbs:{verbs}}}"),
            }
        })
        .collect();
    lines.into_iter().collect::<Vec<_>>().join("\n")
}

/// As Go prints a list of texts.
fn quoted<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let texts: Vec<String> = texts.map(|text| json!(text).to_string()).collect();
    format!("[{}]", texts.join(" "))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{described, uncovered};

    fn missing(held: &Value, granted: &Value) -> String {
        described(&uncovered(std::slice::from_ref(held), std::slice::from_ref(granted)))
    }

    #[test]
    fn a_rule_covers_what_is_within_it() {
        let rule = |resources: &[&str], names: &[&str], verbs: &[&str]| json!({"apiGroups": [""], "resources": resources, "resourceNames": names, "verbs": verbs});
        let all_of_pods = rule(&["pods", "*/status"], &[], &["get", "list"]);
        assert_eq!(missing(&all_of_pods, &rule(&["pods"], &["one"], &["get"])), "");
        assert_eq!(missing(&all_of_pods, &rule(&["secrets/status", "*/status"], &[], &["list"])), "");
        assert_eq!(
            missing(&all_of_pods, &rule(&["pods", "secrets"], &[], &["get", "delete", "patch"])),
            "{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"delete\" \"patch\"]}\n\
             {APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\" \"delete\" \"patch\"]}"
        );
        let one_pod = rule(&["pods"], &["one"], &["*"]);
        assert_eq!(missing(&one_pod, &rule(&["pods"], &["one"], &["*"])), "");
        assert_eq!(
            missing(&one_pod, &rule(&["pods"], &["two"], &["get"])),
            "{APIGroups:[\"\"], Resources:[\"pods\"], ResourceNames:[\"two\"], Verbs:[\"get\"]}"
        );
        assert_eq!(
            missing(&one_pod, &rule(&["pods"], &[], &["get"])),
            "{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"get\"]}"
        );
    }

    #[test]
    fn paths_are_covered_by_their_beginnings() {
        let held = json!({"nonResourceURLs": ["/api/*"], "verbs": ["get"]});
        assert_eq!(missing(&held, &json!({"nonResourceURLs": ["/api/v1", "/api/*"], "verbs": ["get"]})), "");
        assert_eq!(
            missing(&held, &json!({"nonResourceURLs": ["/logs"], "verbs": ["get"]})),
            "{NonResourceURLs:[\"/logs\"], Verbs:[\"get\"]}"
        );
    }
}
