//! Databases on real PostgreSQL servers, what moves them, and a load that would notice a lost row.
//!
//! | | |
//! |---|---|
//! | [`PostgresServer`] | a server of its own folder and port, which can be killed and come back |
//! | [`PostgresProvider`] | serves orders `Database` on one server: a database, a role and a Secret for each, and a fence that holds for open connections and running transactions, too |
//! | [`Mover`] | carries a database from one server to another while it is written to, by logical replication; compares both |
//! | [`Load`] | writes numbered rows and reads them with nothing but the consumer's Secret, and tells of every row that was acknowledged and is not there |
//!
//! PostgreSQL 15 or later must be installed (`postgres`, `initdb`, `pg_dump`, `psql`); see [`BINARIES_VARIABLE`].

mod error;
mod fence;
mod load;
mod mover;
mod programs;
mod provider;
mod server;
mod session;
mod tenant;

pub use error::PostgresError;
pub use load::{Load, LoadOptions, LoadReport, Pause};
pub use mover::{DATABASE_MOVES, Mover, MoverError, database_move_resource};
pub use programs::programs;
pub use provider::{PostgresProvider, ProviderError, database_resource};
pub use server::{BINARIES_VARIABLE, PostgresServer};
pub use session::{Account, Session};
