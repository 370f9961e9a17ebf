//! Reads one Secret again and again while something happens to it, and counts what a consumer of it
//! would have stumbled over.
//!
//! Two pairs of eyes: reads at a steady pace, as an application would do them, and a watch, which sees
//! every version the Secret ever had. Each counts for itself, since one may be ahead of the other.

use std::fmt;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use thiserror::Error;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::verify::{AuthorityCertificate, Verdict, verify};
use crate::wait::{VersionsError, each_version};

/// Why there is no report.
#[derive(Debug, Error)]
pub enum ReaderError {
    /// Not every version was seen.
    #[error("cannot see every version of a Secret")]
    Watch(#[from] VersionsError),
    /// A reading task ended before its time.
    #[error("the reader of Secret {name:?} was aborted")]
    Aborted {
        /// The Secret's name.
        name: String,
    },
}

/// From when on the Secret was signed by an authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handover {
    /// The authority's name.
    pub authority: String,
    /// The time since the reader's start.
    pub after: Duration,
}

/// What the reads and the watch saw. All counts but `reads`, `versions` are of things a consumer should
/// never see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadReport {
    /// Reads made.
    pub reads: u64,
    /// Versions of the Secret that the watch has shown, its absence included.
    pub versions: u64,
    /// The Secret was not there.
    pub missing: u64,
    /// It was there, with an entry missing or empty.
    pub empty: u64,
    /// An entry was not what its name promises.
    pub malformed: u64,
    /// Key, certificate and root were not of one piece.
    pub mismatched: u64,
    /// None of the authorities in question had signed it.
    pub unsigned: u64,
    /// It went back to an authority that had been succeeded by another one.
    pub returned: u64,
    /// The read itself failed.
    pub failed: u64,
    /// Who served, in order, as the reads saw it.
    pub handovers: Vec<Handover>,
}

impl ReadReport {
    /// How many looks found something unusable.
    pub fn bad(&self) -> u64 {
        self.missing
            + self.empty
            + self.malformed
            + self.mismatched
            + self.unsigned
            + self.returned
            + self.failed
    }

    fn look(&mut self, verdict: &Verdict, after: Duration) {
        match verdict {
            Verdict::Missing => self.missing += 1,
            Verdict::Empty { .. } => self.empty += 1,
            Verdict::Malformed { .. } => self.malformed += 1,
            Verdict::Mismatched => self.mismatched += 1,
            Verdict::Unsigned => self.unsigned += 1,
            Verdict::Fine(leaf) => {
                if self.handovers.last().is_some_and(|last| last.authority == leaf.authority) {
                    return;
                }
                if self.handovers.iter().any(|former| former.authority == leaf.authority) {
                    self.returned += 1;
                }
                self.handovers.push(Handover { authority: leaf.authority.clone(), after });
            }
        }
    }

    fn merge(self, watched: &Self) -> Self {
        Self {
            reads: self.reads,
            versions: watched.versions,
            missing: self.missing + watched.missing,
            empty: self.empty + watched.empty,
            malformed: self.malformed + watched.malformed,
            mismatched: self.mismatched + watched.mismatched,
            unsigned: self.unsigned + watched.unsigned,
            returned: self.returned + watched.returned,
            failed: self.failed + watched.failed,
            handovers: self.handovers,
        }
    }
}

impl fmt::Display for ReadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} reads, {} versions: {} missing, {} empty, {} malformed, {} mismatched, {} unsigned, {} returned, {} failed",
            self.reads,
            self.versions,
            self.missing,
            self.empty,
            self.malformed,
            self.mismatched,
            self.unsigned,
            self.returned,
            self.failed
        )
    }
}

/// Keeps reading until [`SecretReader::finish`]; dropping it ends the reading too.
#[derive(Debug)]
pub struct SecretReader {
    name: String,
    stop: CancellationToken,
    reads: JoinHandle<ReadReport>,
    watch: JoinHandle<Result<ReadReport, VersionsError>>,
}

impl SecretReader {
    /// Starts reading the Secret, once in `every`, as the user of `client`. It should exist by then: its
    /// absence counts.
    pub fn start(
        client: Client,
        namespace: &str,
        name: &str,
        authorities: Vec<AuthorityCertificate>,
        every: Duration,
    ) -> Self {
        let secrets: Api<Secret> = Api::namespaced(client, namespace);
        let stop = CancellationToken::new();
        let reads = read(secrets.clone(), name.to_owned(), authorities.clone(), every, stop.clone());
        let watch = observe(secrets, name.to_owned(), authorities, stop.clone());
        Self { name: name.to_owned(), stop, reads: tokio::spawn(reads), watch: tokio::spawn(watch) }
    }

    /// Stops reading and tells what was seen, both by a last read and by the watch up to what is there now.
    pub async fn finish(mut self) -> Result<ReadReport, ReaderError> {
        self.stop.cancel();
        let aborted = || ReaderError::Aborted { name: self.name.clone() };
        let reads = (&mut self.reads).await.map_err(|_| aborted())?;
        let watched = (&mut self.watch).await.map_err(|_| aborted())?;
        Ok(reads.merge(&watched?))
    }
}

impl Drop for SecretReader {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn read(
    secrets: Api<Secret>,
    name: String,
    authorities: Vec<AuthorityCertificate>,
    every: Duration,
    stop: CancellationToken,
) -> ReadReport {
    let mut report = ReadReport::default();
    let started = Instant::now();
    let mut pace = tokio::time::interval(every);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let last = stop.run_until_cancelled(pace.tick()).await.is_none();
        let found = secrets.get_opt(&name).await;
        report.reads += 1;
        match found {
            Ok(secret) => report.look(&verify(secret.as_ref(), &authorities), started.elapsed()),
            Err(error) => {
                tracing::warn!(secret = name, error = &error as &dyn std::error::Error, "read failed");
                report.failed += 1;
            }
        }
        if last {
            return report;
        }
    }
}

async fn observe(
    secrets: Api<Secret>,
    name: String,
    authorities: Vec<AuthorityCertificate>,
    stop: CancellationToken,
) -> Result<ReadReport, VersionsError> {
    let mut report = ReadReport::default();
    let started = Instant::now();
    each_version(&secrets, &name, &stop, |secret| {
        report.versions += 1;
        report.look(&verify(secret, &authorities), started.elapsed());
    })
    .await?;
    Ok(report)
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::provider::verify::Leaf;

    fn fine(authority: &str) -> Verdict {
        Verdict::Fine(Box::new(Leaf {
            authority: authority.to_owned(),
            names: std::collections::BTreeSet::new(),
            serial: String::new(),
            not_before: OffsetDateTime::UNIX_EPOCH,
            not_after: OffsetDateTime::UNIX_EPOCH,
            usages: Vec::new(),
        }))
    }

    fn seen(verdicts: &[Verdict]) -> ReadReport {
        let mut report = ReadReport::default();
        for verdict in verdicts {
            report.look(verdict, Duration::ZERO);
        }
        report
    }

    #[test]
    fn one_handover_is_no_fault() {
        let report = seen(&[fine("a"), fine("a"), fine("b"), fine("b")]);
        assert_eq!(report.bad(), 0);
        let names: Vec<&str> = report.handovers.iter().map(|handover| handover.authority.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn going_back_is_a_fault_each_time() {
        assert_eq!(seen(&[fine("a"), fine("b"), fine("a"), fine("a"), fine("b")]).returned, 2);
    }

    #[test]
    fn each_fault_is_counted_as_what_it_is() {
        let faults = [
            Verdict::Missing,
            Verdict::Empty { key: "tls.crt" },
            Verdict::Malformed { key: "tls.key" },
            Verdict::Mismatched,
            Verdict::Unsigned,
        ];
        let report = seen(&faults);
        assert_eq!(report.bad(), 5);
        assert_eq!(
            (report.missing, report.empty, report.malformed, report.mismatched, report.unsigned),
            (1, 1, 1, 1, 1)
        );
    }
}
