//! Counting the calls a server answers.

/// Calls by what they are for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Calls {
    /// On leases: the leader's renewals.
    pub(crate) leases: u64,
    /// Watches opened, anew after their time-out.
    pub(crate) watches: u64,
    /// All others.
    pub(crate) others: u64,
}

impl Calls {
    /// What came on top since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            leases: self.leases.saturating_sub(before.leases),
            watches: self.watches.saturating_sub(before.watches),
            others: self.others.saturating_sub(before.others),
        }
    }

    /// Counts calls of one verb and resource.
    pub(crate) fn count(&mut self, verb: &str, resource: &str, calls: u64) {
        if verb.eq_ignore_ascii_case("watch") {
            self.watches += calls;
        } else if resource == "leases" {
            self.leases += calls;
        } else if !resource.is_empty() {
            // Calls without a resource are health checks and metrics: this program's own.
            self.others += calls;
        }
    }

    /// Reads `apiserver_request_total` from the text of `/metrics`.
    pub(crate) fn from_metrics(text: &str) -> Self {
        let mut calls = Self::default();
        for line in text.lines() {
            let Some(rest) = line.strip_prefix("apiserver_request_total{") else { continue };
            let Some((labels, value)) = rest.rsplit_once("} ") else { continue };
            let label = |name: &str| {
                let found = labels.split(',').find_map(|label| label.strip_prefix(name)?.strip_prefix("=\""));
                found.map_or("", |value| value.trim_end_matches('"'))
            };
            // Counters are whole, but large ones are printed as floats: `1.234567e+06`.
            let value = value.trim().parse::<f64>().unwrap_or_default();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of calls")]
            calls.count(label("verb"), label("resource"), value as u64);
        }
        calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_own_counters_are_read_by_verb_and_resource() {
        let text = "\
# TYPE apiserver_request_total counter
apiserver_request_total{code=\"200\",component=\"apiserver\",resource=\"leases\",verb=\"PUT\"} 12
apiserver_request_total{code=\"200\",resource=\"secrets\",subresource=\"\",verb=\"APPLY\"} 1.5e+01
apiserver_request_total{code=\"0\",resource=\"secrets\",verb=\"WATCH\"} 3
apiserver_request_total{code=\"200\",resource=\"\",verb=\"GET\"} 99
apiserver_request_duration_seconds_count{resource=\"secrets\",verb=\"GET\"} 7
";
        assert_eq!(Calls::from_metrics(text), Calls { leases: 12, watches: 3, others: 15 });
    }

    #[test]
    fn only_what_came_since_counts() {
        let before = Calls { leases: 1, watches: 2, others: 3 };
        let after = Calls { leases: 4, watches: 2, others: 9 };
        assert_eq!(after.since(before), Calls { leases: 3, watches: 0, others: 6 });
    }
}
