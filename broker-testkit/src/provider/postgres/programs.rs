//! What Jobs need that work on databases.

use super::PostgresError;
use super::server::find;
use crate::compute::Programs;

/// `pg_dump`, `pg_restore` and `psql`, as they are installed here, and `cmp`: what the playbook
/// [`DATABASES_DUMP_PLAYBOOK`](crate::provider::samples::DATABASES_DUMP_PLAYBOOK) runs.
///
/// # Errors
///
/// [`PostgresError::Missing`] where PostgreSQL is not installed.
pub fn programs() -> Result<Programs, PostgresError> {
    let all = Programs::new().allow_from_path(&["cmp"]);
    ["pg_dump", "pg_restore", "psql"].into_iter().try_fold(all, |all, name| Ok(all.allow(name, find(name)?)))
}
