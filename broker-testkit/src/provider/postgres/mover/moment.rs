//! A moment of a database that can be looked at later, by another process, too.
//!
//! A transaction at the server keeps the moment's snapshot for whoever names it, and sleeps. A server notices that a
//! client has gone when it has something to say to it, and to this one it has not before the sleep is over: so the
//! transaction outlives whoever began it. Among the server's sessions its name says whose moment it is, and how the
//! snapshot is called. It ends when it is released, with its database, and with the server: then the moment is lost.

use crate::provider::postgres::PostgresError;
use crate::provider::postgres::session::{Session, text};

use super::compare::SETTINGS;

/// In seconds: longer than any move takes. Whatever becomes of the mover, a server's vacuum waits no longer than this.
const LONGEST: u32 = 86_400;

/// Lets the server keep what a session sees now, under a link's name. The session is used up; `beside` is another one of
/// the same database.
pub(super) async fn keep(session: Session, beside: &Session, link: &str) -> Result<(), PostgresError> {
    let what = "keep a moment";
    let begin = "SET statement_timeout = 0; SET client_connection_check_interval = 0; \
         BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;";
    session.run(what, begin).await?;
    let name = "SELECT set_config('application_name', $1 || ' ' || pg_export_snapshot(), false)";
    session.one(what, name, &[&link]).await?;
    let asleep = format!("SELECT pg_sleep({LONGEST})");
    let mut asleep = std::pin::pin!(session.run(what, &asleep));
    loop {
        tokio::select! {
            ended = &mut asleep => return ended,
            found = kept(beside, link) => if found?.is_some() {
                return Ok(());
            },
        }
    }
}

/// Lets a session see the moment of a link, in a transaction that never writes. False where nobody keeps it.
pub(super) async fn see(session: &Session, link: &str) -> Result<bool, PostgresError> {
    let Some(snapshot) = kept(session, link).await? else { return Ok(false) };
    let begin = format!(
        "{SETTINGS} BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; \
         SET TRANSACTION SNAPSHOT {}; SELECT 1;",
        text(&snapshot)
    );
    match session.run("look at a moment", &begin).await {
        Ok(()) => Ok(true),
        // It was released in between.
        Err(error) if error.is_refusal() => {
            session.run("look at no moment", "ROLLBACK").await?;
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Whether the moment of a link is kept.
pub(super) async fn is_kept(session: &Session, link: &str) -> Result<bool, PostgresError> {
    Ok(kept(session, link).await?.is_some())
}

/// Ends what keeps the moment of a link.
pub(super) async fn release(session: &Session, link: &str) -> Result<(), PostgresError> {
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND starts_with(application_name, $1 || ' ')";
    session.rows("release a moment", end, &[&link]).await.map(drop)
}

/// How the snapshot of a link is called. Only one that sleeps stays when its client goes.
async fn kept(session: &Session, link: &str) -> Result<Option<String>, PostgresError> {
    let what = "look for a moment";
    let query = "SELECT split_part(application_name, ' ', 2) FROM pg_stat_activity \
         WHERE datname = current_database() AND wait_event = 'PgSleep' \
            AND starts_with(application_name, $1 || ' ')";
    let rows = session.rows(what, query, &[&link]).await?;
    rows.first().map(|row| session.value(what, row, 0)).transpose()
}
