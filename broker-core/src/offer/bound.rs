//! One inclusive bound of a `boundary`.

use std::cmp::Ordering;
use std::fmt;

use serde_json::Value;

use super::{Quantity, Unit};

/// A bound: the quantity, and the text it was written as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    quantity: Quantity,
    text: String,
}

impl Bound {
    /// Reads a number or a text; `None` where it is no quantity.
    pub fn parse(value: &Value) -> Option<Self> {
        let quantity = Quantity::from_value(value)?;
        let text = value.as_str().map_or_else(|| quantity.to_string(), ToOwned::to_owned);
        Some(Self { quantity, text })
    }

    /// The quantity.
    pub fn quantity(&self) -> Quantity {
        self.quantity
    }

    /// Whether the bound is written without a unit, and so is read in the unit of the value it bounds.
    pub fn is_bare(&self) -> bool {
        self.quantity.unit() == Unit::Bare
    }

    /// Whether a value is this or more.
    pub fn is_at_most(&self, value: Quantity) -> bool {
        self.compare(value).is_some_and(Ordering::is_le)
    }

    /// Whether a value is this or less.
    pub fn is_at_least(&self, value: Quantity) -> bool {
        self.compare(value).is_some_and(Ordering::is_ge)
    }

    fn compare(&self, value: Quantity) -> Option<Ordering> {
        if self.is_bare() && value.unit() != Unit::Bare {
            return Some(self.quantity.as_bound_of(value)?.cmp(&value.amount()));
        }
        Some(self.quantity.amount().cmp(&value.amount()))
    }

    /// How far a value is from this bound, in thousandths of the larger one.
    pub(super) fn gap(&self, value: Quantity) -> Option<u32> {
        Some(self.quantity.as_bound_of(value)?.gap(value.amount()))
    }
}

/// As it was written.
impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
