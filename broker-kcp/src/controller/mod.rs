//! Which key is worked on when.
//!
//! A [`Backlog`] is the work queue as plain data: it dedupes, lets one worker at a time have a key, backs off per key
//! and takes turns between lanes (consumers), so that one that orders a thousand objects does not make another wait
//! for all of them. [`Queue`] puts it behind a lock and a wake-up, and [`run`] drives workers from it. What a key
//! means and what is done for it is not known here.

mod backlog;
mod gate;
mod queue;
#[cfg(test)]
mod tests;

pub use backlog::{Backlog, Laned, Outcome};
pub use gate::{Gate, Passage, Urgency};
pub use queue::{Queue, QueueState, Retry, run};
