//! Sets of faults, as data.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::harm::Harm;
use super::point::Point;
use super::text::PlanError;

/// A harm at a point where it can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Fault {
    at: Point,
    harm: Harm,
}

impl Fault {
    /// This harm at this point.
    ///
    /// # Errors
    /// It cannot happen there: an event cannot be in conflict.
    pub fn new(at: Point, harm: Harm) -> Result<Self, PlanError> {
        if harm.fits(at) { Ok(Self { at, harm }) } else { Err(PlanError::Misplaced { point: at, harm }) }
    }

    /// When.
    pub fn at(&self) -> Point {
        self.at
    }

    /// What.
    pub fn harm(&self) -> Harm {
        self.harm
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}!{}", self.at, self.harm)
    }
}

impl FromStr for Fault {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let text = text.trim();
        let (at, harm) = text.split_once('!').ok_or_else(|| PlanError::NoFault { found: text.to_owned() })?;
        Self::new(at.parse()?, harm.parse()?)
    }
}

/// What goes wrong in one run: a set of faults, each of which happens at most once.
///
/// Its text, its serialised form, is a list of faults separated by commas (see the [module](super)); `none` where there
/// is none. Where one request is meant by several faults, the smallest that decides about its answer does; delays and
/// what happens around the controller come on top.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Plan {
    faults: BTreeSet<Fault>,
}

impl Plan {
    /// Nothing goes wrong.
    pub const fn none() -> Self {
        Self { faults: BTreeSet::new() }
    }

    /// The faults, in the order of their text.
    pub fn faults(&self) -> impl ExactSizeIterator<Item = Fault> + '_ {
        self.faults.iter().copied()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.faults.len()
    }

    /// Whether nothing goes wrong.
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// Takes out every fault that satisfies the condition.
    pub(super) fn take(&mut self, due: impl Fn(&Fault) -> bool) -> Vec<Fault> {
        let (taken, left) = std::mem::take(&mut self.faults).into_iter().partition(|fault| due(fault));
        self.faults = left;
        BTreeSet::into_iter(taken).collect()
    }
}

impl From<Fault> for Plan {
    fn from(fault: Fault) -> Self {
        Self { faults: BTreeSet::from([fault]) }
    }
}

impl FromIterator<Fault> for Plan {
    fn from_iter<I: IntoIterator<Item = Fault>>(faults: I) -> Self {
        Self { faults: faults.into_iter().collect() }
    }
}

impl Extend<Fault> for Plan {
    fn extend<I: IntoIterator<Item = Fault>>(&mut self, faults: I) {
        self.faults.extend(faults);
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.faults.is_empty() {
            return f.write_str("none");
        }
        for (index, fault) in self.faults.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{fault}")?;
        }
        Ok(())
    }
}

impl FromStr for Plan {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        match text.trim() {
            "" | "none" => Ok(Self::none()),
            text => text.split(',').map(str::parse).collect(),
        }
    }
}

/// Both are written as their text.
macro_rules! as_text {
    ($($type:ty),*) => {$(
        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }

        impl TryFrom<String> for $type {
            type Error = PlanError;

            fn try_from(text: String) -> Result<Self, PlanError> {
                text.parse()
            }
        }
    )*};
}

as_text!(Fault, Plan);
