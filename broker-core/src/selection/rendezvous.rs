//! Weighted rendezvous hashing: spreads orders over equal offers, and moves as few as possible when offers change.
//!
//! Every pair of order and offer draws a number `u` in `(0, 1]`; the offer with the least `-log2(u) / weight` wins
//! (D. Thaler and C. V. Ravishankar, *A name-based mapping scheme for rendezvous*, 1996; weights by the logarithm as in
//! draft-ietf-bess-weighted-hrw). A draw depends on this pair alone: adding an offer only takes orders to it, losing
//! one only moves its own, and each offer gets its weight's share.
//!
//! The draws must be the same on every replica of every release, so nothing here may ever change: seeds are made of the
//! texts' lengths and bytes, eight at a time (little-endian), mixed by the finaliser of `SplitMix64` (G. Steele, D. Lea,
//! C. Flood, 2014), and the logarithm is computed in fixed point, because the one of floats differs between platforms.
//! Whoever may choose the name of an offer can search for one that is drawn more often for orders it knows; a hash that
//! is dearer would not change that, as it is no secret.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::offer::OfferId;

/// The increment of `SplitMix64`.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
/// Fractional bits of the fixed-point logarithm.
const FRACTION_BITS: u32 = 56;

/// The lot of one offer for one order; the smaller one wins.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Draw {
    /// `-log2(u)` in fixed point with 56 fractional bits.
    cost: u64,
    weight: u32,
}

/// What an order brings to every draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderSeed(u64);

impl OrderSeed {
    /// The seed of the order of this identity.
    pub fn of(identity: &str) -> Self {
        Self(seed(&[identity]))
    }

    /// The number that an offer draws for this order. Among equal weights the greater one wins, unless the two are so
    /// near that the logarithm rounds them to the same: see [`APART`].
    pub(crate) fn number(self, offer: OfferSeed) -> u64 {
        mix(self.0 ^ offer.0)
    }
}

/// Numbers that differ by this much never draw equal lots at equal weights.
///
/// The logarithm keeps 56 fractional bits; where it is flattest, at the greatest numbers, one step of it spans
/// `2^(64 - 56) / log2(e)`, fewer than 178 numbers.
pub(crate) const APART: u64 = 1 << 10;

/// What an offer brings to every draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OfferSeed(u64);

impl OfferSeed {
    /// The seed of an offer.
    pub fn of(offer: &OfferId) -> Self {
        Self(mix(seed(&[offer.cluster.as_str(), &offer.namespace, &offer.name])))
    }

    pub(crate) fn get(self) -> u64 {
        self.0
    }
}

impl Draw {
    /// The lot of an offer with this weight (0 counts as 1) for the order of this identity.
    pub fn new(identity: &str, offer: &OfferId, weight: u32) -> Self {
        Self::of(OrderSeed::of(identity), OfferSeed::of(offer), weight)
    }

    /// The lot of an offer with this weight (0 counts as 1), from both seeds.
    pub fn of(order: OrderSeed, offer: OfferSeed, weight: u32) -> Self {
        Self { cost: negative_log2(order.number(offer)), weight: weight.max(1) }
    }

    /// The weight that counted.
    pub fn weight(self) -> u32 {
        self.weight
    }
}

impl PartialEq for Draw {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Draw {}

impl Ord for Draw {
    /// Compares the quotients by multiplying crosswise, so that nothing is rounded.
    fn cmp(&self, other: &Self) -> Ordering {
        let one = u128::from(self.cost) * u128::from(other.weight);
        let two = u128::from(other.cost) * u128::from(self.weight);
        one.cmp(&two)
    }
}

impl PartialOrd for Draw {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The texts' seed; the length of each goes in front, so that no two lists of texts run together.
fn seed(texts: &[&str]) -> u64 {
    texts.iter().fold(0, |seed, text| {
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        let (words, rest) = text.as_bytes().as_chunks::<8>();
        let words = words.iter().map(|word| u64::from_le_bytes(*word));
        let words = words.chain((!rest.is_empty()).then(|| short_word(rest)));
        // The increment of SplitMix64 keeps zeros from staying zeros.
        std::iter::once(length).chain(words).fold(seed, |seed, word| mix((seed ^ word).wrapping_add(GAMMA)))
    })
}

/// Fewer than eight bytes as a little-endian number.
fn short_word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// The finaliser of `SplitMix64`: every bit of the input changes half of the output's.
fn mix(input: u64) -> u64 {
    let mixed = (input ^ (input >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// `-log2((hash + 1) / 2^64)` in fixed point: from 0 to 64.
fn negative_log2(hash: u64) -> u64 {
    // 64 - log2(hash + 1): the whole part from the leading bit, the fraction bit by bit by squaring.
    let number = u128::from(hash) + 1;
    let whole = number.ilog2();
    // Normalised to [1, 2) with 63 fractional bits; `number` is at most 2^64.
    let mut mantissa = if whole >= 63 { number >> (whole - 63) } else { number << (63 - whole) };
    let mut fraction: u64 = 0;
    for _ in 0..FRACTION_BITS {
        mantissa = (mantissa * mantissa) >> 63;
        fraction <<= 1;
        if mantissa >> 64 != 0 {
            mantissa >>= 1;
            fraction |= 1;
        }
    }
    let log = (u128::from(whole) << FRACTION_BITS) | u128::from(fraction);
    let negative = (64_u128 << FRACTION_BITS) - log;
    u64::try_from(negative).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[allow(clippy::cast_precision_loss, reason = "compared with a tolerance that is far larger")]
mod tests {
    use super::*;

    #[test]
    fn logarithms_agree_with_those_of_floats() {
        for hash in [0, 1, 2, 3, 1 << 20, (1 << 62) - 7, (1 << 63) - 1, 1 << 63, u64::MAX - 1, u64::MAX] {
            let fixed = negative_log2(hash) as f64 / (1_u64 << FRACTION_BITS) as f64;
            let float = 64.0 - (hash as f64 + 1.0).log2();
            assert!((fixed - float).abs() < 1e-9, "{hash}: {fixed} {float}");
        }
        assert_eq!(negative_log2(u64::MAX), 0);
        assert_eq!(negative_log2(0), 64 << FRACTION_BITS);
    }

    #[test]
    fn draws_never_change_between_releases() {
        let draw = |order: &str, name: &str| Draw::new(order, &OfferId::new("c", "n", name), 100).cost;
        assert_eq!(
            [draw("order-1", "a"), draw("order-1", "b"), draw("order-2", "a"), draw("", "")],
            [
                156_147_424_954_991_587,
                129_024_042_618_718_357,
                324_305_569_681_454_313,
                65_616_217_892_167_106
            ]
        );
    }

    #[test]
    fn a_seed_is_made_of_the_length_and_of_eight_bytes_at_a_time_whatever_is_left_over() {
        let text: String = ('a'..='z').collect();
        for length in 0..text.len() {
            let bytes = &text.as_bytes()[..length];
            let words = bytes.chunks(8).map(|bytes| {
                let mut word = [0; 8];
                word[..bytes.len()].copy_from_slice(bytes);
                u64::from_le_bytes(word)
            });
            let all = std::iter::once(length as u64).chain(words);
            let expected = all.fold(0, |seed, word| mix((seed ^ word).wrapping_add(GAMMA)));
            assert_eq!(OrderSeed::of(&text[..length]), OrderSeed(expected), "{length}");
        }
    }

    #[test]
    fn greater_numbers_draw_smaller_lots_and_those_apart_never_equal_ones() {
        let numbers =
            [0, 1, 5_000, 1 << 20, 1 << 40, (1 << 63) - 1, 1 << 63, u64::MAX - (1 << 40), u64::MAX - APART];
        for number in numbers {
            let near = (0..=APART).step_by(16).map(|more| negative_log2(number + more));
            assert!(near.is_sorted_by(|a, b| a >= b), "{number}");
            assert!(negative_log2(number) > negative_log2(number + APART), "{number}");
        }
    }

    #[test]
    fn identities_do_not_run_together() {
        let draw = |cluster: &str, namespace: &str, name: &str| {
            Draw::new("order", &OfferId::new(cluster, namespace, name), 1).cost
        };
        assert_ne!(draw("ab", "c", "d"), draw("a", "bc", "d"));
        assert_ne!(draw("a", "", "b"), draw("a", "b", ""));
    }
}
