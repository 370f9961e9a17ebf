//! One order and all that belongs to it, drawn as a tree.

use std::fmt::Write as _;

use broker_core::time::Timestamp;

use super::tree::{AssignmentStatus, ConditionLine, Copy, CopyState, Move, OrderStatus, RelatedObject};
use crate::platform::{age, local_name, order_title};

/// A line, and what hangs below it.
struct Node {
    line: String,
    below: Vec<Node>,
}

impl Node {
    fn leaf(line: impl Into<String>) -> Self {
        Self { line: line.into(), below: Vec::new() }
    }

    fn draw(&self, text: &mut String, first: &str, rest: &str) {
        let _ = writeln!(text, "{first}{}", self.line);
        for (index, node) in self.below.iter().enumerate() {
            let (first, more) =
                if index + 1 == self.below.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            node.draw(text, &format!("{rest}{first}"), &format!("{rest}{more}"));
        }
    }
}

/// The tree, ending with a line break.
pub(super) fn tree(status: &OrderStatus, now: Timestamp) -> String {
    let mut line = order_title(&status.order, status.path.as_deref());
    if let Some(since) = since(status.created_at.as_deref(), now) {
        let _ = write!(line, ", {since} old");
    }
    if status.deleting {
        line.push_str(", being deleted");
    }
    let mut root = Node { line, below: status.conditions.iter().map(condition).collect() };
    match &status.assignment {
        Some(assigned) => root.below.push(assignment(assigned, now)),
        None => root.below.push(Node::leaf("no assignment: nobody was ever chosen for it")),
    }
    if !status.handed_over.is_empty() {
        let below =
            status.handed_over.iter().map(|object| Node::leaf(format!("{} {}", object.kind, object.name)));
        root.below.push(Node { line: "handed over".to_owned(), below: below.collect() });
    }
    root.below.extend(status.moves.iter().map(|it| Node::leaf(a_move(it, now))));
    if let Some(last) = since(status.last_switch.as_deref(), now) {
        root.below.push(Node::leaf(format!("switched last {last} ago")));
    }
    let next = &status.next;
    if next.planned.is_empty() {
        let message = if next.message.is_empty() { "nothing is to be done" } else { &next.message };
        root.below.push(Node::leaf(format!("broker: {}: {message}", next.reason)));
    } else {
        root.below.push(Node::leaf(format!("broker: would do now: {}", next.planned.join(", "))));
    }
    let mut text = String::new();
    root.draw(&mut text, "", "");
    text
}

fn condition(condition: &ConditionLine) -> Node {
    let ConditionLine { kind, status, reason, message } = condition;
    let mut line = format!("{kind}: {status}");
    if !reason.is_empty() {
        let _ = write!(line, " ({reason})");
    }
    if !message.is_empty() {
        let _ = write!(line, ": {message}");
    }
    Node::leaf(line)
}

fn assignment(assignment: &AssignmentStatus, now: Timestamp) -> Node {
    let AssignmentStatus { name, phase, offer, provider, copies } = assignment;
    Node {
        line: format!("Assignment {name}, {phase}, by offer {offer} of {provider}"),
        below: copies.iter().map(|it| copy(it, now)).collect(),
    }
}

fn copy(copy: &Copy, now: Timestamp) -> Node {
    let Copy { kind, namespace, name, provider, .. } = copy;
    let mut line = format!("{kind} {} at {provider}: {}", local_name(namespace, name), word(copy.state));
    for (holds, what) in [
        (copy.serves, "serves"),
        (copy.fenced, "asked to take no writes"),
        (copy.leftover, "left behind until its provider answers"),
    ] {
        if holds {
            let _ = write!(line, ", {what}");
        }
    }
    if let Some(silent) = since(copy.silent_since.as_deref(), now) {
        let _ = write!(line, ", its provider has not answered for {silent}");
    }
    let named = copy.names.iter().map(|RelatedObject { kind, name, present }| {
        Node::leaf(format!(
            "{kind} {name}{}",
            if *present { "" } else { ": missing, or without the managed label" }
        ))
    });
    Node { line, below: copy.conditions.iter().map(condition).chain(named).collect() }
}

fn a_move(a_move: &Move, now: Timestamp) -> String {
    let Move { name, state, stage, from, to, message, .. } = a_move;
    let mut line = format!("Migration {name} from {from} to {to}: {state}");
    if let Some(stage) = stage {
        let _ = write!(line, ", stage {stage}");
    }
    match (&a_move.completed_at, &a_move.started_at) {
        (Some(at), _) => {
            if let Some(ago) = since(Some(at), now) {
                let _ = write!(line, ", over for {ago}");
            }
        }
        (None, Some(at)) => {
            if let Some(ago) = since(Some(at), now) {
                let _ = write!(line, ", under way for {ago}");
            }
        }
        (None, None) => {}
    }
    if !message.is_empty() {
        let _ = write!(line, ": {message}");
    }
    line
}

const fn word(state: CopyState) -> &'static str {
    match state {
        CopyState::Ready => "ready",
        CopyState::Progressing => "not ready yet",
        CopyState::NotReady => "not ready",
        CopyState::Deleting => "being deleted",
        CopyState::Absent => "not there",
        CopyState::Unknown => "unknown",
        CopyState::Gone => "its provider left the platform",
    }
}

/// How long ago that was.
fn since(at: Option<&str>, now: Timestamp) -> Option<String> {
    Some(age(now.since(Timestamp::parse(at?)?).as_secs()))
}
