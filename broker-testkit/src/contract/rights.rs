//! Rights: who a token is, what it may do, and what it is told otherwise.

use serde_json::{Value, json};

use super::broken::{Broken, hold, same};
use super::sample::{ACCESS_REVIEWS, ACCOUNTS, CONFIG_MAPS, ROLE_BINDINGS, ROLES, RULES_REVIEWS, config_map};
use super::session::{Session, eventually, names};
use super::subject::{Place, Subject};

/// The name of every check's service account: a namespace is a check's own.
pub(super) const ROBOT: &str = "robot";

/// Makes a service account and answers a token of it.
pub(super) async fn token(place: &Place) -> Result<String, Broken> {
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ROBOT}});
    place.create(ACCOUNTS, &account).await?;
    let request = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"expirationSeconds": 3600},
    });
    let path = format!("{}/token", place.at(ACCOUNTS, ROBOT));
    let answer = place.session.post(&path, &request).await?.coded(201)?;
    let token = answer["status"]["token"].as_str().unwrap_or_default();
    hold(!token.is_empty(), "a TokenRequest is answered with a token", &answer)?;
    Ok(token.to_owned())
}

/// Makes a service account and answers a session with its token.
pub(super) async fn robot(subject: &Subject, place: &Place) -> Result<Session, Broken> {
    subject.bearer(&subject.url(), &token(place).await?)
}

/// Lets the robot of a namespace do what the rules say, there.
pub(super) async fn allow(place: &Place, rules: Value) -> Result<(), Broken> {
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": ROBOT}, "rules": rules,
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": ROBOT},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": ROBOT},
        "subjects": [{"kind": "ServiceAccount", "name": ROBOT, "namespace": place.namespace}],
    });
    place.create(ROLES, &role).await?;
    place.create(ROLE_BINDINGS, &binding).await.map(|_| ())
}

/// A service account without rights is refused, with its name, the verb, the kind and the namespace.
pub async fn who_has_no_right_is_told_what_was_refused(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place().await?;
    let robot = robot(subject, &place).await?;
    let namespace = &place.namespace;
    // kcp tells so as soon as it knows the account.
    let status =
        eventually(|| async { robot.get(&place.path(CONFIG_MAPS)).await?.refused(403, "Forbidden") }).await?;
    let message = status["message"].as_str().unwrap_or_default();
    let wanted = format!(
        "configmaps is forbidden: User \"system:serviceaccount:{namespace}:{ROBOT}\" cannot list resource \
         \"configmaps\" in API group \"\" in the namespace \"{namespace}\""
    );
    hold(message.starts_with(&wanted), &format!("the message begins with: {wanted}"), &status)?;
    same(&status["details"], &json!({"kind": "configmaps"}), "the details")?;
    let answer = robot.post(&place.path(CONFIG_MAPS), &config_map("one")).await?;
    answer.refused(403, "Forbidden").map(|_| ())
}

/// A rule gives its verbs on its resources, and no others.
pub async fn a_rule_gives_its_verbs_only(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place().await?;
    let robot = robot(subject, &place).await?;
    allow(&place, json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create"]}]))
        .await?;
    let path = place.path(CONFIG_MAPS);
    eventually(|| async {
        let answer = robot.post(&path, &config_map("one")).await?;
        if answer.code == 409 { Ok(Value::Null) } else { answer.coded(201) }
    })
    .await?;
    let one = place.at(CONFIG_MAPS, "one");
    robot.get(&one).await?.coded(200)?;
    robot.get(&path).await?.refused(403, "Forbidden")?;
    robot.delete(&one).await?.refused(403, "Forbidden")?;
    robot.merge(&one, &json!({"data": {"a": "b"}})).await?.refused(403, "Forbidden")?;
    robot.get(&place.path(ACCOUNTS)).await?.refused(403, "Forbidden")?;
    let elsewhere = subject.place().await?;
    robot.get(&elsewhere.at(CONFIG_MAPS, "one")).await?.refused(403, "Forbidden").map(|_| ())
}

/// `resourceNames` limits a rule to objects of these names; a list by that name is within it.
pub async fn resource_names_limit_a_rule(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place().await?;
    for name in ["one", "two"] {
        place.create(CONFIG_MAPS, &config_map(name)).await?;
    }
    let robot = robot(subject, &place).await?;
    let rules = json!([{
        "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["one"], "verbs": ["get", "list"],
    }]);
    allow(&place, rules).await?;
    let one = place.at(CONFIG_MAPS, "one");
    eventually(|| async { robot.get(&one).await?.coded(200) }).await?;
    robot.get(&place.at(CONFIG_MAPS, "two")).await?.refused(403, "Forbidden")?;
    let path = place.path(CONFIG_MAPS);
    robot.get(&path).await?.refused(403, "Forbidden")?;
    let found = robot.get(&format!("{path}?fieldSelector=metadata.name%3Done")).await?.coded(200)?;
    hold(names(&found) == ["one"], "the list shows that object", &found)
}

/// A `SelfSubjectAccessReview` answers what the server would do.
pub async fn an_access_review_answers_what_would_be_done(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place().await?;
    let robot = robot(subject, &place).await?;
    let rules = json!([{
        "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["one"], "verbs": ["get"],
    }]);
    allow(&place, rules).await?;
    let ask = async |name: &str| {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "verb": "get", "resource": "configmaps", "namespace": place.namespace, "name": name,
            }},
        });
        robot.post(&ACCESS_REVIEWS.path(""), &review).await?.coded(201)
    };
    eventually(|| async {
        let answer = ask("one").await?;
        same(&answer["status"]["allowed"], &json!(true), "what is allowed is answered with")
    })
    .await?;
    let answer = ask("two").await?;
    same(&answer["status"]["allowed"], &json!(false), "what is not allowed is answered with")
}

/// A token that nobody gave is `Unauthorized`.
pub async fn an_unknown_token_is_unauthorized(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place().await?;
    let stranger = subject.bearer(&subject.url(), "unknown")?;
    stranger.get(&place.path(CONFIG_MAPS)).await?.refused(401, "Unauthorized").map(|_| ())
}

/// A `SelfSubjectRulesReview` tells the rules that count in a namespace.
pub async fn a_rules_review_tells_the_rules(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place().await?;
    let robot = robot(subject, &place).await?;
    allow(&place, json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}])).await?;
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": place.namespace},
    });
    eventually(|| async {
        let answer = robot.post(&RULES_REVIEWS.path(""), &review).await?.coded(201)?;
        let rules = answer["status"]["resourceRules"].as_array().cloned().unwrap_or_default();
        let is_ours =
            |rule: &Value| rule["resources"] == json!(["configmaps"]) && rule["verbs"] == json!(["get"]);
        hold(rules.iter().any(is_ours), "the rule of the role is among them", &answer)?;
        Ok(answer)
    })
    .await
    .map(|_| ())
}
