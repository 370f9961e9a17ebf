//! What is said about one entry.

use std::time::Duration;

use serde_json::Value;

use super::diff;
use crate::simulation::history::{Call, ChangeKind, Entry, Event, Write};
use crate::simulation::oracle::Broken;

/// Whom the control plane's own controllers are called.
const SERVER: &str = "(server)";

/// One line.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) at: Duration,
    pub(super) who: String,
    /// `+` made, `~` changed, `-` gone, `?` asked, `!` harmed, `✗` broken, `·` said.
    pub(super) mark: char,
    pub(super) what: String,
    /// Lines of the same sort, from the same, are folded; none is never folded.
    pub(super) sort: Option<String>,
}

impl Line {
    pub(super) fn is_like(&self, other: &Self) -> bool {
        std::ptr::eq(self, other) || (self.sort.is_some() && self.sort == other.sort && self.who == other.who)
    }
}

/// What is said about an entry, if anything.
pub(super) fn of(entry: &Entry, requests: bool) -> Option<Line> {
    match &entry.event {
        Event::Wrote(write) => Some(written(entry.at, write)),
        Event::Called(call) => asked(entry.at, call, requests),
        Event::Harmed { client, what } => {
            Some(Line { at: entry.at, who: client.clone(), mark: '!', what: what.clone(), sort: None })
        }
        Event::Said { who, what } => {
            let what = what.lines().collect::<Vec<_>>().join(" ⏎ ");
            Some(Line { at: entry.at, who: who.clone(), mark: '·', sort: Some(what.clone()), what })
        }
    }
}

/// What is said about a broken promise.
pub(super) fn broken(broken: &Broken) -> Line {
    let what = format!("{}: {}", broken.invariant, broken.what);
    Line { at: broken.at, who: "BROKEN".to_owned(), mark: '✗', what, sort: None }
}

fn written(at: Duration, write: &Write) -> Line {
    let who = write.by.clone().unwrap_or_else(|| SERVER.to_owned());
    let (mark, what, paths) = match (write.kind, &write.before) {
        (ChangeKind::Added, _) => {
            let uid = write.object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default();
            let uid: String = uid.chars().take(8).collect();
            let told = diff::summary(&write.object);
            ('+', format!("{} ({uid}){}", subject(write), after(&told)), Vec::new())
        }
        (ChangeKind::Deleted, _) => ('-', subject(write), Vec::new()),
        (ChangeKind::Modified, None) => ('~', subject(write), Vec::new()),
        (ChangeKind::Modified, Some(before)) => {
            let changes = diff::between(before, &write.object);
            let told: Vec<&str> = changes.iter().map(|change| change.text.as_str()).collect();
            let told = if told.is_empty() { "nothing that matters".to_owned() } else { told.join("; ") };
            let paths = changes.iter().map(|change| change.path.clone()).collect();
            ('~', format!("{}{}", subject(write), after(&told)), paths)
        }
    };
    // The same fields of the same object, whatever their values.
    let sort = (write.kind == ChangeKind::Modified).then(|| format!("{} {}", write.key, paths.join(" ")));
    Line { at, who, mark, what, sort }
}

fn subject(write: &Write) -> String {
    let kind = write.object.get("kind").and_then(Value::as_str).unwrap_or(&write.key.resource);
    format!("{kind} {}", place(&write.key.cluster, &write.key.namespace, &write.key.name))
}

fn place(cluster: &str, namespace: &str, name: &str) -> String {
    let name = diff::brief(name);
    [cluster, namespace, &name].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
}

fn after(told: &str) -> String {
    if told.is_empty() { String::new() } else { format!(": {told}") }
}

fn asked(at: Duration, call: &Call, requests: bool) -> Option<Line> {
    let failed = call.status.is_none_or(|status| status >= 400);
    // Somebody who asks for what is not there is answered well.
    let expected = call.verb == "get" && call.status == Some(404);
    if !requests && call.fault.is_none() && (!failed || expected) {
        return None;
    }
    let part = if call.subresource.is_empty() { String::new() } else { format!("/{}", call.subresource) };
    let object = place(&call.key.cluster, &call.key.namespace, &call.key.name);
    let status = call.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
    let fault = call.fault.as_ref().map_or_else(String::new, |fault| format!("  [{fault}]"));
    let what = format!("{} {}{part} {object} → {status}{fault}", call.verb, call.key.resource);
    let mark = if call.fault.is_some() { '!' } else { '?' };
    Some(Line { at, who: call.client.clone(), mark, sort: Some(what.clone()), what })
}
