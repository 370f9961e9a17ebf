use serde_json::json;

use super::*;

fn short_story() -> History {
    let object = Arc::new(json!({"kind": "Secret", "data": {"password": "aHVzaA=="}}));
    let mut history = History::new();
    history
        .push(Duration::from_millis(1), Event::Said { who: "story".to_owned(), what: "begins".to_owned() });
    history.push(
        Duration::from_micros(1500),
        Event::Wrote(Write {
            revision: 7,
            by: Some("alice".to_owned()),
            manager: None,
            method: Some("POST".to_owned()),
            kind: ChangeKind::Added,
            key: ObjectKey::new("acme", "", "secrets", "default", "db"),
            object,
            before: None,
        }),
    );
    history.push(
        Duration::from_secs(2),
        Event::Called(Call {
            client: "broker".to_owned(),
            verb: "list".to_owned(),
            key: ObjectKey::new("", "example.com", "certificates", "", ""),
            subresource: String::new(),
            status: None,
            fault: Some("no answer".to_owned()),
        }),
    );
    history.push(
        Duration::from_secs(3),
        Event::Harmed { client: "broker".to_owned(), what: "crash after write 1".to_owned() },
    );
    history
}

#[test]
fn a_history_survives_its_text_form() {
    let history = short_story();
    let read = History::from_text(&history.to_text()).unwrap();
    assert_eq!(read, history);
    assert_eq!(read.digest(), history.digest());
}

#[test]
fn the_text_form_is_one_line_per_entry() {
    let text = short_story().to_text();
    assert_eq!(text.lines().count(), 4);
    assert_eq!(
        text.lines().last(),
        Some(r#"{"at":3000000000,"harmed":{"client":"broker","what":"crash after write 1"}}"#)
    );
}

#[test]
fn the_digest_tells_a_later_entry_from_an_earlier_one() {
    let history = short_story();
    let later: History = history
        .into_iter()
        .cloned()
        .map(|entry| Entry { at: entry.at + Duration::from_nanos(1), ..entry })
        .collect();
    assert_ne!(history.digest(), later.digest());
    assert_eq!(History::new().digest(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

#[test]
fn a_broken_line_is_named() {
    let mut text = short_story().to_text();
    text.push_str("{\"at\": 1}\n");
    assert_eq!(History::from_text(&text).unwrap_err().to_string(), "line 5 is no entry of a history");
}

#[test]
fn debug_shows_nothing_of_an_object() {
    assert!(!format!("{:?}", short_story()).contains("aHVzaA"));
}
