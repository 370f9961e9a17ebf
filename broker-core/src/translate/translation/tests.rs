#![allow(clippy::needless_pass_by_value, reason = "values are written in place")]

use proptest::prelude::*;

use super::*;
use crate::matching::{ApiPolicy, Offered, Policies};
use crate::offer::{OfferId, UnavailableReason};
use crate::order::Glob;
use crate::order::readiness::{Readiness, readiness};
use crate::resource::{Gvr, ObjectKey};
use crate::translate::{desired_copy, references};

fn policy() -> Policy {
    Policy::new(Gvr::new("example.com", "v1alpha1", "databases"), "Database")
}

fn copy() -> CopyRef {
    CopyRef {
        offer: offer(),
        gvr: Gvr::new("azure.example.com", "v1", "azuredatabases"),
        kind: "AzureDatabase".to_owned(),
        key: ObjectKey::new("azure", "dbs", "c-1"),
        uid: Some("copy-uid".to_owned()),
        migration: None,
    }
}

fn offer() -> OfferId {
    OfferId::new("azure", "dbs", "databases")
}

fn order(spec: Value) -> Object {
    Object::try_from(json!({
        "apiVersion": "example.com/v1alpha1", "kind": "Database",
        "metadata": {
            "name": "orders-db", "namespace": "shop", "uid": "order-uid", "generation": 3,
            "labels": {"team": "red", "secret-project": "x"}, "annotations": {"kcp.io/cluster": "the-consumer"},
        },
        "spec": spec, "status": {"phase": "Ready", "hidden": "status-of-the-order"},
    }))
    .unwrap()
}

fn translation(template: Value, status: Value) -> Translation {
    let gvk = json!({"group": "azure.example.com", "version": "v1", "kind": "AzureDatabase"});
    Translation::parse(&json!({"gvk": gvk, "template": template, "status": status})).unwrap()
}

fn azure() -> Translation {
    translation(
        json!({
            "apiVersion": "azure.example.com/v1", "kind": "AzureDatabase",
            "metadata": {"labels": {"size": "${self.spec.size}"}, "annotations": {"note": "of ${copy.metadata.name}"}},
            "spec": {
                "sku": "GP_${self.spec.size}", "storageGB": "${self.spec.size * 2}", "secretName": "${copy.metadata.name}-admin",
                "zone": "${self.spec.?zone.orValue(null)}",
            },
        }),
        json!({
            "phase": "${copy.status.state == 'Succeeded' ? 'Ready' : 'Pending'}",
            "host": "${copy.status.fqdn}",
            "engine": "${self.spec.engine}",
            "relatedResources": {
                "credentials": {"name": "${copy.status.secret}", "gvk": {"group": "", "version": "v1", "kind": "Secret"}},
            },
        }),
    )
}

fn made_of(order: &Object, by: &Translation) -> Object {
    desired_copy(order, "a-1", &copy(), &policy(), Some(by)).unwrap()
}

/// The live copy, with this status, as it is looked at.
fn seen(order: &Object, by: &Translation, generation: i64, status: Value) -> Object {
    let mut live = made_of(order, by);
    live.set(&["metadata", "generation"], generation.into());
    live.set(&["metadata", "uid"], "copy-uid".into());
    live.set(&["status"], status);
    in_order_terms(&offers(Some(by)), &policy(), Some(order), &copy(), Arc::new(live)).as_ref().clone()
}

fn offers(by: Option<&Translation>) -> OfferSet {
    let policies: Policies = [(policy().gvr, ApiPolicy::default())].into_iter().collect();
    let spec = json!({"gvr": {"resource": "databases"}});
    let mut offered = Offered::parse(offer(), &spec).serving([policy().gvr]);
    if let (Ok(offer), Some(by)) = (&mut offered.parsed, by) {
        *offer = Arc::new(offer.as_ref().clone().translated_by(by.clone()));
    }
    OfferSet::new(&policies, by.map(|_| offered))
}

#[test]
fn an_order_becomes_an_object_of_the_providers_kind() {
    let made = made_of(&order(json!({"size": 4, "engine": "pg"})), &azure());
    assert_eq!(made.gvk(), Gvk::new("azure.example.com", "v1", "AzureDatabase"));
    assert_eq!((made.namespace(), made.name()), ("dbs", "c-1"));
    assert_eq!(
        made.get(&["spec"]),
        Some(&json!({"sku": "GP_4", "storageGB": 8, "secretName": "c-1-admin"})),
        "an answer keeps its type, and null leaves the field out"
    );
    assert_eq!(made.label("size"), Some("4"), "labels are texts");
    assert_eq!(made.annotation("note"), Some("of c-1"));
    assert_eq!(made.label(marker::ORDER_LABEL), Some("a-1"));
    assert!(made.annotation(super::super::FINGERPRINT_ANNOTATION).is_some());
    assert_eq!(made.annotation(marker::ORDER_GENERATION_ANNOTATION), Some("3"));
}

#[test]
fn a_template_that_has_no_value_for_an_order_names_its_expression() {
    let refused = desired_copy(&order(json!({"engine": "pg"})), "a-1", &copy(), &policy(), Some(&azure()));
    let Err(Untranslated::NoValue(unfilled)) = refused else { panic!("{refused:?}") };
    assert_eq!(
        unfilled.to_string(),
        "metadata.labels.size: ${self.spec.size} has no value: `size` is not there"
    );
    let unknown = desired_copy(&order(json!({})), "a-1", &copy(), &policy(), None);
    assert_eq!(unknown, Err(Untranslated::Unknown));
}

#[test]
fn the_status_comes_back_as_far_as_it_is_there() {
    let order = order(json!({"size": 4, "engine": "pg"}));
    let first = seen(&order, &azure(), 1, json!({"state": "Creating", "observedGeneration": 1}));
    assert_eq!(
        first.get(&["status"]),
        Some(&json!({"phase": "Pending", "engine": "pg", "relatedResources": {}, "observedGeneration": 1}))
    );
    assert_eq!(readiness(&first, &policy()), Readiness::Progressing);
    assert!(references(&first, &copy()).is_empty(), "half an entry is none");
    let later = json!({"state": "Succeeded", "fqdn": "db.azure", "secret": "s", "observedGeneration": 1});
    let ready = seen(&order, &azure(), 1, later.clone());
    assert_eq!(readiness(&ready, &policy()), Readiness::Ready);
    assert_eq!(ready.text(&["status", "host"]), Some("db.azure"));
    assert_eq!(references(&ready, &copy())["credentials"].as_ref().unwrap().target.key.name, "s");
    let stale = seen(&order, &azure(), 2, later);
    assert_eq!(readiness(&stale, &policy()), Readiness::Progressing, "what is told is of an older spec");
}

#[test]
fn where_the_way_back_says_nothing_of_readiness_the_copys_own_status_does() {
    let order = order(json!({"size": 4}));
    let quiet = translation(json!({"spec": {}}), json!({"host": "${copy.status.fqdn}"}));
    let ready = |status: &str, observed: i64| json!({"conditions": [{"type": "Ready", "status": status, "observedGeneration": observed}]});
    for (by, status, expected) in [
        (&quiet, ready("True", 2), Readiness::Ready),
        (&quiet, ready("True", 1), Readiness::Progressing),
        (&quiet, ready("False", 2), Readiness::NotReady),
        (&quiet, json!({"ready": true}), Readiness::Ready),
        (&quiet, json!({}), Readiness::Progressing),
        // What the way back says counts before.
        (
            &azure(),
            json!({"state": "Creating", "conditions": [{"type": "Ready", "status": "True"}]}),
            Readiness::Progressing,
        ),
    ] {
        assert_eq!(readiness(&seen(&order, by, 2, status.clone()), &policy()), expected, "{status}");
    }
    let mut asked = policy();
    asked.ready = Some(crate::expression::Expression::compile("self.status.host != ''").unwrap());
    let told = |status: Value| readiness(&seen(&order, &quiet, 2, status), &asked);
    assert_eq!(
        told(json!({"fqdn": "db"})),
        Readiness::Ready,
        "the platform's expression is over the order's terms"
    );
    assert_eq!(told(ready("True", 2)), Readiness::Progressing);
}

#[test]
fn without_a_way_back_the_status_is_as_it_is() {
    let by = translation(json!({"spec": {"a": 1}}), Value::Null);
    let status = json!({"phase": "Ready", "anything": [1]});
    assert_eq!(seen(&order(json!({})), &by, 1, status.clone()).get(&["status"]), Some(&status));
}

#[test]
fn playbooks_see_the_status_that_a_provider_gave_and_what_is_made_of_it_beside() {
    let own = json!({"state": "Succeeded", "fqdn": "db.azure", "host": "mine", "copyProgress": 40, "quiesced": true});
    let shown = seen(&order(json!({"size": 4, "engine": "pg"})), &azure(), 1, own);
    assert_eq!(shown.get(&["status", "copyProgress"]), None, "the order is told nothing of it");
    let live = in_own_terms(&shown);
    let at = |field| live.get(&["status", field]).cloned();
    assert_eq!(
        (at("copyProgress"), at("quiesced"), at("phase")),
        (Some(40.into()), Some(true.into()), Some("Ready".into()))
    );
    assert_eq!(at("host"), Some("mine".into()), "its own name comes first");
    let mut unknown = seen(&order(json!({"size": 4})), &azure(), 1, json!({"copyProgress": 7}));
    unknown.fields_mut().remove("status");
    assert_eq!(
        in_own_terms(&unknown).get(&["status"]),
        Some(&json!({"copyProgress": 7})),
        "its offer is gone"
    );
}

#[test]
fn of_a_copy_whose_offer_is_gone_nothing_is_told() {
    let mut live = made_of(&order(json!({"size": 1})), &azure());
    live.set(&["status"], json!({"ready": true}));
    let gone = in_order_terms(&offers(None), &policy(), None, &copy(), Arc::new(live.clone()));
    assert!(!is_told(&gone));
    assert_eq!(readiness(&gone, &policy()), Readiness::Progressing, "else it would be handed out as nothing");
    let mut renamed = copy();
    renamed.offer = OfferId::new("azure", "dbs", "renamed-since");
    let other = in_order_terms(&offers(Some(&azure())), &policy(), None, &renamed, Arc::new(live.clone()));
    assert!(is_told(&other), "another offer of the same kind will do");
    renamed.key.namespace = "elsewhere".to_owned();
    assert!(!is_told(&in_order_terms(&offers(Some(&azure())), &policy(), None, &renamed, Arc::new(live))));
}

#[test]
fn what_cannot_be_honoured_is_told_with_its_place() {
    let gvk = json!({"group": "azure.example.com", "version": "v1", "kind": "AzureDatabase"});
    for (translation, expected) in [
        (json!(1), "spec.translation is `1`; accepted: an object with gvk, template and status"),
        (json!({"gvk": gvk}), "spec.translation.template is `null`; accepted: the copy as an object"),
        (
            json!({"gvk": gvk, "template": "kind: X"}),
            "spec.translation.template is `kind: X`; accepted: the copy as an object",
        ),
        (
            json!({"gvk": gvk, "template": {}, "other": 1}),
            "spec.translation.other is `1`; accepted: there is no such field",
        ),
        (
            json!({"gvk": {"version": "v1"}, "template": {}}),
            "spec.translation.gvk.kind is `null`; accepted: a kind",
        ),
        (
            json!({"gvk": {"kind": "A/b", "version": "v1"}, "template": {}}),
            "spec.translation.gvk.kind is `A/b`",
        ),
        (
            json!({"gvk": {"kind": "A", "version": "v1/.."}, "template": {}}),
            "spec.translation.gvk.version is `v1/..`",
        ),
        (
            json!({"gvk": {"kind": "AcceptAPI", "version": "v1alpha1", "group": "broker.platform-mesh.io"}, "template": {}}),
            "spec.translation.gvk.group is `broker.platform-mesh.io`",
        ),
        (
            json!({"gvk": gvk, "template": {"kind": "Secret"}}),
            "spec.translation.template.kind is `Secret`; accepted: nothing, or AzureDatabase",
        ),
        (
            json!({"gvk": gvk, "template": {"kind": "${self.kind}"}}),
            "spec.translation.template.kind is `${self.kind}`",
        ),
        (
            json!({"gvk": gvk, "template": {"status": {}}}),
            "spec.translation.template.status is `an object`; accepted: nothing",
        ),
        (
            json!({"gvk": gvk, "template": {"metadata": {"name": "x"}}}),
            "spec.translation.template.metadata.name is `x`; accepted: labels and annotations",
        ),
        (
            json!({"gvk": gvk, "template": {"metadata": {"namespace": "${self.spec.ns}"}}}),
            "spec.translation.template.metadata.namespace",
        ),
        (
            json!({"gvk": gvk, "template": {"metadata": "${self.metadata}"}}),
            "spec.translation.template.metadata is `${self.metadata}`",
        ),
        (
            json!({"gvk": gvk, "template": {"metadata": {"labels": "${self.spec}"}}}),
            "spec.translation.template.metadata.labels is",
        ),
        (
            json!({"gvk": gvk, "template": {"metadata": {"labels": {"broker.platform-mesh.io/order": "a"}}}}),
            "spec.translation.template.metadata.labels['broker.platform-mesh.io/order'] is `a`; accepted: a key that is neither",
        ),
        (
            json!({"gvk": gvk, "template": {"spec": {"a": "${self.x"}}}),
            "spec.translation.template.spec.a is `${self.x`; accepted: an expression that ends",
        ),
        (
            json!({"gvk": gvk, "template": {"spec": {"a": "${order.x}"}}}),
            "`order` is not known here; known are self, copy",
        ),
        (
            json!({"gvk": gvk, "template": {}, "status": "x"}),
            "spec.translation.status is `x`; accepted: the order's status",
        ),
        (json!({"gvk": gvk, "template": {}, "status": {"a": ["${copy."]}}), "spec.translation.status.a[0]"),
    ] {
        let spec = json!({"gvr": {"resource": "databases"}, "translation": translation});
        let offered = Offered::parse(offer(), &spec).serving([policy().gvr]);
        let policies: Policies = [(policy().gvr, ApiPolicy::default())].into_iter().collect();
        let set = OfferSet::new(&policies, [offered]);
        let availability = set.get(&offer()).unwrap().availability();
        assert_eq!(availability.unavailable, Some(UnavailableReason::InvalidTranslation), "{translation}");
        assert!(availability.message.contains(expected), "{translation}: {}", availability.message);
    }
}

fn anything() -> impl Strategy<Value = Value> {
    let text = prop::sample::select(vec![
        "${self}",
        "kind: Secret",
        "c-2",
        "../..",
        "\n---\n",
        "broker.platform-mesh.io/order",
        "",
    ]);
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        text.prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let keys = prop::sample::select(vec![
            "apiVersion",
            "kind",
            "metadata",
            "namespace",
            "name",
            "status",
            "spec",
            "labels",
            "a",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(keys, inner, 0..4).prop_map(|map| Value::Object(
                map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            )),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_is_ordered_and_answered_comes_back_as_it_was(value in anything(), told in anything()) {
        let by = translation(
            json!({"spec": {"held": "${self.spec.value}"}}),
            json!({"asked": "${copy.spec.held}", "told": "${copy.status.told}", "again": "${self.spec.value}"}),
        );
        let order = order(json!({"value": value}));
        let seen = seen(&order, &by, 1, json!({"told": told}));
        prop_assert_eq!(seen.get(&["status"]), Some(&json!({"asked": value, "told": told, "again": value})));
    }

    #[test]
    fn nothing_in_an_order_chooses_what_its_copy_is_or_tells_whose_it_is(value in anything(), allowed in any::<bool>()) {
        let mut policy = policy();
        if allowed {
            policy.copy_labels = vec![Glob::new("team")];
        }
        let by = translation(
            json!({"spec": "${self.spec.value}", "data": {"all": "${self}"}, "metadata": {"annotations": {"a": "x"}}}),
            Value::Null,
        );
        let made = desired_copy(&order(json!({"value": value})), "a-1", &copy(), &policy, Some(&by)).unwrap();
        prop_assert_eq!(made.gvk(), copy().gvk());
        prop_assert_eq!((made.namespace(), made.name(), made.uid()), ("dbs", "c-1", ""));
        prop_assert_eq!(made.label(marker::ORDER_LABEL), Some("a-1"));
        let top: Vec<&str> = made.fields().keys().map(String::as_str).collect();
        prop_assert!(top.iter().all(|key| ["apiVersion", "data", "kind", "metadata", "spec"].contains(key)), "{:?}", top);
        let metadata = made.get(&["metadata"]).unwrap().as_object().unwrap();
        prop_assert!(metadata.keys().all(|key| ["annotations", "labels", "name", "namespace"].contains(&key.as_str())));
        prop_assert_eq!(made.label("team"), allowed.then_some("red"));
        let text = Value::from(made).to_string();
        for hidden in ["orders-db", "shop", "order-uid", "the-consumer", "secret-project", "status-of-the-order"] {
            prop_assert!(!text.contains(hidden), "{} in {}", hidden, text);
        }
    }

    #[test]
    fn reading_whatever_is_written_comes_back(template in anything(), status in anything()) {
        let gvk = json!({"group": "azure.example.com", "version": "v1", "kind": "AzureDatabase"});
        let written = json!({"gvk": gvk, "template": {"spec": template}, "status": status});
        if let Ok(by) = Translation::parse(&written) {
            let order = order(json!({}));
            if desired_copy(&order, "a-1", &copy(), &policy(), Some(&by)).is_ok() {
                seen(&order, &by, 1, json!({}));
            }
        }
    }
}
