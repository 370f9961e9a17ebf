#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::time::Duration;

use clap::Parser as _;
use serde_json::json;

use super::Lead;
use super::diagnosis::{Diagnosis, MEANINGS, diagnose};
use crate::cli::Cli;
use crate::explain::OrderName;
use crate::status::OrderStatus;
use crate::status::tree::{AssignmentStatus, ConditionLine, Copy, CopyState, Move, Next};

fn leading() -> Lead {
    Lead::Held { holder: "broker-0".to_owned() }
}

/// An order that one copy serves, with the broker's last word about it.
fn order(reason: &'static str, state: CopyState) -> OrderStatus {
    let says_no = ConditionLine {
        kind: "Ready".to_owned(),
        status: "False",
        reason: "QuotaExceeded".to_owned(),
        message: "no more certificates this week".to_owned(),
    };
    let copy = Copy {
        provider: "root:ca".to_owned(),
        kind: "Certificate".to_owned(),
        namespace: "certificates".to_owned(),
        name: "c-5f".to_owned(),
        state,
        serves: true,
        fenced: false,
        leftover: false,
        silent_since: None,
        conditions: if state == CopyState::NotReady { vec![says_no] } else { Vec::new() },
        names: Vec::new(),
    };
    OrderStatus {
        order: OrderName {
            resource: "certificates.example.com".to_owned(),
            version: "v1alpha1".to_owned(),
            cluster: Some("2hkd".into()),
            namespace: "default".to_owned(),
            name: "my-app-cert".to_owned(),
        },
        path: Some("root:acme".to_owned()),
        created_at: None,
        deleting: false,
        conditions: Vec::new(),
        assignment: Some(AssignmentStatus {
            name: "a-1".to_owned(),
            phase: "Bound",
            offer: "certificates/internal".to_owned(),
            provider: "root:ca".to_owned(),
            copies: vec![copy],
        }),
        handed_over: Vec::new(),
        moves: Vec::new(),
        last_switch: None,
        next: Next {
            reason,
            message: "what the broker says".to_owned(),
            planned: Vec::new(),
            again_at: None,
        },
    }
}

/// Every command of this program that a diagnosis names can be run as it stands, but for the words in capitals.
fn is_runnable(diagnosis: &Diagnosis) {
    for line in &diagnosis.next {
        let command = line.split(" #").next().unwrap_or_default();
        if command.starts_with("resource-broker ") {
            let parsed = Cli::try_parse_from(command.split_whitespace());
            assert!(
                parsed.is_ok(),
                "{command}: {}",
                parsed.err().map(|it| it.to_string()).unwrap_or_default()
            );
        }
    }
}

#[test]
fn every_reason_that_consumers_are_told_has_a_meaning_evidence_and_commands_that_can_be_run() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/consumers.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `") && line.split('|').count() == 6);
    let told: Vec<&str> = rows
        .flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2))
        .filter(|reason| *reason != "Bound")
        .collect();
    assert!(told.len() >= 18, "{told:?}");
    for reason in told {
        assert!(MEANINGS.iter().any(|(known, _)| *known == reason), "{reason} is told and has no meaning");
    }
    for (reason, meaning) in MEANINGS {
        let found = diagnose(&order(reason, CopyState::Ready), None, &leading());
        assert_eq!((found.reason.as_str(), found.diagnosis.as_str()), (*reason, *meaning));
        assert!(found.evidence.contains(&"what the broker says".to_owned()), "{found:?}");
        assert!(!found.next.is_empty() && !found.is_well(), "{found:?}");
        is_runnable(&found);
    }
}

#[test]
fn an_order_that_is_served_is_well() {
    let found = diagnose(&order("Bound", CopyState::Ready), None, &leading());
    assert!(found.is_well() && found.next.is_empty() && found.evidence.is_empty(), "{found:?}");
}

#[test]
fn what_the_provider_says_is_evidence() {
    let found = diagnose(&order("Bound", CopyState::NotReady), None, &leading());
    let said =
        "copy c-5f at root:ca is NotReady; Ready is False (QuotaExceeded: no more certificates this week)";
    assert_eq!((found.reason.as_str(), found.evidence), ("NotReady", vec![said.to_owned()]));
    assert_eq!(found.next, ["kubectl get certificate c-5f -n certificates -o yaml   # in root:ca"]);
    let found = diagnose(&order("Bound", CopyState::Progressing), None, &leading());
    assert_eq!(found.reason, "ProviderAtWork");
}

#[test]
fn a_broker_that_is_away_is_told_before_anything_else() {
    let mut waiting = order("NoMatchingOffer", CopyState::Ready);
    waiting.next.planned = vec!["create-assignment"];
    let silent = Lead::Silent { holder: "broker-0".to_owned(), silent: Duration::from_mins(4) };
    for (lead, reason, evidence) in [
        (leading(), "BrokerBehind", "broker-0 holds the Lease and shows signs of life"),
        (silent, "NoBroker", "broker-0 holds the Lease and has shown no sign of life for 4m"),
        (Lead::Nobody, "NoBroker", "nobody holds the Lease resource-broker"),
    ] {
        let found = diagnose(&waiting, None, &lead);
        assert_eq!(found.reason, reason);
        assert!(found.evidence.contains(&evidence.to_owned()), "{found:?}");
        assert!(found.evidence.contains(&"a broker would do now: create-assignment".to_owned()), "{found:?}");
    }
}

#[test]
fn who_decides_about_a_failed_move_depends_on_the_switch() {
    let mut failed = order("MoveFailed", CopyState::Ready);
    failed.moves.push(Move {
        name: "a-1-2".to_owned(),
        state: "Failed",
        stage: None,
        from: "root:ca".to_owned(),
        to: "root:other".to_owned(),
        started_at: None,
        switched_at: None,
        completed_at: None,
        message: "stage copy failed".to_owned(),
    });
    let before = diagnose(&failed, None, &leading());
    assert_eq!(before.next, ["kubectl get migration a-1-2 -o yaml"]);
    assert!(
        before.evidence.contains(&"Migration a-1-2 is Failed: stage copy failed".to_owned()),
        "{before:?}"
    );
    failed.moves[0].switched_at = Some("2026-01-01T00:00:00Z".to_owned());
    let after = diagnose(&failed, None, &leading());
    assert_eq!(after.next.len(), 3, "{after:?}");
    is_runnable(&after);
}

#[test]
fn a_diagnosis_is_told_in_lines() {
    let found = diagnose(&order("Paused", CopyState::Ready), None, &leading());
    let text = found.text();
    let (first, rest) = text.split_once('\n').unwrap();
    assert_eq!(first, "certificates.example.com/my-app-cert in namespace default of root:acme");
    assert!(
        rest.starts_with("Paused: ") && rest.contains("\nBecause:\n  ") && rest.contains("\nRun next:\n  ")
    );
    assert_eq!(json!(found)["reason"], "Paused");
}
