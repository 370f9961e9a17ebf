//! What can go wrong with a server.

use std::io;

use thiserror::Error;
use tokio_postgres::error::SqlState;

/// How codes begin that tell of what passes: broken connections, a transaction that stood in the way of another one, no
/// room, a server that starts or stops; and what somebody made, or still uses, who was killed since it was looked for.
const PASSING: [&str; 6] = ["08", "40", "53", "57P", "42710", "55006"];

/// What can go wrong with a server.
#[derive(Debug, Error)]
pub enum PostgresError {
    /// PostgreSQL, or the user to run it, is not installed.
    #[error("no PostgreSQL to test with: {0}")]
    Missing(String),
    /// A file or a process could not be made.
    #[error("PostgreSQL could not be started")]
    Start(#[from] io::Error),
    /// The server did not come to life.
    #[error("PostgreSQL {what}; the end of its log:\n{log}")]
    Server {
        /// What it did instead.
        what: String,
        /// The end of its log.
        log: String,
    },
    /// There is no server, or it lets nobody of that name in.
    #[error("cannot connect to {at}")]
    Connect {
        /// User, server and database.
        at: String,
        /// Why.
        #[source]
        source: tokio_postgres::Error,
    },
    /// A server does not answer.
    #[error("{at} does not answer")]
    Silent {
        /// User, server and database.
        at: String,
    },
    /// A statement failed.
    #[error("cannot {what} at {at}: {}", .source.as_db_error().map_or("the connection broke", |error| error.message()))]
    Query {
        /// What was tried.
        what: String,
        /// User, server and database.
        at: String,
        /// Why.
        #[source]
        source: tokio_postgres::Error,
    },
    /// One of PostgreSQL's programs failed.
    #[error("{program} failed: {words}")]
    Program {
        /// Which, such as `pg_dump`.
        program: &'static str,
        /// What it said last.
        words: String,
    },
}

impl PostgresError {
    fn source_error(&self) -> Option<&tokio_postgres::Error> {
        match self {
            Self::Connect { source, .. } | Self::Query { source, .. } => Some(source),
            Self::Missing(_)
            | Self::Start(_)
            | Self::Server { .. }
            | Self::Silent { .. }
            | Self::Program { .. } => None,
        }
    }

    /// The code that the server gave, such as `40P01`.
    pub fn code(&self) -> Option<&str> {
        Some(self.source_error()?.code()?.code())
    }

    /// What the server said.
    pub fn server_message(&self) -> Option<&str> {
        Some(self.source_error()?.as_db_error()?.message())
    }

    /// Whether this is about a deadlock, which a second attempt may not meet.
    pub(super) fn is_deadlock(&self) -> bool {
        self.code() == Some(SqlState::T_R_DEADLOCK_DETECTED.code())
    }

    /// Whether the database, or the role, is not there.
    pub(super) fn is_gone(&self) -> bool {
        self.code() == Some(SqlState::INVALID_CATALOG_NAME.code())
    }

    /// Whether the server does not do what is asked, and would not the next time; else it cannot be reached, or not now.
    pub fn is_refusal(&self) -> bool {
        self.code().is_some_and(|code| !PASSING.iter().any(|class| code.starts_with(class)))
    }
}
