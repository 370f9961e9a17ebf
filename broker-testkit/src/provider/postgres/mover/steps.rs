//! What each step does. All of it is in the two databases and in the steps' own statuses: any process can go on where
//! another was killed.

use std::time::Duration;

use super::compare::{Comparison, View, compare, stand_still};
use super::following::{self, Found};
use super::kind::Status;
use super::{moment, replication, schema};
use crate::provider::postgres::PostgresError;
use crate::provider::postgres::session::{Account, Session};

/// For how long one pass waits for the last change; another pass follows.
const ONE_PASS: Duration = Duration::from_secs(2);
/// So often the target may fail to apply a change before the step is over: it tries again by itself.
const APPLY_ERRORS: i64 = 3;

/// The two databases of a move, as their administrators see them.
pub(super) struct Ends {
    pub(super) source: Account,
    pub(super) target: Account,
    /// The target's own role.
    pub(super) owner: String,
    /// What publication, subscription, slot and kept moment of this move are called.
    pub(super) link: String,
}

impl Ends {
    pub(super) async fn sessions(&self) -> Result<(Session, Session), PostgresError> {
        tokio::try_join!(Session::open(&self.source), Session::open(&self.target))
    }

    /// Everything is copied, while the source takes writes. The target's session has the replication reserved.
    pub(super) async fn replicate(
        &self,
        (source, target): (&Session, &Session),
        status: &Status,
    ) -> Result<Status, PostgresError> {
        let obstacles = schema::obstacles(source).await?;
        if !obstacles.is_empty() {
            return Ok(status.failed(format!("cannot be replicated: {}", obstacles.join("; "))));
        }
        if schema::fingerprint(source).await? != schema::fingerprint(target).await? {
            if !schema::tables(target).await?.is_empty() {
                return Ok(status.failed("the target has other tables than the source"));
            }
            // A server that went away comes back, and says so when it is asked again: what a program said of that is no
            // reason to give up. And what somebody began who was killed, the target's server may have ended meanwhile.
            if let Err(error) = schema::copy(&self.source, &self.target, &self.owner).await
                && schema::fingerprint(source).await? != schema::fingerprint(target).await?
            {
                return Err(error);
            }
        }
        replication::publish(source, &self.link, &schema::tables(source).await?).await?;
        replication::subscribe((&self.source, source), target, &self.link).await?;
        let progress = replication::progress(source, target, &self.link).await?;
        let status =
            Status { copy_progress: Some(progress.percent), tables: Some(progress.tables), ..status.clone() };
        Ok(if progress.percent == 100 {
            status.done("the target has everything and follows")
        } else if progress.errors > APPLY_ERRORS {
            status
                .failed(format!("the target could not take a table, {} times; see its log", progress.errors))
        } else {
            status.running("copies")
        })
    }

    /// What has been carried over is compared, while the source takes writes; then what came meanwhile is waited for.
    pub(super) async fn compare(&self, status: &Status) -> Result<Status, PostgresError> {
        let (source, target) = self.sessions().await?;
        if is_changed(&source, &target).await? {
            return Ok(changed(status));
        }
        let mut status = status.clone();
        if status.identical != Some(true) {
            match following::compare(&self.source, &self.target, &self.link).await? {
                Found::Same { tables, rows } => {
                    (status.tables, status.rows, status.identical) = (Some(tables), Some(rows), Some(true));
                }
                Found::Different(words) => {
                    return Ok(Status { identical: Some(false), ..status.failed(words) });
                }
                Found::Undecided(why) => return Ok(status.running(why)),
                Found::Behind(lag) => return self.behind(&source, &target, &status, lag).await,
                Found::NotFollowed => return Ok(not_followed(&status)),
            }
            // While everything was read the target may have fallen behind, and writers would wait for it.
            status.position = Some(replication::position(&source).await?);
        }
        let position = status.position.clone().unwrap_or_default();
        Ok(match replication::follow_up(&source, &self.link, &position, ONE_PASS).await? {
            None => not_followed(&status),
            Some(0) => {
                let (rows, tables) = (status.rows.unwrap_or_default(), status.tables.unwrap_or_default());
                let told = format!("{rows} rows in {tables} tables are the same");
                Status { lag_bytes: Some(0), ..status.done(told) }
            }
            Some(lag) => self.behind(&source, &target, &status, lag).await?,
        })
    }

    /// The last change arrives, while nobody writes.
    pub(super) async fn catch_up(&self, status: &Status) -> Result<Status, PostgresError> {
        // Writers wait: what will keep the moment connects meanwhile.
        let ((source, target), keeper) = tokio::try_join!(self.sessions(), Session::open(&self.target))?;
        if is_changed(&source, &target).await? {
            return Ok(changed(status));
        }
        let position = match &status.position {
            Some(position) => position.clone(),
            None => replication::position(&source).await?,
        };
        let status = Status { position: Some(position.clone()), ..status.clone() };
        // Where it is kept, somebody came so far and was killed before it was told.
        if !moment::is_kept(&target, &self.link).await? {
            match replication::follow_up(&source, &self.link, &position, ONE_PASS).await? {
                None => return Ok(not_followed(&status)),
                Some(0) => {}
                Some(lag) => return self.behind(&source, &target, &status, lag).await,
            }
            replication::carry_sequences(&source, &target).await?;
            moment::keep(keeper, &target, &self.link).await?;
        }
        replication::stop_following(&target, &self.link).await?;
        if !moment::see(&target, &self.link).await? {
            return Ok(status.running("keeps what the target is now"));
        }
        let what = "name the snapshot";
        let row = target.one(what, "SELECT pg_current_snapshot()::text", &[]).await?;
        let snapshot = target.value(what, &row, 0)?;
        Ok(Status {
            lag_bytes: Some(0),
            snapshot: Some(snapshot),
            ..status.done("the target has everything")
        })
    }

    /// After the switch: the source, which nobody writes to, with the target as it was when it had caught up. The snapshot
    /// is the one that the step before named.
    pub(super) async fn verify(
        &self,
        snapshot: Option<&str>,
        status: &Status,
    ) -> Result<Status, PostgresError> {
        let (source, target) = self.sessions().await?;
        stand_still(&source).await?;
        let source = View { session: &source, known_to: None };
        if moment::see(&target, &self.link).await? {
            return Ok(told(status, compare(&source, &View { session: &target, known_to: None }).await?));
        }
        // The target's server was down since. Rows that were changed or deleted cannot be told from others.
        let Some(snapshot) = snapshot else {
            return Ok(status.failed("nobody has caught up, so there is nothing to compare with"));
        };
        stand_still(&target).await?;
        let target = View { session: &target, known_to: Some(snapshot) };
        Ok(told(status, compare(&source, &target).await?))
    }

    /// The target with what it held when it had caught up, or else, to be on the safe side, with the source.
    pub(super) async fn unchanged(&self, status: &Status) -> Result<Status, PostgresError> {
        let (source, before) = self.sessions().await?;
        let now = Session::open(&self.target).await?;
        stand_still(&now).await?;
        let before = if moment::see(&before, &self.link).await? {
            before
        } else {
            stand_still(&source).await?;
            source
        };
        let [before, now] = [&before, &now].map(|session| View { session, known_to: None });
        Ok(told(status, compare(&before, &now).await?))
    }

    /// The target has so much of the log yet to confirm.
    async fn behind(
        &self,
        source: &Session,
        target: &Session,
        status: &Status,
        lag: i64,
    ) -> Result<Status, PostgresError> {
        let errors = replication::progress(source, target, &self.link).await?.errors;
        let status = Status { lag_bytes: Some(lag), ..status.clone() };
        Ok(if errors > APPLY_ERRORS {
            status.failed(format!("the target could not apply a change, {errors} times; see its log"))
        } else {
            status.running("waits for the last change to arrive")
        })
    }
}

/// Whether rows of the one may not fit into the other any more.
async fn is_changed(source: &Session, target: &Session) -> Result<bool, PostgresError> {
    let (here, there) = tokio::try_join!(schema::fingerprint(source), schema::fingerprint(target))?;
    Ok(here != there)
}

fn changed(status: &Status) -> Status {
    status.failed("tables or columns were changed since the copy began")
}

fn not_followed(status: &Status) -> Status {
    status.failed("nothing follows the source; was it replicated?")
}

fn told(status: &Status, compared: Comparison) -> Status {
    match compared {
        Comparison::Identical { tables, rows } => Status {
            tables: Some(tables),
            rows: Some(rows),
            identical: Some(true),
            ..status.done(format!("{rows} rows in {tables} tables are the same"))
        },
        Comparison::Different(words) => Status { identical: Some(false), ..status.failed(words) },
    }
}
