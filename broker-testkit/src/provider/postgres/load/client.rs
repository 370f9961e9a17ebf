//! One client: writes or reads, and goes where the Secret says.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::tally::Tally;
use crate::provider::postgres::PostgresError;
use crate::provider::postgres::session::{Account, Session};

/// The pause before a server that let nobody in is asked again.
const AGAIN: Duration = Duration::from_millis(20);

/// Where the Secret points to.
#[derive(Clone, Debug)]
pub(super) struct Connected {
    pub(super) account: Account,
    /// How many times it pointed elsewhere before.
    pub(super) turn: u64,
}

/// A client's connection to wherever the Secret points.
struct Line {
    secret: watch::Receiver<Option<Connected>>,
    session: Option<(u64, Session)>,
}

impl Line {
    /// A connection to where the Secret points now, with the number of its turn.
    async fn session(&mut self) -> Result<(u64, &Session), PostgresError> {
        let at = self.secret.borrow_and_update().clone();
        let Some(at) = at else { return Err(PostgresError::Silent { at: "the Secret".to_owned() }) };
        let usable = self.session.take().filter(|(turn, session)| *turn == at.turn && !session.is_closed());
        let session = match usable {
            Some(usable) => usable,
            None => (at.turn, Session::open(&at.account).await?),
        };
        let (turn, session) = self.session.insert(session);
        Ok((*turn, session))
    }

    fn hang_up(&mut self) {
        self.session = None;
    }
}

/// Writes row after row, numbered from `from`, until it is stopped.
pub(super) async fn write(
    writer: usize,
    from: i64,
    pause: Duration,
    secret: watch::Receiver<Option<Connected>>,
    tally: Arc<Tally>,
    stop: CancellationToken,
) {
    let mut moved = secret.clone();
    let mut line = Line { secret, session: None };
    let mut beat = interval(pause);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut number, mut is_unknown) = (from, false);
    while !stop.is_cancelled() {
        beat.tick().await;
        moved.mark_unchanged();
        let attempt = async {
            let (turn, session) = line.session().await?;
            write_row(session, writer, number, is_unknown).await.map(|()| turn)
        };
        let outcome = tokio::select! {
            outcome = attempt => outcome.map_err(Some),
            // What is under way there may come to nothing: the old copy may hold writes up until it goes.
            _ = moved.changed() => Err(None),
            () = stop.cancelled() => return,
        };
        match outcome {
            Ok(turn) => {
                tally.acknowledge(writer, number, turn);
                (number, is_unknown) = (number + 1, false);
            }
            Err(error) => {
                line.hang_up();
                is_unknown = true;
                if let Some(error) = error {
                    tracing::debug!(writer, error = &error as &dyn std::error::Error, "not acknowledged");
                    sleep(AGAIN).await;
                }
            }
        }
    }
}

async fn write_row(
    session: &Session,
    writer: usize,
    number: i64,
    is_unknown: bool,
) -> Result<(), PostgresError> {
    let writer = i32::try_from(writer).unwrap_or(i32::MAX);
    let look = "SELECT 1 FROM ledger WHERE writer = $1 AND number = $2";
    if is_unknown && session.exists("look for a row", look, &[&writer, &number]).await? {
        return Ok(());
    }
    let note = format!("row {number} of writer {writer}, {}", "ünïcödé ".repeat(20));
    let body: Vec<u8> = number.to_be_bytes().repeat(32);
    let write = "WITH account AS (UPDATE accounts SET rows = rows + 1 WHERE writer = $1 RETURNING writer) \
         INSERT INTO ledger (writer, number, note, body) SELECT writer, $2, $3, $4 FROM account RETURNING id";
    session.one("write a row", write, &[&writer, &number, &note, &body]).await.map(drop)
}

/// Reads until it is stopped. Whatever was acknowledged where it reads, before it asked, must be there.
pub(super) async fn read(
    reader: usize,
    pause: Duration,
    secret: watch::Receiver<Option<Connected>>,
    tally: Arc<Tally>,
    stop: CancellationToken,
) {
    let mut line = Line { secret, session: None };
    let mut beat = interval(pause);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut turn_of_whom = reader;
    while !stop.is_cancelled() {
        beat.tick().await;
        let writer = turn_of_whom % tally.writers().max(1);
        turn_of_whom = turn_of_whom.wrapping_add(1);
        let outcome = async {
            let (turn, session) = line.session().await?;
            let expected = tally.acknowledged_by(writer, turn);
            read_rows(session, writer).await.map(|found| (expected, found))
        };
        match outcome.await {
            Ok((expected, found)) => tally.read(writer, expected, found),
            Err(error) => {
                tracing::warn!(reader, error = &error as &dyn std::error::Error, "a read failed");
                tally.read_failed();
                line.hang_up();
                sleep(AGAIN).await;
            }
        }
    }
}

/// The highest number of a writer.
async fn read_rows(session: &Session, writer: usize) -> Result<i64, PostgresError> {
    let (what, writer) = ("read the rows", i32::try_from(writer).unwrap_or(i32::MAX));
    let query = "SELECT coalesce(max(number), 0) FROM ledger WHERE writer = $1";
    let row = session.one(what, query, &[&writer]).await?;
    session.value(what, &row, 0)
}
