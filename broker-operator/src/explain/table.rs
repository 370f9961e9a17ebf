//! The answer for people, at most [`WIDTH`] columns wide.

use std::fmt::Write as _;

use broker_core::matching::{Candidate, CandidateVerdict, Missed};
use comfy_table::{ContentArrangement, Table, presets};

use super::Report;
use crate::platform::{local_name, order_title};

/// What a terminal beside an editor has.
const WIDTH: u16 = 100;
/// The last column.
const WHY: usize = 3;
/// Marks the filter that failed.
const FAILED: &str = "✗";

/// The answer as text, ending with a line break.
pub(super) fn table(report: &Report) -> String {
    let mut text = headline(report);
    if !report.why.nearest.is_empty() {
        let _ = writeln!(text, "\n{}", candidates(report).trim_fmt());
    }
    if !report.why.others.is_empty() {
        let others: usize = report.why.others.values().sum();
        let counts: Vec<String> =
            report.why.others.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        paragraph(&mut text, &format!("and {others} more: {}", counts.join(", ")));
    }
    if report.chosen.is_none() {
        text.push('\n');
        for missed in &report.why.misses {
            paragraph(&mut text, &format!("{FAILED} {missed}"));
        }
        if !report.consumer_message.is_empty() {
            paragraph(&mut text, &format!("The consumer reads: {}", report.consumer_message));
        }
    }
    text
}

fn headline(report: &Report) -> String {
    let path = report.order.cluster.as_ref().map(|cluster| report.called(cluster));
    let name = order_title(&report.order, path);
    let mut text = String::new();
    paragraph(&mut text, &name);
    let Some(chosen) = &report.chosen else {
        let held = if report.current.is_some() { "It stays where it is, though no" } else { "No" };
        let considered = match report.why.considered {
            0 => "none is about its API".to_owned(),
            count => format!("{count} considered"),
        };
        paragraph(&mut text, &format!("{held} offer would serve it ({considered})."));
        return text;
    };
    let verb = if report.current.as_ref() == Some(chosen) {
        "Served by"
    } else if report.current.is_some() {
        "Would move to"
    } else {
        "Would be served by"
    };
    let offer = report.why.nearest.iter().find(|candidate| candidate.verdict == CandidateVerdict::Chosen);
    let provider = offer.map_or_else(|| chosen.cluster.to_string(), |offer| provider(report, offer));
    let decision = report.why.decision.as_deref().unwrap_or_default();
    paragraph(
        &mut text,
        &format!("{verb} {} of {provider}: {decision}.", local_name(&chosen.namespace, &chosen.name)),
    );
    text
}

fn candidates(report: &Report) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    table.set_header(["OFFER", "PROVIDER", "VERDICT", "WHY"]);
    for candidate in &report.why.nearest {
        let verdict = match candidate.verdict {
            CandidateVerdict::Chosen => "Chosen",
            CandidateVerdict::Feasible => "Feasible",
            CandidateVerdict::Refused => candidate.reason.as_deref().unwrap_or("Refused"),
        };
        table.add_row([
            local_name(&candidate.offer.namespace, &candidate.offer.name),
            provider(report, candidate),
            verdict.to_owned(),
            why(candidate),
        ]);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if index == WHY { 0 } else { 2 }));
    }
    table
}

/// The score, or the filters that failed; of other reasons the text.
fn why(candidate: &Candidate) -> String {
    let filters_alone = candidate.reason.as_deref() == Some("Filter");
    match (&candidate.first, &candidate.nearest) {
        (Some(first), nearest) if filters_alone => {
            let mut text = format!("{FAILED} {}", of_filter(first));
            if let Some(nearest) = nearest {
                let _ = write!(text, "\n{FAILED} {}", of_filter(nearest));
            }
            text
        }
        _ => candidate.message.clone(),
    }
}

fn of_filter(missed: &Missed) -> String {
    match missed.filter {
        Some(filter) => format!("filters[{filter}] {missed}"),
        None => missed.to_string(),
    }
}

fn provider(report: &Report, candidate: &Candidate) -> String {
    candidate.alias.clone().unwrap_or_else(|| report.called(&candidate.offer.cluster).to_owned())
}

/// Adds a paragraph, broken between words; a longer word stays whole.
fn paragraph(text: &mut String, words: &str) {
    let mut column = 0;
    for word in words.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > usize::from(WIDTH) {
            text.push_str("\n  ");
            column = 2;
        } else if column > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += length;
    }
    text.push('\n');
}
