//! The election, searched whole: every order in which answers come, are lost or come late, and time passes.
//!
//! Two candidates do what [`decide`] and [`Hold`] say about one Lease. Whoever looks sees it as it is, which is the worst
//! that can happen: who sees an older state counts from later on. A write that was given up may still arrive, at any
//! time. What is left out: clocks that run at different speeds, and a process that stands still while it believes to
//! lead; that is why every write of the broker is guarded besides.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::unchecked_time_subtraction,
    reason = "numbers are small, and a test may fail loudly"
)]

use std::time::{Duration, Instant};

use stateright::{Checker as _, HasDiscoveries, Model, Property};

use super::decide::{Hold, Pace, Seen, Step, decide};

const CANDIDATES: [usize; 2] = [0, 1];
/// In ticks of a second.
const DURATION: u8 = 4;
const RENEWAL: u8 = 1;
/// Nothing depends on what is older.
const OLD: u8 = DURATION + 1;

/// What is searched: the election as it is, or with a mistake in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    None,
    /// A round may take its whole patience, whenever it began.
    RoundsTakeTheirTime,
    /// Who wrote the Lease believes from when the answer came.
    CountedFromTheAnswer,
    /// A Lease is taken over a tick early.
    TakenEarly,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct State {
    lease: Lease,
    candidates: [Candidate; 2],
}

/// Holder 0 is nobody; candidate `n` is `n + 1`. Version 0: there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Lease {
    holder: u8,
    version: u8,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Candidate {
    /// How long ago the last renewal was sent that is known to have succeeded.
    held: Option<u8>,
    /// What was seen of the Lease, and how long ago first.
    seen: Option<(Lease, u8)>,
    /// How long ago the round began that goes on, and its write.
    round: Option<(u8, Write)>,
    /// A write that was given up and may still arrive.
    late: Option<u8>,
    /// Ticks until the next round.
    pause: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Write {
    /// On its way, with the version that it replaces.
    Sent(u8),
    /// Done: the version that it made.
    Done(u8),
    /// Refused for a conflict.
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Happening {
    Tick,
    Begins(usize),
    Arrives(usize),
    ArrivesLate(usize),
    Answered(usize),
    GivenUp(usize),
    Hears(usize),
}

struct Election(Mistake);

impl Election {
    /// Whether the round that began so long ago, or none that does now, may go on.
    fn is_over(&self, candidate: &Candidate, began: u8) -> bool {
        let now = Instant::now();
        let forgets = self.0 == Mistake::RoundsTakeTheirTime;
        let hold = if forgets { Hold::default() } else { hold(candidate, now) };
        now >= hold.deadline(now - ticks(began), pace())
    }

    /// Something that happens before time passes: nobody dawdles.
    fn is_due(&self, candidate: &Candidate) -> bool {
        match candidate.round {
            Some((began, _)) => self.is_over(candidate, began),
            None => candidate.pause == 0,
        }
    }

    fn begin(&self, state: &mut State, index: usize) {
        let lease = state.lease;
        let me = &mut state.candidates[index];
        if me.held.is_none() {
            look(me, lease);
        }
        let now = Instant::now();
        let early = u8::from(self.0 == Mistake::TakenEarly);
        let seen = me.seen.map(|(lease, age)| Seen {
            holder: name(lease.holder),
            duration: ticks(DURATION),
            transitions: 0,
            version: lease.version.to_string(),
            since: now - ticks(age + early),
        });
        match decide(seen.as_ref(), &name(own(index)), now) {
            Step::Wait => {
                me.held = None;
                me.pause = RENEWAL;
            }
            Step::Create | Step::Renew | Step::TakeOver => {
                let replaced = me.seen.map_or(0, |(lease, _)| lease.version);
                me.round = Some((0, Write::Sent(replaced)));
            }
        }
    }

    fn answer(&self, state: &mut State, index: usize) {
        let lease = state.lease;
        let me = &mut state.candidates[index];
        let Some((began, write)) = me.round.take() else { return };
        match write {
            Write::Done(version) => {
                me.seen = Some((Lease { holder: own(index), version }, 0));
                me.held = Some(if self.0 == Mistake::CountedFromTheAnswer { 0 } else { began });
                me.pause = pause(me, pace());
            }
            Write::Refused => {
                look(me, lease);
                me.held = None;
                me.pause = 0;
            }
            Write::Sent(_) => {}
        }
    }
}

impl Model for Election {
    type State = State;
    type Action = Happening;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Happening>) {
        for index in CANDIDATES {
            let me = &state.candidates[index];
            match me.round {
                Some((began, _)) if self.is_over(me, began) => actions.push(Happening::GivenUp(index)),
                Some((_, Write::Sent(_))) => actions.push(Happening::Arrives(index)),
                Some((_, Write::Done(_) | Write::Refused)) => actions.push(Happening::Answered(index)),
                None if me.pause == 0 => actions.push(Happening::Begins(index)),
                None if me.held.is_none() && me.seen.map(|(seen, _)| seen) != Some(state.lease) => {
                    actions.push(Happening::Hears(index));
                }
                None => {}
            }
            if me.late.is_some() {
                actions.push(Happening::ArrivesLate(index));
            }
        }
        if state.candidates.iter().all(|candidate| !self.is_due(candidate)) {
            actions.push(Happening::Tick);
        }
    }

    fn next_state(&self, before: &State, happening: Happening) -> Option<State> {
        let mut state = before.clone();
        match happening {
            Happening::Tick => {
                for me in &mut state.candidates {
                    let older = |age: &mut u8| *age = (*age + 1).min(OLD);
                    let seen = me.seen.as_mut().map(|(_, age)| age);
                    let round = me.round.as_mut().map(|(began, _)| began);
                    me.held.as_mut().into_iter().chain(seen).chain(round).for_each(older);
                    me.pause = me.pause.saturating_sub(1);
                }
            }
            Happening::Begins(index) => self.begin(&mut state, index),
            Happening::Arrives(index) => {
                let Some((began, Write::Sent(replaced))) = state.candidates[index].round else { return None };
                let made = write(&mut state.lease, replaced, index);
                state.candidates[index].round = Some((began, made.map_or(Write::Refused, Write::Done)));
            }
            Happening::ArrivesLate(index) => {
                let replaced = state.candidates[index].late.take()?;
                write(&mut state.lease, replaced, index);
            }
            Happening::Answered(index) => self.answer(&mut state, index),
            Happening::GivenUp(index) => give_up(&mut state.candidates[index]),
            Happening::Hears(index) => {
                let lease = state.lease;
                let me = &mut state.candidates[index];
                look(me, lease);
                me.pause = 0;
            }
        }
        renumber(&mut state);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no two believe to lead", |_, state: &State| leaders(state) < 2),
            Property::sometimes("the lead changes hands", |_, state: &State| {
                state.candidates[1].held.is_some() && state.candidates[0].seen.is_some()
            }),
        ]
    }
}

fn pace() -> Pace {
    Pace { duration: ticks(DURATION), renewal: ticks(RENEWAL) }
}

fn leaders(state: &State) -> usize {
    state.candidates.iter().filter(|it| it.held.is_some()).count()
}

fn ticks(count: u8) -> Duration {
    Duration::from_secs(count.into())
}

fn own(index: usize) -> u8 {
    u8::try_from(index).unwrap() + 1
}

fn name(holder: u8) -> String {
    if holder == 0 { String::new() } else { holder.to_string() }
}

fn hold(candidate: &Candidate, now: Instant) -> Hold {
    let mut hold = Hold::default();
    if let Some(age) = candidate.held {
        hold.renewed(now - ticks(age));
    }
    hold
}

fn pause(candidate: &Candidate, pace: Pace) -> u8 {
    let now = Instant::now();
    u8::try_from(hold(candidate, now).pause(now, pace).as_secs()).unwrap()
}

/// A round whose time is over; its write may still arrive.
fn give_up(me: &mut Candidate) {
    if let Some((_, Write::Sent(replaced))) = me.round.take() {
        me.late = Some(replaced);
    }
    let now = Instant::now();
    let mut hold = hold(me, now);
    hold.failed(now, pace());
    if !hold.is_held() {
        me.held = None;
    }
    me.pause = pause(me, pace());
}

/// Sees the Lease as it is.
fn look(candidate: &mut Candidate, lease: Lease) {
    if candidate.seen.map(|(seen, _)| seen) != Some(lease) {
        candidate.seen = (lease.version > 0).then_some((lease, 0));
    }
}

/// The version that a write makes; none where it is refused.
fn write(lease: &mut Lease, replaced: u8, index: usize) -> Option<u8> {
    if lease.version != replaced {
        return None;
    }
    *lease = Lease { holder: own(index), version: u8::MAX };
    Some(lease.version)
}

/// Versions are told apart and no more: they are numbered anew, in the order in which they stand.
fn renumber(state: &mut State) {
    let mut known = vec![0];
    let mut number = |version: &mut u8| {
        let at = known.iter().position(|other| other == version).unwrap_or_else(|| {
            known.push(*version);
            known.len() - 1
        });
        *version = u8::try_from(at).unwrap();
    };
    number(&mut state.lease.version);
    for me in &mut state.candidates {
        if let Some((seen, _)) = &mut me.seen {
            number(&mut seen.version);
        }
        match &mut me.round {
            Some((_, Write::Sent(version) | Write::Done(version))) => number(version),
            Some((_, Write::Refused)) | None => {}
        }
        if let Some(version) = &mut me.late {
            number(version);
        }
    }
}

#[test]
fn no_two_candidates_ever_believe_to_lead() {
    let began = Instant::now();
    let checker = Election(Mistake::None).checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    println!("the election: {} states in {:.1?}", checker.unique_state_count(), began.elapsed());
}

#[test]
fn the_search_notices_each_known_mistake() {
    for mistake in [Mistake::RoundsTakeTheirTime, Mistake::CountedFromTheAnswer, Mistake::TakenEarly] {
        let search = Election(mistake).checker().finish_when(HasDiscoveries::AnyFailures);
        let found = search.spawn_bfs().join().discovery("no two believe to lead");
        assert!(found.is_some(), "{mistake:?} is not noticed");
    }
}
