//! Cluster roles that gather the rules of others: `aggregationRule`.

use serde_json::Value;

use crate::control_plane::machinery::selector::LabelSelector;
use crate::control_plane::plane::Plane;
use crate::control_plane::storage::{Scope, TableId};
use crate::control_plane::value::{self, list};

/// Brings every role of a cluster that gathers others to what it gathers now.
pub(super) fn reconcile(plane: &Plane, cluster: &str) {
    let table = TableId::of("rbac.authorization.k8s.io", "clusterroles");
    let all = plane.store.list(&table, &Scope::cluster(cluster)).items;
    for (key, role) in &all {
        let selectors = list(role, "/aggregationRule/clusterRoleSelectors");
        if selectors.is_empty() {
            continue;
        }
        let mut gathered: Vec<Value> = Vec::new();
        for selector in selectors.iter().filter_map(|selector| LabelSelector::from_object(selector).ok()) {
            for (_, other) in all.iter().filter(|(other, role)| other != key && selector.matches(role)) {
                for rule in list(other, "/rules") {
                    if !gathered.contains(rule) {
                        gathered.push(rule.clone());
                    }
                }
            }
        }
        if list(role, "/rules") != gathered {
            plane.modify(&table, key, |role| value::set(role, &["rules"], Value::Array(gathered.clone())));
        }
    }
}
