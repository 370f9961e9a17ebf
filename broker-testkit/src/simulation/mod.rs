//! Whole histories that replay from one number: any controller, on a paused clock, against the embedded control plane.
//!
//! A [`World`] has a control plane in the same process, a wall clock that stands still while nobody waits, and a
//! [`Journal`] of everything that is stored, asked and said. Whoever lives in it (the controller under test, providers,
//! consumers) reaches the control plane through a [`Wire`] of its own, on which messages take a drawn time, so that what
//! comes first differs from seed to seed and is the same each time for one. Faults are put before the controller's wire by
//! [`crate::fault`]; the [`oracle`] says from the history whether a promise was broken; the [`timeline`] shows it to people.
//!
//! For a controller to replay it must be one program: all on one thread, without chance or clocks of its own. `select!`
//! without `biased` draws chance, and so does the order of a `HashMap`.

mod clock;
pub mod history;
mod journal;
mod market;
mod mover;
pub mod oracle;
mod playbook;
mod provider;
mod stores;
mod story;
pub mod timeline;
mod user;
mod wire;
mod world;

pub use crate::dice::Dice;
pub use clock::SimulatedClock;
pub(crate) use journal::Author;
pub use journal::Journal;
pub use market::{Market, zone};
pub use mover::SimulatedMover;
pub use provider::{Manners, SimulatedProvider};
pub use stores::{Refusal, Row, Rows, Stores};
pub use story::{Cast, Step, Story, StoryError};
pub use user::SimulatedUser;
pub use wire::{Answer, Weather, Wire};
pub use world::{Restless, World, play};
