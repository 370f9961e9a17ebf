//! Chance that replays: every draw follows from one number and the name of who draws.

use std::time::Duration;

use crate::control_plane::mixed;

/// A source of draws. Two of the same seed and name draw the same.
#[derive(Clone, Debug)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// The dice of one who is named, in the world of a seed. What others draw does not change what these do.
    pub fn new(seed: u64, name: &str) -> Self {
        let mut state = seed ^ 0x6A09_E667_F3BC_C908;
        for byte in name.bytes() {
            state = mixed(&mut state) ^ u64::from(byte);
        }
        Self { state }
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        mixed(&mut self.state)
    }

    /// A number below `end`; 0 where that is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        // The high half of the product: even without a division to within end/2^64.
        let wide = u128::from(self.number()) * u128::from(end);
        u64::try_from(wide >> 64).unwrap_or_default()
    }

    /// Whether something happens that does so once in `times`.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of these; `None` where there are none.
    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        let index = self.below(u64::try_from(all.len()).unwrap_or(u64::MAX));
        all.get(usize::try_from(index).unwrap_or_default())
    }

    /// A span from `shortest` up to `longest`.
    pub fn span(&mut self, shortest: Duration, longest: Duration) -> Duration {
        let room = longest.saturating_sub(shortest).as_micros();
        let room = u64::try_from(room).unwrap_or(u64::MAX);
        shortest + Duration::from_micros(self.below(room.saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_name_draw_the_same_and_others_do_not() {
        let draw = |seed, name| {
            let mut dice = Dice::new(seed, name);
            [dice.number(), dice.number(), dice.number()]
        };
        assert_eq!(draw(7, "operator"), draw(7, "operator"));
        assert_ne!(draw(7, "operator"), draw(8, "operator"));
        assert_ne!(draw(7, "operator"), draw(7, "provider"));
    }

    #[test]
    fn draws_stay_within_their_bounds_and_reach_both_ends() {
        let mut dice = Dice::new(1, "bounds");
        let drawn: Vec<u64> = (0..200).map(|_| dice.below(4)).collect();
        assert!((0..4).all(|wanted| drawn.contains(&wanted)) && drawn.iter().all(|drawn| *drawn < 4));
        assert_eq!(dice.below(0), 0);
        assert_eq!(dice.one_of::<u8>(&[]), None);
        let (short, long) = (Duration::from_millis(2), Duration::from_millis(3));
        assert!((0..200).all(|_| (short..=long).contains(&dice.span(short, long))));
    }
}
