//! When something happens.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use super::text::{PlanError, Span, ordinal, span};

/// What is counted of a controller's traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Series {
    /// Everything that is sent.
    Request,
    /// What may change something.
    Write,
    /// Lists, page by page.
    List,
    /// Watches that are opened.
    Watch,
    /// Events of watches, bookmarks included.
    Event,
}

impl Series {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Request, Self::Write, Self::List, Self::Watch, Self::Event];

    const fn letter(self) -> char {
        match self {
            Self::Request => 'r',
            Self::Write => 'w',
            Self::List => 'l',
            Self::Watch => 's',
            Self::Event => 'e',
        }
    }

    /// Whether its members are requests.
    pub(super) const fn is_asked(self) -> bool {
        !matches!(self, Self::Event)
    }
}

/// A moment of a controller's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Point {
    /// The n-th of a series, counted from one.
    Nth(Series, NonZeroU32),
    /// So long after the faults were armed, by tokio's clock.
    Moment(Duration),
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nth(series, n) => write!(f, "{}{n}", series.letter()),
            Self::Moment(after) => write!(f, "t{}", Span(*after)),
        }
    }
}

impl FromStr for Point {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let mut rest = text.chars();
        let letter = rest.next();
        let series = Series::ALL.into_iter().find(|series| Some(series.letter()) == letter);
        let found = match series {
            Some(series) => ordinal(rest.as_str()).map(|n| Self::Nth(series, n)),
            None if letter == Some('t') => span(rest.as_str()).map(Self::Moment),
            None => None,
        };
        found.ok_or_else(|| PlanError::NoPoint { found: text.to_owned() })
    }
}
