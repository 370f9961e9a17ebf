//! Answers questions about rights and identities.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::token::user_of;
use super::{Action, User, is_allowed, rules_of};
use crate::control_plane::error::ApiError;
use crate::control_plane::plane::Plane;
use crate::control_plane::value::{self, text, texts};

/// Answers a review by filling in its status.
pub(crate) fn review(
    plane: &Plane,
    user: &User,
    cluster: &str,
    kind: &str,
    mut question: Value,
) -> Result<Value, ApiError> {
    if !question.is_object() {
        return Err(ApiError::bad_request("the body of the request must be a JSON object"));
    }
    let status = match kind {
        "SelfSubjectAccessReview" => access(plane, user, cluster, &question),
        "SubjectAccessReview" | "LocalSubjectAccessReview" => {
            let other = User {
                name: text(&question, "/spec/user").to_owned(),
                uid: text(&question, "/spec/uid").to_owned(),
                groups: texts(&question, "/spec/groups").map(str::to_owned).collect(),
                home: None,
                extra: BTreeMap::new(),
            };
            access(plane, &other, cluster, &question)
        }
        "SelfSubjectReview" => json!({"userInfo": info(&user.within(cluster))}),
        "TokenReview" => match user_of(plane, text(&question, "/spec/token")) {
            Some(found) => json!({"authenticated": true, "user": info(&found)}),
            None => json!({"authenticated": false, "error": "invalid bearer token"}),
        },
        "SelfSubjectRulesReview" => {
            let rules = rules_of(plane, cluster, user, text(&question, "/spec/namespace"));
            let (paths, resources): (Vec<Value>, Vec<Value>) =
                rules.into_iter().partition(|rule| rule.get("nonResourceURLs").is_some());
            json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false})
        }
        other => return Err(ApiError::not_implemented(other)),
    };
    let created = if kind == "SelfSubjectReview" { json!(plane.now()) } else { Value::Null };
    value::set(&mut question, &["metadata", "creationTimestamp"], created);
    value::set(&mut question, &["status"], status);
    Ok(question)
}

fn access(plane: &Plane, user: &User, cluster: &str, question: &Value) -> Value {
    let action = if question.pointer("/spec/nonResourceAttributes").is_some() {
        Action::Path {
            verb: text(question, "/spec/nonResourceAttributes/verb"),
            path: text(question, "/spec/nonResourceAttributes/path"),
        }
    } else {
        let get = |field: &str| text(question, &format!("/spec/resourceAttributes/{field}"));
        Action::Resource {
            verb: get("verb"),
            group: get("group"),
            resource: get("resource"),
            subresource: get("subresource"),
            namespace: get("namespace"),
            name: get("name"),
        }
    };
    let allowed = is_allowed(plane, cluster, user, &action);
    let mut status = json!({"allowed": allowed});
    if allowed {
        value::set(&mut status, &["reason"], json!("RBAC: allowed"));
    }
    status
}

fn info(user: &User) -> Value {
    let mut info = json!({"username": user.name, "groups": user.groups});
    if !user.uid.is_empty() {
        value::set(&mut info, &["uid"], json!(user.uid));
    }
    let mut extra = user.extra.clone();
    if let Some(home) = &user.home {
        extra.insert("authentication.kcp.io/cluster-name".to_owned(), vec![home.clone()]);
    }
    if !extra.is_empty() {
        value::set(&mut info, &["extra"], json!(extra));
    }
    info
}
