//! Counts what a controller sends and hears, and says what happens to it.

mod life;

pub(super) use self::life::{Life, Turn};

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::Client;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::asked::{Asked, Place};
use super::census::Census;
use super::client::Through;
use super::hooks::Hooks;
use super::layer::Layer;
use super::lists::Lists;
use super::plan::{Fault, Plan};
use super::point::{Point, Series};
use super::window::Windows;

/// A fault that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Injected {
    /// Which.
    pub fault: Fault,
    /// To which request, or to the watch of which event; nothing for a moment.
    pub asked: Option<Asked>,
}

impl fmt::Display for Injected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.fault)?;
        self.asked.as_ref().map_or(Ok(()), |asked| write!(f, " ({asked})"))
    }
}

/// Carries out a plan against one controller, whatever number of clients that has.
///
/// Clones are handles to the same one.
#[derive(Clone)]
pub struct Injector {
    shared: Arc<Shared>,
}

struct Shared {
    hooks: Arc<dyn Hooks>,
    state: Mutex<State>,
}

struct State {
    pending: Plan,
    armed: Instant,
    quiet: bool,
    census: Census,
    injected: Vec<Injected>,
    /// How many controllers there were before this one.
    life: u64,
    crashed: bool,
    windows: Windows,
    lists: Lists,
    /// Running watches of a place hold its token, and break when it is cancelled.
    watches: BTreeMap<Place, CancellationToken>,
}

impl State {
    fn record(&mut self, fault: Fault, asked: Option<&Asked>) {
        self.injected.push(Injected { fault, asked: asked.cloned() });
    }

    /// Counts one of each series; answers what happens there.
    fn count(&mut self, series: impl Iterator<Item = Series>) -> Vec<Fault> {
        let points: Vec<Point> = series.map(|series| self.census.count(series)).collect();
        if self.quiet { Vec::new() } else { self.pending.take(|fault| points.contains(&fault.at())) }
    }

    fn leave(&mut self, place: Option<&Place>, span: Duration) {
        self.windows.leave(place.cloned(), span);
        let gone = match place {
            Some(place) => self.watches.remove(place).into_iter().collect(),
            None => std::mem::take(&mut self.watches).into_values().collect::<Vec<_>>(),
        };
        gone.iter().for_each(CancellationToken::cancel);
    }
}

/// A world that does nothing.
struct NoHooks;

impl Hooks for NoHooks {}

impl Injector {
    /// Armed with a plan from now on. What must be done by [`Hooks`] does not happen.
    pub fn new(plan: Plan) -> Self {
        Self::with_hooks(plan, Arc::new(NoHooks))
    }

    /// Armed with a plan from now on, in a world that does its part.
    pub fn with_hooks(plan: Plan, hooks: Arc<dyn Hooks>) -> Self {
        let state = State {
            pending: plan,
            armed: Instant::now(),
            quiet: false,
            census: Census::default(),
            injected: Vec::new(),
            life: 0,
            crashed: false,
            windows: Windows::default(),
            lists: Lists::default(),
            watches: BTreeMap::new(),
        };
        Self { shared: Arc::new(Shared { hooks, state: Mutex::new(state) }) }
    }

    /// Arms another plan: everything is counted from here on, and what the last plan left behind is over. Who is dead
    /// stays dead.
    pub fn arm(&self, plan: Plan) {
        let mut state = self.lock();
        state.pending = plan;
        state.armed = Instant::now();
        state.quiet = false;
        state.census = Census::default();
        state.injected.clear();
        state.windows = Windows::default();
        state.lists = Lists::default();
    }

    /// Nothing goes wrong from now on: servers are back, tokens are accepted. What already happened to a request or a
    /// watch goes on, and who is dead stays dead.
    pub fn quiet(&self) {
        let mut state = self.lock();
        state.quiet = true;
        state.windows = Windows::default();
    }

    /// What was counted since arming, over all lives.
    pub fn census(&self) -> Census {
        self.lock().census
    }

    /// What happened so far, in order.
    pub fn injected(&self) -> Vec<Injected> {
        self.lock().injected.clone()
    }

    /// How often each kind of harm happened, by its word.
    pub fn tally(&self) -> BTreeMap<&'static str, u32> {
        let mut tally = BTreeMap::new();
        for injected in &self.lock().injected {
            *tally.entry(injected.fault.harm().word()).or_insert(0) += 1;
        }
        tally
    }

    /// What was not reached so far.
    pub fn pending(&self) -> Plan {
        self.lock().pending.clone()
    }

    /// Whether the controller is dead.
    pub fn is_crashed(&self) -> bool {
        self.lock().crashed
    }

    /// Another controller takes the place of the one before: clients and layers that are made from now on are its own;
    /// those made before are dead. Counts go on, and so does what is left of the plan.
    pub fn revive(&self) {
        let mut state = self.lock();
        state.life += 1;
        state.crashed = false;
    }

    /// The layer for one of the controller's clients.
    pub fn layer(&self) -> Layer {
        Layer::new(self.life())
    }

    /// A client that goes through the faults and then through `client`.
    pub fn client(&self, client: Client) -> Client {
        let namespace = client.default_namespace().to_owned();
        Client::new(tower::Layer::layer(&self.layer(), Through(client)), namespace)
    }

    /// Makes the plan's moments happen in time, and ends after the last. Without anybody who waits for this, they
    /// happen with the next request or event.
    pub async fn moments(&self) {
        loop {
            let next = {
                let state = self.lock();
                let first = state.pending.faults().filter_map(|fault| match fault.at() {
                    Point::Moment(after) => Some(after),
                    Point::Nth(..) => None,
                });
                // A moment beyond all time never comes.
                first.min().filter(|_| !state.quiet).and_then(|after| state.armed.checked_add(after))
            };
            let Some(next) = next else { return };
            tokio::time::sleep_until(next).await;
            self.life().meet_moments();
        }
    }

    fn life(&self) -> Life {
        Life { injector: self.clone(), number: self.lock().life }
    }

    // A panic while the lock is held leaves counts behind that are at worst too small.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Injector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Injector")
            .field("pending", &state.pending.to_string())
            .field("census", &state.census)
            .field("injected", &state.injected)
            .finish_non_exhaustive()
    }
}
