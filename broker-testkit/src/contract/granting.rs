//! Giving rights to others, and acting as others: what that takes.

use serde_json::{Value, json};

use super::broken::{Broken, hold, same};
use super::rights::{ROBOT, allow, robot, token};
use super::sample::{CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, CONFIG_MAPS, ROLE_BINDINGS, ROLES, SELF_REVIEWS};
use super::session::{Session, eventually};
use super::subject::{Place, Subject};

const GROUP: &str = "rbac.authorization.k8s.io";

fn role(kind: &str, name: &str, rules: &Value) -> Value {
    json!({"apiVersion": format!("{GROUP}/v1"), "kind": kind, "metadata": {"name": name}, "rules": rules})
}

fn binding_to(name: &str, role: &str) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": "RoleBinding", "metadata": {"name": name},
        "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": role},
        "subjects": [{"apiGroup": GROUP, "kind": "User", "name": "ada"}],
    })
}

fn secrets(verbs: &[&str]) -> Value {
    json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": verbs}])
}

/// Lets the robot of a namespace write roles and bindings there, and what else the rule says.
async fn granter(subject: &Subject, place: &Place, more: Value) -> Result<Session, Broken> {
    let session = robot(subject, place).await?;
    let rules = json!([
        {"apiGroups": [GROUP], "resources": ["roles", "rolebindings"], "verbs": ["get", "create", "update", "patch"]},
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]},
        more,
    ]);
    allow(place, rules).await?;
    eventually(|| async { session.get(&place.path(CONFIG_MAPS)).await?.coded(200) }).await?;
    Ok(session)
}

/// A cluster role with an `aggregationRule` has the rules of those whose labels it selects, and loses them again.
pub async fn a_role_gathers_the_rules_of_those_it_selects(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place().await?;
    let (session, label) = (&place.session, &place.namespace);
    let (all, one) = (format!("{label}-all"), format!("{label}-one"));
    let mut gathering = role("ClusterRole", &all, &json!([]));
    gathering["aggregationRule"] =
        json!({"clusterRoleSelectors": [{"matchLabels": {"contract.example.com/in": label}}]});
    session.post(&CLUSTER_ROLES.path(""), &gathering).await?.coded(201)?;
    let mut gathered = role("ClusterRole", &one, &secrets(&["get"]));
    gathered["metadata"]["labels"] = json!({"contract.example.com/in": label});
    session.post(&CLUSTER_ROLES.path(""), &gathered).await?.coded(201)?;
    let path = format!("{}/{all}", CLUSTER_ROLES.path(""));
    eventually(|| async {
        let found = session.get(&path).await?.coded(200)?;
        same(&found["rules"], &secrets(&["get"]), "its rules are those of what it selects")?;
        Ok(found)
    })
    .await?;
    session.delete(&format!("{}/{one}", CLUSTER_ROLES.path(""))).await?.coded(200)?;
    eventually(|| async {
        let found = session.get(&path).await?.coded(200)?;
        let none = found["rules"].as_array().is_none_or(Vec::is_empty);
        hold(none, "it has no rules when there is nothing to select", &found)?;
        Ok(found)
    })
    .await
    .map(|_| ())
}

/// Who may write roles and bindings puts only rights into them that they have; the refusal names the others.
pub async fn nobody_grants_more_than_they_have(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place().await?;
    let granter =
        granter(subject, &place, json!({"apiGroups": [""], "resources": ["events"], "verbs": ["get"]}))
            .await?;
    let held = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]);
    granter.post(&place.path(ROLES), &role("Role", "held", &held)).await?.coded(201)?;
    let path = place.path(ROLES);
    let refused = granter.post(&path, &role("Role", "more", &secrets(&["get", "list"]))).await?;
    let status = refused.refused(403, "Forbidden")?;
    let message = status["message"].as_str().unwrap_or_default();
    let wanted = "is attempting to grant RBAC permissions not currently held:\n\
                  {APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\" \"list\"]}";
    hold(message.ends_with(wanted), &format!("the message ends with: {wanted}"), &status)?;
    let change = json!({"rules": secrets(&["get"])});
    granter.merge(&place.at(ROLES, "held"), &change).await?.refused(403, "Forbidden")?;

    place.create(ROLES, &role("Role", "secrets", &secrets(&["get"]))).await?;
    let path = place.path(ROLE_BINDINGS);
    granter.post(&path, &binding_to("more", "secrets")).await?.refused(403, "Forbidden")?;
    granter.post(&path, &binding_to("none", "absent")).await?.refused(404, "NotFound")?;
    granter.post(&path, &binding_to("held", "held")).await?.coded(201).map(|_| ())
}

/// The verb `escalate` on roles lets rights into them that the writer does not have.
pub async fn who_may_escalate_grants_what_they_do_not_have(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place().await?;
    let may = json!({"apiGroups": [GROUP], "resources": ["roles"], "verbs": ["escalate"]});
    let granter = granter(subject, &place, may).await?;
    granter.post(&place.path(ROLES), &role("Role", "more", &secrets(&["get"]))).await?.coded(201)?;
    // Binding it is another matter.
    let answer = granter.post(&place.path(ROLE_BINDINGS), &binding_to("more", "more")).await?;
    answer.refused(403, "Forbidden").map(|_| ())
}

/// The verb `bind` on a role lets it be bound, that one only.
pub async fn who_may_bind_a_role_grants_it_without_having_it(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place().await?;
    let may =
        json!({"apiGroups": [GROUP], "resources": ["roles"], "resourceNames": ["lent"], "verbs": ["bind"]});
    let granter = granter(subject, &place, may).await?;
    for name in ["lent", "other"] {
        place.create(ROLES, &role("Role", name, &secrets(&["get"]))).await?;
    }
    let path = place.path(ROLE_BINDINGS);
    granter.post(&path, &binding_to("lent", "lent")).await?.coded(201)?;
    granter.post(&path, &binding_to("other", "other")).await?.refused(403, "Forbidden").map(|_| ())
}

/// Makes a service account that may impersonate what the rules say; answers its token.
async fn actor(place: &Place, rules: &Value) -> Result<String, Broken> {
    let token = token(place).await?;
    let name = &place.namespace;
    let session = &place.session;
    session.post(&CLUSTER_ROLES.path(""), &role("ClusterRole", name, rules)).await?.coded(201)?;
    let binding = json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": name},
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": ROBOT, "namespace": name}],
    });
    session.post(&CLUSTER_ROLE_BINDINGS.path(""), &binding).await?.coded(201)?;
    Ok(token)
}

/// Who somebody is for the server.
fn question() -> Value {
    json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})
}

/// The verb `impersonate` on a service account lets somebody act as it, with its groups; on no other.
pub async fn who_may_impersonate_acts_as_the_other(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place().await?;
    let namespace = &place.namespace;
    let rules = json!([{
        "apiGroups": [""], "resources": ["serviceaccounts"], "resourceNames": ["other"], "verbs": ["impersonate"],
    }]);
    let token = actor(&place, &rules).await?;
    let other = format!("system:serviceaccount:{namespace}:other");
    let acting = subject.acting(&token, &other, &[])?;
    let answer =
        eventually(|| async { acting.post(&SELF_REVIEWS.path(""), &question()).await?.coded(201) }).await?;
    let who = &answer["status"]["userInfo"];
    same(&who["username"], &json!(other), "it is the other")?;
    let groups = json!([
        "system:serviceaccounts",
        format!("system:serviceaccounts:{namespace}"),
        "system:authenticated",
    ]);
    same(&who["groups"], &groups, "with the other's groups")?;
    let third = format!("system:serviceaccount:{namespace}:third");
    let answer = subject.acting(&token, &third, &[])?.post(&SELF_REVIEWS.path(""), &question()).await?;
    let status = answer.refused(403, "Forbidden")?;
    let message = status["message"].as_str().unwrap_or_default();
    let wanted = "cannot impersonate resource \"serviceaccounts\" in API group \"\" in the namespace";
    hold(message.contains(wanted), &format!("the message has: {wanted}"), &status)
}

/// Who names groups to act in needs the verb for each of them, as well as for the user.
pub async fn an_impersonated_group_has_to_be_allowed_too(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place().await?;
    let rules = json!([
        {"apiGroups": [""], "resources": ["users"], "resourceNames": ["ada"], "verbs": ["impersonate"]},
        {"apiGroups": [""], "resources": ["groups"], "resourceNames": ["readers"], "verbs": ["impersonate"]},
    ]);
    let token = actor(&place, &rules).await?;
    let allowed = subject.acting(&token, "ada", &["readers"])?;
    eventually(|| async {
        let answer = allowed.post(&SELF_REVIEWS.path(""), &question()).await?;
        // Nobody gave ada any right in a workspace of kcp; the refusal names her.
        if answer.code != 403 {
            return answer.coded(201);
        }
        let status = answer.refused(403, "Forbidden")?;
        let message = status["message"].as_str().unwrap_or_default();
        hold(message.contains("User \"ada\" cannot create"), "it is ada who asks", &status)?;
        Ok(status)
    })
    .await?;
    let refused = subject.acting(&token, "ada", &["readers", "writers"])?;
    let status = refused.post(&SELF_REVIEWS.path(""), &question()).await?.refused(403, "Forbidden")?;
    let message = status["message"].as_str().unwrap_or_default();
    hold(message.contains("groups \"writers\" is forbidden"), "the refusal names the group", &status)
}
