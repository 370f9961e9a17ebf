//! Who asks, and what they may do.
//!
//! Decides from tokens who a user is, and from the stored roles and bindings of one cluster whether an
//! action is allowed. Roles are read at the moment of each request: a new binding counts at once.

mod authorize;
mod bootstrap;
mod escalation;
mod impersonation;
mod review;
mod token;

use std::collections::BTreeMap;

use authorize::rules_of;
pub(crate) use authorize::{is_allowed, refusal};
pub(crate) use escalation::may_grant;
pub(crate) use impersonation::{Stage, impersonate, is_asked_for};
pub(crate) use review::review;
pub(crate) use token::{Tokens, authenticate, issue_for_secret, request_token};

/// Members may do everything everywhere.
pub(crate) const MASTERS: &str = "system:masters";

/// Who sends a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) groups: Vec<String>,
    /// The cluster a service account is from; users are from nowhere.
    pub(crate) home: Option<String>,
    /// What else is said of who acts as somebody.
    pub(crate) extra: BTreeMap<String, Vec<String>>,
}

impl User {
    pub(crate) fn is_master(&self) -> bool {
        self.groups.iter().any(|group| group == MASTERS)
    }

    /// How this user is known in a cluster: service accounts lose their groups outside their own.
    pub(crate) fn within(&self, cluster: &str) -> Self {
        match (&self.home, self.name.strip_prefix("system:serviceaccount:")) {
            (Some(home), Some(account)) if home != cluster => Self {
                name: format!("system:kcp:serviceaccount:{home}:{account}"),
                groups: vec!["system:authenticated".to_owned()],
                ..self.clone()
            },
            _ => self.clone(),
        }
    }
}

/// What somebody wants to do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Action<'a> {
    /// Something with objects of a resource.
    Resource {
        verb: &'a str,
        group: &'a str,
        resource: &'a str,
        subresource: &'a str,
        namespace: &'a str,
        name: &'a str,
    },
    /// Something with another path.
    Path { verb: &'a str, path: &'a str },
}
