//! Counts what a controller sends and hears, and says what happens to it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::request::Parts;
use hyper::body::Bytes;
use kube::Client;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::asked::{Asked, Place};
use super::census::Census;
use super::client::Through;
use super::effect::{Around, Damage, Effect, Outcome};
use super::hooks::Hooks;
use super::layer::Layer;
use super::lists::Lists;
use super::plan::{Fault, Plan};
use super::point::{Point, Series};
use super::window::{Token, Windows};

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

/// One controller, from its start to its end.
#[derive(Clone, Debug)]
pub(super) struct Life {
    injector: Injector,
    number: u64,
}

/// What happens to a request.
pub(super) enum Turn {
    /// Whoever sent it is dead.
    Dead,
    /// Its server is away.
    Away,
    /// Its token has expired.
    Unauthorized,
    /// It goes on its way, and meets these.
    Goes {
        /// Before anything else.
        delay: Option<(Fault, Duration)>,
        /// What decides about the answer.
        harm: Option<Fault>,
    },
}

impl Life {
    /// Whether it is over.
    pub(super) fn is_over(&self) -> bool {
        let state = self.injector.lock();
        state.crashed || state.life != self.number
    }

    /// Ends it.
    pub(super) fn crash(&self, fault: Fault, asked: Option<&Asked>) {
        {
            let mut state = self.injector.lock();
            if state.crashed || state.life != self.number {
                return;
            }
            state.crashed = true;
            state.record(fault, asked);
        }
        self.injector.shared.hooks.crash();
    }

    /// Notes that a fault happened.
    pub(super) fn record(&self, fault: Fault, asked: &Asked) {
        self.injector.lock().record(fault, Some(asked));
    }

    /// Counts a request, and does what happens around it.
    pub(super) fn send(&self, asked: &Asked, parts: &Parts) -> Turn {
        self.meet_moments();
        if self.is_over() {
            return Turn::Dead;
        }
        let due = self.injector.lock().count(asked.series());
        let place = Place::of(&parts.uri);
        let token: Token = parts.headers.get(http::header::AUTHORIZATION).cloned();
        let (mut delay, mut harm) = (None, None);
        for fault in due {
            match fault.harm().effect() {
                Effect::Around(around) => self.surround(fault, around, Some((asked, &place)), Some(&token)),
                Effect::Delay(span) => delay = delay.or(Some((fault, span))),
                Effect::Instead(_) | Effect::After(_) | Effect::Damage(_) | Effect::Stale(_) => {
                    harm = harm.or(Some(fault));
                }
            }
        }
        if let (None, Some(fault)) = (delay, harm)
            && let Effect::Instead(Outcome::Crash) = fault.harm().effect()
        {
            // At once: what is handed over after this one is not sent either.
            self.crash(fault, Some(asked));
            return Turn::Dead;
        }
        let state = self.injector.lock();
        if state.windows.lacks(&place) {
            Turn::Away
        } else if state.windows.refuses(&token) {
            Turn::Unauthorized
        } else {
            Turn::Goes { delay, harm }
        }
    }

    /// Counts an event of a watch, and does what happens around it; answers what happens to it.
    pub(super) fn hear(&self, asked: &Asked, place: &Place) -> Vec<Fault> {
        self.meet_moments();
        let mut due = self.injector.lock().count(std::iter::once(Series::Event));
        due.retain(|fault| {
            let Effect::Around(around) = fault.harm().effect() else { return true };
            self.surround(*fault, around, Some((asked, place)), None);
            false
        });
        due
    }

    /// Lets the moments happen that have come.
    fn meet_moments(&self) {
        let due = {
            let mut state = self.injector.lock();
            if state.quiet {
                return;
            }
            let passed = state.armed.elapsed();
            state.pending.take(|fault| matches!(fault.at(), Point::Moment(after) if after <= passed))
        };
        for fault in due {
            if let Effect::Around(around) = fault.harm().effect() {
                self.surround(fault, around, None, None);
            } else {
                self.crash(fault, None);
            }
        }
    }

    /// Does what happens around a controller. The hooks are called without a lock: they may ask.
    fn surround(
        &self,
        fault: Fault,
        around: Around,
        here: Option<(&Asked, &Place)>,
        token: Option<&Token>,
    ) {
        let hooks = &self.injector.shared.hooks;
        let done = match around {
            Around::Away(span) => {
                self.injector.lock().leave(here.map(|(_, place)| place), span);
                true
            }
            Around::Unauthorized(span) => {
                self.injector.lock().windows.expire(token.cloned(), span);
                true
            }
            Around::Clock(jump) => hooks.clock_jumps(jump),
            Around::Slice(change) => hooks.slice_changes(change),
        };
        if done {
            self.injector.lock().record(fault, here.map(|(asked, _)| asked));
        }
    }

    /// Cancelled when the place goes away.
    pub(super) fn departure(&self, place: &Place) -> CancellationToken {
        self.injector.lock().watches.entry(place.clone()).or_default().clone()
    }

    /// Whether lists are worth remembering.
    pub(super) fn wants_lists(&self) -> bool {
        let state = self.injector.lock();
        !state.quiet && state.pending.faults().any(|fault| matches!(fault.harm().effect(), Effect::Stale(_)))
    }

    /// Remembers an answer to a list.
    pub(super) fn remember(&self, url: &str, content: &Bytes) {
        self.injector.lock().lists.remember(url, content);
    }

    /// An earlier answer to the same list.
    pub(super) fn stale(&self, url: &str, now: &Bytes) -> Option<Bytes> {
        self.injector.lock().lists.stale(url, now)
    }

    /// How many events of a watch may have to be repeated.
    pub(super) fn longest_repetition(&self) -> usize {
        let repeated = |fault: Fault| {
            let Effect::Damage(Damage::Repeat(count)) = fault.harm().effect() else { return None };
            usize::try_from(count.get()).ok()
        };
        self.injector.lock().pending.faults().filter_map(repeated).max().unwrap_or(0)
    }
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
