//! Acting as somebody else (`kubectl --as`): who may, and who one is then.

use std::collections::BTreeMap;

use http::HeaderMap;
use percent_encoding::percent_decode_str;

use super::{Action, MASTERS, User, is_allowed, refusal};
use crate::control_plane::error::ApiError;
use crate::control_plane::plane::Plane;

const AUTHENTICATED: &str = "system:authenticated";
const UNAUTHENTICATED: &str = "system:unauthenticated";
const EXTRA: &str = "impersonate-extra-";
/// The groups that nobody becomes a member of in kcp by acting as one, whatever roles say.
const PRIVILEGED: [&str; 5] = [
    MASTERS,
    "system:kcp:admin",
    "system:kcp:logical-cluster-admin",
    "system:kcp:external-logical-cluster-admin",
    "system:kcp:tenancy:workspace-bootstrapper",
];

/// Where somebody acts as another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stage<'a> {
    /// The cluster whose roles count; without one, administrators alone may.
    pub(crate) cluster: Option<&'a str>,
    /// Whether the request came as to a plain Kubernetes server.
    pub(crate) plain: bool,
}

/// Whether a request asks for this at all.
pub(crate) fn is_asked_for(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name.as_str().starts_with("impersonate-"))
}

/// The user that somebody acts as.
pub(crate) fn impersonate(
    plane: &Plane,
    stage: Stage<'_>,
    user: User,
    headers: &HeaderMap,
) -> Result<User, ApiError> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = text("impersonate-user");
    let named: Vec<&str> =
        headers.get_all("impersonate-group").iter().filter_map(|group| group.to_str().ok()).collect();
    let uid = text("impersonate-uid");
    let extra = extra(headers);
    if name.is_empty() {
        if named.is_empty() && uid.is_empty() && extra.is_empty() {
            return Ok(user);
        }
        let what = named.iter().map(|group| format!("{{Group  {group}    }}")).collect::<Vec<_>>().join(" ");
        return Err(ApiError::bad_request(format!("requested [{what}] without impersonating a user")));
    }
    if !user.is_master() && !stage.plain && named.iter().any(|group| PRIVILEGED.contains(group)) {
        return Err(ApiError::forbidden_for("impersonation is not allowed for the requestor"));
    }
    let may = |group: &str, resource: &str, subresource: &str, namespace: &str, name: &str| {
        let action = Action::Resource { verb: "impersonate", group, resource, subresource, namespace, name };
        let allowed = match stage.cluster {
            Some(cluster) => is_allowed(plane, cluster, &user, &action),
            None => user.is_master(),
        };
        if allowed { Ok(()) } else { Err(refusal(&user, &action)) }
    };
    let account = name.strip_prefix("system:serviceaccount:").and_then(|account| account.split_once(':'));
    let mut groups: Vec<String> = named.iter().map(|group| (*group).to_owned()).collect();
    match account {
        Some((namespace, account)) => {
            may("", "serviceaccounts", "", namespace, account)?;
            if groups.is_empty() {
                groups.push("system:serviceaccounts".to_owned());
                groups.push(format!("system:serviceaccounts:{namespace}"));
            }
        }
        None => may("", "users", "", "", name)?,
    }
    for group in &named {
        may("", "groups", "", "", group)?;
    }
    for (key, values) in &extra {
        for value in values {
            may("authentication.k8s.io", "userextras", key, "", value)?;
        }
    }
    if !uid.is_empty() {
        may("authentication.k8s.io", "uids", "", "", uid)?;
    }
    let everybody = if name == "system:anonymous" { UNAUTHENTICATED } else { AUTHENTICATED };
    if !groups.iter().any(|group| group == everybody || group == UNAUTHENTICATED) {
        groups.push(everybody.to_owned());
    }
    Ok(User { name: name.to_owned(), uid: uid.to_owned(), groups, home: None, extra })
}

/// What is said of a user beyond name and groups, by the keys of the headers.
fn extra(headers: &HeaderMap) -> BTreeMap<String, Vec<String>> {
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        let Some(key) = name.as_str().strip_prefix(EXTRA) else { continue };
        let key = percent_decode_str(key).decode_utf8_lossy().into_owned();
        extra.entry(key).or_default().extend(value.to_str().ok().map(str::to_owned));
    }
    extra
}
