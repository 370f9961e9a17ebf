#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::Arc;

use serde_json::{Value, json};

use super::{ChangeKind, CommitError, Expected, ObjectKey, Scope, Store, TableId, Wanted};

fn object(name: &str, n: u64) -> Value {
    json!({"metadata": {"name": name}, "data": {"n": n}})
}

/// The names of a page.
fn names(store: &Store, table: &TableId, scope: &Scope, wanted: &Wanted<'_>) -> Vec<String> {
    let page = store.page(table, scope, wanted, |_, _| true).unwrap();
    page.items.iter().map(|(key, _)| key.name.to_string()).collect()
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
    let wanted = Wanted { at: Some(then), ..Wanted::default() };
    assert_eq!(names(&store, &table, &Scope::cluster("a"), &wanted), ["one"]);
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
    for (changes, expected) in [(1, &["o0", "o1", "o2"][..]), (2, &["o0", "o1"]), (9, &["o0", "o1"])] {
        let then = store.before_the_last(&table, changes).unwrap();
        let wanted = Wanted { at: Some(then), ..Wanted::default() };
        assert_eq!(names(&store, &table, &Scope::default(), &wanted), expected);
    }
    store.compact();
    assert_eq!(store.before_the_last(&table, 1), None, "nothing can be looked back at");
}

#[test]
fn pages_of_one_revision_are_one_list_whatever_happens_between_them() {
    let store = Store::new(100);
    let table = TableId::of("", "configmaps");
    let create = |cluster: &str, name: &str| {
        store.commit(&table, key(cluster, name), &Expected::Absent, Some(object(name, 1))).unwrap()
    };
    let remove = |cluster: &str, name: &str| {
        let read = store.get(&table, &key(cluster, name)).unwrap();
        store.commit(&table, key(cluster, name), &Expected::Is(read), None).unwrap();
    };
    create("0", "before");
    for n in 1..=7 {
        create("a", &n.to_string());
    }
    create("b", "behind");
    let scope = Scope::cluster("a");
    let admits = |key: &ObjectKey, _: &Value| &*key.name != "4";
    let then = store.list(&table, &scope).revision;
    let (mut found, mut after): (Vec<String>, Option<ObjectKey>) = (Vec::new(), None);
    for round in 0.. {
        let wanted = Wanted { at: Some(then), after: after.as_ref(), limit: Some(2), counts: true };
        let page = store.page(&table, &scope, &wanted, admits).unwrap();
        assert_eq!(page.more, 6_usize.saturating_sub(2 * (round + 1)));
        let uncounted = store.page(&table, &scope, &Wanted { counts: false, ..wanted }, admits).unwrap();
        // The last page but one of those that nobody counts may be followed by an empty one.
        assert!(uncounted.more > 0 || page.more == 0);
        found.extend(page.items.iter().map(|(key, _)| key.name.to_string()));
        if page.more == 0 {
            break;
        }
        after = page.items.last().map(|(key, _)| key.clone());
        // What comes and goes, here and elsewhere, is not of that time.
        match round {
            0 => ["2", "5"].iter().for_each(|name| remove("a", name)),
            _ => ["5", "55", "9"].iter().for_each(|name| drop(create("a", name))),
        }
        remove("b", "behind");
        create("b", "behind");
    }
    assert_eq!(found, ["1", "2", "3", "5", "6", "7"]);
    let now = Wanted { after: after.as_ref(), ..Wanted::default() };
    assert_eq!(names(&store, &table, &scope, &now), ["55", "6", "7", "9"]);
}
