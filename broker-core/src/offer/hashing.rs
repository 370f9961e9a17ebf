//! Hashes of paths and texts, so that an offer and an order that were read at different times meet without comparing
//! letters.
//!
//! They are quick and nobody's secret: whoever wants two that collide finds them. So a hash alone never decides
//! anything; whoever finds something by one compares the path or the text itself.

use std::hash::Hasher;

use rustc_hash::FxHasher;

use crate::resource::FieldPath;

/// Between the segments of a path in bytes: no text in UTF-8 has it.
pub(crate) const SEPARATOR: u8 = 0xff;

/// The bits that the hash of a path leaves for what is asked of the field: see [`Kind`](super::sieve::Kind).
pub(crate) const ASIDE: u64 = 0b111;

/// In tests, whatever has this in it has one hash, so that what is done about collisions can be seen: real ones are found
/// too seldom.
#[cfg(test)]
pub(crate) const COLLIDING: &str = "collides-with-all";

/// What of a text goes into its hash: all of it.
#[cfg(not(test))]
fn hashed(text: &[u8]) -> &[u8] {
    text
}

#[cfg(test)]
fn hashed(text: &[u8]) -> &[u8] {
    let collides = memchr::memmem::find(text, COLLIDING.as_bytes()).is_some();
    if collides { COLLIDING.as_bytes() } else { text }
}

/// The hash of a path of fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PathHash(u64);

/// The hash of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TextHash(u64);

impl PathHash {
    pub(crate) fn of(path: &FieldPath) -> Self {
        path.segments().iter().fold(Self::default(), |above, key| above.below(key))
    }

    /// The hash of the path that is longer by this key.
    pub(crate) fn below(self, key: &str) -> Self {
        let mut hasher = FxHasher::default();
        hasher.write_u64(self.0);
        hasher.write(hashed(key.as_bytes()));
        Self(spread(hasher.finish()) & !ASIDE)
    }

    /// The hash that was [got](Self::get), whatever has been added in the bits that it leaves.
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits & !ASIDE)
    }

    pub(crate) fn get(self) -> u64 {
        self.0
    }
}

impl TextHash {
    pub(crate) fn of(text: &[u8]) -> Self {
        let mut hasher = FxHasher::default();
        hasher.write(hashed(text));
        Self(hasher.finish())
    }

    pub(crate) fn get(self) -> u64 {
        self.0
    }
}

/// Makes every bit reach the leading and the trailing ones, by which places in tables are found.
pub(crate) fn spread(hash: u64) -> u64 {
    let wide = u128::from(hash ^ 0x2545_f491_4f6c_dd1d) * 0x9e37_79b9_7f4a_7c15;
    let high = u64::try_from(wide >> 64).unwrap_or_default();
    let low = u64::try_from(wide & u128::from(u64::MAX)).unwrap_or_default();
    high ^ low
}

/// The segments of a path as bytes, with a [`SEPARATOR`] between each two.
pub(crate) fn bytes_of(path: &FieldPath) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, key) in path.segments().iter().enumerate() {
        if index > 0 {
            bytes.push(SEPARATOR);
        }
        bytes.extend_from_slice(key.as_bytes());
    }
    bytes
}

/// Whether two texts are the same: at the lengths that keys and values have, quicker than what compares any bytes.
#[inline(never)]
pub(crate) fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    match one.len() {
        0..4 => one.iter().zip(other).all(|(a, b)| a == b),
        4..8 => ends::<4>(one) == ends::<4>(other),
        8..=16 => ends::<8>(one) == ends::<8>(other),
        17..=32 => ends::<16>(one) == ends::<16>(other),
        _ => one == other,
    }
}

/// The first and the last so many bytes: of a text of at most twice as many these are all, some of them twice.
#[inline]
fn ends<const N: usize>(text: &[u8]) -> Option<(&[u8; N], &[u8; N])> {
    Some((text.first_chunk()?, text.last_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_the_same_that_are_equal_at_every_length_and_wherever_they_differ() {
        let text: Vec<u8> = (0..40).collect();
        for length in 0..text.len() {
            let one = &text[..length];
            assert!(same(one, &text.clone()[..length]));
            assert!(!same(one, &text[..=length]));
            for at in 0..length {
                let mut other = one.to_vec();
                other[at] ^= 0x80;
                assert!(!same(one, &other), "{length} {at}");
            }
        }
    }
}
