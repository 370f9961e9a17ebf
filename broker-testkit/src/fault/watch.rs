//! The events of a watch, one by one.

use std::collections::VecDeque;

use hyper::body::Bytes;

use super::answer;
use super::asked::Place;
use super::body::{Owner, Step};
use super::effect::{Damage, Effect, Outcome};
use super::plan::Fault;

/// What is known of a running watch.
pub(super) struct Watching {
    owner: Owner,
    place: Place,
    /// What came and was not read yet.
    unread: Bytes,
    /// The last events, as many as may have to be repeated.
    recent: VecDeque<Bytes>,
    /// Cuts the next event.
    cut: Option<Fault>,
}

impl Watching {
    pub(super) fn new(owner: Owner, place: Place) -> Self {
        Self { owner, place, unread: Bytes::new(), recent: VecDeque::new(), cut: None }
    }

    /// The first event is cut.
    pub(super) fn cut_first(&mut self, fault: Fault) {
        self.cut = Some(fault);
    }

    /// Takes a part of the stream: an event is a line, which may come in parts, or with others.
    pub(super) fn take(&mut self, data: Bytes) {
        self.unread =
            if self.unread.is_empty() { data } else { Bytes::from([&self.unread[..], &data].concat()) };
    }

    /// Reads one event, if there is a whole one. No more than that: it is heard when it is handed on.
    pub(super) fn read(&mut self, steps: &mut VecDeque<Step>) {
        if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
            let event = self.unread.split_to(end + 1);
            self.event(&event, steps);
        }
    }

    /// The stream ended; what is left is no event.
    pub(super) fn finish(&mut self, steps: &mut VecDeque<Step>) {
        if !self.unread.is_empty() {
            steps.push_back(Step::send(std::mem::take(&mut self.unread)));
        }
    }

    fn event(&mut self, event: &Bytes, steps: &mut VecDeque<Step>) {
        let due = self.owner.life.hear(&self.owner.asked, &self.place);
        self.recent.push_back(event.clone());
        // Later plans may want more, but what they want is known before their events come.
        let kept = self
            .owner
            .life
            .longest_repetition()
            .max(due.iter().map(|fault| repeated(*fault)).max().unwrap_or(0));
        while self.recent.len() > kept {
            self.recent.pop_front();
        }
        if let Some(fault) = self.cut.take() {
            return cut(fault, event, steps);
        }
        let mut afterwards = Vec::new();
        for fault in due {
            match fault.harm().effect() {
                Effect::Delay(span) => steps.extend([Step::Told(fault), Step::Pause(span)]),
                Effect::Damage(Damage::Repeat(count)) => {
                    let count = usize::try_from(count.get()).unwrap_or(usize::MAX);
                    let from = self.recent.len().saturating_sub(count);
                    afterwards.push(Step::Told(fault));
                    afterwards.extend(self.recent.range(from..).cloned().map(Step::send));
                }
                Effect::After(_) => {
                    afterwards.push(Step::Crash(fault));
                    break;
                }
                Effect::Instead(Outcome::Crash) => return steps.extend([Step::Crash(fault)]),
                Effect::Instead(_) => {
                    let expired = Step::send(answer::expired_event());
                    return steps.extend([Step::Told(fault), expired, Step::End]);
                }
                Effect::Damage(Damage::Cut) => return cut(fault, event, steps),
                Effect::Damage(Damage::End) => return steps.extend([Step::Told(fault), Step::End]),
                Effect::Damage(Damage::Stall) => return steps.extend([Step::Told(fault), Step::Hang]),
                // They are no event's, or were done already.
                Effect::Damage(Damage::Slow(_)) | Effect::Around(_) | Effect::Stale(_) => {}
            }
        }
        steps.push_back(Step::send(event.clone()));
        steps.extend(afterwards);
    }
}

fn cut(fault: Fault, event: &Bytes, steps: &mut VecDeque<Step>) {
    let half = Step::send(event.slice(..event.len() / 2));
    steps.extend([Step::Told(fault), half, Step::Flush, Step::Break(answer::broken())]);
}

fn repeated(fault: Fault) -> usize {
    let Effect::Damage(Damage::Repeat(count)) = fault.harm().effect() else { return 0 };
    usize::try_from(count.get()).unwrap_or(usize::MAX)
}
