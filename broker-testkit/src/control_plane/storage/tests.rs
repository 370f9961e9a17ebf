#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::Arc;

use serde_json::{Value, json};

use super::{ChangeKind, CommitError, Expected, ObjectKey, Scope, Store, TableId};

fn object(name: &str, n: u64) -> Value {
    json!({"metadata": {"name": name}, "data": {"n": n}})
}

fn key(cluster: &str, name: &str) -> ObjectKey {
    ObjectKey::new(cluster, "default", name)
}

#[test]
fn list_then_read_on_sees_each_change_once() {
    let store = Arc::new(Store::new(100));
    let table = TableId::of("", "configmaps");
    store.commit(&table, key("a", "one"), &Expected::Absent, Some(object("one", 1))).unwrap();
    let (listing, mut cursor) = store.list_and_watch(&table, &Scope::default());
    assert_eq!(listing.items.len(), 1);
    assert!(cursor.read().unwrap().changes.is_empty());
    let read = store.get(&table, &key("a", "one")).unwrap();
    store.commit(&table, key("a", "one"), &Expected::Is(read), Some(object("one", 2))).unwrap();
    let batch = cursor.read().unwrap();
    assert_eq!(batch.changes.len(), 1);
    assert_eq!(batch.changes[0].kind, ChangeKind::Modified);
    assert!(cursor.read().unwrap().changes.is_empty());
}

#[test]
fn a_writer_with_an_old_read_is_refused() {
    let store = Store::new(100);
    let table = TableId::of("", "configmaps");
    let first = store.commit(&table, key("a", "one"), &Expected::Absent, Some(object("one", 1))).unwrap();
    store.commit(&table, key("a", "one"), &Expected::Is(first.clone()), Some(object("one", 2))).unwrap();
    let again = store.commit(&table, key("a", "one"), &Expected::Is(first), Some(object("one", 3)));
    assert_eq!(again.unwrap_err(), CommitError::Stale);
    let created = store.commit(&table, key("a", "one"), &Expected::Absent, Some(object("one", 3)));
    assert_eq!(created.unwrap_err(), CommitError::Exists);
}

#[test]
fn a_revision_older_than_the_log_is_expired() {
    let store = Arc::new(Store::new(2));
    let table = TableId::of("", "configmaps");
    let start = store.list(&table, &Scope::default()).revision;
    for n in 0..4 {
        let name = format!("o{n}");
        store.commit(&table, key("a", &name), &Expected::Absent, Some(object(&name, n))).unwrap();
    }
    assert!(store.watch(&table, start).is_err());
    assert!(store.watch(&table, start + 2).is_ok());
}

#[test]
fn a_list_at_a_revision_shows_the_world_of_then() {
    let store = Store::new(100);
    let table = TableId::of("", "configmaps");
    let one = store.commit(&table, key("a", "one"), &Expected::Absent, Some(object("one", 1))).unwrap();
    let then = store.list(&table, &Scope::default()).revision;
    store.commit(&table, key("a", "one"), &Expected::Is(one), None).unwrap();
    store.commit(&table, key("a", "two"), &Expected::Absent, Some(object("two", 1))).unwrap();
    let listing = store.list_at(&table, &Scope::cluster("a"), then).unwrap();
    let names: Vec<_> = listing.items.iter().map(|(key, _)| key.name.to_string()).collect();
    assert_eq!(names, ["one"]);
    assert_eq!(store.list(&table, &Scope::cluster("a")).items.len(), 1);
}

#[test]
fn looking_back_ends_where_the_log_begins() {
    let store = Store::new(2);
    let table = TableId::of("", "configmaps");
    assert_eq!(store.before_the_last(&table, 1), None);
    for n in 0..4 {
        let name = format!("o{n}");
        store.commit(&table, key("a", &name), &Expected::Absent, Some(object(&name, n))).unwrap();
    }
    for (changes, names) in [(1, &["o0", "o1", "o2"][..]), (2, &["o0", "o1"]), (9, &["o0", "o1"])] {
        let then = store.before_the_last(&table, changes).unwrap();
        let listing = store.list_at(&table, &Scope::default(), then).unwrap();
        let found: Vec<_> = listing.items.iter().map(|(key, _)| key.name.to_string()).collect();
        assert_eq!(found, names);
    }
    store.compact();
    assert_eq!(store.before_the_last(&table, 1), None, "nothing can be looked back at");
}
