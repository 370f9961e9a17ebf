//! What broke in the Go system of the same name, told over the in-memory ports: `docs/predecessor.md` has the table.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use broker_core::migration::MigrationState;
use broker_core::offer::OfferId;
use broker_core::order::Moves;
use broker_core::port::OrderAddress;
use broker_core::resource::{Gvk, ObjectKey, ObjectRef};
use broker_testkit::memory::Crash;
use serde_json::json;

use crate::order_life::{GRACE, Story, broker};

fn copies(story: &Story) -> usize {
    ["internal", "external", "third"].iter().map(|cluster| story.fleet.copies_in(cluster).len()).sum()
}

fn issuer(story: &Story, order: &OrderAddress) -> String {
    let secret = story.secret_of(order.key.cluster.as_str(), &format!("{}-secret", order.key.name));
    secret.expect("a Secret")["issuer"].as_str().unwrap().to_owned()
}

/// Another broker takes over, over and over, until the order is at rest.
fn survive(story: &mut Story, order: &OrderAddress) {
    for _ in 0..80 {
        let before = story.fleet.history().len();
        if story.pass(order).is_err() {
            story.broker = broker(&story.fleet);
            continue;
        }
        if !story.provide() && story.fleet.history().len() == before {
            return;
        }
    }
    panic!("no rest: {:#?}", story.fleet.history());
}

#[test]
fn b2_an_order_whose_offer_goes_bad_before_it_served_is_given_to_another() {
    // Withdrawn, or broken by an edit, after it was chosen and before anything was ready.
    for broken in [false, true] {
        let story = Story::new(Moves::PlaybookOnly);
        let order = story.order("consumer", "my-app-cert", "app.internal.corp");
        story.pass(&order).unwrap();
        assert_eq!(story.fleet.copies_in("internal").len(), 1);
        story.offer("external", ".corp");
        if broken {
            let filter = json!([{ "key": "spec.fqdn", "boundary": { "min": "2", "max": "1" } }]);
            let spec = json!({ "gvr": { "resource": "certificates" }, "filters": filter });
            let id = OfferId::new("internal", "default", "ca");
            story.fleet.offer(&id, serde_json::from_value(spec).unwrap());
        } else {
            story.withdraw("internal");
        }
        for _ in 0..10 {
            story.pass(&order).unwrap();
            story.fleet.provide("external");
            story.fleet.advance(GRACE);
        }
        assert_eq!(issuer(&story, &order), "external");
        assert_eq!(copies(&story), 1);
    }
}

#[test]
fn b3_an_offer_deleted_at_any_moment_of_placing_or_moving_leaves_no_loop() {
    for moment in 0..40 {
        let mut story = Story::new(Moves::Free);
        let order = story.order("consumer", "my-app-cert", "app.internal.corp");
        if moment >= 20 {
            story.settle(&order);
            story.order("consumer", "my-app-cert", "app.corp.com");
        }
        story.fleet.crash(Some(Crash::Before(moment % 20)));
        for _ in 0..10 {
            if story.pass(&order).is_err() {
                break;
            }
            story.provide();
        }
        story.fleet.crash(None);
        story.withdraw(if moment >= 20 { "external" } else { "internal" });
        story.offer("third", ".corp");
        story.offer("third", if moment >= 20 { ".corp.com" } else { ".internal.corp" });
        for _ in 0..3 {
            survive(&mut story, &order);
            story.fleet.advance(GRACE);
        }
        assert_eq!(issuer(&story, &order), "third", "before write {moment}: {:#?}", story.fleet.history());
        assert_eq!((copies(&story), story.reason(&order).as_str()), (1, "Bound"), "before write {moment}");
    }
}

#[test]
fn b6_a_move_whose_replacement_never_says_ready_fails_in_time_and_the_old_copy_serves() {
    let story = Story::new(Moves::Free);
    let order = story.order("consumer", "my-app-cert", "app.internal.corp");
    story.settle(&order);
    story.order("consumer", "my-app-cert", "app.corp.com");
    story.pass(&order).unwrap();
    // A word that no convention knows is no readiness.
    let copy = story.fleet.copies_in("external").remove(0);
    let target = ObjectRef { gvk: copy.gvk(), key: copy.key_in(&"external".into()) };
    story.fleet.set(&target, &["status"], json!({ "status": "Unavailable" }));
    let passed = story.pass(&order).unwrap();
    assert_eq!(story.fleet.migration_states(), [MigrationState::InitialInProgress]);
    assert!(passed.wake.is_some(), "somebody looks again though nothing happens");
    story.fleet.advance(Duration::from_mins(10));
    for _ in 0..4 {
        story.pass(&order).unwrap();
    }
    assert_eq!(story.fleet.migration_states(), [MigrationState::Failed]);
    assert_eq!((issuer(&story, &order).as_str(), copies(&story)), ("internal", 1));
    // Where another takes it, it goes there; the one that failed is not tried at once.
    story.offer("third", ".corp.com");
    story.settle_past_grace(&order);
    assert_eq!((issuer(&story, &order).as_str(), copies(&story)), ("third", 1));
}

#[test]
fn b7_a_deletion_during_a_move_leaves_no_copy() {
    // Two orders of one consumer with the same providers: the end of one is not the other's.
    for moment in 0..40 {
        let mut story = Story::new(Moves::Free);
        let [kept, gone] = ["kept", "gone"].map(|name| story.order("consumer", name, "app.internal.corp"));
        story.settle(&kept);
        story.settle(&gone);
        for name in ["kept", "gone"] {
            story.order("consumer", name, "app.corp.com");
        }
        story.settle(&kept);
        story.fleet.crash(Some(Crash::Before(moment)));
        for _ in 0..10 {
            if story.pass(&gone).is_err() {
                break;
            }
            if !story.provide() {
                story.fleet.advance(GRACE);
            }
        }
        story.fleet.crash(None);
        story.fleet.delete(&Story::target(&gone)).unwrap();
        survive(&mut story, &gone);
        survive(&mut story, &kept);
        story.fleet.advance(GRACE);
        survive(&mut story, &kept);
        assert_eq!(copies(&story), 1, "before write {moment}: {:#?}", story.fleet.history());
        assert_eq!(issuer(&story, &kept), "external");
        assert_eq!(story.fleet.assignments().len(), 1);
    }
}

#[test]
fn b8_a_crash_and_another_best_offer_leave_nothing_of_the_first_choice() {
    let writes = {
        let story = Story::new(Moves::Free);
        let order = story.order("consumer", "my-app-cert", "app.internal.corp");
        story.settle(&order);
        story.fleet.crash(None);
        story.order("consumer", "my-app-cert", "app.corp.com");
        story.settle_past_grace(&order);
        story.fleet.writes()
    };
    for crash in (0..writes).flat_map(|n| [Crash::Before(n), Crash::After(n)]) {
        let mut story = Story::new(Moves::Free);
        let order = story.order("consumer", "my-app-cert", "app.internal.corp");
        story.settle(&order);
        story.order("consumer", "my-app-cert", "app.corp.com");
        story.fleet.crash(Some(crash));
        for _ in 0..10 {
            if story.pass(&order).is_err() {
                break;
            }
            if !story.provide() {
                story.fleet.advance(GRACE);
            }
        }
        // Whoever takes over would choose this one.
        story.offer("third", "app.corp.com");
        story.broker = broker(&story.fleet);
        story.fleet.crash(None);
        for _ in 0..3 {
            survive(&mut story, &order);
            story.fleet.advance(GRACE);
        }
        assert_eq!(copies(&story), 1, "{crash:?}: {:#?}", story.fleet.history());
        assert_eq!(
            (story.fleet.assignments().len(), story.reason(&order).as_str()),
            (1, "Bound"),
            "{crash:?}"
        );
        assert!(story.fleet.migration_states().iter().all(|state| state.is_final()), "{crash:?}");
    }
}

#[test]
fn b13_what_a_provider_names_no_more_goes_and_a_move_takes_nothing_of_the_old_one_along() {
    let story = Story::new(Moves::Free);
    let order = story.order("consumer", "my-app-cert", "app.internal.corp");
    story.settle(&order);
    let copy = story.fleet.copies_in("internal").remove(0);
    let target = ObjectRef { gvk: copy.gvk(), key: copy.key_in(&"internal".into()) };
    let mut further = copy.get(&["status", "relatedResources"]).unwrap().clone();
    let name = further["secret"]["name"].clone();
    further["settings"] =
        json!({ "name": name, "gvk": { "group": "core", "version": "v1", "kind": "Secret" } });
    story.fleet.set(&target, &["status", "relatedResources"], further);
    story.pass(&order).unwrap();
    assert!(story.secret_of("consumer", "my-app-cert-settings").is_some());

    // Named no more.
    story.settle(&order);
    assert!(story.secret_of("consumer", "my-app-cert-settings").is_none());
    assert!(story.secret_of("consumer", "my-app-cert-secret").is_some());
    // And with a move, nothing of the old provider's stays on either side.
    story.order("consumer", "my-app-cert", "app.corp.com");
    story.settle_past_grace(&order);
    let secrets = |cluster: &str| {
        let here = |target: &ObjectRef| target.gvk.kind == "Secret" && target.key.cluster.as_str() == cluster;
        story.fleet.objects().iter().filter(|(target, _)| here(target)).count()
    };
    assert_eq!([secrets("internal"), secrets("external"), secrets("consumer")], [0, 1, 1]);
}

#[test]
fn b17_an_offer_that_is_renamed_keeps_its_copies() {
    for moves in [Moves::Free, Moves::PlaybookOnly] {
        let story = Story::new(moves);
        let order = story.order("consumer", "my-app-cert", "app.internal.corp");
        story.settle(&order);
        let copy = story.fleet.copies_in("internal").remove(0);
        let spec = json!({
            "gvr": { "group": "example.com", "version": "v1alpha1", "resource": "certificates" },
            "namespace": "default",
            "filters": [{ "key": "spec.fqdn", "suffix": ".internal.corp" }],
        });
        story.withdraw("internal");
        story
            .fleet
            .offer(&OfferId::new("internal", "default", "new-name"), serde_json::from_value(spec).unwrap());
        story.settle_past_grace(&order);
        assert_eq!(story.reason(&order), "Bound");
        assert!(story.fleet.migrations().is_empty());
        let kept = story.fleet.copies_in("internal");
        assert_eq!((kept.len(), kept[0].uid()), (1, copy.uid()));
        let record = story.fleet.assignments().remove(0);
        assert_eq!(
            (record.offer.name.as_str(), record.copies[0].offer.name.as_str()),
            ("new-name", "new-name")
        );
        // It is in step again.
        story.order("consumer", "my-app-cert", "other.internal.corp");
        story.settle(&order);
        assert_eq!(story.secret_of("consumer", "my-app-cert-secret").unwrap()["fqdn"], "other.internal.corp");
    }
}

#[test]
fn b18_an_order_holds_one_finalizer_of_ours_and_a_copy_none() {
    let story = Story::new(Moves::Free);
    let order = story.order("consumer", "my-app-cert", "app.internal.corp");
    story.settle(&order);
    assert_eq!(story.seen(&order).finalizers().count(), 1);
    assert_eq!(story.fleet.copies_in("internal")[0].finalizers().count(), 0);
    let secret = Gvk::new("", "v1", "Secret");
    let mirror = story.fleet.get(&secret, "consumer", "default", "my-app-cert-secret").unwrap();
    assert_eq!(mirror.finalizers().count(), 0);
}

#[test]
fn s2_an_order_that_lacks_the_field_of_a_filter_is_not_given_away() {
    let story = Story::new(Moves::Free);
    let object = json!({
        "apiVersion": "example.com/v1alpha1", "kind": "Certificate",
        "metadata": { "name": "my-app-cert", "namespace": "default" }, "spec": {},
    });
    let order = story.fleet.write("consumer", &object).unwrap();
    story.settle(&order);
    assert_eq!((story.reason(&order).as_str(), copies(&story)), ("NoMatchingOffer", 0));
}

#[test]
fn s3_whatever_a_provider_names_is_neither_written_nor_deleted_elsewhere() {
    let story = Story::new(Moves::Free);
    let own = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": "database-password", "namespace": "default" }, "data": { "mine": "yes" },
    });
    story.fleet.write("consumer", &own);
    let order = story.order("consumer", "my-app-cert", "app.internal.corp");
    story.settle(&order);
    let copy = story.fleet.copies_in("internal").remove(0);
    let target = ObjectRef { gvk: copy.gvk(), key: copy.key_in(&"internal".into()) };
    for kind in ["Secret", "Role"] {
        let entry = json!({ "secret": { "name": "database-password", "namespace": "default",
            "gvk": { "group": "", "version": "v1", "kind": kind } } });
        story.fleet.set(&target, &["status", "relatedResources"], entry);
        story.pass(&order).unwrap();
    }
    story.fleet.delete(&Story::target(&order)).unwrap();
    story.settle(&order);
    let left: Vec<ObjectKey> = story.fleet.objects().into_iter().map(|(target, _)| target.key).collect();
    assert_eq!(left, [ObjectKey::new("consumer", "default", "database-password")]);
    assert_eq!(story.secret_of("consumer", "database-password").unwrap(), json!({ "mine": "yes" }));
}

/// Every test that the page names is there.
#[test]
fn the_page_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = std::fs::read_to_string(root.join("docs/predecessor.md")).unwrap();
    let mut sources = Vec::new();
    for member in ["broker-core", "broker-kcp", "broker-operator", "broker-testkit", "examples"] {
        collect(&root.join(member), &mut sources);
    }
    let text: String = sources.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let defined: BTreeSet<&str> = text
        .split("fn ")
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next())
        .collect();
    let named: Vec<&str> = page
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| {
            word.matches('_').count() > 2 && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        })
        .collect();
    assert!(named.len() > 40, "the page names its tests between backticks: {named:?}");
    let missing: Vec<&&str> = named.iter().filter(|name| !defined.contains(**name)).collect();
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
    // And whatever is called after a bug of the table is in it.
    let ours = defined.iter().filter(|name| {
        let number = name.trim_start_matches(['b', 's']).split('_').next().unwrap_or_default();
        name.len() - name.trim_start_matches(['b', 's']).len() == 1 && number.parse::<u8>().is_ok()
    });
    let unnamed: Vec<&&str> = ours.filter(|name| !named.contains(*name)).collect();
    assert!(unnamed.is_empty(), "not in the table: {unnamed:#?}");
}

/// The Rust files below a folder, built ones apart.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
