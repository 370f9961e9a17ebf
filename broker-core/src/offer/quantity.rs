//! Numbers as Kubernetes people write them: integers, decimals and quantities with suffixes, compared exactly.
//!
//! `1Gi`, `1024Mi` and `1073741824` are the same amount. Nothing is rounded: where Kubernetes would round below a
//! nano, this keeps every digit, and a text with more digits than fit is no quantity.

use std::fmt;

use serde_json::{Number, Value};

use super::Decimal;

/// Longer texts are no numbers anybody wrote on purpose.
const MAX_LENGTH: usize = 64;

/// The family of suffix a quantity was written with, which decides how a bound without a unit is read against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// No suffix, or a fraction (`m`, `u`, `n`): the number stands for itself.
    Bare,
    /// `Ki`, `Mi`, `Gi`, `Ti`, `Pi`, `Ei`.
    Binary,
    /// `k`, `M`, `G`, `T`, `P`, `E`.
    Decimal,
}

/// An amount, and the family of suffix it was written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quantity {
    amount: Decimal,
    unit: Unit,
}

impl Quantity {
    /// Reads `10`, `-2.5`, `"1e3"`, `500m`, `10Gi`: what `resource.Quantity` of Kubernetes reads.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_LENGTH {
            return None;
        }
        let letters = text.bytes().rev().take_while(u8::is_ascii_alphabetic).count();
        let (digits, ending) = text.split_at_checked(text.len() - letters)?;
        if ending.is_empty() {
            return Some(Self { amount: Decimal::parse(text)?, unit: Unit::Bare });
        }
        // A suffix and an exponent exclude each other, as in Kubernetes.
        if digits.contains(['e', 'E']) {
            return None;
        }
        let (factor, unit) = suffix(ending)?;
        let number = Decimal::parse(digits)?;
        let amount = match factor {
            Factor::Ten(power) => number.shifted(power)?,
            Factor::Two(power) => number.checked_mul(1_i128.checked_shl(power)?)?,
        };
        Some(Self { amount, unit })
    }

    /// Reads a JSON number exactly as far as JSON keeps it.
    pub fn from_number(number: &Number) -> Option<Self> {
        let amount = match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Decimal::from(number),
            (None, Some(number)) => Decimal::from(number),
            // The shortest decimal text that stands for the float: the number as it was written.
            (None, None) => Decimal::parse(&number.to_string())?,
        };
        Some(Self { amount, unit: Unit::Bare })
    }

    /// Reads a JSON number or a text; `None` for everything else.
    pub fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => Self::from_number(number),
            Value::String(text) => Self::parse(text),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// The amount, suffix multiplied in.
    pub fn amount(self) -> Decimal {
        self.amount
    }

    /// The family of suffix.
    pub fn unit(self) -> Unit {
        self.unit
    }

    /// The amount this quantity stands for as a bound of `value`.
    ///
    /// A bound without a unit against a value with a byte suffix counts in Gi or G: `10` bounds `100Gi` as `10Gi` and
    /// `100G` as `10G`. `None` where that has too many digits.
    pub fn as_bound_of(self, value: Self) -> Option<Decimal> {
        match (self.unit, value.unit) {
            (Unit::Bare, Unit::Binary) => self.amount.checked_mul(1 << 30),
            (Unit::Bare, Unit::Decimal) => self.amount.shifted(9),
            (Unit::Bare, Unit::Bare) | (Unit::Binary | Unit::Decimal, _) => Some(self.amount),
        }
    }
}

/// The amount in full, without its suffix.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.amount.fmt(f)
    }
}

enum Factor {
    Ten(i32),
    Two(u32),
}

fn suffix(text: &str) -> Option<(Factor, Unit)> {
    Some(match text {
        "n" => (Factor::Ten(-9), Unit::Bare),
        "u" => (Factor::Ten(-6), Unit::Bare),
        "m" => (Factor::Ten(-3), Unit::Bare),
        "k" => (Factor::Ten(3), Unit::Decimal),
        "M" => (Factor::Ten(6), Unit::Decimal),
        "G" => (Factor::Ten(9), Unit::Decimal),
        "T" => (Factor::Ten(12), Unit::Decimal),
        "P" => (Factor::Ten(15), Unit::Decimal),
        "E" => (Factor::Ten(18), Unit::Decimal),
        "Ki" => (Factor::Two(10), Unit::Binary),
        "Mi" => (Factor::Two(20), Unit::Binary),
        "Gi" => (Factor::Two(30), Unit::Binary),
        "Ti" => (Factor::Two(40), Unit::Binary),
        "Pi" => (Factor::Two(50), Unit::Binary),
        "Ei" => (Factor::Two(60), Unit::Binary),
        _ => return None,
    })
}
