//! What the real servers have and this one leaves out on purpose: named, so that nobody looks for a mistake of theirs.

use crate::control_plane::error::ApiError;
use crate::control_plane::registry::{Definition, Origin};

/// Group, resources (all of the group's where there are none), what they are called.
type Row = (&'static str, &'static [&'static str], &'static str);

/// What every server of Kubernetes' machinery has, kcp too.
const EVERYWHERE: &[Row] = &[
    ("", &["resourcequotas", "limitranges"], "quotas"),
    ("admissionregistration.k8s.io", &[], "admission webhooks and policies"),
    ("certificates.k8s.io", &[], "certificate signing requests"),
    ("flowcontrol.apiserver.k8s.io", &[], "priority and fairness"),
];
/// What only a cluster has that runs something. A kcp workspace has none of it and says that it is not there.
const CLUSTERS: &[Row] = &[
    ("", &["pods", "podtemplates", "replicationcontrollers", "bindings"], "workloads"),
    ("", &["nodes", "componentstatuses"], "nodes"),
    ("", &["services", "endpoints"], "services"),
    ("", &["persistentvolumes", "persistentvolumeclaims"], "volumes"),
    ("apiregistration.k8s.io", &[], "aggregated API servers"),
    ("apps", &[], "workloads"),
    ("autoscaling", &[], "workloads"),
    ("batch", &[], "workloads"),
    ("discovery.k8s.io", &[], "services"),
    ("networking.k8s.io", &[], "services"),
    ("node.k8s.io", &[], "nodes"),
    ("policy", &[], "workloads"),
    ("resource.k8s.io", &[], "devices"),
    ("scheduling.k8s.io", &[], "workloads"),
    ("storage.k8s.io", &[], "volumes"),
];

/// The answer where a resource is not served: that it is left out on purpose, or that there is no such path.
pub(super) fn resource(group: &str, resource: &str, subresource: &str, plain: bool) -> ApiError {
    let rows = EVERYWHERE.iter().chain(CLUSTERS.iter().filter(|_| plain));
    let is_meant =
        |(of, resources, _): &&Row| *of == group && (resources.is_empty() || resources.contains(&resource));
    let Some((_, _, what)) = rows.into_iter().find(is_meant) else {
        // There the core group is made of definitions, which answer for it.
        let is_asked = !plain && group.is_empty();
        return if is_asked { ApiError::no_such_resource() } else { ApiError::no_such_path() };
    };
    let mut name = resource.to_owned();
    if !group.is_empty() {
        name = format!("{name}.{group}");
    }
    if !subresource.is_empty() {
        name = format!("{name}/{subresource}");
    }
    ApiError::not_implemented(&format!("{name}: it has no {what}"))
}

/// The answer where a resource is served without this subresource.
pub(super) fn subresource(definition: &Definition, subresource: &str) -> ApiError {
    if subresource == "scale" && definition.origin != Origin::Builtin {
        return ApiError::not_implemented(&format!("the scale subresource of {}", definition.plural));
    }
    ApiError::no_such_path()
}
