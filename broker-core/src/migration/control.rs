//! What a person says about one move.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// A person's words on a move, from the spec of its record. None is ever written by the broker, but into a record
/// that it makes anew of one that a person deleted to call the move off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a field of its own in the record, written by itself"
)]
pub struct Controls {
    /// Nothing new begins: no stage before the cutover, no cutover, no removal of the old copy. What holds the fence is
    /// finished first.
    pub paused: bool,
    /// Call it off, before the switch.
    pub cancel: bool,
    /// Back to the old copy, after the switch.
    pub rollback: bool,
    /// The stages that may be left although they ask for approval. Naming the stage that failed after the switch takes
    /// what it did as it is.
    pub approved: BTreeSet<String>,
    /// Go without what the old copy would be needed for: it is lost.
    pub skip_source: bool,
    /// Go on where writes may be lost; the receipt says so.
    pub allow_loss: bool,
}
