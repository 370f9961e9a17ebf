//! Logical replication from one database to another, under one name at both ends.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::provider::postgres::PostgresError;
use crate::provider::postgres::session::{Account, Session, name, text};

use super::schema::{self, Table};

/// The pause before a source is asked again how far its target is: writers may wait for the answer.
const ASKED_AGAIN: Duration = Duration::from_millis(3);
/// In seconds: longer than a pass that makes a replication takes. Who waits for one asks again then.
const LONGEST_PASS: u32 = 30;
/// Restricts `pg_subscription`, in which a server keeps those of all its databases.
const HERE: &str = "subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// How far the first copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// Per cent of the bytes; 100 only when every table has arrived.
    pub(super) percent: i32,
    /// How many tables there are.
    pub(super) tables: i32,
    /// How often the target could not apply a change.
    pub(super) errors: i64,
}

/// Makes the publication of all tables, where it is not there.
pub(super) async fn publish(source: &Session, link: &str, tables: &[Table]) -> Result<(), PostgresError> {
    let what = "publish the tables";
    if source.exists(what, "SELECT 1 FROM pg_publication WHERE pubname = $1", &[&link]).await? {
        return Ok(());
    }
    let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    let of =
        if names.is_empty() { String::new() } else { format!(" FOR TABLE ONLY {}", names.join(", ONLY ")) };
    source.run(what, &format!("CREATE PUBLICATION {}{of}", name(link))).await
}

/// Reserves a replication for its making or its end, for as long as the session lasts. False where somebody else has it.
pub(super) async fn reserve(target: &Session, link: &str) -> Result<bool, PostgresError> {
    let query = "SELECT 1 WHERE pg_try_advisory_lock(hashtext($1))";
    target.exists("reserve the replication", query, &[&link]).await
}

/// Waits until nobody else has the replication reserved, and reserves it.
pub(super) async fn reserve_next(target: &Session, link: &str) -> Result<(), PostgresError> {
    let what = "wait for who works on the replication";
    target.run(what, &format!("SET lock_timeout = '{LONGEST_PASS}s'")).await?;
    target.rows(what, "SELECT pg_advisory_lock(hashtext($1))", &[&link]).await.map(drop)
}

/// Makes the subscription, where it is not there. From then on the target follows by itself.
pub(super) async fn subscribe(
    source: (&Account, &Session),
    target: &Session,
    link: &str,
) -> Result<(), PostgresError> {
    if is_subscribed(target, link).await? {
        return Ok(());
    }
    // Left by somebody who was killed between the two ends.
    drop_slot(source.1, link).await?;
    let statement = format!(
        "CREATE SUBSCRIPTION {link} CONNECTION {source} PUBLICATION {link} WITH (synchronous_commit = 'on')",
        link = name(link),
        source = text(&source.0.keywords()),
    );
    target.run("subscribe to the source", &statement).await
}

async fn is_subscribed(target: &Session, link: &str) -> Result<bool, PostgresError> {
    let query = format!("SELECT 1 FROM pg_subscription WHERE subname = $1 AND {HERE}");
    target.exists("look for the subscription", &query, &[&link]).await
}

/// How far the first copy is.
pub(super) async fn progress(
    source: &Session,
    target: &Session,
    link: &str,
) -> Result<Progress, PostgresError> {
    let what = "ask how far the copy is";
    let query = format!(
        "SELECT format('%I.%I', n.nspname, c.relname), r.srsubstate IN ('r', 's'), \
            coalesce((SELECT p.bytes_processed FROM pg_stat_progress_copy p \
                      WHERE p.relid = c.oid AND p.datname = current_database()), 0), \
            coalesce((SELECT e.apply_error_count + e.sync_error_count FROM pg_stat_subscription_stats e \
                      WHERE e.subid = s.oid), 0) \
         FROM pg_subscription s JOIN pg_subscription_rel r ON r.srsubid = s.oid \
            JOIN pg_class c ON c.oid = r.srrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE s.subname = $1 AND s.{HERE}"
    );
    let states = target.rows(what, &query, &[&link]).await?;
    let tables = schema::tables(source).await?;
    let (mut arrived, mut missing, mut errors) = (0_i64, 0_i32, 0_i64);
    let all: i64 = tables.iter().map(|table| table.bytes).sum();
    for row in &states {
        let table: String = target.value(what, row, 0)?;
        let bytes = tables.iter().find(|found| found.name == table).map_or(0, |found| found.bytes);
        errors = target.value(what, row, 3)?;
        if target.value(what, row, 1)? {
            arrived = arrived.saturating_add(bytes);
        } else {
            missing += 1;
            arrived = arrived.saturating_add(target.value::<i64>(what, row, 2)?.min(bytes));
        }
    }
    let percent = if missing == 0 { 100 } else { (arrived.saturating_mul(100) / all.max(1)).min(99) };
    Ok(Progress {
        percent: i32::try_from(percent).unwrap_or(99),
        tables: i32::try_from(states.len()).unwrap_or(i32::MAX),
        errors,
    })
}

/// The end of the source's log, as text.
pub(super) async fn position(source: &Session) -> Result<String, PostgresError> {
    let what = "ask for the end of the log";
    let row = source.one(what, "SELECT pg_current_wal_insert_lsn()::text", &[]).await?;
    source.value(what, &row, 0)
}

/// How many bytes of the source's log before `position` the target has yet to confirm; `None` where nobody follows.
async fn lag(source: &Session, link: &str, position: &str) -> Result<Option<i64>, PostgresError> {
    let what = "ask how far the target is";
    let query = "SELECT greatest(pg_wal_lsn_diff($2::text::pg_lsn, confirmed_flush_lsn), 0)::bigint \
         FROM pg_replication_slots WHERE slot_name = $1";
    let rows = source.rows(what, query, &[&link, &position]).await?;
    rows.first().map(|row| source.value(what, row, 0)).transpose()
}

/// Waits until the target has confirmed all of the source's log before `position`, or the time is up. What it has yet to
/// confirm then, in bytes; `None` where nobody follows.
pub(super) async fn follow_up(
    source: &Session,
    link: &str,
    position: &str,
    patience: Duration,
) -> Result<Option<i64>, PostgresError> {
    let deadline = Instant::now() + patience;
    loop {
        match lag(source, link, position).await? {
            Some(lag) if lag > 0 && Instant::now() < deadline => sleep(ASKED_AGAIN).await,
            answer => return Ok(answer),
        }
    }
}

/// Lets the target follow no more; what it has stays.
pub(super) async fn stop_following(target: &Session, link: &str) -> Result<(), PostgresError> {
    if is_subscribed(target, link).await? {
        target.run("stop following", &format!("ALTER SUBSCRIPTION {} DISABLE", name(link))).await?;
    }
    Ok(())
}

/// Removes the subscription; the slot is the other end's.
pub(super) async fn unsubscribe(target: &Session, link: &str) -> Result<(), PostgresError> {
    if is_subscribed(target, link).await? {
        let (what, subscription) = ("drop the subscription", name(link));
        for statement in ["DISABLE", "SET (slot_name = NONE)"] {
            target.run(what, &format!("ALTER SUBSCRIPTION {subscription} {statement}")).await?;
        }
        target.run(what, &format!("DROP SUBSCRIPTION {subscription}")).await?;
    }
    Ok(())
}

/// Removes slot and publication.
pub(super) async fn unpublish(source: &Session, link: &str) -> Result<(), PostgresError> {
    drop_slot(source, link).await?;
    source.run("drop the publication", &format!("DROP PUBLICATION IF EXISTS {}", name(link))).await
}

/// Removes what the source keeps for the target: its own slot, and those of tables whose copy was interrupted.
async fn drop_slot(source: &Session, link: &str) -> Result<(), PostgresError> {
    let what = "drop the replication slot";
    let mine = "database = current_database() AND (slot_name = $1 OR slot_name LIKE 'pg\\_%\\_sync\\_%')";
    let end = format!(
        "SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots WHERE active AND {mine}"
    );
    source.rows(what, &end, &[&link]).await?;
    let drop = format!("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE {mine}");
    source.rows(what, &drop, &[&link]).await?;
    Ok(())
}

/// Sets the target's sequences to where the source's are.
pub(super) async fn carry_sequences(source: &Session, target: &Session) -> Result<(), PostgresError> {
    let sequences = schema::sequences(source).await?;
    if sequences.is_empty() {
        return Ok(());
    }
    let set = |(sequence, last, given): &(String, i64, bool)| {
        format!("SELECT setval({}::regclass, {last}, {given});", text(sequence))
    };
    target.run("carry the sequences over", &sequences.iter().map(set).collect::<String>()).await
}
