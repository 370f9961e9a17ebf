//! One simulated world: a control plane, a clock, those who live there, and what happened.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;

use super::clock::SimulatedClock;
use super::history::History;
use super::journal::{Journal, Scribe};
use super::wire::{Weather, Wire};
use crate::control_plane::ControlPlane;
use crate::dice::Dice;

/// A world that follows from one number. Clones are the same world.
#[derive(Clone, Debug)]
pub struct World {
    seed: u64,
    clock: Arc<SimulatedClock>,
    plane: Arc<ControlPlane>,
    journal: Journal,
}

/// The world did not come to rest.
#[derive(Clone, Debug, thiserror::Error)]
#[error("no rest within {patience:?}: still written to after {} entries", at)]
pub struct Restless {
    /// How long it was waited.
    pub patience: Duration,
    /// How many entries the history had by then.
    pub at: usize,
}

/// Plays a scene in a world of its own, on a runtime of its own with a paused clock, on this very thread.
///
/// `found` makes the control plane, such as a [fork](ControlPlane::fork) of one that was prepared. Waiting costs no real
/// time: whenever everybody waits, the clock is set forward to the next timer. The same number, control plane and scene
/// replay the same history, as long as the scene draws no chance but from [`World::dice`], reads no clock but
/// [`World::clock`] and tokio's, and uses no other threads.
///
/// # Errors
/// Where no runtime can be had.
pub fn play<S, F, T>(
    seed: u64,
    found: impl FnOnce(Arc<SimulatedClock>) -> ControlPlane,
    scene: S,
) -> std::io::Result<T>
where
    S: FnOnce(World) -> F,
    F: Future<Output = T>,
{
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build()?;
    Ok(runtime.block_on(async {
        let clock = Arc::new(SimulatedClock::new());
        let plane = found(Arc::clone(&clock));
        let journal = Journal::new(Arc::clone(&clock), plane.changes());
        let world = World { seed, clock, plane: Arc::new(plane), journal };
        let told = tracing::Dispatch::new(Scribe::new(world.journal.clone()));
        let _listening = tracing::dispatcher::set_default(&told);
        scene(world).await
    }))
}

impl World {
    /// The number that everything follows from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Its wall clock.
    pub fn clock(&self) -> &Arc<SimulatedClock> {
        &self.clock
    }

    /// Its control plane.
    pub fn plane(&self) -> &ControlPlane {
        &self.plane
    }

    /// Where it is written down.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// What happened so far.
    pub fn history(&self) -> History {
        self.journal.history()
    }

    /// The dice of one who is named.
    pub fn dice(&self, name: &str) -> Dice {
        Dice::new(self.seed, name)
    }

    /// The way of a client to the control plane; its messages take as long as the weather has it.
    pub fn wire(&self, client: &str, weather: Weather) -> Wire {
        Wire::new(self.plane.in_process(), client, self.journal.clone(), weather, self.dice(client))
    }

    /// Waits until nothing but Leases was written for `span`, but not longer than `patience`, all by the world's clock.
    ///
    /// # Errors
    /// Where it is still written to by then.
    pub async fn rest(&self, span: Duration, patience: Duration) -> Result<(), Restless> {
        let mut stirred = self.journal.stirred();
        let waiting = async {
            loop {
                stirred.mark_unchanged();
                // What the server did by itself is noted with the next request, and there may be none.
                let quiet = tokio::time::timeout(span, stirred.changed()).await;
                if quiet.is_err() {
                    self.journal.attribute(None);
                    if !stirred.has_changed().unwrap_or(false) {
                        return;
                    }
                }
            }
        };
        tokio::time::timeout(patience, waiting)
            .await
            .map_err(|_| Restless { patience, at: self.journal.len() })
    }
}
