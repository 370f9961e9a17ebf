//! Harms as words, and their parameters.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use super::{Failure, Harm};
use crate::fault::point::{Point, Series};
use crate::fault::text::{PlanError, Span, ordinal, span};

/// What the parameter of a harm is.
enum Parameter {
    None,
    Span(Duration),
    Count(NonZeroU32),
}

impl Harm {
    /// The word without the parameter; one for each kind of harm.
    pub const fn word(self) -> &'static str {
        match self {
            Self::CrashBefore => "crash-before",
            Self::CrashAfter => "crash-after",
            Self::Unreachable => "unreachable",
            Self::Lost => "lost",
            Self::Conflict => "conflict",
            Self::TooMany(_) => "too-many",
            Self::Failing(Failure::Internal) => "500",
            Self::Failing(Failure::Unavailable) => "503",
            Self::Failing(Failure::Timeout) => "504",
            Self::FailingAfter(Failure::Internal) => "500-after",
            Self::FailingAfter(Failure::Unavailable) => "503-after",
            Self::FailingAfter(Failure::Timeout) => "504-after",
            Self::Silence => "silence",
            Self::SilenceAfter => "silence-after",
            Self::Slow(_) => "slow",
            Self::Delay(_) => "delay",
            Self::Cut => "cut",
            Self::End => "end",
            Self::Stall => "stall",
            Self::Repeat(_) => "repeat",
            Self::Expired => "410",
            Self::Stale(_) => "stale",
            Self::Unauthorized(_) => "401",
            Self::Away(_) => "away",
            Self::Forward(_) => "forward",
            Self::Back(_) => "back",
            Self::SliceLost(_) => "no-url",
            Self::SliceMoved => "new-url",
        }
    }

    const fn parameter(self) -> Parameter {
        match self {
            Self::TooMany(span)
            | Self::Slow(span)
            | Self::Delay(span)
            | Self::Unauthorized(Some(span))
            | Self::Away(span)
            | Self::Forward(span)
            | Self::Back(span)
            | Self::SliceLost(span) => Parameter::Span(span),
            Self::Repeat(count) | Self::Stale(count) => Parameter::Count(count),
            Self::CrashBefore
            | Self::CrashAfter
            | Self::Unreachable
            | Self::Lost
            | Self::Conflict
            | Self::Failing(_)
            | Self::FailingAfter(_)
            | Self::Silence
            | Self::SilenceAfter
            | Self::Cut
            | Self::End
            | Self::Stall
            | Self::Expired
            | Self::Unauthorized(None)
            | Self::SliceMoved => Parameter::None,
        }
    }

    /// The same harm with other parameters, each smaller.
    pub(in crate::fault) fn lesser(self) -> Vec<Self> {
        match self.parameter() {
            Parameter::None => Vec::new(),
            Parameter::Span(span) => {
                shorter(span).into_iter().filter_map(|span| self.with(Some(span), None)).collect()
            }
            Parameter::Count(count) => {
                fewer(count).into_iter().filter_map(|count| self.with(None, Some(count))).collect()
            }
        }
    }

    fn with(self, span: Option<Duration>, count: Option<NonZeroU32>) -> Option<Self> {
        named(self.word(), span, count)
    }
}

/// Smaller durations, down to a millisecond.
pub(in crate::fault) fn shorter(span: Duration) -> Vec<Duration> {
    const USUAL: Duration = Duration::from_secs(1);
    let half = span / 2;
    let usual = (span > USUAL && half != USUAL).then_some(USUAL);
    usual.into_iter().chain((half >= Duration::from_millis(1)).then_some(half)).collect()
}

/// Smaller counts, down to one.
pub(in crate::fault) fn fewer(count: NonZeroU32) -> Vec<NonZeroU32> {
    let mut smaller: Vec<NonZeroU32> =
        [1, count.get() / 2, count.get() - 1].into_iter().filter_map(NonZeroU32::new).collect();
    smaller.retain(|other| *other < count);
    smaller.dedup();
    smaller
}

fn named(word: &str, span: Option<Duration>, count: Option<NonZeroU32>) -> Option<Harm> {
    let harm = match (word, span, count) {
        ("crash-before", None, None) => Harm::CrashBefore,
        ("crash-after", None, None) => Harm::CrashAfter,
        ("unreachable", None, None) => Harm::Unreachable,
        ("lost", None, None) => Harm::Lost,
        ("conflict", None, None) => Harm::Conflict,
        ("too-many", Some(span), None) => Harm::TooMany(span),
        ("500", None, None) => Harm::Failing(Failure::Internal),
        ("503", None, None) => Harm::Failing(Failure::Unavailable),
        ("504", None, None) => Harm::Failing(Failure::Timeout),
        ("500-after", None, None) => Harm::FailingAfter(Failure::Internal),
        ("503-after", None, None) => Harm::FailingAfter(Failure::Unavailable),
        ("504-after", None, None) => Harm::FailingAfter(Failure::Timeout),
        ("silence", None, None) => Harm::Silence,
        ("silence-after", None, None) => Harm::SilenceAfter,
        ("slow", Some(span), None) => Harm::Slow(span),
        ("delay", Some(span), None) => Harm::Delay(span),
        ("cut", None, None) => Harm::Cut,
        ("end", None, None) => Harm::End,
        ("stall", None, None) => Harm::Stall,
        ("repeat", None, Some(count)) => Harm::Repeat(count),
        ("410", None, None) => Harm::Expired,
        ("stale", None, Some(count)) => Harm::Stale(count),
        ("401", span, None) => Harm::Unauthorized(span),
        ("away", Some(span), None) => Harm::Away(span),
        ("forward", Some(span), None) => Harm::Forward(span),
        ("back", Some(span), None) => Harm::Back(span),
        ("no-url", Some(span), None) => Harm::SliceLost(span),
        ("new-url", None, None) => Harm::SliceMoved,
        _ => return None,
    };
    Some(harm)
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self.parameter() {
            Parameter::None => Ok(()),
            Parameter::Span(span) => write!(f, "({})", Span(span)),
            Parameter::Count(count) => write!(f, "({count})"),
        }
    }
}

impl FromStr for Harm {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let found = match text.split_once('(') {
            None => named(text, None, None),
            Some((word, rest)) => rest.strip_suffix(')').and_then(|parameter| {
                let (span, count) = (span(parameter), ordinal(parameter));
                if span.is_none() && count.is_none() { None } else { named(word, span, count) }
            }),
        };
        found.ok_or_else(|| PlanError::NoHarm { found: text.to_owned() })
    }
}

/// Every kind of harm once, as it is written.
pub(in crate::fault) fn examples() -> String {
    let mut words: Vec<String> = Vec::new();
    let mut seen = Vec::new();
    let further = [Harm::FailingAfter(Failure::Unavailable)];
    for harm in Harm::OF_TRANSPORT.iter().chain(&further).chain(Harm::OF_WORLD) {
        if !seen.contains(&harm.word()) {
            seen.push(harm.word());
            words.push(harm.to_string());
        }
    }
    words.join(", ")
}

/// Where a harm can happen, in the letters of points.
pub(in crate::fault) fn places(harm: Harm) -> String {
    let first = Series::ALL.map(|series| Point::Nth(series, NonZeroU32::MIN));
    let points = first.into_iter().chain([Point::Moment(Duration::ZERO)]);
    let letters: Vec<String> = points
        .filter(|point| harm.fits(*point))
        .filter_map(|p| p.to_string().chars().next())
        .map(String::from)
        .collect();
    letters.join(", ")
}
