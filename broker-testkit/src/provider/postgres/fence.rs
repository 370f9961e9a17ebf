//! The fence: from when it stands, nothing is written to a database, whoever is connected and whatever runs, while
//! everything can be read.
//!
//! It is a transaction that holds locks, and is *prepared*: it outlives its connection, the provider that asked for it,
//! and the server's own restart, and is over the moment it is rolled back. Nothing else is changed, so nothing is left.
//! Running transactions that have written are waited for; those that take too long are ended, and so were never
//! acknowledged. Writes that come later wait for the fence.
//!
//! | what | held by |
//! |---|---|
//! | rows of tables | `SHARE ROW EXCLUSIVE` on each table |
//! | numbers of sequences | an `ALTER SEQUENCE` in the same transaction; those of identity columns by their tables |
//! | tables, indexes, functions, types and so on | `SHARE` on the catalogs that list them; temporary tables cannot be made either |
//! | large objects | no lock that readers can bear: a database that has some is not fenced, and says so |

use std::time::Duration;

use super::PostgresError;
use super::session::{Account, Session, text};

/// Waits for transactions that write no longer than this before they are ended.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// The pause before those that still stand in the way are ended, too.
const ENDED_AGAIN: Duration = Duration::from_millis(200);
/// Locks are taken one after the other, so a fence can be the victim of a deadlock.
const ATTEMPTS: u32 = 5;

/// The state of an exception that says that a database cannot be fenced.
const NOT_POSSIBLE: &str = "RBF01";

/// Takes the locks. The catalogs come first: no table can come from then on that is not seen.
const LOCKS: &str = r"
BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL lock_timeout = 0;
SET LOCAL statement_timeout = 0;
LOCK TABLE pg_catalog.pg_class, pg_catalog.pg_proc, pg_catalog.pg_type, pg_catalog.pg_namespace,
    pg_catalog.pg_constraint, pg_catalog.pg_trigger, pg_catalog.pg_extension,
    pg_catalog.pg_largeobject_metadata IN SHARE MODE;
DO $$
DECLARE
    found record;
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata) THEN
        RAISE EXCEPTION 'it has large objects, whose readers would be held up' USING ERRCODE = 'RBF01';
    END IF;
    FOR found IN
        SELECT c.oid, c.relkind, format('%I.%I', n.nspname, c.relname) AS name
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'S') AND c.relpersistence <> 't'
            AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_toast'
        ORDER BY c.relkind = 'S', c.oid
    LOOP
        IF found.relkind <> 'S' THEN
            EXECUTE format('LOCK TABLE ONLY %s IN SHARE ROW EXCLUSIVE MODE', found.name);
        ELSIF NOT EXISTS (
            SELECT FROM pg_catalog.pg_depend d
            WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = found.oid AND d.deptype = 'i'
        ) THEN
            EXECUTE format('ALTER SEQUENCE %s OWNED BY NONE', found.name);
        END IF;
    END LOOP;
END $$;
";

/// What came of the wish for a fence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Raised {
    /// It stands.
    Stands,
    /// This database cannot be fenced.
    NotPossible(String),
}

/// Whether the fence of a database stands.
pub(super) async fn stands(session: &Session, database: &str) -> Result<bool, PostgresError> {
    let query = "SELECT 1 FROM pg_prepared_xacts WHERE gid = $1 AND database = $2";
    session.exists("look for the fence", query, &[&transaction(database), &database]).await
}

/// Raises it, unless it stands.
pub(super) async fn raise(
    server: &Account,
    admin: &Session,
    database: &str,
) -> Result<Raised, PostgresError> {
    let mut attempt = 0;
    while !stands(admin, database).await? {
        attempt += 1;
        match once(server, admin, database).await {
            Ok(()) => {}
            Err(error) if error.code() == Some(NOT_POSSIBLE) => {
                return Ok(Raised::NotPossible(error.server_message().unwrap_or_default().to_owned()));
            }
            Err(error) if error.is_deadlock() && attempt < ATTEMPTS => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Raised::Stands)
}

async fn once(server: &Account, admin: &Session, database: &str) -> Result<(), PostgresError> {
    let inside = Session::open(&server.in_database(database)).await?;
    let process = inside.process().await?;
    let script = format!("{LOCKS} PREPARE TRANSACTION {};", text(&transaction(database)));
    let mut locking = std::pin::pin!(inside.run("raise the fence", &script));
    let mut patience = PATIENCE;
    loop {
        match tokio::time::timeout(patience, &mut locking).await {
            Ok(done) => return done,
            Err(_) => end_those_in_the_way(admin, process).await?,
        }
        patience = ENDED_AGAIN;
    }
}

/// Ends the transactions that a process waits for. What they wrote was not acknowledged.
async fn end_those_in_the_way(admin: &Session, process: i32) -> Result<(), PostgresError> {
    let query = "SELECT pg_terminate_backend(pid) FROM unnest(pg_blocking_pids($1)) AS pid WHERE pid > 0";
    let ended = admin.rows("end what is in the fence's way", query, &[&process]).await?.len();
    tracing::info!(ended, "transactions that held up the fence were ended");
    Ok(())
}

/// Lifts it, where it stands. The session must be of the fenced database.
pub(super) async fn lift(inside: &Session, database: &str) -> Result<(), PostgresError> {
    if stands(inside, database).await? {
        inside.run("lift the fence", &format!("ROLLBACK PREPARED {}", text(&transaction(database)))).await?;
    }
    Ok(())
}

/// The name of the transaction that holds the locks.
fn transaction(database: &str) -> String {
    format!("quiesced-{database}")
}
