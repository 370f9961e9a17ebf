//! One controller, from its start to its end: what happens to each thing that it sends and hears.

use std::time::Duration;

use http::request::Parts;
use hyper::body::Bytes;
use tokio_util::sync::CancellationToken;

use super::Injector;
use crate::fault::asked::{Asked, Place};
use crate::fault::effect::{Around, Damage, Effect, Outcome};
use crate::fault::plan::Fault;
use crate::fault::point::{Point, Series};
use crate::fault::window::Token;

/// One controller, from its start to its end.
#[derive(Clone, Debug)]
pub(in crate::fault) struct Life {
    pub(super) injector: Injector,
    pub(super) number: u64,
}

/// What happens to a request.
pub(in crate::fault) enum Turn {
    /// Whoever sent it is dead.
    Dead,
    /// Its server is away.
    Away,
    /// Its token has expired.
    Unauthorized,
    /// It goes on its way, and meets these.
    Goes {
        /// Before anything else.
        delay: Option<(Fault, Duration)>,
        /// What decides about the answer.
        harm: Option<Fault>,
    },
}

impl Life {
    /// Whether it is over.
    pub(in crate::fault) fn is_over(&self) -> bool {
        let state = self.injector.lock();
        state.crashed || state.life != self.number
    }

    /// Ends it.
    pub(in crate::fault) fn crash(&self, fault: Fault, asked: Option<&Asked>) {
        {
            let mut state = self.injector.lock();
            if state.crashed || state.life != self.number {
                return;
            }
            state.crashed = true;
            state.record(fault, asked);
        }
        self.injector.shared.hooks.crash();
    }

    /// Notes that a fault happened.
    pub(in crate::fault) fn record(&self, fault: Fault, asked: &Asked) {
        self.injector.lock().record(fault, Some(asked));
    }

    /// Counts a request, and does what happens around it.
    pub(in crate::fault) fn send(&self, asked: &Asked, parts: &Parts) -> Turn {
        self.meet_moments();
        if self.is_over() {
            return Turn::Dead;
        }
        let due = self.injector.lock().count(asked.series());
        let place = Place::of(&parts.uri);
        let token: Token = parts.headers.get(http::header::AUTHORIZATION).cloned();
        let (mut delay, mut harm) = (None, None);
        for fault in due {
            match fault.harm().effect() {
                Effect::Around(around) => self.surround(fault, around, Some((asked, &place)), Some(&token)),
                Effect::Delay(span) => delay = delay.or(Some((fault, span))),
                Effect::Instead(_) | Effect::After(_) | Effect::Damage(_) | Effect::Stale(_) => {
                    harm = harm.or(Some(fault));
                }
            }
        }
        if let (None, Some(fault)) = (delay, harm)
            && let Effect::Instead(Outcome::Crash) = fault.harm().effect()
        {
            // At once: what is handed over after this one is not sent either.
            self.crash(fault, Some(asked));
            return Turn::Dead;
        }
        let state = self.injector.lock();
        if state.windows.lacks(&place) {
            Turn::Away
        } else if state.windows.refuses(&token) {
            Turn::Unauthorized
        } else {
            Turn::Goes { delay, harm }
        }
    }

    /// Counts an event of a watch, and does what happens around it; answers what happens to it.
    pub(in crate::fault) fn hear(&self, asked: &Asked, place: &Place) -> Vec<Fault> {
        self.meet_moments();
        let mut due = self.injector.lock().count(std::iter::once(Series::Event));
        due.retain(|fault| {
            let Effect::Around(around) = fault.harm().effect() else { return true };
            self.surround(*fault, around, Some((asked, place)), None);
            false
        });
        due
    }

    /// Lets the moments happen that have come.
    pub(super) fn meet_moments(&self) {
        let due = {
            let mut state = self.injector.lock();
            if state.quiet {
                return;
            }
            let passed = state.armed.elapsed();
            state.pending.take(|fault| matches!(fault.at(), Point::Moment(after) if after <= passed))
        };
        for fault in due {
            if let Effect::Around(around) = fault.harm().effect() {
                self.surround(fault, around, None, None);
            } else {
                self.crash(fault, None);
            }
        }
    }

    /// Does what happens around a controller. The hooks are called without a lock: they may ask.
    fn surround(&self, fault: Fault, around: Around, here: Option<(&Asked, &Place)>, token: Option<&Token>) {
        let hooks = &self.injector.shared.hooks;
        let done = match around {
            Around::Away(span) => {
                self.injector.lock().leave(here.map(|(_, place)| place), span);
                true
            }
            Around::Unauthorized(span) => {
                self.injector.lock().windows.expire(token.cloned(), span);
                true
            }
            Around::Clock(jump) => hooks.clock_jumps(jump),
            Around::Slice(change) => hooks.slice_changes(change),
        };
        if done {
            self.injector.lock().record(fault, here.map(|(asked, _)| asked));
        }
    }

    /// Cancelled when the place goes away.
    pub(in crate::fault) fn departure(&self, place: &Place) -> CancellationToken {
        self.injector.lock().watches.entry(place.clone()).or_default().clone()
    }

    /// Whether lists are worth remembering.
    pub(in crate::fault) fn wants_lists(&self) -> bool {
        let state = self.injector.lock();
        !state.quiet && state.pending.faults().any(|fault| matches!(fault.harm().effect(), Effect::Stale(_)))
    }

    /// Remembers an answer to a list.
    pub(in crate::fault) fn remember(&self, url: &str, content: &Bytes) {
        self.injector.lock().lists.remember(url, content);
    }

    /// An earlier answer to the same list.
    pub(in crate::fault) fn stale(&self, url: &str, now: &Bytes) -> Option<Bytes> {
        self.injector.lock().lists.stale(url, now)
    }

    /// How many events of a watch may have to be repeated.
    pub(in crate::fault) fn longest_repetition(&self) -> usize {
        let repeated = |fault: Fault| {
            let Effect::Damage(Damage::Repeat(count)) = fault.harm().effect() else { return None };
            usize::try_from(count.get()).ok()
        };
        self.injector.lock().pending.faults().filter_map(repeated).max().unwrap_or(0)
    }
}
