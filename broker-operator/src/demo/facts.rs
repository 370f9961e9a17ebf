//! What the demo found out, as a table for people and as JSON for programs; and whether it is a success.

use std::time::Duration;

use broker_testkit::provider::ReadReport;
use comfy_table::{Table, presets};
use serde::Serialize;

/// The facts at the end of the demo. Times are milliseconds.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// Whether everything was as promised.
    pub succeeded: bool,
    /// The order, as `namespace/name`.
    pub order: String,
    /// What it asked for at first, and then.
    pub fqdn: Change,
    /// Who served at first, and then.
    pub authority: Change,
    /// From the order's creation to a good certificate in the consumer's namespace.
    pub first_certificate_millis: u64,
    /// From the change of the one field to the new authority's certificate in the consumer's namespace.
    pub move_millis: u64,
    /// From the change to the old copy's end, the grace period included.
    pub old_copy_removed_millis: u64,
    /// The grace period of this demo; 30 seconds where nobody shortens it.
    pub grace_period_millis: u64,
    /// What a consumer that kept reading would have seen during the move.
    pub reads: Reads,
}

/// Before and after.
#[derive(Debug, Clone, Serialize)]
pub struct Change {
    /// Before.
    pub from: String,
    /// After.
    pub to: String,
}

/// Reads of the consumer's Secret during the move, and how many of them found something unusable.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reads {
    /// All of them.
    pub total: u64,
    /// Versions of the Secret that its watch has shown.
    pub versions: u64,
    /// No Secret.
    pub missing: u64,
    /// An entry missing, empty or not what its name promises.
    pub empty: u64,
    /// Key and certificate not of one pair, or not with the root beside them.
    pub mismatched: u64,
    /// Not signed by the authority serving then: by neither of the two, or by the old one again.
    pub wrong_authority: u64,
    /// Reads that failed.
    pub failed: u64,
}

impl Reads {
    /// Sums up what the reader counted.
    pub fn of(report: &ReadReport) -> Self {
        Self {
            total: report.reads,
            versions: report.versions,
            missing: report.missing,
            empty: report.empty + report.malformed,
            mismatched: report.mismatched,
            wrong_authority: report.unsigned + report.returned,
            failed: report.failed,
        }
    }

    /// How many found something unusable.
    pub fn bad(&self) -> u64 {
        self.missing + self.empty + self.mismatched + self.wrong_authority + self.failed
    }
}

impl Facts {
    /// The table at the end.
    pub fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED).set_header(["what", "seen"]);
        let reads = &self.reads;
        let rows = [
            ("time to first certificate", millis(self.first_certificate_millis)),
            ("time to move", millis(self.move_millis)),
            (
                "old copy removed after",
                format!(
                    "{} (grace period {})",
                    millis(self.old_copy_removed_millis),
                    millis(self.grace_period_millis)
                ),
            ),
            ("reads of the Secret during the move", format!("{} ({} versions)", reads.total, reads.versions)),
            ("  missing", reads.missing.to_string()),
            ("  empty", reads.empty.to_string()),
            ("  mismatched key and certificate", reads.mismatched.to_string()),
            ("  not signed by the authority then serving", reads.wrong_authority.to_string()),
            ("  failed", reads.failed.to_string()),
        ];
        for (what, value) in rows {
            table.add_row([what.to_owned(), value]);
        }
        table
    }
}

/// A duration in whole milliseconds.
pub(super) fn in_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn millis(millis: u64) -> String {
    if millis < 1_000 {
        format!("{millis} ms")
    } else {
        format!("{}.{:02} s", millis / 1_000, millis % 1_000 / 10)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn facts() -> Facts {
        let change = |from: &str, to: &str| Change { from: from.to_owned(), to: to.to_owned() };
        Facts {
            succeeded: true,
            order: "default/my-app-cert".to_owned(),
            fqdn: change("app.internal.corp", "app.corp.com"),
            authority: change("Internal CA", "Public CA"),
            first_certificate_millis: 87,
            move_millis: 104,
            old_copy_removed_millis: 1_214,
            grace_period_millis: 1_000,
            reads: Reads {
                total: 240,
                versions: 2,
                missing: 0,
                empty: 0,
                mismatched: 0,
                wrong_authority: 3,
                failed: 0,
            },
        }
    }

    #[test]
    fn the_table_tells_times_and_each_kind_of_bad_read() {
        let text = facts().table().to_string();
        for part in
            ["87 ms", "104 ms", "1.21 s (grace period 1.00 s)", "240 (2 versions)", "missing", "mismatched"]
        {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }

    #[test]
    fn the_json_has_the_same_facts() {
        let json = serde_json::to_value(facts()).unwrap();
        assert_eq!(json["firstCertificateMillis"], 87);
        assert_eq!(json["reads"]["wrongAuthority"], 3);
        assert_eq!(json["authority"]["to"], "Public CA");
    }

    #[test]
    fn every_kind_of_bad_read_counts() {
        let mut reads = facts().reads;
        assert_eq!(reads.bad(), 3);
        reads.missing = 1;
        reads.empty = 1;
        reads.mismatched = 1;
        reads.failed = 1;
        assert_eq!(reads.bad(), 7);
    }
}
