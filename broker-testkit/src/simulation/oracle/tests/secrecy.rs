use serde_json::{Value, json};

use super::story::{ACME, AGENT, BROKER, GLOBEX, PERSON, Story, credential};
use crate::simulation::history::{Event, ObjectKey};

fn annotate(value: &str) -> impl FnOnce(&mut Value) {
    let value = value.to_owned();
    move |object| object["metadata"]["annotations"] = json!({"note": value})
}

#[test]
fn what_is_one_consumers_is_seen_at_no_other() {
    let mut story = Story::new();
    story.serve(ACME);
    story.serve(GLOBEX);
    story.edit(BROKER, &GLOBEX.order(), annotate("canary-1"));
    assert_eq!(story.broken(), ["CanarySeen"]);
    story.edit(BROKER, &GLOBEX.copy("alpha"), annotate("canary-1"));
    assert_eq!(story.broken(), ["CanarySeen"]);
    story.edit(BROKER, &ACME.copy("alpha"), annotate("canary-1"));
    story.edit(BROKER, &ACME.record(), annotate("canary-1"));
    story.assert_kept();
}

#[test]
fn what_is_one_providers_is_seen_at_no_consumer_and_no_other_provider() {
    let mut story = Story::new();
    story.serve(ACME);
    story.begin_move(ACME);
    story.edit(BROKER, &ACME.order(), annotate("canary-3"));
    assert_eq!(story.broken(), ["CanarySeen"]);
    story.edit(BROKER, &ACME.copy("beta"), annotate("canary-3"));
    assert_eq!(story.broken(), ["CanarySeen"]);
    story.edit(BROKER, &ACME.copy("alpha"), annotate("canary-3"));
    story.assert_kept();
}

#[test]
fn a_canary_inside_a_secret_is_seen_too() {
    let mut story = Story::new();
    story.serve(ACME);
    story.edit(BROKER, &ACME.secret(), |secret| secret["data"] = json!({"a": "Y2FuYXJ5LTI="}));
    assert!(story.broken().contains(&"CanarySeen"));
}

#[test]
fn a_copys_metadata_tell_nothing_of_its_order() {
    for told in ["shop-cert", "acme", "uid-acme", "of-shop.acme"] {
        let mut story = Story::new();
        story.serve(ACME);
        story.edit(BROKER, &ACME.copy("alpha"), annotate(told));
        let broken = story.broken();
        assert!(!broken.is_empty() && broken.iter().all(|id| *id == "IdentityInCopy"), "{told}: {broken:?}");
    }
}

#[test]
fn what_the_platform_lets_down_may_tell_what_it_wants() {
    let mut story = Story::new();
    story.serve(ACME);
    story.edit(PERSON, &ACME.order(), annotate("shop-cert of acme"));
    story.edit(BROKER, &ACME.copy("alpha"), annotate("shop-cert of acme"));
    story.edit(BROKER, &ACME.copy("alpha"), annotate("shopping"));
    story.assert_kept();
}

#[test]
fn the_content_of_a_secret_is_shown_nowhere() {
    let password = credential(ACME, "alpha");
    for key in [ACME.order(), ACME.record(), ACME.copy("alpha"), ACME.secret()] {
        let mut story = Story::new();
        story.serve(ACME);
        story.edit(BROKER, &key, annotate(&format!("it is {password}!")));
        assert_eq!(story.broken(), ["SecretLeaked"], "{key}");
    }
}

#[test]
fn an_encoded_secret_in_an_event_is_shown_too() {
    let mut story = Story::new();
    story.serve(ACME);
    let encoded = story.get(&ACME.provided("alpha"))["data"]["password"].clone();
    let event = ObjectKey::new("acme", "", "events", "shop", "shop-cert.1");
    story.create(BROKER, &event, json!({"kind": "Event", "message": encoded}));
    assert_eq!(story.broken(), ["SecretLeaked"]);
}

#[test]
fn a_secret_in_a_log_is_shown_too() {
    let mut story = Story::new();
    story.serve(ACME);
    let what = format!("could not apply {}", credential(ACME, "alpha"));
    story.push(Event::Said { who: "broker".to_owned(), what });
    assert_eq!(story.broken(), ["SecretLeaked"]);
}

#[test]
fn a_line_of_a_long_secret_is_enough() {
    let line = |letter: char| letter.to_string().repeat(48);
    let pem = format!("-----BEGIN KEY-----\n{}\n{}\n-----END KEY-----\n", line('a'), line('b'));
    let mut story = Story::new();
    story.serve(ACME);
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, pem);
    story.edit(AGENT, &ACME.provided("alpha"), |secret| secret["data"] = json!({"tls.key": encoded}));
    story.edit(BROKER, &ACME.order(), annotate(&line('b')));
    assert_eq!(story.broken(), ["SecretLeaked"]);
}

#[test]
fn what_the_provider_shows_itself_is_no_secret() {
    let mut story = Story::new();
    story.serve(ACME);
    story.edit(AGENT, &ACME.provided("alpha"), |secret| {
        secret["data"] = json!({"host": "ZGIuZXhhbXBsZS5jb20="});
    });
    story.edit(AGENT, &ACME.copy("alpha"), |copy| copy["status"]["host"] = json!("db.example.com"));
    story.show(ACME, "alpha", 1);
    story.assert_kept();
}
