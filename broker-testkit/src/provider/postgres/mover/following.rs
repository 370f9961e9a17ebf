//! Whether a database that follows another holds what that one holds, while both go on.
//!
//! One look takes three snapshots, as near to each other as the target follows; what is read from them may take its time:
//!
//! 1. of the source, *before*: which transactions it knows is noted, and the end of its log;
//! 2. of the target, once it has confirmed the log up to there;
//! 3. of the source, *after*.
//!
//! A row that *after* shows and *before* knew was there all the while, so the target must have it. Rows that *after* shows
//! and *before* did not know were changed in between: their keys are left out on both sides. All else must be equal, in
//! number and checksum, part by part of each table. Where it is not, rows are compared one by one, and those that differ
//! are suspects; some are innocent: rows that were deleted in between, and those of transactions that a snapshot
//! cannot place (within savepoints, or about to end). So everybody who was writing is waited for, and suspects are looked
//! at again. A row that is the same version at every of three looks, and a suspect each time, differs:
//!
//! - *One that the target lacks, or has otherwise.* Its writer was over before the second look began, so *before* knew it
//!   for certain; nobody who was writing at the second look changed it, or the third would show another version.
//! - *One that the target has, and the source has not.* It was not deleted in between, for then the target would have
//!   heard of it before the next look; nor was it about to come, for then the next look would have shown it.
//!
//! A row that is changed all the time may be left out each time. What is left out here is compared after the switch.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::compare::{known_to, stand_still};
use super::replication;
use super::schema::{self, Table};
use crate::provider::postgres::PostgresError;
use crate::provider::postgres::session::{Account, Session};

/// So many looks in a row must suspect the same.
const LOOKS: usize = 3;
/// Tables are summed up in so many parts, a power of two: where a part differs, only its rows are compared one by one.
const PARTS: i64 = 1024;
/// So many parts are read at a time.
const READ_TOGETHER: usize = 64;
/// More suspects of a table than these are not looked for.
const ENOUGH: usize = 1000;
/// For how long one look waits for the target to follow, and for those who write to be over; another pass follows.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause before transactions are looked for again: no server tells when they are over.
const STILL_WRITING: Duration = Duration::from_millis(20);

/// What came of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Everything that could be compared is equal.
    Same { tables: i32, rows: i64 },
    /// What differs, by table.
    Different(String),
    /// It could not be told this time, for this.
    Undecided(&'static str),
    /// The target has so much of the log yet to confirm.
    Behind(i64),
    /// Nobody follows.
    NotFollowed,
}

/// Compares all tables of two databases of which one follows the other.
pub(super) async fn compare(source: &Account, target: &Account, link: &str) -> Result<Found, PostgresError> {
    let (mut all, mut rows) = (0_usize, 0_i64);
    let mut suspected: Option<BTreeMap<String, Suspected>> = None;
    for number in 1..=LOOKS {
        let look = match Look::take(source, target, link).await? {
            Ok(look) => look,
            Err(found) => return Ok(found),
        };
        let tables = schema::tables(&look.source).await?;
        let mut now = BTreeMap::new();
        match suspected.take() {
            None => {
                all = tables.len();
                for table in &tables {
                    let found = look.suspects(table).await?;
                    rows = rows.saturating_add(found.of);
                    now.insert(table.name.clone(), found);
                }
            }
            Some(before) => {
                for (name, before) in before {
                    // A table that is gone is told by the definition of both.
                    let Some(table) = tables.iter().find(|table| table.name == name) else { continue };
                    now.insert(name, before.still(&look.suspects(table).await?));
                }
            }
        }
        if now.values().any(|table| table.rows.is_empty() && table.is_part) {
            return Ok(Found::Undecided("too much is changed at a time; looks again"));
        }
        now.retain(|_, table| !table.rows.is_empty());
        if now.is_empty() {
            return Ok(Found::Same { tables: i32::try_from(all).unwrap_or(i32::MAX), rows });
        }
        if number < LOOKS && !look.until_writers_are_over(source).await? {
            return Ok(Found::Undecided("waits for transactions that have been writing for long"));
        }
        suspected = Some(now);
    }
    let named = suspected.unwrap_or_default();
    Ok(Found::Different(named.iter().map(|(name, table)| table.told(name)).collect::<Vec<_>>().join("; ")))
}

/// Snapshots of both, as near to each other as the target follows.
struct Look {
    /// Which transactions the source knew *before*.
    before: String,
    /// Stands still *after*.
    source: Session,
    /// Which transactions it knows.
    after: String,
    /// Stands still in between.
    target: Session,
}

impl Look {
    async fn take(
        source: &Account,
        target: &Account,
        link: &str,
    ) -> Result<Result<Self, Found>, PostgresError> {
        let (source, target) = tokio::try_join!(Session::open(source), Session::open(target))?;
        let before = snapshot(&source).await?;
        let position = replication::position(&source).await?;
        match replication::follow_up(&source, link, &position, PATIENCE).await? {
            None => return Ok(Err(Found::NotFollowed)),
            Some(0) => {}
            Some(lag) => return Ok(Err(Found::Behind(lag))),
        }
        stand_still(&target).await?;
        stand_still(&source).await?;
        let after = snapshot(&source).await?;
        Ok(Ok(Self { before, source, after, target }))
    }

    /// The rows of a table that differ, as far as this look can tell.
    async fn suspects(&self, table: &Table) -> Result<Suspected, PostgresError> {
        let what = "sum up a table";
        let (key, known) = (&table.key, known_to(&self.before));
        let rows = format!(
            "(SELECT {key} AS key, hashtextextended(t::text, 0) AS hash, {known} AS known \
             FROM ONLY {} AS t OFFSET 0) AS r",
            table.name
        );
        let part = format!("hashtextextended(key, 0) & {}", PARTS - 1);
        let query = format!(
            "SELECT {part}, count(*) FILTER (WHERE known), coalesce(sum(hash) FILTER (WHERE known), 0)::text, \
             count(*), coalesce(array_agg(key) FILTER (WHERE NOT known), ARRAY[]::text[]) FROM {rows} GROUP BY 1"
        );
        let (mut here, mut changed, mut of) = (BTreeMap::new(), BTreeSet::new(), 0_i64);
        for row in self.source.rows(what, &query, &[]).await? {
            let known: (i64, String) = (self.source.value(what, &row, 1)?, self.source.value(what, &row, 2)?);
            if known.0 > 0 {
                here.insert(self.source.value::<i64>(what, &row, 0)?, known);
            }
            of = of.saturating_add(self.source.value(what, &row, 3)?);
            changed.extend(self.source.value::<Vec<String>>(what, &row, 4)?);
        }
        let query = format!(
            "SELECT {part}, count(*), sum(hash)::text FROM {rows} \
             WHERE NOT EXISTS (SELECT FROM unnest($1::text[]) AS changed (key) WHERE changed.key = r.key) GROUP BY 1",
        );
        let mut there: BTreeMap<i64, (i64, String)> = BTreeMap::new();
        for row in self.target.rows(what, &query, &[&changed.iter().collect::<Vec<_>>()]).await? {
            let sums = (self.target.value(what, &row, 1)?, self.target.value(what, &row, 2)?);
            there.insert(self.target.value(what, &row, 0)?, sums);
        }
        let parts: BTreeSet<&i64> = here.keys().chain(there.keys()).collect();
        let differing: Vec<i64> =
            parts.into_iter().filter(|part| here.get(part) != there.get(part)).copied().collect();
        let mut suspected = Suspected { rows: BTreeSet::new(), of, is_part: false };
        for parts in differing.chunks(READ_TOGETHER) {
            if suspected.rows.len() >= ENOUGH {
                suspected.is_part = true;
                break;
            }
            let here = versions(&self.source, table, &part, parts, Some(&known)).await?;
            let there = versions(&self.target, table, &part, parts, None).await?;
            suspected.rows.extend(differences(here, there, &changed));
        }
        Ok(suspected)
    }

    /// Waits until all who were writing *after* are over. False where that takes too long.
    async fn until_writers_are_over(&self, source: &Account) -> Result<bool, PostgresError> {
        let what = "look for transactions";
        let session = Session::open(source).await?;
        let query =
            "SELECT pg_snapshot_xmin(pg_current_snapshot()) >= pg_snapshot_xmax($1::text::pg_snapshot)";
        let deadline = Instant::now() + PATIENCE;
        loop {
            let row = session.one(what, query, &[&self.after]).await?;
            if session.value(what, &row, 0)? {
                return Ok(true);
            }
            if Instant::now() > deadline {
                return Ok(false);
            }
            sleep(STILL_WRITING).await;
        }
    }
}

/// Which transactions a session knows.
async fn snapshot(session: &Session) -> Result<String, PostgresError> {
    let what = "name the snapshot";
    let row = session.one(what, "SELECT pg_current_snapshot()::text", &[]).await?;
    session.value(what, &row, 0)
}

/// Rows by key and checksum, with the transactions that wrote them: several where a table has no key.
type Versions = BTreeMap<(String, i64), Vec<String>>;

/// The rows in some parts of a table.
async fn versions(
    session: &Session,
    table: &Table,
    part: &str,
    parts: &[i64],
    known: Option<&str>,
) -> Result<Versions, PostgresError> {
    let what = "read rows of a table";
    let (key, known) = (&table.key, known.unwrap_or("true"));
    let query = format!(
        "SELECT key, hash, version FROM (SELECT {key} AS key, hashtextextended(t::text, 0) AS hash, \
            xmin::text AS version, {known} AS known FROM ONLY {} AS t OFFSET 0) AS r \
         WHERE known AND {part} = ANY ($1) ORDER BY 1, 2, 3",
        table.name
    );
    let mut versions = Versions::new();
    for row in session.rows(what, &query, &[&parts]).await? {
        let at = (session.value(what, &row, 0)?, session.value(what, &row, 1)?);
        versions.entry(at).or_default().push(session.value(what, &row, 2)?);
    }
    Ok(versions)
}

/// Where a row is that the other end has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Source,
    Target,
}

/// A row that seems to differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Suspect {
    key: String,
    end: End,
    hash: i64,
    versions: Vec<String>,
}

/// The rows that one end has and the other has not, or fewer times, but those whose keys were changed meanwhile.
fn differences(here: Versions, there: Versions, changed: &BTreeSet<String>) -> Vec<Suspect> {
    let count = |of: &Versions, at: &(String, i64)| of.get(at).map_or(0, Vec::len);
    let counts: Vec<(usize, usize)> = here
        .keys()
        .map(|at| (count(&here, at), count(&there, at)))
        .chain(there.keys().map(|at| (count(&there, at), count(&here, at))))
        .collect();
    let ends =
        here.into_iter().map(|row| (End::Source, row)).chain(there.into_iter().map(|row| (End::Target, row)));
    ends.zip(counts)
        .filter(|((_, ((key, _), _)), (mine, other))| mine > other && !changed.contains(key))
        .map(|((end, ((key, hash), versions)), _)| Suspect { key, end, hash, versions })
        .collect()
}

/// What is suspected of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Suspected {
    rows: BTreeSet<Suspect>,
    /// How many rows the source has.
    of: i64,
    /// Whether there were more, which were not looked at.
    is_part: bool,
}

impl Suspected {
    /// What was suspected before and still is.
    fn still(&self, now: &Self) -> Self {
        let rows = self.rows.intersection(&now.rows).cloned().collect();
        Self { rows, of: now.of, is_part: self.is_part || now.is_part }
    }

    /// In words, without what the rows hold.
    fn told(&self, table: &str) -> String {
        let keys = |end: End| {
            self.rows.iter().filter(move |row| row.end == end).map(|row| &row.key).collect::<BTreeSet<_>>()
        };
        let (here, there) = (keys(End::Source), keys(End::Target));
        let altered = here.intersection(&there).count();
        let least = if self.is_part { "at least " } else { "" };
        format!(
            "{table}: of {} rows {least}{} lost, {altered} altered, {} too many",
            self.of,
            here.len() - altered,
            there.len() - altered
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(of: &[(&str, i64, &str)]) -> Versions {
        let mut versions = Versions::new();
        for (key, hash, version) in of {
            versions.entry(((*key).to_owned(), *hash)).or_default().push((*version).to_owned());
        }
        versions
    }

    fn suspected(here: &[(&str, i64, &str)], there: &[(&str, i64, &str)], changed: &[&str]) -> Suspected {
        let changed = changed.iter().map(|key| (*key).to_owned()).collect();
        let rows = differences(rows(here), rows(there), &changed).into_iter().collect();
        Suspected { rows, of: 9, is_part: false }
    }

    #[test]
    fn rows_that_one_end_lacks_are_told_from_those_that_differ() {
        let found = suspected(
            &[("(1)", 10, "7"), ("(2)", 20, "7"), ("(3)", 30, "7")],
            &[("(1)", 10, "3"), ("(2)", 21, "3"), ("(4)", 40, "3")],
            &[],
        );
        assert_eq!(found.told("public.t"), "public.t: of 9 rows 1 lost, 1 altered, 1 too many");
        let found = suspected(&[("(3)", 30, "7")], &[("(4)", 40, "3")], &["(3)", "(4)"]);
        assert!(found.rows.is_empty(), "what was changed meanwhile is no suspect: {found:?}");
    }

    #[test]
    fn of_equal_rows_without_a_key_the_number_counts() {
        let two = [("(a)", 1, "5"), ("(a)", 1, "6")];
        assert!(suspected(&two, &[("(a)", 1, "3"), ("(a)", 1, "3")], &[]).rows.is_empty());
        let found = suspected(&two, &[("(a)", 1, "3")], &[]);
        assert_eq!(found.told("t"), "t: of 9 rows 1 lost, 0 altered, 0 too many");
    }

    #[test]
    fn a_suspect_of_another_version_is_another_suspect() {
        let one = suspected(&[("(1)", 10, "7")], &[], &[]);
        let written_again = suspected(&[("(1)", 10, "8")], &[], &[]);
        assert!(one.still(&written_again).rows.is_empty());
        assert_eq!(one.still(&one), one);
    }
}
