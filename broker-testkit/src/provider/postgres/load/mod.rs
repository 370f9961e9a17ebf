//! A load on a database that would notice a lost row, with nothing but the consumer's Secret.
//!
//! Writers number their rows, and remember each that was acknowledged. A row whose fate is not known, since the
//! connection broke or the Secret named another database meanwhile, is looked for before it is written again, as a
//! careful application does. Readers check that whatever was acknowledged before they asked is there.

mod client;
mod tally;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::watch_object;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use tally::{LoadReport, Pause};

use super::PostgresError;
use super::session::{Account, Session};
use client::Connected;
use tally::Tally;

/// How heavy a load is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadOptions {
    /// How many write.
    pub writers: usize,
    /// How many read.
    pub readers: usize,
    /// The pause of each between two statements.
    pub pause: Duration,
    /// About how many megabytes are there before anybody writes.
    pub megabytes: u32,
}

impl Default for LoadOptions {
    /// Four writers, four readers, about a hundred statements a second each, on a small database.
    fn default() -> Self {
        Self { writers: 4, readers: 4, pause: Duration::from_millis(10), megabytes: 1 }
    }
}

/// Tables as an application has them: sequences, indexes, a foreign key, large texts, bytes.
const TABLES: &str = "
    CREATE TABLE accounts (writer integer PRIMARY KEY, rows bigint NOT NULL DEFAULT 0);
    CREATE TABLE ledger (
        id bigserial PRIMARY KEY, writer integer NOT NULL REFERENCES accounts, number bigint NOT NULL,
        note text NOT NULL, body bytea NOT NULL, written timestamptz NOT NULL DEFAULT now());
    CREATE INDEX ledger_by_number ON ledger (writer, number);
    CREATE TABLE archive (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text NOT NULL, page text NOT NULL);
    CREATE INDEX archive_by_title ON archive (title);
    CREATE SEQUENCE tickets START 1000;";

/// A page of the archive, in bytes: large enough to be stored beside its row, and not to be compressed away.
const PAGE: u32 = 16_384;

/// Clients at work on a database.
#[derive(Debug)]
pub struct Load {
    options: LoadOptions,
    tally: Arc<Tally>,
    account: watch::Receiver<Option<Connected>>,
    stop: CancellationToken,
    clients: JoinSet<()>,
}

impl Load {
    /// Makes the tables and the rows that are there before anybody writes, then lets the clients begin. The Secret
    /// with the entries `host`, `port`, `user`, `password` and `dbname` is watched: clients go where it says.
    ///
    /// # Errors
    ///
    /// Where the database cannot be prepared.
    pub async fn start(
        secrets: Api<Secret>,
        name: &str,
        options: LoadOptions,
    ) -> Result<Self, PostgresError> {
        Self::begin(secrets, name, options, true).await
    }

    /// The same on a database that an earlier load prepared: the numbers go on after those that are there.
    ///
    /// # Errors
    ///
    /// Where the database cannot be read.
    pub async fn resume(
        secrets: Api<Secret>,
        name: &str,
        options: LoadOptions,
    ) -> Result<Self, PostgresError> {
        Self::begin(secrets, name, options, false).await
    }

    async fn begin(
        secrets: Api<Secret>,
        name: &str,
        options: LoadOptions,
        is_new: bool,
    ) -> Result<Self, PostgresError> {
        let (told, account) = watch::channel(None);
        let stop = CancellationToken::new();
        let mut clients = JoinSet::new();
        let following = follow(secrets, name.to_owned(), told);
        let until = stop.clone();
        clients.spawn(async move { until.run_until_cancelled(following).await.unwrap_or_default() });
        let mut first = account.clone();
        let connected = first.wait_for(Option::is_some).await;
        let at = connected
            .ok()
            .and_then(|at| at.clone())
            .ok_or_else(|| PostgresError::Silent { at: name.to_owned() })?;
        let session = Session::open(&at.account).await?;
        if is_new {
            prepare(&session, &options).await?;
        }
        let what = "find the last row";
        let row = session.one(what, "SELECT coalesce(max(number), 0) FROM ledger", &[]).await?;
        let from: i64 = session.value::<i64>(what, &row, 0)?.saturating_add(1);
        let tally = Arc::new(Tally::new(options.writers));
        for writer in 0..options.writers {
            clients.spawn(client::write(
                writer,
                from,
                options.pause,
                account.clone(),
                tally.clone(),
                stop.clone(),
            ));
        }
        for reader in 0..options.readers {
            clients.spawn(client::read(reader, options.pause, account.clone(), tally.clone(), stop.clone()));
        }
        Ok(Self { options, tally, account, stop, clients })
    }

    /// The longest time that a writer waited for its next acknowledgement since this was asked last, that of a writer
    /// who waits now included.
    pub fn lap(&self) -> Pause {
        self.tally.lap()
    }

    /// How many rows were acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.tally.acknowledged()
    }

    /// Waits until every writer was acknowledged once more. It ends never, where writers are held up for ever.
    pub async fn until_all_wrote(&self) {
        self.tally.until_all_wrote().await;
    }

    /// Ends the clients, then looks for every acknowledged row where the Secret points to now.
    ///
    /// # Errors
    ///
    /// Where that database cannot be read.
    pub async fn finish(mut self) -> Result<LoadReport, PostgresError> {
        self.stop.cancel();
        while self.clients.join_next().await.is_some() {}
        let at = self
            .account
            .borrow()
            .clone()
            .ok_or_else(|| PostgresError::Silent { at: "the Secret".to_owned() })?;
        let session = Session::open(&at.account).await?;
        self.tally.report(&session, self.options.writers).await
    }
}

/// Keeps the account up to date with the Secret.
async fn follow(secrets: Api<Secret>, name: String, told: watch::Sender<Option<Connected>>) {
    let mut versions = std::pin::pin!(watch_object(secrets, &name).default_backoff());
    while let Some(version) = versions.next().await {
        let Ok(Some(secret)) = version else { continue };
        let Some(account) = account(&secret) else { continue };
        told.send_if_modified(|known| {
            let turn = known.as_ref().map_or(0, |known| known.turn);
            let is_other = known.as_ref().is_none_or(|known| known.account != account);
            if is_other {
                *known = Some(Connected { account: account.clone(), turn: turn + 1 });
            }
            is_other
        });
    }
}

/// What a Secret says.
fn account(secret: &Secret) -> Option<Account> {
    let entry = |key: &str| String::from_utf8(secret.data.as_ref()?.get(key)?.0.clone()).ok();
    Some(Account {
        host: entry("host")?,
        port: entry("port")?.parse().ok()?,
        user: entry("user")?,
        password: entry("password")?,
        database: entry("dbname")?,
    })
}

async fn prepare(session: &Session, options: &LoadOptions) -> Result<(), PostgresError> {
    let writers = i64::try_from(options.writers).unwrap_or(i64::MAX);
    let pages = u64::from(options.megabytes) * 1024 * 1024 / u64::from(PAGE);
    let fill = format!(
        "{TABLES} INSERT INTO accounts (writer) SELECT generate_series(0, {writers} - 1); \
         INSERT INTO archive (title, page) SELECT 'page ' || n, \
            (SELECT string_agg(md5(n::text || ':' || m::text), '') FROM generate_series(1, {PAGE} / 32) m) \
         FROM generate_series(1, {pages}) n; SELECT nextval('tickets');"
    );
    session.run("prepare the database of the load", &format!("BEGIN; {fill} COMMIT; ANALYZE;")).await
}
