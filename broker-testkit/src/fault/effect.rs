//! Where on its way through the layer a harm takes hold.

use std::num::NonZeroU32;
use std::time::Duration;

use super::harm::{Failure, Harm};
use super::hooks::{Jump, SliceChange};

/// What is done, and where.
#[derive(Debug, Clone, Copy)]
pub(super) enum Effect {
    /// Something else than what is sent or heard.
    Around(Around),
    /// It is held back.
    Delay(Duration),
    /// It does not get through; this happens instead.
    Instead(Outcome),
    /// It gets through, and then this happens instead of an answer.
    After(Outcome),
    /// The answer, or the event, is not the server's whole one.
    Damage(Damage),
    /// A list is one of earlier.
    Stale(NonZeroU32),
}

/// What happens around a controller.
#[derive(Debug, Clone, Copy)]
pub(super) enum Around {
    Away(Duration),
    Unauthorized(Option<Duration>),
    Clock(Jump),
    Slice(SliceChange),
}

/// What a controller gets in the end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome {
    /// It dies.
    Crash,
    /// Nothing, for ever.
    Silence,
    /// No connection.
    Refused,
    /// A connection that breaks.
    Broken,
    /// An answer.
    Answer(Canned),
}

/// An answer that is no server's.
#[derive(Debug, Clone, Copy)]
pub(super) enum Canned {
    Conflict,
    TooMany(Duration),
    Failing(Failure),
    Expired,
}

/// What is done to a body.
#[derive(Debug, Clone, Copy)]
pub(super) enum Damage {
    Slow(Duration),
    Cut,
    End,
    Stall,
    Repeat(NonZeroU32),
}

impl Harm {
    /// What it does.
    pub(super) const fn effect(self) -> Effect {
        match self {
            Self::CrashBefore => Effect::Instead(Outcome::Crash),
            Self::CrashAfter => Effect::After(Outcome::Crash),
            Self::Unreachable => Effect::Instead(Outcome::Refused),
            Self::Lost => Effect::After(Outcome::Broken),
            Self::Conflict => Effect::Instead(Outcome::Answer(Canned::Conflict)),
            Self::TooMany(span) => Effect::Instead(Outcome::Answer(Canned::TooMany(span))),
            Self::Failing(failure) => Effect::Instead(Outcome::Answer(Canned::Failing(failure))),
            Self::FailingAfter(failure) => Effect::After(Outcome::Answer(Canned::Failing(failure))),
            Self::Silence => Effect::Instead(Outcome::Silence),
            Self::SilenceAfter => Effect::After(Outcome::Silence),
            Self::Expired => Effect::Instead(Outcome::Answer(Canned::Expired)),
            Self::Delay(span) => Effect::Delay(span),
            Self::Slow(span) => Effect::Damage(Damage::Slow(span)),
            Self::Cut => Effect::Damage(Damage::Cut),
            Self::End => Effect::Damage(Damage::End),
            Self::Stall => Effect::Damage(Damage::Stall),
            Self::Repeat(count) => Effect::Damage(Damage::Repeat(count)),
            Self::Stale(changes) => Effect::Stale(changes),
            Self::Unauthorized(span) => Effect::Around(Around::Unauthorized(span)),
            Self::Away(span) => Effect::Around(Around::Away(span)),
            Self::Forward(span) => Effect::Around(Around::Clock(Jump::Forward(span))),
            Self::Back(span) => Effect::Around(Around::Clock(Jump::Back(span))),
            Self::SliceLost(span) => Effect::Around(Around::Slice(SliceChange::Lost(span))),
            Self::SliceMoved => Effect::Around(Around::Slice(SliceChange::Moved)),
        }
    }
}
