//! One order's life: what is known, what is decided, how it ends.
//!
//! [`decide`] is a total, deterministic function from a [`World`] to a [`Decision`]. It never asks a clock or a server.
//! Sequences come about by deciding again on the world that a write left behind, so a crash after any write leaves a
//! world from which the same function goes on.

mod asked;
mod decide;
mod decision;
mod ending;
mod fence;
mod keeping;
mod leaving;
mod leftovers;
mod lost;
mod moving;
mod policy;
pub mod readiness;
mod record;
pub mod recovery;
mod returning;
mod serving;
mod setback;
mod silence;
mod staged;
mod staging;
mod world;

pub use decide::decide;
pub use decision::{Action, Decision, RelatedGuard, Report, Severity};
pub use fence::is_fenced;
pub use lost::{Loss, Stray, Traces, judge_stray, loss, moves_beyond, waits_for_record};
pub use policy::{Failover, Fence, Glob, Moves, Policy};
pub use record::{Assignment, AssignmentStatus, CopyRef, OrderIdentity, Phase};
pub use world::{
    Blocked, Chooser, Compute, CopyView, Fit, Helpers, LastWord, Placement, Provided, Settled, Silence,
    Unfit, World,
};

#[cfg(test)]
mod tests;
