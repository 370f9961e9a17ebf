//! What a database consists of: what can be carried over, and its definition.

use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::provider::postgres::PostgresError;
use crate::provider::postgres::server::find;
use crate::provider::postgres::session::{Account, Session, name};

/// A table of people's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    /// Quoted, with its schema.
    pub(super) name: String,
    /// On disk, with what is stored beside it, in bytes.
    pub(super) bytes: i64,
    /// What tells one row `t` from another, as an expression: what replication knows a row by.
    pub(super) key: String,
}

/// Restricts `pg_class c JOIN pg_namespace n` to what people made.
const OF_PEOPLE: &str = "c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
     AND n.nspname !~ '^pg_(toast|temp)'";

/// The tables, by name.
pub(super) async fn tables(session: &Session) -> Result<Vec<Table>, PostgresError> {
    let what = "list the tables";
    let query = format!(
        "SELECT format('%I.%I', n.nspname, c.relname), pg_table_size(c.oid), \
            format('ROW(%s)::text', coalesce((SELECT string_agg(format('t.%I', a.attname), ', ' ORDER BY k.place) \
                FROM pg_index i CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k (number, place) \
                    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number \
                WHERE i.indrelid = c.oid AND k.place <= i.indnkeyatts \
                    AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END), \
                't.*')) \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind = 'r' AND {OF_PEOPLE} ORDER BY 1"
    );
    let rows = session.rows(what, &query, &[]).await?;
    let table = |row| {
        let (name, bytes) = (session.value(what, row, 0)?, session.value(what, row, 1)?);
        Ok(Table { name, bytes, key: session.value(what, row, 2)? })
    };
    rows.iter().map(table).collect()
}

/// The sequences: quoted name, last value, and whether that was given out.
pub(super) async fn sequences(session: &Session) -> Result<Vec<(String, i64, bool)>, PostgresError> {
    let what = "list the sequences";
    let query = format!(
        "SELECT format('%I.%I', n.nspname, c.relname) \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind = 'S' AND {OF_PEOPLE} ORDER BY 1"
    );
    let mut sequences = Vec::new();
    for row in session.rows(what, &query, &[]).await? {
        let sequence: String = session.value(what, &row, 0)?;
        let at = session.one(what, &format!("SELECT last_value, is_called FROM {sequence}"), &[]).await?;
        sequences.push((sequence, session.value(what, &at, 0)?, session.value(what, &at, 1)?));
    }
    Ok(sequences)
}

/// Why this database cannot be carried over, if it cannot: each reason with what it is about.
pub(super) async fn obstacles(session: &Session) -> Result<Vec<String>, PostgresError> {
    let what = "look for what cannot be carried over";
    let query = format!(
        "SELECT CASE WHEN c.relpersistence = 'u' THEN format('%I.%I is unlogged', n.nspname, c.relname) \
                ELSE format('%I.%I has neither a primary key nor another replica identity', n.nspname, c.relname) END \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind = 'r' AND {OF_PEOPLE} AND (c.relpersistence = 'u' OR c.relreplident = 'n' \
            OR (c.relreplident = 'd' AND NOT EXISTS \
                (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indislive))) \
         UNION ALL \
         SELECT format('there are %s large objects', count(*)) FROM pg_largeobject_metadata HAVING count(*) > 0 \
         ORDER BY 1 LIMIT 10"
    );
    let rows = session.rows(what, &query, &[]).await?;
    rows.iter().map(|row| session.value(what, row, 0)).collect()
}

/// One text for all tables, views and sequences with their columns, in order: equal where rows of the one fit into the other.
pub(super) async fn fingerprint(session: &Session) -> Result<String, PostgresError> {
    let what = "read the columns";
    let query = format!(
        "SELECT coalesce(md5(string_agg(format('%I.%I.%I %s %s', n.nspname, c.relname, a.attname, \
            format_type(a.atttypid, a.atttypmod), a.attnotnull), ',' ORDER BY n.nspname, c.relname, a.attnum)), '') \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid \
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S') AND {OF_PEOPLE} AND a.attnum > 0 AND NOT a.attisdropped"
    );
    let row = session.one(what, &query, &[]).await?;
    session.value(what, &row, 0)
}

/// Writes the definition of the source into the target, whose own role will own everything: all of it, or nothing.
pub(super) async fn copy(source: &Account, target: &Account, owner: &str) -> Result<(), PostgresError> {
    let dump = command("pg_dump", source)?
        .args(["--schema-only", "--no-owner", "--no-privileges", "--no-publications", "--no-subscriptions"])
        .output()
        .await?;
    if !dump.status.success() {
        return Err(failed("pg_dump", &dump.stderr));
    }
    let mut restore = command("psql", target)?
        .args(["--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", "--file=-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut input) = restore.stdin.take() {
        let as_owner = format!("SET ROLE {};\n", name(owner));
        // Where psql gives up early, its own words tell why.
        for text in [as_owner.as_bytes(), &dump.stdout] {
            if input.write_all(text).await.is_err() {
                break;
            }
        }
    }
    let restored = restore.wait_with_output().await?;
    if restored.status.success() { Ok(()) } else { Err(failed("psql", &restored.stderr)) }
}

fn command(program: &'static str, account: &Account) -> Result<Command, PostgresError> {
    let mut command = Command::new(find(program)?);
    command
        .args(["--host", &account.host, "--port", &account.port.to_string()])
        .args(["--username", &account.user, "--no-password", "--dbname", &account.database])
        .env("PGPASSWORD", &account.password)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    Ok(command)
}

fn failed(program: &'static str, stderr: &[u8]) -> PostgresError {
    let words = String::from_utf8_lossy(stderr);
    let words = words.lines().filter(|line| !line.trim().is_empty()).take(3).collect::<Vec<_>>().join("; ");
    PostgresError::Program { program, words }
}
