//! A history for people: who wrote what, what was decided and why, and where a promise was broken.
//!
//! One line per thing that happened: when, who, what. Changes are shown as what changed, in short. What Secrets hold is
//! never shown. Requests are left out where they only repeat what was written or read; failed ones and those that a fault
//! hit are there. What happens again and again is folded.

mod concern;
mod diff;
mod line;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use self::concern::Concern;
use self::line::Line;
use super::history::{Entry, History};
use super::oracle::{Broken, Oracle, Setting};

/// So many lines of the same sort are shown before the rest is counted.
const BEFORE_FOLDING: usize = 2;

/// What of a history is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only what concerns the orders whose `cluster/namespace/name` ends with this. Faults, and what was said, are shown
    /// all the same.
    pub order: Option<String>,
    /// Only what happened from then on.
    pub from: Option<Duration>,
    /// Only what happened until then.
    pub until: Option<Duration>,
    /// Every request too.
    pub requests: bool,
}

/// A history with what is to be said about it.
#[derive(Clone, Debug)]
pub struct Timeline<'a> {
    history: &'a History,
    /// What was broken, by which entry.
    broken: Vec<(usize, Broken)>,
    filter: Filter,
    names: BTreeMap<String, String>,
}

impl<'a> Timeline<'a> {
    /// All of a history.
    pub fn of(history: &'a History) -> Self {
        Self { history, broken: Vec::new(), filter: Filter::default(), names: BTreeMap::new() }
    }

    /// Marks the promises that were broken on the way.
    #[must_use]
    pub fn judged(mut self, setting: Setting) -> Self {
        let mut oracle = Oracle::new(setting);
        for (index, entry) in self.history.iter().enumerate() {
            self.broken.extend(oracle.observe(entry).into_iter().map(|broken| (index, broken)));
        }
        self
    }

    /// Marks what was found wrong in the end.
    #[must_use]
    pub fn ending(mut self, broken: &[Broken]) -> Self {
        let last = self.history.len().saturating_sub(1);
        self.broken.extend(broken.iter().map(|broken| (last, broken.clone())));
        self
    }

    /// Shows a part only.
    #[must_use]
    pub fn only(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// Calls clusters and clients by other names than the history does, such as a workspace's instead of its id.
    #[must_use]
    pub fn naming(mut self, names: BTreeMap<String, String>) -> Self {
        self.names = names;
        self
    }

    /// The lines, each ended by a line feed.
    pub fn render(&self) -> String {
        let mut lines = self.lines();
        for line in &mut lines {
            for (id, name) in &self.names {
                line.what = line.what.replace(id, name);
                line.who = line.who.replace(id, name);
            }
        }
        let width = lines.iter().map(|line| line.who.chars().count()).max().unwrap_or_default();
        let mut text = String::new();
        let mut rest = lines.as_slice();
        while let Some(first) = rest.first() {
            let same = rest.iter().take_while(|line| line.is_like(first)).count();
            let shown = if same > BEFORE_FOLDING + 1 { BEFORE_FOLDING } else { same };
            let (group, others) = rest.split_at(same);
            for line in group.iter().take(shown) {
                put(&mut text, line, width);
            }
            if let Some(last) = group.last().filter(|_| shown < same) {
                let what = format!("… {} more of the same", same - shown);
                put(&mut text, &Line { what, ..last.clone() }, width);
            }
            rest = others;
        }
        text
    }

    fn lines(&self) -> Vec<Line> {
        let concern = self.filter.order.as_ref().map(|order| Concern::of(self.history, order));
        let mut broken = self.broken.iter().peekable();
        let mut lines = Vec::new();
        for (index, entry) in self.history.iter().enumerate() {
            let wanted =
                self.is_in_time(entry) && concern.as_ref().is_none_or(|concern| concern.includes(entry));
            if wanted {
                lines.extend(line::of(entry, self.filter.requests));
            }
            while let Some((_, broken)) = broken.next_if(|(at, _)| *at == index) {
                if self.is_in_time(entry) {
                    lines.push(line::broken(broken));
                }
            }
        }
        lines
    }

    fn is_in_time(&self, entry: &Entry) -> bool {
        self.filter.from.is_none_or(|from| entry.at >= from)
            && self.filter.until.is_none_or(|until| entry.at <= until)
    }
}

fn put(text: &mut String, line: &Line, width: usize) {
    let seconds = line.at.as_secs();
    let millis = line.at.subsec_millis();
    // A text takes whatever is written to it.
    let _ = writeln!(text, "{seconds:>6}.{millis:03}  {:<width$}  {} {}", line.who, line.mark, line.what);
}
