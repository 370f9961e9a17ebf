//! What a provider promises: a database of one's own, and a fence that holds.

use broker_testkit::provider::postgres::Session;

use super::{Ground, number};

/// A number for all that people made, with its rights, triggers and owners.
const TRACES: &str = "SELECT hashtextextended(string_agg(trace, ',' ORDER BY trace), 0) FROM ( \
     SELECT format('%s %s %s %s %s', oid, relname, relfilenode, relacl, relhastriggers) AS trace \
     FROM pg_class WHERE relnamespace = 'public'::regnamespace \
     UNION ALL SELECT format('%s %s %s', objid, refobjid, deptype) FROM pg_depend \
     WHERE objid >= 16384 OR refobjid >= 16384) AS traces";

/// Whether a statement waits for the fence, as the server says: it was not refused, and not done either.
async fn is_held_up(admin: &Session, session: &Session, statement: &str) -> bool {
    let process: i32 = session.one("ask", "SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    // A prepared transaction has no process: it is told as 0.
    let asked = format!("SELECT 0 = ANY (pg_blocking_pids({process}))");
    let mut writing = std::pin::pin!(session.run("write", statement));
    loop {
        tokio::select! {
            done = &mut writing => {
                done.unwrap();
                return false;
            }
            answer = admin.one("ask", &asked, &[]) => {
                if answer.unwrap().get(0) {
                    return true;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_gets_a_database_of_its_own_which_goes_with_it() {
    let mut ground = Ground::new().await;
    let account = ground.order(0, "one").await;
    let other = ground.order(0, "two").await;
    let session = Session::open(&account).await.unwrap();
    session.run("make a table", "CREATE TABLE t (id bigserial PRIMARY KEY)").await.unwrap();
    let trespass = Session::open(&other.in_database(&account.database)).await.unwrap_err();
    assert_eq!(trespass.code(), Some("42501"), "{trespass}");

    // While the server is away, the order says so; afterwards everything is as it was.
    ground.servers[0].kill().await.unwrap();
    let not_ready = |status: &serde_json::Value| status["conditions"][0]["reason"] == "ServerUnreachable";
    ground.until(0, "one", "to say that the server is away", not_ready).await;
    ground.servers[0].restart().await.unwrap();
    let ready = |status: &serde_json::Value| status["conditions"][0]["status"] == "True";
    ground.until(0, "one", "to be ready again", ready).await;
    let session = Session::open(&account).await.unwrap();
    assert_eq!(number(&session, "SELECT count(*) FROM t").await, 0);

    ground.delete(&ground.databases(0), "one").await;
    assert_eq!(Session::open(&account).await.unwrap_err().code(), Some("28P01"));
    Session::open(&other).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_the_fence_everything_can_be_read_and_nothing_written() {
    let mut ground = Ground::new().await;
    let account = ground.order(0, "one").await;
    let early = Session::open(&account).await.unwrap();
    let tables = "CREATE TABLE t (id bigserial PRIMARY KEY, of integer GENERATED ALWAYS AS IDENTITY); \
         CREATE SEQUENCE s; CREATE VIEW v AS SELECT id FROM t; INSERT INTO t DEFAULT VALUES;";
    early.run("make the tables", tables).await.unwrap();
    let admin =
        Session::open(&ground.servers[0].administrator().in_database(&account.database)).await.unwrap();
    let before = number(&admin, TRACES).await;

    ground.quiesce(0, "one", true).await;
    for statement in [
        "INSERT INTO t DEFAULT VALUES",
        "UPDATE t SET id = 7",
        "DELETE FROM t",
        "TRUNCATE t",
        "SELECT nextval('s')",
        "CREATE TABLE u ()",
        "ALTER TABLE t ADD COLUMN more text",
        "DROP TABLE t",
        "CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "SELECT lo_create(0)",
    ] {
        let session = Session::open(&account).await.unwrap();
        assert!(is_held_up(&admin, &session, statement).await, "{statement} is not held up");
    }
    assert!(is_held_up(&admin, &early, "INSERT INTO t DEFAULT VALUES").await, "an open connection writes");
    let late = Session::open(&account).await.unwrap();
    assert_eq!(number(&late, "SELECT count(*) FROM v").await, 1);

    // It outlives its server.
    ground.servers[0].kill().await.unwrap();
    ground.servers[0].restart().await.unwrap();
    let admin =
        Session::open(&ground.servers[0].administrator().in_database(&account.database)).await.unwrap();
    let late = Session::open(&account).await.unwrap();
    assert!(
        is_held_up(&admin, &late, "INSERT INTO t DEFAULT VALUES").await,
        "the fence fell with its server"
    );

    ground.quiesce(0, "one", false).await;
    let late = Session::open(&account).await.unwrap();
    late.run("write", "INSERT INTO t DEFAULT VALUES; CREATE TABLE u ()").await.unwrap();
    let admin =
        Session::open(&ground.servers[0].administrator().in_database(&account.database)).await.unwrap();
    late.run("tidy up", "DROP TABLE u").await.unwrap();
    assert_eq!(number(&admin, TRACES).await, before, "a trace is left");
    assert_eq!(number(&admin, "SELECT count(*) FROM pg_prepared_xacts").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_transaction_is_waited_for_or_ended_before_the_fence_is_told() {
    let ground = Ground::new().await;
    let account = ground.order(0, "one").await;
    let quick = Session::open(&account).await.unwrap();
    let slow = Session::open(&account).await.unwrap();
    quick.run("make a table", "CREATE TABLE t (n integer PRIMARY KEY)").await.unwrap();
    for (session, number) in [(&quick, 1), (&slow, 2)] {
        session.run("begin", &format!("BEGIN; INSERT INTO t VALUES ({number})")).await.unwrap();
    }
    let fenced = ground.quiesce(0, "one", true);
    let mut fenced = std::pin::pin!(fenced);
    tokio::select! {
        () = &mut fenced => panic!("the fence is told while a transaction can still commit"),
        committed = quick.run("commit", "COMMIT") => committed.unwrap(),
    }
    // The other never ends by itself.
    fenced.await;
    assert!(slow.run("commit", "COMMIT").await.is_err(), "what was ended was acknowledged");
    let reader = Session::open(&account).await.unwrap();
    assert_eq!(number(&reader, "SELECT sum(n)::bigint FROM t").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_be_fenced_says_so_and_goes_on() {
    let ground = Ground::new().await;
    let account = ground.order(0, "one").await;
    let session = Session::open(&account).await.unwrap();
    session.run("write", "CREATE TABLE t (n integer); SELECT lo_create(0);").await.unwrap();
    let asked = ground.quiesce(0, "one", true);
    let told = ground.until(0, "one", "to say that there is no fence", |status| {
        status["conditions"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one["reason"] == "NotPossible"))
    });
    tokio::select! {
        () = asked => panic!("it was told that writes are held up"),
        status = told => assert_eq!(status["quiesced"], false),
    }
    session.run("write", "INSERT INTO t VALUES (1)").await.unwrap();
}
