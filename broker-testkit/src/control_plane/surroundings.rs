//! What a control plane takes from around it: the time, and what nobody can guess.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use broker_core::port::Clock;
use jiff::Timestamp;
use uuid::Uuid;

/// The time, and the source of uids, generated names and tokens.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<Ids>,
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("ids", &self.ids).finish_non_exhaustive()
    }
}

impl Surroundings {
    /// Now.
    pub(crate) fn timestamp(&self) -> Timestamp {
        Timestamp::from_millisecond(self.clock.now().as_millis()).unwrap_or_default()
    }

    /// Now, as Kubernetes writes times: UTC, whole seconds.
    pub(crate) fn now(&self) -> String {
        self.timestamp().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// What nobody had before.
    pub(crate) fn uuid(&self) -> Uuid {
        self.ids.next()
    }
}

/// Where uids come from.
#[derive(Debug, Default)]
pub(crate) enum Ids {
    /// The system's randomness.
    #[default]
    Random,
    /// One number, so that the same requests make the same objects.
    Seeded(Mutex<u64>),
}

impl Ids {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self::Seeded(Mutex::new(seed))
    }

    /// The same source, as it is now, going on by itself.
    pub(crate) fn split(&self) -> Self {
        match self {
            Self::Random => Self::Random,
            Self::Seeded(state) => Self::seeded(*state.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    fn next(&self) -> Uuid {
        match self {
            Self::Random => Uuid::new_v4(),
            Self::Seeded(state) => {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                let bits = u128::from(mixed(&mut state)) << 64 | u128::from(mixed(&mut state));
                uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
            }
        }
    }
}

/// The next number of Steele's `SplitMix64` (OOPSLA 2014).
pub(crate) fn mixed(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
