//! A connection, and how names and texts are written in SQL.

use std::fmt;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, NoTls, Row};

use super::PostgresError;

/// A server that does not take a connection by then is not there.
const CONNECT: Duration = Duration::from_secs(5);

/// Where to connect, and as whom. Its `Debug` does not show the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The server's host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The role.
    pub user: String,
    /// The role's password.
    pub password: String,
    /// The database.
    pub database: String,
}

impl Account {
    /// The same account in another database.
    #[must_use]
    pub fn in_database(&self, database: &str) -> Self {
        Self { database: database.to_owned(), ..self.clone() }
    }

    /// The server, as `host:port`.
    pub fn server(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// As an URI that libpq takes. Hosts, roles and databases of this module need no escapes in one.
    pub fn uri(&self) -> String {
        format!("postgresql://{}:{}@{}/{}", self.user, self.password, self.server(), self.database)
    }

    /// As key words and values, as `CREATE SUBSCRIPTION` takes them.
    pub(super) fn keywords(&self) -> String {
        let quoted = |value: &str| format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"));
        let pairs = [
            ("host", quoted(&self.host)),
            ("port", self.port.to_string()),
            ("user", quoted(&self.user)),
            ("password", quoted(&self.password)),
            ("dbname", quoted(&self.database)),
        ];
        pairs.map(|(key, value)| format!("{key}={value}")).join(" ")
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}/{}", self.user, self.server(), self.database)
    }
}

/// A connection; it ends when this is dropped.
#[derive(Debug)]
pub struct Session {
    client: Client,
    connection: JoinHandle<()>,
    at: String,
}

impl Session {
    /// Connects.
    ///
    /// # Errors
    ///
    /// [`PostgresError::Connect`] where there is no server, or it wants nobody of that name.
    pub async fn open(account: &Account) -> Result<Self, PostgresError> {
        let mut config = Config::new();
        config
            .host(&account.host)
            .port(account.port)
            .user(&account.user)
            .password(&account.password)
            .dbname(&account.database)
            .connect_timeout(CONNECT)
            .application_name("resource-broker");
        let at = format!("{account:?}");
        let connecting = tokio::time::timeout(CONNECT, config.connect(NoTls)).await;
        let (client, connection) = connecting
            .map_err(|_| PostgresError::Silent { at: at.clone() })?
            .map_err(|source| PostgresError::Connect { at: at.clone(), source })?;
        let connection = tokio::spawn(async move {
            // Whoever asks something of a broken connection is told so.
            connection.await.ok();
        });
        Ok(Self { client, connection, at })
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Waits until the connection has ended.
    pub async fn closed(mut self) {
        (&mut self.connection).await.ok();
    }

    /// The process that serves this connection.
    pub(super) async fn process(&self) -> Result<i32, PostgresError> {
        let row = self.one("find out the process", "SELECT pg_backend_pid()", &[]).await?;
        self.value("find out the process", &row, 0)
    }

    /// Runs statements without parameters.
    ///
    /// # Errors
    ///
    /// [`PostgresError::Query`] with what was tried.
    pub async fn run(&self, what: &str, statements: &str) -> Result<(), PostgresError> {
        self.client.batch_execute(statements).await.map_err(|source| self.failed(what, source))
    }

    /// The rows of a query.
    ///
    /// # Errors
    ///
    /// [`PostgresError::Query`] with what was tried.
    pub async fn rows(
        &self,
        what: &str,
        query: &str,
        parameters: &[&(dyn tokio_postgres::types::ToSql + Sync)],
    ) -> Result<Vec<Row>, PostgresError> {
        self.client.query(query, parameters).await.map_err(|source| self.failed(what, source))
    }

    /// The one row of a query.
    ///
    /// # Errors
    ///
    /// [`PostgresError::Query`] with what was tried; also where it has none or several.
    pub async fn one(
        &self,
        what: &str,
        query: &str,
        parameters: &[&(dyn tokio_postgres::types::ToSql + Sync)],
    ) -> Result<Row, PostgresError> {
        self.client.query_one(query, parameters).await.map_err(|source| self.failed(what, source))
    }

    /// Whether a query finds anything.
    ///
    /// # Errors
    ///
    /// As for [`Session::rows`].
    pub async fn exists(
        &self,
        what: &str,
        query: &str,
        parameters: &[&(dyn tokio_postgres::types::ToSql + Sync)],
    ) -> Result<bool, PostgresError> {
        Ok(!self.rows(what, query, parameters).await?.is_empty())
    }

    /// A column of a row.
    ///
    /// # Errors
    ///
    /// [`PostgresError::Query`] where it is not there, or of another type.
    pub fn value<'r, T: tokio_postgres::types::FromSql<'r>>(
        &self,
        what: &str,
        row: &'r Row,
        column: usize,
    ) -> Result<T, PostgresError> {
        row.try_get(column).map_err(|source| self.failed(what, source))
    }

    fn failed(&self, what: &str, source: tokio_postgres::Error) -> PostgresError {
        PostgresError::Query { what: what.to_owned(), at: self.at.clone(), source }
    }
}

impl Drop for Session {
    /// A query that nobody waits for any more would keep the connection.
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// A name as SQL takes it.
pub(super) fn name(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// A text as SQL takes it, whatever `standard_conforming_strings` says.
pub(super) fn text(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_cannot_end_its_quotes() {
        assert_eq!(name(r#"a"b"#), r#""a""b""#);
        assert_eq!(text(r"it's \"), r"E'it\'s \\'");
    }

    #[test]
    fn a_password_is_not_shown() {
        let account = Account {
            host: "h".to_owned(),
            port: 1,
            user: "u".to_owned(),
            password: "hunter2".to_owned(),
            database: "d".to_owned(),
        };
        assert_eq!(format!("{account:?}"), "u@h:1/d");
        assert!(account.uri().contains("hunter2") && account.keywords().contains("'hunter2'"));
    }
}
