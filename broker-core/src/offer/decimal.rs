//! Exact decimal numbers: `mantissa × 10^exponent` on an `i128`, without floats.
//!
//! Comparison is exact for every pair of values; only parsing can fail, where a text has more digits than fit.

use std::cmp::Ordering;
use std::fmt;

/// The powers of ten that a mantissa can hold.
#[expect(clippy::indexing_slicing, reason = "checked when it is compiled")]
const POWERS: [u128; 39] = {
    let mut powers = [1; 39];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};
/// Texts beyond this exponent are no amounts of anything; the bound keeps the canonical text short.
const MAX_EXPONENT: i32 = 100;
/// Relative gaps are compared on mantissas below this, so that a thousandfold fits easily.
const GAP_SCALE: u128 = 1_000_000_000_000;

/// An exact decimal number.
///
/// Normalised (no trailing zeros in the mantissa), so that equality of the fields is equality of the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    mantissa: i128,
    exponent: i32,
}

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self { mantissa: 0, exponent: 0 };

    /// `mantissa × 10^exponent`; `None` where the exponent is out of bounds.
    pub fn new(mantissa: i128, exponent: i32) -> Option<Self> {
        let (mut mantissa, mut exponent) = (mantissa, exponent);
        if mantissa == 0 {
            return Some(Self::ZERO);
        }
        // Nearly all numbers are small, and dividing those costs a tenth.
        if let Ok(mut small) = i64::try_from(mantissa) {
            while small % 10 == 0 {
                small /= 10;
                exponent = exponent.checked_add(1)?;
            }
            mantissa = i128::from(small);
        }
        while mantissa % 10 == 0 {
            mantissa /= 10;
            exponent = exponent.checked_add(1)?;
        }
        (-MAX_EXPONENT..=MAX_EXPONENT).contains(&exponent).then_some(Self { mantissa, exponent })
    }

    /// Reads an optional sign, digits with at most one point, and an optional exponent: `10`, `-2.5`, `1e3`.
    ///
    /// `None` where the text is anything else, or has more digits than an `i128` holds.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(number) = small(text) {
            return Some(Self::from(number));
        }
        let (digits, exponent) = match text.find(['e', 'E']) {
            Some(at) => {
                let (digits, exponent) = text.split_at(at);
                (digits, parse_exponent(exponent.get(1..)?)?)
            }
            None => (text, 0),
        };
        let (negative, digits) = match digits.as_bytes().first()? {
            b'-' => (true, digits.get(1..)?),
            b'+' => (false, digits.get(1..)?),
            _ => (false, digits),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut mantissa: i128 = 0;
        let mut zeros: u32 = 0;
        let mut scale: i32 = 0;
        for (position, byte) in whole.bytes().chain(fraction.bytes()).enumerate() {
            if !byte.is_ascii_digit() {
                return None;
            }
            if position >= whole.len() {
                scale = scale.checked_sub(1)?;
            }
            // Zeros are only multiplied in once another digit follows: trailing ones must not overflow.
            if byte == b'0' {
                zeros = zeros.checked_add(1)?;
                continue;
            }
            let shift = if mantissa == 0 { 1 } else { 10_i128.checked_pow(zeros.checked_add(1)?)? };
            mantissa = mantissa.checked_mul(shift)?.checked_sub(i128::from(byte - b'0'))?;
            zeros = 0;
        }
        // Collected as a negative number: its range is the larger one.
        let mantissa = if negative { mantissa } else { mantissa.checked_neg()? };
        if mantissa == 0 {
            return Some(Self::ZERO);
        }
        let exponent = exponent.checked_add(scale)?.checked_add(i32::try_from(zeros).ok()?)?;
        Self::new(mantissa, exponent)
    }

    /// This number times `factor`; `None` where the result has too many digits.
    pub fn checked_mul(self, factor: i128) -> Option<Self> {
        Self::new(self.mantissa.checked_mul(factor)?, self.exponent)
    }

    /// This number times `10^power`; `None` where the exponent gets out of bounds.
    pub fn shifted(self, power: i32) -> Option<Self> {
        Self::new(self.mantissa, self.exponent.checked_add(power)?)
    }

    /// The number in thousandths, where it is a whole number of them and an `i64` holds it.
    pub(super) fn thousandths(self) -> Option<i64> {
        let power = u32::try_from(self.exponent.checked_add(3)?).ok()?;
        i64::try_from(self.mantissa).ok()?.checked_mul(10_i64.checked_pow(power)?)
    }

    /// Whether the number is below zero.
    pub fn is_negative(self) -> bool {
        self.mantissa < 0
    }

    /// How far apart two numbers are, in thousandths of the larger magnitude, at most 1000.
    ///
    /// For ranking near misses only: digits that do not matter at that scale are dropped.
    pub fn gap(self, other: Self) -> u32 {
        let largest = self.magnitude_digits().max(other.magnitude_digits());
        let (a, b) = (self.scaled_to(largest), other.scaled_to(largest));
        let base = a.unsigned_abs().max(b.unsigned_abs());
        let apart = a.abs_diff(b);
        match (apart * 1000).checked_div(base) {
            Some(gap) => u32::try_from(gap.min(1000)).unwrap_or(1000),
            None => 0,
        }
    }

    /// Position of the leading digit: 1 for `1..10`, 0 for `0.1..1`.
    fn magnitude_digits(self) -> i32 {
        if self.mantissa == 0 {
            return i32::MIN;
        }
        let digits = self.mantissa.unsigned_abs().ilog10() + 1;
        self.exponent.saturating_add(i32::try_from(digits).unwrap_or(i32::MAX))
    }

    /// The number in units in which a number of `leading` magnitude digits has twelve.
    fn scaled_to(self, leading: i32) -> i128 {
        if self.mantissa == 0 {
            return 0;
        }
        let shift = self.exponent.saturating_sub(leading).saturating_add(12);
        let power = 10_u128.checked_pow(shift.unsigned_abs());
        let magnitude = self.mantissa.unsigned_abs();
        let scaled = match (shift >= 0, power) {
            (true, Some(power)) => magnitude.saturating_mul(power),
            (false, Some(power)) => magnitude / power,
            (true, None) => GAP_SCALE,
            (false, None) => 0,
        };
        let scaled = i128::try_from(scaled.min(GAP_SCALE)).unwrap_or(i128::MAX);
        if self.mantissa < 0 { -scaled } else { scaled }
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.exponent == other.exponent {
            return self.mantissa.cmp(&other.mantissa);
        }
        let by_sign = self.mantissa.signum().cmp(&other.mantissa.signum());
        if by_sign.is_ne() || self.mantissa == 0 {
            return by_sign;
        }
        let (a, b) = (self.mantissa.unsigned_abs(), other.mantissa.unsigned_abs());
        let magnitudes = if self.exponent >= other.exponent {
            compare_scaled(a, self.exponent.abs_diff(other.exponent), b)
        } else {
            compare_scaled(b, self.exponent.abs_diff(other.exponent), a).reverse()
        };
        if self.mantissa < 0 { magnitudes.reverse() } else { magnitudes }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<i64> for Decimal {
    fn from(number: i64) -> Self {
        Self::new(i128::from(number), 0).unwrap_or(Self::ZERO)
    }
}

impl From<u64> for Decimal {
    fn from(number: u64) -> Self {
        Self::new(i128::from(number), 0).unwrap_or(Self::ZERO)
    }
}

/// The canonical text: plain digits, no trailing zeros behind the point, no exponent.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.mantissa < 0 { "-" } else { "" };
        let digits = self.mantissa.unsigned_abs().to_string();
        let places = usize::try_from(self.exponent.unsigned_abs()).unwrap_or(usize::MAX);
        if self.exponent >= 0 {
            return write!(f, "{sign}{digits}{:0<places$}", "");
        }
        match digits.len().checked_sub(places).filter(|whole| *whole > 0) {
            Some(whole) => {
                let (whole, fraction) = digits.split_at(whole);
                write!(f, "{sign}{whole}.{fraction}")
            }
            None => write!(f, "{sign}0.{digits:0>places$}"),
        }
    }
}

/// Compares `a × 10^power` with `b`, for `a` and `b` above zero.
fn compare_scaled(a: u128, power: u32, b: u128) -> Ordering {
    let factor = usize::try_from(power).ok().and_then(|power| POWERS.get(power));
    match factor.and_then(|factor| a.checked_mul(*factor)) {
        Some(a) => a.cmp(&b),
        // What does not fit is larger than what does.
        None => Ordering::Greater,
    }
}

/// The number that a text of a few digits and nothing else stands for: what nearly every text is.
fn small(text: &str) -> Option<i64> {
    let digits = text.as_bytes();
    if !(1..=18).contains(&digits.len()) {
        return None;
    }
    digits
        .iter()
        .try_fold(0_i64, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0')))
}

fn parse_exponent(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}
