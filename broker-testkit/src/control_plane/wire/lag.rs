//! Replicas that lag behind.

use std::num::NonZeroU32;

/// In the extensions of a list request of the [in-process](crate::control_plane::InProcess) way in: it is answered as by
/// a replica that does not know the last so many changes of that resource yet. Objects and version are as they were
/// then; as many changes as can be replayed can be missing. The answer carries [`Lagged`] if any are.
///
/// Over the network this cannot be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag(pub NonZeroU32);

/// In the extensions of an answer: it is one of a replica that lags, as was asked for by [`Lag`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lagged;
