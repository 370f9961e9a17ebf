//! What the mover promises, step by step.

use std::time::Duration;

use broker_testkit::provider::postgres::{Account, Load, LoadOptions, Session};
use broker_testkit::wait::until;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;
use tokio::task::JoinSet;

use super::{DEADLINE, Ground, kill, number};

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_written_to_moves_and_loses_nothing() {
    let ground = Ground::new().await;
    let mover = ground.start_a_mover();
    let (old, new) = (ground.order(0, "old").await, ground.order(1, "new").await);
    // What the consumer holds is a Secret of its own, as the broker makes one.
    let secrets: Api<Secret> = Api::namespaced(ground.clusters[0].clone(), "default");
    let hand_over = async |at: usize, name: &str| {
        let there: Api<Secret> = Api::namespaced(ground.clusters[at].clone(), "default");
        let data = there.get(&format!("{name}-credentials")).await.unwrap().data;
        let secret =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mine"}, "data": data});
        secrets.patch("mine", &PatchParams::apply("test").force(), &Patch::Apply(secret)).await.unwrap();
    };
    hand_over(0, "old").await;
    let options = LoadOptions { pause: Duration::from_millis(5), ..LoadOptions::default() };
    let load = Load::start(secrets.clone(), "mine", options).await.unwrap();

    let copied = ground.step("Replicate", ["old", "new"]).await;
    assert_eq!((&copied["phase"], &copied["copyProgress"]), (&json!("Done"), &json!(100)), "{copied}");
    load.until_all_wrote().await;
    let compared = ground.step("Compare", ["old", "new"]).await;
    assert_eq!((&compared["identical"], &compared["tables"]), (&json!(true), &json!(3)), "{compared}");
    load.until_all_wrote().await;
    ground.quiesce(0, "old", true).await;
    // Whoever was killed in between is no matter.
    kill(mover).await;
    let mover = ground.start_a_mover();
    let caught_up = ground.step("CatchUp", ["old", "new"]).await;
    assert_eq!((&caught_up["phase"], &caught_up["lagBytes"]), (&json!("Done"), &json!(0)), "{caught_up}");
    kill(mover).await;
    hand_over(1, "new").await;
    load.until_all_wrote().await;
    ground.start_a_mover();
    let verified = ground.step("Verify", ["old", "new"]).await;
    assert_eq!(verified["identical"], true, "{verified}");
    assert_eq!(verified["tables"], 3);
    let unchanged = ground.step("Unchanged", ["old", "new"]).await;
    assert_eq!(
        (&unchanged["phase"], &unchanged["identical"]),
        (&json!("Failed"), &json!(false)),
        "{unchanged}"
    );
    assert!(unchanged["message"].as_str().unwrap().starts_with("public.accounts: "), "{unchanged}");

    // Numbers go on where they were.
    let (here, there) = (Session::open(&old).await.unwrap(), Session::open(&new).await.unwrap());
    assert_eq!(number(&there, "SELECT nextval('tickets')").await, 1001);
    assert_eq!(number(&here, "SELECT last_value FROM tickets").await, 1000);
    let report = load.finish().await.unwrap();
    assert!(report.is_clean() && report.acknowledged > 0 && report.reads > 0, "{report:?}");

    // Nothing is left at either end.
    ground.delete(&ground.moves(), "replicate").await;
    for (at, account) in [&old, &new].into_iter().enumerate() {
        let admin = ground.administer(at, account).await;
        let moments = "pg_stat_activity WHERE application_name LIKE 'move%'";
        for table in ["pg_replication_slots", "pg_publication", "pg_subscription", moments] {
            assert_eq!(number(&admin, &format!("SELECT count(*) FROM {table}")).await, 0, "{table} of {at}");
        }
    }
    ground.delete(&ground.databases(0), "old").await;
    ground.delete(&ground.databases(1), "new").await;
}

/// One that was killed may be at work for a moment longer, while the next one begins: as if there were two.
#[tokio::test(flavor = "multi_thread")]
async fn two_movers_at_once_come_as_far_as_one() {
    let ground = Ground::new().await;
    ground.start_a_mover();
    ground.start_a_mover();
    for round in 0..5 {
        let (from, to) = (format!("old-{round}"), format!("new-{round}"));
        let (old, new) = (ground.order(0, &from).await, ground.order(1, &to).await);
        let (here, there) = (Session::open(&old).await.unwrap(), Session::open(&new).await.unwrap());
        let table = "CREATE TABLE t (n integer PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 100)";
        here.run("write", table).await.unwrap();
        let copied = ground.step("Replicate", [&from, &to]).await;
        assert_eq!(copied["phase"], "Done", "{copied}");
        assert_eq!(number(&there, "SELECT count(*) FROM t").await, 100);
        ground.delete(&ground.moves(), "replicate").await;
    }
}

/// A server tells every database which subscriptions there are in all of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_of_another_database_of_the_server_is_not_taken_for_ones_own() {
    let ground = Ground::new().await;
    ground.start_a_mover();
    let (old, new) = (ground.order(0, "old").await, ground.order(1, "new").await);
    let (here, there) = (Session::open(&old).await.unwrap(), Session::open(&new).await.unwrap());
    let table = "CREATE TABLE t (n integer PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 100)";
    here.run("write", table).await.unwrap();
    ground.step("Replicate", ["old", "new"]).await;
    let link = ground.administer(1, &new).await;
    let link = link.one("ask", "SELECT subname::text FROM pg_subscription", &[]).await.unwrap();
    let link: String = link.get(0);
    ground.delete(&ground.moves(), "replicate").await;
    there.run("empty", "DELETE FROM t").await.unwrap();
    let other = ground.order(1, "other").await;
    let namesake = format!(
        "CREATE SUBSCRIPTION {link} CONNECTION 'host=127.0.0.1 port=1' PUBLICATION {link} \
         WITH (connect = false, slot_name = NONE)"
    );
    ground.administer(1, &other).await.run("subscribe", &namesake).await.unwrap();
    let copied = ground.step("Replicate", ["old", "new"]).await;
    assert_eq!((&copied["phase"], &copied["tables"]), (&json!("Done"), &json!(1)), "{copied}");
    assert_eq!(number(&there, "SELECT count(*) FROM t").await, 100);
    ground.delete(&ground.moves(), "replicate").await;
    let other = ground.administer(1, &other).await;
    assert_eq!(number(&other, "SELECT count(*) FROM pg_subscription").await, 1, "it is somebody else's");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_mover_still_makes_another_does_not_clean_up_before() {
    const RESERVED: &str = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    let ground = Ground::new().await;
    ground.start_a_mover();
    let (old, new) = (ground.order(0, "old").await, ground.order(1, "new").await);
    let here = Session::open(&old).await.unwrap();
    here.run("write", "CREATE TABLE t (n integer PRIMARY KEY)").await.unwrap();
    ground.step("Replicate", ["old", "new"]).await;
    // As another mover would: the name of what is made is what is reserved.
    let other = ground.administer(1, &new).await;
    let reserve = "SELECT pg_advisory_lock(hashtext(subname::text)) FROM pg_subscription";
    other.rows("reserve", reserve, &[]).await.unwrap();
    ground.moves().delete("replicate", &DeleteParams::default()).await.unwrap();
    let waits = async {
        while number(&other, RESERVED).await == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, waits).await.expect("whoever cleans up waits for who makes");
    assert_eq!(number(&other, "SELECT count(*) FROM pg_subscription").await, 1);
    other.run("make an end", "SELECT pg_advisory_unlock_all()").await.unwrap();
    let moves = ground.moves();
    until(&moves, "replicate", "it to be gone", DEADLINE, |found| found.is_none())
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(number(&other, "SELECT count(*) FROM pg_subscription").await, 0);
}

/// A hundred rows, carried over up to the last one, and a mover that was killed when it had told so.
async fn caught_up_by_somebody_who_was_killed(ground: &Ground, spoil: Option<&str>) -> Session {
    let mover = ground.start_a_mover();
    let (old, new) = (ground.order(0, "old").await, ground.order(1, "new").await);
    let (here, there) = (Session::open(&old).await.unwrap(), Session::open(&new).await.unwrap());
    let table = "CREATE TABLE t (n integer PRIMARY KEY, v text); INSERT INTO t SELECT n, 'v' FROM generate_series(1, 100) n";
    here.run("write", table).await.unwrap();
    assert_eq!(ground.step("Replicate", ["old", "new"]).await["phase"], "Done");
    if let Some(spoil) = spoil {
        there.run("spoil", spoil).await.unwrap();
    }
    ground.quiesce(0, "old", true).await;
    assert_eq!(ground.step("CatchUp", ["old", "new"]).await["phase"], "Done");
    kill(mover).await;
    there
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mover_that_was_not_there_tells_what_was_written_since_from_what_is_lost() {
    const WRITTEN_SINCE: &str = "INSERT INTO t VALUES (101, 'new'); UPDATE t SET v = 'w' WHERE n = 7; \
         DELETE FROM t WHERE n = 8";
    let mut ground = Ground::new().await;
    let there = caught_up_by_somebody_who_was_killed(&ground, None).await;
    there.run("write", WRITTEN_SINCE).await.unwrap();
    let mover = ground.start_a_mover();
    let verified = ground.step("Verify", ["old", "new"]).await;
    assert_eq!((&verified["identical"], &verified["rows"]), (&json!(true), &json!(100)), "{verified}");
    let unchanged = ground.step("Unchanged", ["old", "new"]).await;
    assert_eq!(unchanged["message"], "public.t: 100 rows, then others", "{unchanged}");

    // What the server kept is gone with it: then nobody knows, and the worse is told.
    kill(mover).await;
    ground.delete(&ground.moves(), "verify").await;
    ground.servers[1].kill().await.unwrap();
    ground.servers[1].restart().await.unwrap();
    ground.start_a_mover();
    let verified = ground.step("Verify", ["old", "new"]).await;
    assert_eq!(verified["message"], "public.t: 100 rows, then 98", "{verified}");

    let ground = Ground::new().await;
    let there = caught_up_by_somebody_who_was_killed(&ground, Some("DELETE FROM t WHERE n = 9")).await;
    there.run("write", WRITTEN_SINCE).await.unwrap();
    ground.start_a_mover();
    let verified = ground.step("Verify", ["old", "new"]).await;
    assert_eq!(verified["message"], "public.t: 100 rows, then 99", "{verified}");
}

/// Changes everything all the time, within savepoints: a row that many want, a queue, and equal rows without a key.
async fn be_busy(account: Account, number: i32) {
    let session = Session::open(&account).await.unwrap();
    loop {
        let change = format!(
            "BEGIN; SAVEPOINT a; INSERT INTO queue (of) VALUES ({number}); RELEASE a; \
             SAVEPOINT b; UPDATE counters SET n = n + 1 WHERE of = {number}; RELEASE b; \
             SAVEPOINT c; UPDATE counters SET n = 0 WHERE of = {number}; ROLLBACK TO c; \
             INSERT INTO hits VALUES ('/'), ('/'); \
             DELETE FROM hits WHERE ctid IN (SELECT ctid FROM hits LIMIT 2 FOR UPDATE SKIP LOCKED); \
             DELETE FROM queue WHERE of = {number} AND id < (SELECT max(id) - 30 FROM queue); COMMIT"
        );
        session.run("be busy", &change).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_found_while_everything_changes_and_nothing_else_is() {
    let ground = Ground::new().await;
    ground.start_a_mover();
    let (old, new) = (ground.order(0, "old").await, ground.order(1, "new").await);
    let here = Session::open(&old).await.unwrap();
    let tables = "CREATE TABLE queue (id bigserial PRIMARY KEY, of integer); \
         CREATE TABLE counters (of integer PRIMARY KEY, n integer); CREATE TABLE hits (path text); \
         ALTER TABLE hits REPLICA IDENTITY FULL; CREATE TABLE pages (a integer, b text, c text, PRIMARY KEY (b, a)); \
         INSERT INTO counters SELECT n, 0 FROM generate_series(0, 2) n; \
         INSERT INTO hits SELECT '/' FROM generate_series(1, 50); \
         INSERT INTO pages SELECT n, 'p', 'q' FROM generate_series(1, 2000) n;";
    here.run("make the tables", tables).await.unwrap();
    let mut busy = JoinSet::new();
    for number in 0..3 {
        busy.spawn(be_busy(old.clone(), number));
    }
    assert_eq!(ground.step("Replicate", ["old", "new"]).await["phase"], "Done");
    for _ in 0..5 {
        let compared = ground.step("Compare", ["old", "new"]).await;
        assert_eq!((&compared["identical"], &compared["tables"]), (&json!(true), &json!(4)), "{compared}");
        ground.delete(&ground.moves(), "compare").await;
    }

    let there = ground.administer(1, &new).await;
    let spoil = "DELETE FROM pages WHERE a IN (3, 4); UPDATE pages SET c = 'r' WHERE a = 5; \
         INSERT INTO pages VALUES (2001, 'p', 'q'); INSERT INTO hits VALUES ('/too many');";
    there.run("spoil", spoil).await.unwrap();
    let compared = ground.step("Compare", ["old", "new"]).await;
    assert_eq!((&compared["phase"], &compared["identical"]), (&json!("Failed"), &json!(false)));
    let told = compared["message"].as_str().unwrap().split("; ").collect::<Vec<_>>();
    assert!(
        told[0].starts_with("public.hits: of ") && told[0].ends_with(" rows 0 lost, 0 altered, 1 too many")
    );
    assert_eq!(told[1..], ["public.pages: of 2000 rows 2 lost, 1 altered, 1 too many"]);
    // Nobody was held up.
    assert!(busy.try_join_next().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_replicated_is_told_before_anything_is_touched() {
    let ground = Ground::new().await;
    ground.start_a_mover();
    let (old, new) = (ground.order(0, "old").await, ground.order(1, "new").await);
    let here = Session::open(&old).await.unwrap();
    here.run(
        "write",
        "CREATE TABLE keyless (n integer); CREATE UNLOGGED TABLE quick (n integer PRIMARY KEY)",
    )
    .await
    .unwrap();
    let told = ground.step("Replicate", ["old", "new"]).await;
    assert_eq!(
        told["message"],
        "cannot be replicated: public.keyless has neither a primary key nor another replica identity; \
         public.quick is unlogged"
    );
    let there = Session::open(&new).await.unwrap();
    assert_eq!(number(&there, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").await, 0);
    here.run("write", "INSERT INTO keyless VALUES (1); UPDATE keyless SET n = 2").await.unwrap();
}
