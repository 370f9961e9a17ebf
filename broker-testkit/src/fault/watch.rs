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
    /// The beginning of an event whose end has not come yet.
    begun: Vec<u8>,
    /// The last events, as many as may have to be repeated.
    recent: VecDeque<Bytes>,
    /// Cuts the next event.
    cut: Option<Fault>,
    /// A fault ended it.
    ended: bool,
}

impl Watching {
    pub(super) fn new(owner: Owner, place: Place) -> Self {
        Self { owner, place, begun: Vec::new(), recent: VecDeque::new(), cut: None, ended: false }
    }

    /// The first event is cut.
    pub(super) fn cut_first(&mut self, fault: Fault) {
        self.cut = Some(fault);
    }

    /// Takes a part of the stream: an event is a line, which may come in parts, or with others.
    pub(super) fn take(&mut self, data: Bytes, steps: &mut VecDeque<Step>) {
        let mut rest = if self.begun.is_empty() {
            data
        } else {
            let mut whole = std::mem::take(&mut self.begun);
            whole.extend_from_slice(&data);
            Bytes::from(whole)
        };
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let event = rest.split_to(end + 1);
            if !self.ended {
                self.event(&event, steps);
            }
        }
        self.begun = rest.to_vec();
    }

    /// The stream ended.
    pub(super) fn finish(&mut self, steps: &mut VecDeque<Step>) {
        if !self.begun.is_empty() && !self.ended {
            steps.push_back(Step::send(Bytes::from(std::mem::take(&mut self.begun))));
        }
    }

    fn event(&mut self, event: &Bytes, steps: &mut VecDeque<Step>) {
        let due = self.owner.life.hear(&self.owner.asked, &self.place);
        self.recent.push_back(event.clone());
        // Later plans may want more, but what they want is known before their events come.
        let kept = self.owner.life.longest_repetition().max(due.iter().map(|fault| repeated(*fault)).max().unwrap_or(0));
        while self.recent.len() > kept {
            self.recent.pop_front();
        }
        if let Some(fault) = self.cut.take() {
            self.cut_here(fault, event, steps);
            return;
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
                    self.ended = true;
                    break;
                }
                Effect::Instead(Outcome::Crash) => return self.close([Step::Crash(fault)], steps),
                Effect::Instead(_) => {
                    let expired = Step::send(answer::expired_event());
                    return self.close([Step::Told(fault), expired, Step::End], steps);
                }
                Effect::Damage(Damage::Cut) => return self.cut_here(fault, event, steps),
                Effect::Damage(Damage::End) => return self.close([Step::Told(fault), Step::End], steps),
                Effect::Damage(Damage::Stall) => return self.close([Step::Told(fault), Step::Hang], steps),
                // They are no event's, or were done already.
                Effect::Damage(Damage::Slow(_)) | Effect::Around(_) | Effect::Stale(_) => {}
            }
        }
        steps.push_back(Step::send(event.clone()));
        steps.extend(afterwards);
    }

    fn cut_here(&mut self, fault: Fault, event: &Bytes, steps: &mut VecDeque<Step>) {
        let half = Step::send(event.slice(..event.len() / 2));
        self.close([Step::Told(fault), half, Step::Break(answer::broken())], steps);
    }

    fn close(&mut self, last: impl IntoIterator<Item = Step>, steps: &mut VecDeque<Step>) {
        self.ended = true;
        steps.extend(last);
    }
}

fn repeated(fault: Fault) -> usize {
    let Effect::Damage(Damage::Repeat(count)) = fault.harm().effect() else { return 0 };
    usize::try_from(count.get()).unwrap_or(usize::MAX)
}
