//! Whether two databases hold the same rows: by number and checksum of each table.

use crate::provider::postgres::PostgresError;
use crate::provider::postgres::session::{Session, text};

use super::schema;

/// Texts of values must not depend on who asks.
pub(super) const SETTINGS: &str = "SET TIME ZONE 'UTC'; SET datestyle = 'ISO, YMD'; SET intervalstyle = 'iso_8601'; \
     SET extra_float_digits = 3; SET bytea_output = 'hex'; SET lc_monetary = 'C'; SET search_path = pg_catalog;";

/// What came of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    /// All tables hold the same.
    Identical { tables: i32, rows: i64 },
    /// The first differences, in words.
    Different(String),
}

/// A view of a database that does not change while it is compared.
pub(super) struct View<'a> {
    pub(super) session: &'a Session,
    /// Only rows that a transaction of this snapshot wrote, or an earlier one.
    pub(super) known_to: Option<&'a str>,
}

/// Begins a transaction that sees one moment, and never writes.
pub(super) async fn stand_still(session: &Session) -> Result<(), PostgresError> {
    let begin = format!("{SETTINGS} BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT 1;");
    session.run("take a snapshot", &begin).await
}

/// Compares all tables of two views; the words are for the one that came first.
pub(super) async fn compare(source: &View<'_>, target: &View<'_>) -> Result<Comparison, PostgresError> {
    const TOLD: usize = 3;
    let (here, there) = tokio::try_join!(schema::tables(source.session), schema::tables(target.session))?;
    let names = |tables: &[schema::Table]| tables.iter().map(|table| table.name.clone()).collect::<Vec<_>>();
    if names(&here) != names(&there) {
        let text = format!("the tables were {:?} and are {:?}", names(&here), names(&there));
        return Ok(Comparison::Different(text));
    }
    let (mut rows, mut differences) = (0_i64, Vec::new());
    for table in &here {
        let (source, target) = tokio::try_join!(sum(source, &table.name), sum(target, &table.name))?;
        rows = rows.saturating_add(source.0);
        if source.0 != target.0 {
            differences.push(format!("{}: {} rows, then {}", table.name, source.0, target.0));
        } else if source.1 != target.1 {
            differences.push(format!("{}: {} rows, then others", table.name, source.0));
        }
    }
    if differences.is_empty() {
        return Ok(Comparison::Identical { tables: i32::try_from(here.len()).unwrap_or(i32::MAX), rows });
    }
    let more = differences.len().saturating_sub(TOLD);
    differences.truncate(TOLD);
    let more = if more == 0 { String::new() } else { format!("; and {more} tables more") };
    Ok(Comparison::Different(differences.join("; ") + &more))
}

/// The number of a table's rows, and a sum over all their values that no order changes.
async fn sum(view: &View<'_>, table: &str) -> Result<(i64, String), PostgresError> {
    let what = "sum up a table";
    let only = view.known_to.map(|snapshot| format!("WHERE {}", known_to(snapshot)));
    let query = format!(
        "SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)), 0)::text FROM ONLY {table} AS t {}",
        only.unwrap_or_default()
    );
    let row = view.session.one(what, &query, &[]).await?;
    Ok((view.session.value(what, &row, 0)?, view.session.value(what, &row, 1)?))
}

/// Whether a row was written by a transaction of this snapshot, or an earlier one.
pub(super) fn known_to(snapshot: &str) -> String {
    // A row's transaction has 32 bits, a snapshot's 64: those of this row's past are the nearest below the top.
    let top = "pg_snapshot_xmax(pg_current_snapshot())::text::bigint";
    let of_the_past = format!(
        "(({top} >> 32 << 32) | xmin::text::bigint) \
         - CASE WHEN xmin::text::bigint > ({top} & 4294967295) THEN 4294967296 ELSE 0 END"
    );
    let snapshot = text(snapshot);
    format!("pg_visible_in_snapshot(({of_the_past})::text::xid8, {snapshot}::pg_snapshot)")
}
