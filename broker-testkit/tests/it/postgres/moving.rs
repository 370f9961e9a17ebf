//! What the mover promises, step by step.

use std::time::Duration;

use broker_testkit::provider::postgres::{Load, LoadOptions, Session};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::{Ground, number};

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
    ground.quiesce(0, "old", true).await;
    // Whoever was killed in between is no matter.
    mover.cancel();
    ground.start_a_mover();
    let caught_up = ground.step("CatchUp", ["old", "new"]).await;
    assert_eq!((&caught_up["phase"], &caught_up["lagBytes"]), (&json!("Done"), &json!(0)), "{caught_up}");
    hand_over(1, "new").await;
    load.until_all_wrote().await;
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
        let admin = ground.servers[at].administrator().in_database(&account.database);
        let admin = Session::open(&admin).await.unwrap();
        for table in ["pg_replication_slots", "pg_publication", "pg_subscription"] {
            assert_eq!(number(&admin, &format!("SELECT count(*) FROM {table}")).await, 0, "{table} of {at}");
        }
    }
    ground.delete(&ground.databases(0), "old").await;
    ground.delete(&ground.databases(1), "new").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_not_carried_over_is_found_by_a_mover_that_was_not_there() {
    let ground = Ground::new().await;
    let mover = ground.start_a_mover();
    let (old, new) = (ground.order(0, "old").await, ground.order(1, "new").await);
    let (here, there) = (Session::open(&old).await.unwrap(), Session::open(&new).await.unwrap());
    let table = "CREATE TABLE t (n integer PRIMARY KEY, v text); INSERT INTO t SELECT n, 'v' FROM generate_series(1, 100) n";
    here.run("write", table).await.unwrap();
    assert_eq!(ground.step("Replicate", ["old", "new"]).await["phase"], "Done");
    ground.quiesce(0, "old", true).await;
    assert_eq!(ground.step("CatchUp", ["old", "new"]).await["phase"], "Done");
    mover.cancel();
    there.run("write", "INSERT INTO t VALUES (101, 'since')").await.unwrap();
    ground.start_a_mover();
    let verified = ground.step("Verify", ["old", "new"]).await;
    assert_eq!((&verified["identical"], &verified["rows"]), (&json!(true), &json!(100)), "{verified}");

    ground.delete(&ground.moves(), "verify").await;
    there.run("spoil", "UPDATE t SET v = 'w' WHERE n = 7").await.unwrap();
    let verified = ground.step("Verify", ["old", "new"]).await;
    assert_eq!(verified["message"], "public.t: 100 rows, then 99", "{verified}");
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
