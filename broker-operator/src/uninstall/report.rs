//! What was let go of and what stays, for people and as `-o json` and `-o yaml` give it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use broker_core::resource::{ClusterName, ObjectKey};
use broker_kcp::reconcile::{Released, Releases};
use serde::Serialize;

use crate::explain::OrderName;

/// What was let go of, or would be, and what stays.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whether nothing was written.
    dry_run: bool,
    /// The orders that hold our finalizer, or held it.
    orders: Vec<Order>,
    /// The moves under way, which stay where they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    moves: Vec<String>,
    /// How many Assignments and Migrations stay in the platform's workspace.
    records: usize,
    /// APIs that are not brokered at present and of which there are records: their orders were not looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unseen: Vec<String>,
    /// The paths of the clusters that are named by id, as far as they are known.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    paths: BTreeMap<ClusterName, String>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Order {
    #[serde(flatten)]
    name: OrderName,
    /// Whether it holds our finalizer no more.
    released: bool,
    /// Whether it is being deleted.
    deleting: bool,
    /// The copies that stay.
    copies: Vec<ObjectKey>,
    /// How many Secrets and ConfigMaps that were handed over stay as long as it does.
    handed_over: usize,
    /// Copies whose fence was lifted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fences_lifted: Vec<ObjectKey>,
    /// Copies that do not serve and whose fence stays.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fences_left: Vec<ObjectKey>,
    /// Why it holds our finalizer still.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

impl Report {
    /// The report on all orders.
    pub(super) fn new(releases: &Releases, dry_run: bool) -> Self {
        Self {
            dry_run,
            orders: releases.orders.iter().map(|order| Order::new(order, dry_run)).collect(),
            moves: releases.moves.iter().cloned().collect(),
            records: releases.records,
            unseen: releases.unseen.iter().cloned().collect(),
            paths: releases.paths.clone(),
        }
    }

    /// Whether nothing holds anything any more, or would not.
    pub(super) fn is_done(&self) -> bool {
        self.unseen.is_empty() && self.orders.iter().all(|order| order.failure.is_none())
    }

    /// The report for people, ending with a line break.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for order in &self.orders {
            self.order(order, &mut text);
        }
        if self.orders.is_empty() {
            text.push_str("No order holds the broker's finalizer.\n");
        }
        for api in &self.unseen {
            let _ = writeln!(
                text,
                "The orders of {api} were not looked at: no BrokeredAPI serves it. Make it again, and ask again."
            );
        }
        for name in &self.moves {
            let _ = writeln!(text, "The move {name} is under way; it stays where it is, with its helpers.");
        }
        let _ = writeln!(
            text,
            "{} Assignments and Migrations stay in the platform's workspace: a broker that is started again goes on \
             from them.",
            self.records
        );
        if self.dry_run {
            text.push_str("Nothing was written. --yes does it.\n");
        }
        text
    }

    fn order(&self, order: &Order, text: &mut String) {
        let name = &order.name;
        let _ = write!(text, "{}/{}", name.resource, name.name);
        if !name.namespace.is_empty() {
            let _ = write!(text, " in namespace {}", name.namespace);
        }
        if let Some(cluster) = &name.cluster {
            let _ = write!(text, " of {}", self.called(cluster));
        }
        let done = match (&order.failure, self.dry_run, order.deleting) {
            (Some(why), ..) => format!("could not be let go of: {why}; asking again is safe"),
            (None, true, false) => "would be let go of".to_owned(),
            (None, true, true) => "would be let go of, and be gone: it is being deleted".to_owned(),
            (None, false, false) => "is let go of".to_owned(),
            (None, false, true) => "is let go of, and goes: it is being deleted".to_owned(),
        };
        let _ = writeln!(text, ": {done}");
        if order.handed_over > 0 {
            let _ = writeln!(
                text,
                "  {} Secrets and ConfigMaps that were handed over stay as long as it does",
                order.handed_over
            );
        }
        for copy in &order.copies {
            let fence = if order.fences_lifted.contains(copy) && self.dry_run {
                "; it would take writes again"
            } else if order.fences_lifted.contains(copy) {
                "; it takes writes again"
            } else if order.fences_left.contains(copy) {
                "; it takes no writes: what is written there would be lost"
            } else {
                ""
            };
            let cluster = self.called(&copy.cluster);
            let _ = writeln!(text, "  {cluster}/{}/{} stays{fence}", copy.namespace, copy.name);
        }
    }

    fn called<'r>(&'r self, cluster: &'r ClusterName) -> &'r str {
        self.paths.get(cluster).map_or(cluster.as_str(), String::as_str)
    }
}

impl Order {
    fn new(order: &Released, dry_run: bool) -> Self {
        let fences = |lifted: bool| {
            let these = order.fences.iter().filter(move |fence| fence.lifted == lifted);
            these.map(|fence| fence.copy.clone()).collect()
        };
        Self {
            name: OrderName {
                resource: order.api.group_resource(),
                version: order.api.version.clone(),
                cluster: Some(order.order.cluster.clone()),
                namespace: order.order.namespace.clone(),
                name: order.order.name.clone(),
            },
            released: !dry_run && order.failure.is_none(),
            deleting: order.deleting,
            copies: order.copies.clone(),
            handed_over: order.handed_over,
            fences_lifted: fences(true),
            fences_left: fences(false),
            failure: order.failure.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use broker_core::resource::Gvr;
    use broker_kcp::reconcile::Fenced;

    use super::*;

    fn releases(failure: Option<&str>) -> Releases {
        let (serving, left) = (ObjectKey::new("1", "default", "c-1"), ObjectKey::new("2", "default", "c-2"));
        Releases {
            orders: vec![Released {
                api: Gvr::new("example.com", "v1", "databases"),
                order: ObjectKey::new("3", "shop", "db"),
                deleting: false,
                copies: vec![serving.clone(), left.clone()],
                handed_over: 2,
                fences: vec![Fenced { copy: serving, lifted: true }, Fenced { copy: left, lifted: false }],
                failure: failure.map(str::to_owned),
            }],
            moves: ["db-7".to_owned()].into(),
            records: 3,
            unseen: BTreeSet::new(),
            paths: [("1".into(), "root:dba".to_owned()), ("3".into(), "root:acme".to_owned())].into(),
        }
    }

    #[test]
    fn what_stays_is_told_of_each_order() {
        let report = Report::new(&releases(None), false);
        assert!(report.is_done());
        assert_eq!(
            report.text(),
            "databases.example.com/db in namespace shop of root:acme: is let go of\n  \
             2 Secrets and ConfigMaps that were handed over stay as long as it does\n  \
             root:dba/default/c-1 stays; it takes writes again\n  \
             2/default/c-2 stays; it takes no writes: what is written there would be lost\n\
             The move db-7 is under way; it stays where it is, with its helpers.\n\
             3 Assignments and Migrations stay in the platform's workspace: a broker that is started again goes on \
             from them.\n"
        );
    }

    #[test]
    fn what_would_be_done_is_not_told_as_done() {
        let report = Report::new(&releases(None), true);
        let text = report.text();
        assert!(text.contains("would be let go of\n") && text.ends_with("--yes does it.\n"), "{text}");
        assert!(text.contains("c-1 stays; it would take writes again"), "{text}");
        assert_eq!(serde_json::to_value(&report).unwrap()["orders"][0]["released"], false);
    }

    #[test]
    fn an_order_that_could_not_be_let_go_of_is_not_done() {
        let report = Report::new(&releases(Some("it changed meanwhile")), false);
        assert!(!report.is_done());
        assert!(report.text().contains("could not be let go of: it changed meanwhile; asking again is safe"));
        assert_eq!(serde_json::to_value(&report).unwrap()["orders"][0]["released"], false);
    }
}
