//! What happens around the broker: providers work, stages end, people change their minds, clusters fall silent.

use std::fmt;
use std::sync::Arc;

use broker_core::migration::{Controls, End, Migration, Request};
use serde_json::json;

use super::planning::{CLUSTERS, Plan, cluster_of};
use super::setting::{Ask, BACK, STAGES, Setting};
use super::state::{Link, PAST, State, Stores, Word};
use super::writing::{lose_cluster, settle_order};

/// Something that happens around the broker. Copies are told by their place in the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Event {
    Ready {
        copy: usize,
        ready: bool,
    },
    /// The provider answers the fence, whether it is up or not.
    AnswersFence {
        copy: usize,
    },
    /// The provider takes writes again although the fence is up.
    TakesWrites {
        copy: usize,
    },
    /// The provider lets go of a copy that is being deleted.
    LetsGo {
        copy: usize,
    },
    /// Somebody else deletes a copy.
    Stolen {
        copy: usize,
    },
    StageSays(Word),
    HelpersGone {
        at: usize,
    },
    FallsSilent {
        cluster: usize,
    },
    AnswersAgain {
        cluster: usize,
    },
    Leaves {
        cluster: usize,
    },
    /// The consumer orders the other size.
    Edited,
    OrderDeleted,
    OrderPaused(bool),
    /// A person wants the order moved.
    Asks(Ask),
    Says(Say),
}

/// What a person says about the move, or about what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Say {
    Pause,
    GoOn,
    Cancel,
    Rollback,
    AllowLoss,
    Approve,
}

/// What an event costs, and whether it brings the move to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// Part of every move that goes well.
    Helps,
    /// Nobody's fault.
    Happens,
    /// One of the disturbances that a run has a number of.
    Disturbs,
}

/// The record of the move that is not over, or of one that failed and that a person has to decide about.
fn open_move(stores: &Stores, state: &State) -> Option<(usize, Arc<Migration>)> {
    let mut records = state.migrations.iter().enumerate().map(|(at, id)| (at, stores.migration(*id)));
    records.rfind(|(_, record)| !record.state().is_final() || is_failed_late(record))
}

/// Whether a fence of the move was answered before.
fn is_answered(stores: &Stores, state: &State) -> bool {
    open_move(stores, state).is_some_and(|(_, it)| it.receipt.fenced_at.is_some() || it.position.reverting)
}

pub(super) fn is_failed_late(record: &Migration) -> bool {
    record.state() == broker_core::migration::MigrationState::Failed && record.position.switched
}

/// Everything that may happen in a state, and what kind it is of.
pub(super) fn events(setting: &Setting, stores: &Stores, state: &State, plan: &Plan) -> Vec<(Event, Kind)> {
    let mut found = Vec::new();
    if state.order.is_none() && state.copies.is_empty() && state.assignment.is_none() {
        return found;
    }
    let assignment = state.assignment.map(|id| stores.assignment(id));
    let pointer = assignment.as_ref().and_then(|it| it.pointer.clone());
    let target = assignment.as_ref().and_then(|it| it.moving()).map(|(_, target)| target.key.clone());
    for (copy, there) in state.copies.iter().enumerate() {
        let key = stores.key(there.key);
        if state.links[cluster_of(&key)] != Link::Answers {
            continue;
        }
        if there.deleting {
            found.push((Event::LetsGo { copy }, Kind::Helps));
            continue;
        }
        let serves = pointer.as_ref() == Some(&key.name);
        // Readiness comes and goes while a replacement is on its way; of what serves, or served, that is a disturbance.
        let on_its_way = !serves && Some(&*key) == target.as_ref();
        let kind = match (there.ready, on_its_way) {
            (false, _) => Kind::Helps,
            (true, true) => Kind::Happens,
            (true, false) => Kind::Disturbs,
        };
        found.push((Event::Ready { copy, ready: !there.ready }, kind));
        // A provider does not go back on its word faster than the broker looks: what was never to be seen is lost.
        let seen = plan.actions.is_empty() || !there.fenced || !is_answered(stores, state);
        if there.quiesced != there.fenced && seen {
            found.push((Event::AnswersFence { copy }, Kind::Helps));
        } else if there.quiesced && there.fenced && plan.actions.is_empty() {
            found.push((Event::TakesWrites { copy }, Kind::Disturbs));
        }
        found.push((Event::Stolen { copy }, Kind::Disturbs));
    }
    for (at, (_, going)) in state.helpers.iter().enumerate() {
        if *going {
            found.push((Event::HelpersGone { at }, Kind::Helps));
        }
    }
    for (cluster, link) in state.links.iter().enumerate() {
        match link {
            Link::Answers => {
                found.push((Event::FallsSilent { cluster }, Kind::Disturbs));
                found.push((Event::Leaves { cluster }, Kind::Disturbs));
            }
            Link::Silent(_) => found.push((Event::AnswersAgain { cluster }, Kind::Helps)),
            Link::Gone => {}
        }
    }
    if let Some(order) = state.order.map(|id| stores.object(id)).filter(|order| !order.is_deleting()) {
        found.push((Event::Edited, Kind::Disturbs));
        found.push((Event::OrderDeleted, Kind::Disturbs));
        let paused = order.annotation(broker_core::resource::marker::PAUSED_ANNOTATION) == Some("true");
        found.push((Event::OrderPaused(!paused), if paused { Kind::Helps } else { Kind::Disturbs }));
        if let Some(ask) = setting.ask.filter(|_| !state.asked) {
            found.push((Event::Asks(ask), Kind::Happens));
        }
    }
    let request = state.request.filter(|_| open_move(stores, state).is_none());
    if let Some(request) = request.map(|id| stores.request(id)) {
        let controls = &request.controls;
        found.extend((!controls.cancel).then_some((Event::Says(Say::Cancel), Kind::Disturbs)));
        found.extend((!controls.paused).then_some((Event::Says(Say::Pause), Kind::Disturbs)));
        found.extend(controls.paused.then_some((Event::Says(Say::GoOn), Kind::Helps)));
        return found;
    }
    if let Some((_, record)) = open_move(stores, state) {
        about_the_move(state, &record, plan, &mut found);
    }
    found
}

fn about_the_move(state: &State, record: &Migration, plan: &Plan, found: &mut Vec<(Event, Kind)>) {
    if let Some(stage) = record.stage().filter(|_| record.position.in_stage) {
        let first = stage.name == STAGES[0];
        if first && state.word == Word::Nothing {
            found.push((Event::StageSays(Word::Armed), Kind::Helps));
        } else if matches!(state.word, Word::Nothing | Word::Armed) {
            found.push((Event::StageSays(Word::Done), Kind::Helps));
            found.push((Event::StageSays(Word::Failed), Kind::Happens));
        }
    }
    let controls = &record.controls;
    // Where nothing more happens by itself after the switch, a person is expected to say something.
    let awaited = record.position.switched && plan.actions.is_empty() && !plan.wakes;
    let kind = if awaited { Kind::Helps } else { Kind::Disturbs };
    let mut may = |say, wanted: bool, kind| {
        if wanted {
            found.push((Event::Says(say), kind));
        }
    };
    may(Say::Pause, !controls.paused && !record.state().is_final(), Kind::Disturbs);
    may(Say::GoOn, controls.paused, Kind::Helps);
    may(Say::Cancel, !controls.cancel && !record.state().is_final(), Kind::Disturbs);
    may(Say::Rollback, !controls.rollback, kind);
    may(Say::AllowLoss, !controls.allow_loss && controls.rollback, kind);
    let stage = record.stage().filter(|stage| stage.approval || is_failed_late(record));
    if let Some(stage) = stage.filter(|stage| !controls.approved.contains(&stage.name)) {
        let asks = stage.approval && state.word == Word::Done;
        may(Say::Approve, true, if asks { Kind::Helps } else { kind });
    }
}

/// Lets it happen.
pub(super) fn happen(stores: &mut Stores, state: &mut State, event: Event) {
    match event {
        Event::Ready { copy, ready } => state.copies[copy].ready = ready,
        Event::AnswersFence { copy } => {
            let copy = &mut state.copies[copy];
            copy.quiesced = copy.fenced;
            // It took writes until now: what was done before is not all.
            if copy.fenced && state.word == Word::Done {
                state.word = Word::Armed;
            }
        }
        Event::TakesWrites { copy } => {
            state.copies[copy].quiesced = false;
            // What was done is so no more: there is more to copy.
            if state.word == Word::Done {
                state.word = Word::Armed;
            }
        }
        Event::LetsGo { copy } | Event::Stolen { copy } => {
            state.copies.remove(copy);
        }
        Event::StageSays(word) => {
            state.word = word;
            if word == Word::Done {
                stage_is_done(stores, state);
            }
        }
        Event::HelpersGone { at } => {
            state.helpers.remove(at);
        }
        Event::FallsSilent { cluster } => state.links[cluster] = Link::Silent(0),
        Event::AnswersAgain { cluster } => state.links[cluster] = Link::Answers,
        Event::Leaves { cluster } => lose_cluster(stores, state, cluster),
        Event::Edited => change_order(stores, state, |order| {
            let size = if order.text(&["spec", "size"]) == Some("large") { "small" } else { "large" };
            order.set(&["spec", "size"], size.into());
        }),
        Event::OrderDeleted => change_order(stores, state, |order| {
            order.set(&["metadata", "deletionTimestamp"], "then".into());
        }),
        Event::OrderPaused(paused) => change_order(stores, state, |order| {
            let paused = if paused {
                json!({ broker_core::resource::marker::PAUSED_ANNOTATION: "true" })
            } else {
                json!({})
            };
            order.set(&["metadata", "annotations"], paused);
        }),
        Event::Asks(ask) => asks(stores, state, ask),
        Event::Says(say) => says(stores, state, say),
    }
}

fn asks(stores: &mut Stores, state: &mut State, ask: Ask) {
    let serving = state.assignment.map(|id| stores.assignment(id));
    let at = serving.as_ref().and_then(|it| it.serving()).map_or(0, |copy| cluster_of(&copy.key));
    let end = |cluster: usize| End {
        gvk: None,
        name: Some("db".to_owned()),
        namespace: None,
        cluster: CLUSTERS[cluster].to_owned(),
    };
    state.asked = true;
    state.request = Some(stores.put_request(Request {
        name: "wanted".to_owned(),
        uid: "wanted-uid".to_owned(),
        resource_version: String::new(),
        created_at: None,
        from: end(at),
        to: end(1 - at),
        order: None,
        controls: Controls { skip_source: ask == Ask::SkipSource, ..Controls::default() },
        told: None,
    }));
}

fn change_order(
    stores: &mut Stores,
    state: &mut State,
    change: impl FnOnce(&mut broker_core::resource::Object),
) {
    let Some(id) = state.order else { return };
    let mut order = stores.object(id).as_ref().clone();
    change(&mut order);
    settle_order(stores, state, order);
}

fn says(stores: &mut Stores, state: &mut State, say: Say) {
    if let Some(id) = state.request.filter(|_| open_move(stores, state).is_none()) {
        let mut request = stores.request(id).as_ref().clone();
        change_controls(&mut request.controls, say, None);
        state.request = Some(stores.put_request(request));
        return;
    }
    let Some((at, record)) = open_move(stores, state) else { return };
    let mut record = record.as_ref().clone();
    let stage = record.stage().map(|stage| stage.name.clone());
    change_controls(&mut record.controls, say, stage);
    state.migrations[at] = stores.put_migration(record);
}

fn change_controls(controls: &mut Controls, say: Say, stage: Option<String>) {
    match say {
        Say::Pause => controls.paused = true,
        Say::GoOn => controls.paused = false,
        Say::Cancel => controls.cancel = true,
        Say::Rollback => controls.rollback = true,
        Say::AllowLoss => controls.allow_loss = true,
        Say::Approve => controls.approved.extend(stage),
    }
}

/// Takes note of what a stage that is done has seen to.
fn stage_is_done(stores: &Stores, state: &mut State) {
    let Some((_, record)) = open_move(stores, state) else { return };
    let Some(stage) = record.stage() else { return };
    if let Some(bit) = STAGES.iter().position(|name| *name == stage.name) {
        state.noted.done |= 1 << bit;
    }
    let ends = state.assignment.map(|id| stores.assignment(id));
    let ends = ends.as_ref().and_then(|assignment| assignment.moving());
    let quiesced = |end: &broker_core::order::CopyRef| {
        state.copies.iter().any(|copy| *stores.key(copy.key) == end.key && copy.quiesced)
    };
    if stage.name == STAGES[1] {
        state.noted.caught_up = Some(ends.is_some_and(|(source, _)| quiesced(source)));
    } else if stage.name == BACK {
        state.noted.brought_back = Some(ends.is_some_and(|(_, target)| quiesced(target)));
    }
}

/// A tick passes.
pub(super) fn tick(stores: &mut Stores, state: &mut State) {
    let older = |ticks: u8| (ticks + 1).min(PAST);
    for copy in &mut state.copies {
        copy.age = older(copy.age);
    }
    for link in &mut state.links {
        if let Link::Silent(ticks) = link {
            *ticks = older(*ticks);
        }
    }
    for id in &mut state.migrations {
        *id = stores.older_migration(*id);
    }
    state.noted.ticks = true;
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready { copy, ready: true } => write!(f, "copy {copy} becomes ready"),
            Self::Ready { copy, ready: false } => write!(f, "copy {copy} is ready no more"),
            Self::AnswersFence { copy } => write!(f, "the provider of copy {copy} answers the fence"),
            Self::TakesWrites { copy } => write!(f, "copy {copy} takes writes although the fence is up"),
            Self::LetsGo { copy } => write!(f, "the provider lets go of copy {copy}"),
            Self::Stolen { copy } => write!(f, "a stranger deletes copy {copy}"),
            Self::StageSays(word) => write!(f, "the stage says: {}", word.as_str()),
            Self::HelpersGone { .. } => write!(f, "the helpers are gone"),
            Self::FallsSilent { cluster } => write!(f, "{} falls silent", CLUSTERS[*cluster]),
            Self::AnswersAgain { cluster } => write!(f, "{} answers again", CLUSTERS[*cluster]),
            Self::Leaves { cluster } => write!(f, "{} leaves the fleet", CLUSTERS[*cluster]),
            Self::Edited => write!(f, "the consumer orders the other size"),
            Self::OrderDeleted => write!(f, "the consumer deletes the order"),
            Self::OrderPaused(true) => write!(f, "the consumer pauses the order"),
            Self::OrderPaused(false) => write!(f, "the consumer lets the order go on"),
            Self::Asks(Ask::Move) => write!(f, "a person wants the order moved"),
            Self::Asks(Ask::SkipSource) => {
                write!(f, "a person wants the order moved without what serves it (spec.skipSource)")
            }
            Self::Says(say) => write!(f, "a person says of the move: {say:?}"),
        }
    }
}
