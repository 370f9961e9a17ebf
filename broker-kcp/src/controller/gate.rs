//! How many requests are on their way at once, and whose goes first.
//!
//! A server works on a handful of requests at a time; what is sent beyond that waits there in no useful order. Here it
//! waits by urgency: in a burst, a copy for every order comes before the first word about any of them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// How urgent a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// The last step before somebody is served at all.
    Placing,
    /// A first step to that: what was begun is finished before more is begun.
    Beginning,
    /// Somebody waits for the change.
    Serving,
    /// It is told for the record.
    Telling,
}

/// After so many passes in a row before somebody less urgent that waits, that one is let through.
const PATIENCE: u32 = 16;

/// Lets a limited number through at a time, the most urgent first. Clones share the same gate.
#[derive(Clone)]
pub struct Gate {
    state: Arc<Mutex<State>>,
}

struct State {
    free: usize,
    waiting: [VecDeque<oneshot::Sender<Passage>>; 4],
    /// How often in a row somebody less urgent was passed over.
    passed_over: u32,
}

/// Leave to be on the way; ends when dropped.
pub struct Passage {
    gate: Option<Gate>,
}

impl Gate {
    /// A gate for this many at a time.
    pub fn new(limit: usize) -> Self {
        let state = State { free: limit.max(1), waiting: Default::default(), passed_over: 0 };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Waits for leave.
    pub async fn pass(&self, urgency: Urgency) -> Passage {
        let called = {
            let mut state = self.lock();
            if state.free > 0 {
                state.free -= 1;
                return Passage { gate: Some(self.clone()) };
            }
            let (call, called) = oneshot::channel();
            if let Some(queue) = state.waiting.get_mut(urgency as usize) {
                queue.push_back(call);
            }
            called
        };
        // The gate outlives those who wait at it, so they are always called; if not, nothing limits them.
        called.await.unwrap_or(Passage { gate: None })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self) {
        loop {
            let next = {
                let mut state = self.lock();
                let next = state.next();
                if next.is_none() {
                    state.free += 1;
                }
                next
            };
            let Some(call) = next else { return };
            match call.send(Passage { gate: Some(self.clone()) }) {
                Ok(()) => return,
                // Whoever waited gave up: the next one. Its passage must not come back here by being dropped.
                Err(mut passage) => passage.gate = None,
            }
        }
    }
}

impl State {
    fn next(&mut self) -> Option<oneshot::Sender<Passage>> {
        let first = self.waiting.iter().position(|queue| !queue.is_empty())?;
        let last = self.waiting.iter().rposition(|queue| !queue.is_empty())?;
        let chosen = if first == last {
            self.passed_over = 0;
            first
        } else if self.passed_over >= PATIENCE {
            self.passed_over = 0;
            last
        } else {
            self.passed_over += 1;
            first
        };
        self.waiting.get_mut(chosen)?.pop_front()
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        if let Some(gate) = self.gate.take() {
            gate.leave();
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Gate").field("free", &state.free).finish_non_exhaustive()
    }
}

impl fmt::Debug for Passage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passage").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may fail loudly")]
mod tests {
    use super::*;

    /// Lets everybody wait behind one passage, then tells in which order they went through.
    async fn order_of(waiting: &[(Urgency, &'static str)]) -> Vec<&'static str> {
        let gate = Gate::new(1);
        let first = gate.pass(Urgency::Telling).await;
        let went = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for (urgency, name) in waiting.iter().copied() {
            let (gate, went) = (gate.clone(), went.clone());
            tasks.push(tokio::spawn(async move {
                let passage = gate.pass(urgency).await;
                went.lock().unwrap().push(name);
                drop(passage);
            }));
            tokio::task::yield_now().await;
        }
        drop(first);
        for task in tasks {
            task.await.unwrap();
        }
        let went = went.lock().unwrap();
        went.clone()
    }

    #[tokio::test]
    async fn the_most_urgent_goes_first_and_equals_in_their_order() {
        let order = order_of(&[
            (Urgency::Telling, "word"),
            (Urgency::Serving, "status 1"),
            (Urgency::Placing, "copy 1"),
            (Urgency::Serving, "status 2"),
            (Urgency::Placing, "copy 2"),
        ])
        .await;
        assert_eq!(order, ["copy 1", "copy 2", "status 1", "status 2", "word"]);
    }

    #[tokio::test]
    async fn the_least_urgent_does_not_wait_for_ever() {
        let mut waiting = vec![(Urgency::Telling, "word")];
        waiting.extend((0..100).map(|_| (Urgency::Placing, "copy")));
        let order = order_of(&waiting).await;
        let at = order.iter().position(|name| *name == "word").unwrap();
        assert_eq!(at, PATIENCE as usize);
    }

    #[tokio::test]
    async fn whoever_gives_up_takes_no_place() {
        let gate = Gate::new(1);
        let first = gate.pass(Urgency::Placing).await;
        let impatient = tokio::spawn({
            let gate = gate.clone();
            async move {
                gate.pass(Urgency::Placing).await;
            }
        });
        tokio::task::yield_now().await;
        impatient.abort();
        impatient.await.unwrap_err();
        drop(first);
        // Both the place and the gate are free again.
        gate.pass(Urgency::Placing).await;
        assert_eq!(gate.lock().free, 1);
    }
}
