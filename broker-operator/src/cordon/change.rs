//! How `BrokeredAPI.spec.providers` changes. Pure.
//!
//! One provider's scheduling changes and nothing else: who may offer, and how loudly, stays as it was. Two traits of the
//! list make that less than obvious. An empty list lets everybody offer, so the first rule brings one for `*` along; and a
//! provider's own rule replaces the one for `*` altogether, so a new rule takes over what that one says. Lifting a cordon
//! removes the rules again that only a cordon needed, if they were made by one.

use std::collections::BTreeSet;

use broker_core::offer::Scheduling;
use serde_json::{Map, Value, json};

/// Every cluster that has no rule of its own.
const EVERYBODY: &str = "*";

/// The provider that is spoken of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Its cluster's id.
    pub(super) id: String,
    /// The path of its workspace, if that is known.
    pub(super) path: Option<String>,
}

impl Target {
    fn is_meant_by(&self, rule: &Value) -> bool {
        let cluster = cluster(rule);
        cluster == self.id || self.path.as_deref() == Some(cluster)
    }
}

/// What becomes of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It says so already.
    Nothing,
    /// The provider may not offer this API at all; a rule would let it.
    NotAllowed,
    /// This is the list.
    Rules {
        /// The new rules.
        rules: Vec<Value>,
        /// What the platform said before.
        before: Scheduling,
    },
}

/// The list that says of one provider what is wanted. `own` are the clusters whose rules were made by a cordon.
pub(super) fn change(rules: &[Value], target: &Target, wanted: Scheduling, own: &BTreeSet<String>) -> Change {
    let everybody = rules.iter().find(|rule| cluster(rule) == EVERYBODY);
    let its_own = rules.iter().position(|rule| target.is_meant_by(rule));
    let (Some(effective), true) = (
        its_own.and_then(|index| rules.get(index)).or(everybody).map(scheduling).or(Some(Scheduling::Active)),
        rules.is_empty() || its_own.is_some() || everybody.is_some(),
    ) else {
        return Change::NotAllowed;
    };
    if effective == wanted {
        return Change::Nothing;
    }
    let mut changed = rules.to_vec();
    if let Some(rule) = its_own.and_then(|index| changed.get_mut(index)) {
        set(rule, wanted);
    } else {
        if rules.is_empty() {
            changed.push(json!({ "cluster": EVERYBODY }));
        }
        let mut rule = everybody.map(terms).unwrap_or_default();
        rule.remove("alias");
        rule.insert("cluster".to_owned(), target.id.clone().into());
        let mut rule = Value::Object(rule);
        // Where it shall be active, the one for everybody says otherwise.
        set_word(&mut rule, wanted);
        changed.push(rule);
    }
    if wanted == Scheduling::Active {
        tidy(&mut changed, target, own);
    }
    Change::Rules { rules: changed, before: effective }
}

/// Removes what only a cordon needed: the provider's rule where it says what the one for everybody says, then that one
/// where it is alone and says nothing.
fn tidy(rules: &mut Vec<Value>, target: &Target, own: &BTreeSet<String>) {
    let everybody = rules.iter().find(|rule| cluster(rule) == EVERYBODY).map(terms);
    rules.retain(|rule| {
        let superfluous = target.is_meant_by(rule) && Some(terms(rule)) == everybody;
        !(superfluous && own.contains(cluster(rule)))
    });
    if let [last] = rules.as_slice()
        && cluster(last) == EVERYBODY
        && terms(last).is_empty()
        && own.contains(EVERYBODY)
    {
        rules.clear();
    }
}

/// What a rule says besides for whom; what is the default is as good as nothing.
fn terms(rule: &Value) -> Map<String, Value> {
    let mut terms = rule.as_object().cloned().unwrap_or_default();
    terms.remove("cluster");
    terms.retain(|key, value| !(value.is_null() || key == "scheduling" && value == "Active"));
    terms
}

fn cluster(rule: &Value) -> &str {
    rule.get("cluster").and_then(Value::as_str).unwrap_or(EVERYBODY)
}

fn scheduling(rule: &Value) -> Scheduling {
    match rule.get("scheduling").and_then(Value::as_str) {
        Some("Cordoned") => Scheduling::Cordoned,
        Some("Draining") => Scheduling::Draining,
        Some(_) | None => Scheduling::Active,
    }
}

/// Active is what a rule says that says nothing.
fn set(rule: &mut Value, wanted: Scheduling) {
    if wanted == Scheduling::Active {
        if let Some(rule) = rule.as_object_mut() {
            rule.remove("scheduling");
        }
    } else {
        set_word(rule, wanted);
    }
}

fn set_word(rule: &mut Value, wanted: Scheduling) {
    if let Some(rule) = rule.as_object_mut() {
        rule.insert("scheduling".to_owned(), wanted.as_str().into());
    }
}

/// The clusters whose rules this manager made, and nobody else lays claim to, as the server keeps account of it.
pub(super) fn made_by(manager: &str, object: &Value) -> BTreeSet<String> {
    let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
    let (mut own, mut others) = (BTreeSet::new(), BTreeSet::new());
    for entry in entries.into_iter().flatten() {
        let is_own = entry.get("manager").and_then(Value::as_str) == Some(manager);
        let rules = entry.pointer("/fieldsV1/f:spec/f:providers").and_then(Value::as_object);
        for (key, fields) in rules.into_iter().flatten() {
            let whole = fields.get(".").is_some();
            let Some(key) = key.strip_prefix("k:").filter(|_| whole) else { continue };
            let Ok(key) = serde_json::from_str::<Value>(key) else { continue };
            let of = cluster(&key).to_owned();
            if is_own {
                own.insert(of)
            } else {
                others.insert(of)
            };
        }
    }
    own.difference(&others).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use broker_core::offer::Scheduling::{Active, Cordoned, Draining};

    fn target() -> Target {
        Target { id: "2hkd".to_owned(), path: Some("root:ca".to_owned()) }
    }

    /// The list after a change; `own` are the rules that a cordon made.
    fn after(rules: &Value, wanted: Scheduling, own: &[&str]) -> Option<Value> {
        let own = own.iter().map(ToString::to_string).collect();
        match change(rules.as_array().map(Vec::as_slice).unwrap_or_default(), &target(), wanted, &own) {
            Change::Rules { rules, .. } => Some(Value::Array(rules)),
            Change::Nothing => Some(Value::Null),
            Change::NotAllowed => None,
        }
    }

    #[test]
    fn one_providers_scheduling_changes_and_nothing_else() {
        let everybody = json!({"cluster": "*"});
        let capped = json!({"cluster": "*", "maxPriority": 5, "alias": "others"});
        let own = json!({"cluster": "2hkd", "alias": "ours", "maxWeight": 7});
        let other = json!({"cluster": "else"});
        let with = |rule: &Value, scheduling: &str| {
            let mut rule = rule.clone();
            rule["scheduling"] = scheduling.into();
            rule
        };
        for (before, wanted, expected) in [
            // Everybody may offer, before and after.
            (json!([]), Cordoned, Some(json!([everybody, {"cluster": "2hkd", "scheduling": "Cordoned"}]))),
            (json!([]), Draining, Some(json!([everybody, {"cluster": "2hkd", "scheduling": "Draining"}]))),
            (json!([]), Active, Some(Value::Null)),
            // Its own rule, by id or by path, keeps what else it says.
            (json!([own]), Cordoned, Some(json!([with(&own, "Cordoned")]))),
            (json!([with(&own, "Cordoned")]), Draining, Some(json!([with(&own, "Draining")]))),
            (json!([with(&own, "Cordoned")]), Cordoned, Some(Value::Null)),
            (json!([with(&own, "Cordoned"), other]), Active, Some(json!([own, other]))),
            (
                json!([{"cluster": "root:ca"}]),
                Draining,
                Some(json!([{"cluster": "root:ca", "scheduling": "Draining"}])),
            ),
            // A new rule says what the one for everybody said of it.
            (
                json!([capped]),
                Cordoned,
                Some(json!([capped, {"cluster": "2hkd", "maxPriority": 5, "scheduling": "Cordoned"}])),
            ),
            // Everybody is cordoned, and it alone shall not be.
            (
                json!([with(&capped, "Cordoned")]),
                Active,
                Some(
                    json!([with(&capped, "Cordoned"), {"cluster": "2hkd", "maxPriority": 5, "scheduling": "Active"}]),
                ),
            ),
            (json!([with(&everybody, "Cordoned")]), Cordoned, Some(Value::Null)),
            // Who may not offer is not let in by a cordon.
            (json!([other]), Cordoned, None),
            (json!([other]), Active, None),
        ] {
            assert_eq!(after(&before, wanted, &[]), expected, "{before} {wanted:?}");
        }
    }

    #[test]
    fn lifting_a_cordon_removes_what_only_a_cordon_needed() {
        let everybody = json!({"cluster": "*"});
        let cordoned = json!({"cluster": "2hkd", "scheduling": "Cordoned"});
        let other = json!({"cluster": "else", "scheduling": "Cordoned"});
        let all = ["*", "2hkd", "else"];
        for (before, own, expected) in [
            (json!([everybody, cordoned]), &all[..], json!([])),
            (json!([everybody, other, cordoned]), &all, json!([everybody, other])),
            // Not ours to remove.
            (json!([everybody, cordoned]), &["2hkd"], json!([everybody])),
            (json!([everybody, cordoned]), &[], json!([everybody, {"cluster": "2hkd"}])),
            // Without its rule it could not offer, or could offer otherwise.
            (json!([cordoned, other]), &all, json!([{"cluster": "2hkd"}, other])),
            (
                json!([{"cluster": "*", "maxPriority": 1}, cordoned]),
                &all,
                json!([{"cluster": "*", "maxPriority": 1}, {"cluster": "2hkd"}]),
            ),
            // Somebody gave it a name meanwhile.
            (
                json!([everybody, {"cluster": "2hkd", "scheduling": "Cordoned", "alias": "ours"}]),
                &all,
                json!([everybody, {"cluster": "2hkd", "alias": "ours"}]),
            ),
        ] {
            assert_eq!(after(&before, Active, own), Some(expected), "{before} {own:?}");
        }
    }

    #[test]
    fn a_cordon_and_its_lifting_leave_every_list_as_it_was() {
        for before in [
            json!([]),
            json!([{"cluster": "*"}]),
            json!([{"cluster": "*", "maxPriority": 3}, {"cluster": "else"}]),
            json!([{"cluster": "2hkd", "alias": "ours"}]),
            json!([{"cluster": "root:ca"}, {"cluster": "*"}]),
        ] {
            let known: BTreeSet<String> =
                before.as_array().unwrap().iter().map(|rule| cluster(rule).to_owned()).collect();
            let cordoned = after(&before, Cordoned, &[]).unwrap();
            let made =
                cordoned.as_array().unwrap().iter().map(cluster).filter(|cluster| !known.contains(*cluster));
            let made: Vec<&str> = made.collect();
            assert_eq!(after(&cordoned, Active, &made), Some(before.clone()), "{before}");
        }
    }

    #[test]
    fn who_made_a_rule_is_read_from_the_servers_account() {
        let fields = |clusters: &[&str]| {
            let rules: Map<String, Value> = clusters
                .iter()
                .map(|cluster| {
                    (format!("k:{{\"cluster\":\"{cluster}\"}}"), json!({".": {}, "f:cluster": {}}))
                })
                .collect();
            json!({"f:spec": {"f:providers": rules}})
        };
        let object = json!({"metadata": {"managedFields": [
            {"manager": "us", "fieldsV1": fields(&["*", "a", "b"])},
            {"manager": "kubectl", "fieldsV1": fields(&["b"])},
            {"manager": "us", "fieldsV1": {"f:spec": {"f:providers": {"k:{\"cluster\":\"c\"}": {"f:scheduling": {}}}}}},
        ]}});
        assert_eq!(made_by("us", &object), ["*", "a"].map(str::to_owned).into());
        assert_eq!(made_by("us", &json!({})), BTreeSet::new());
    }
}
