//! Which of several brokers works: the one that holds the Lease.
//!
//! Losing the Lease must be harmless rather than unlikely (every write carries a precondition), so a broker that
//! loses it simply stops beginning work and waits, with warm caches, until it holds it again. Expiry is measured by
//! our own monotonic clock since we last saw the record change: clocks of different machines are never compared.

mod decide;
#[cfg(test)]
mod model;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use broker_core::port::Clock;
use broker_core::resource::{Gvr, Object, marker};
use broker_kcp::SystemClock;
use broker_kcp::kcp::feed::{Feed, News};
use broker_kcp::kcp::{ApiError, ApiErrorKind, ClusterApi, Resource, Selector};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

pub use decide::{Hold, Pace, Seen, Step, decide};

/// Name of the Lease.
pub(crate) const LEASE: &str = "resource-broker";
/// Where it is, in the platform's workspace, unless an embedder says otherwise.
pub(crate) const LEASE_NAMESPACE: &str = "default";

/// How a Lease is held.
#[derive(Clone)]
pub struct Terms {
    /// Who we are; must be unique among all brokers, across restarts too.
    pub identity: String,
    /// Namespace of the Lease.
    pub namespace: String,
    /// After how long without a sign of life another may take over.
    pub duration: Duration,
    /// How often the holder gives a sign of life, and how often others look while no watch tells them.
    pub renewal: Duration,
    /// What the times in the record are read from. Nobody decides by them.
    pub clock: Arc<dyn Clock>,
}

impl Terms {
    /// The usual terms: taken over after 15 seconds, renewed every 3.
    pub fn new(identity: impl Into<String>, namespace: impl Into<String>) -> Self {
        Self {
            identity: identity.into(),
            namespace: namespace.into(),
            duration: Duration::from_secs(15),
            renewal: Duration::from_secs(3),
            clock: Arc::new(SystemClock),
        }
    }
}

impl fmt::Debug for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terms")
            .field("identity", &self.identity)
            .field("namespace", &self.namespace)
            .field("duration", &self.duration)
            .field("renewal", &self.renewal)
            .finish_non_exhaustive()
    }
}

/// Competes for the Lease until `stop` resolves, saying through `leading` whether we hold it; gives it up at the end.
pub async fn campaign(
    api: &ClusterApi,
    terms: &Terms,
    leading: &watch::Sender<bool>,
    stop: impl Future<Output = ()>,
) {
    tokio::pin!(stop);
    let mut candidate = Candidate { api, terms, seen: None, is_followed: false, hold: Hold::default() };
    // Whoever waits learns by a watch that the holder gave it up.
    let (told, mut news) = mpsc::unbounded_channel();
    let feed = Feed::new(api.clone(), leases(), Selector::default()).in_namespace(&terms.namespace);
    let following = feed.follow(move |news| {
        // Nobody listens any more only once this future is dropped.
        let _ = told.send(news);
    });
    tokio::pin!(following);
    loop {
        let pause = candidate.round(leading).await;
        let again = tokio::time::sleep(pause);
        tokio::pin!(again);
        let goes_on = loop {
            tokio::select! {
                biased;
                () = &mut stop => break false,
                () = &mut again => break true,
                Some(news) = news.recv() => if candidate.learns(news) { break true },
                () = &mut following => {}
            }
        };
        if !goes_on {
            break;
        }
    }
    leading.send_replace(false);
    candidate.release().await;
}

/// What came of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    /// We wrote the Lease: it is ours.
    Wrote,
    /// Another holds it.
    Waits,
    /// It was written while we meant to: everything is to be decided anew.
    SomebodyWrote,
}

struct Candidate<'a> {
    api: &'a ClusterApi,
    terms: &'a Terms,
    seen: Option<(Seen, Object)>,
    /// Whether a watch tells what becomes of the Lease.
    is_followed: bool,
    hold: Hold,
}

impl Candidate<'_> {
    /// One look and at most one write; gives back how long to wait.
    async fn round(&mut self, leading: &watch::Sender<bool>) -> Duration {
        let began = Instant::now();
        let pace = self.pace();
        let deadline = self.hold.deadline(began.into_std(), pace);
        let result = match tokio::time::timeout_at(deadline.into(), self.compete()).await {
            Ok(result) => result,
            Err(_) => Err("the API server did not answer in time".to_owned()),
        };
        match result {
            Ok(Round::Wrote) => {
                self.hold.renewed(began.into_std());
                if !leading.send_replace(true) {
                    tracing::info!(identity = %self.terms.identity, "leading");
                }
            }
            Ok(again @ (Round::Waits | Round::SomebodyWrote)) => {
                self.hold.lost();
                if leading.send_replace(false) {
                    tracing::warn!(identity = %self.terms.identity, "no longer leading: somebody else wrote the lease");
                }
                if again == Round::SomebodyWrote {
                    // If that was a write of our own whose answer was lost, it is still ours to renew.
                    return Duration::ZERO;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot renew the lease");
                self.hold.failed(Instant::now().into_std(), pace);
                if !self.hold.is_held() && leading.send_replace(false) {
                    tracing::warn!(identity = %self.terms.identity, "no longer leading: the lease ran out");
                }
                return self.hold.pause(Instant::now().into_std(), pace);
            }
        }
        self.pause()
    }

    const fn pace(&self) -> Pace {
        Pace { duration: self.terms.duration, renewal: self.terms.renewal }
    }

    /// How long nothing is to be done about the Lease, if no news of it comes.
    fn pause(&self) -> Duration {
        let now = Instant::now().into_std();
        match &self.seen {
            Some((seen, _)) if !self.hold.is_held() && self.is_followed => {
                seen.duration.saturating_sub(now.saturating_duration_since(seen.since))
            }
            Some(_) | None => self.hold.pause(now, self.pace()),
        }
    }

    /// Takes news of the Lease over. True where there is something to decide.
    fn learns(&mut self, news: News) -> bool {
        match news {
            News::Following => self.is_followed = true,
            News::Failed { .. } => self.is_followed = false,
            // What we wrote ourselves is known, and comes late.
            News::Listed(..) | News::Applied(_) | News::Deleted(_) if self.hold.is_held() => {}
            News::Listed(leases, _) => {
                let lease = leases.into_iter().find(|lease| lease.name() == LEASE);
                return self.sees(lease);
            }
            News::Applied(lease) if lease.name() == LEASE => return self.sees(Some(lease)),
            News::Deleted(lease) if lease.name() == LEASE => return self.sees(None),
            News::Reached(_) | News::Applied(_) | News::Deleted(_) => {}
        }
        false
    }

    /// Takes over what the Lease is now. True where another is to be decided about than before.
    fn sees(&mut self, lease: Option<Object>) -> bool {
        let version = |seen: &Option<(Seen, Object)>| seen.as_ref().map(|(seen, _)| seen.version.clone());
        let before = version(&self.seen);
        if lease.as_ref().map(Object::resource_version) == before.as_deref() {
            return false;
        }
        self.seen = lease.map(|lease| (Seen::of(&lease, Instant::now().into_std()), lease));
        true
    }

    /// Does about the Lease what is to be done now.
    async fn compete(&mut self) -> Result<Round, String> {
        if !self.hold.is_held() && !self.is_followed {
            self.look().await.map_err(|error| error.to_string())?;
        }
        let seen = self.seen.as_ref().map(|(seen, _)| seen);
        let written = match decide(seen, &self.terms.identity, Instant::now().into_std()) {
            Step::Wait => return Ok(Round::Waits),
            Step::Create => self.api.create(&leases(), &self.record(None, 0), marker::MANAGER).await,
            Step::Renew => {
                let transitions = seen.map(|seen| seen.transitions).unwrap_or_default();
                let record = self.record(self.seen.as_ref().map(|(_, object)| object), transitions);
                self.api.replace(&leases(), &record, marker::MANAGER).await
            }
            Step::TakeOver => {
                let transitions = seen.map(|seen| seen.transitions).unwrap_or_default().saturating_add(1);
                let record = self.record(self.seen.as_ref().map(|(_, object)| object), transitions);
                self.api.replace(&leases(), &record, marker::MANAGER).await
            }
        };
        match written {
            Ok(object) => {
                self.seen = Some((Seen::of(&object, Instant::now().into_std()), object));
                Ok(Round::Wrote)
            }
            Err(error) if matches!(error.kind(), ApiErrorKind::Conflict | ApiErrorKind::AlreadyExists) => {
                // Somebody else wrote: look before anything else, and do not claim to lead meanwhile. Even where it is
                // ours nobody knows since when.
                self.hold.lost();
                self.look().await.map_err(|error| error.to_string())?;
                Ok(Round::SomebodyWrote)
            }
            Err(error) => Err(error.to_string()),
        }
    }

    async fn look(&mut self) -> Result<(), ApiError> {
        match self.api.get(&leases(), &self.terms.namespace, LEASE).await {
            Ok(object) => {
                self.sees(Some(object));
                Ok(())
            }
            Err(error) if error.kind() == ApiErrorKind::NotFound => {
                self.sees(None);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn release(&mut self) {
        let Some((seen, object)) = &self.seen else { return };
        if seen.holder != self.terms.identity || !self.hold.is_held() {
            return;
        }
        let mut record = object.clone();
        record.set(&["spec", "holderIdentity"], "".into());
        record.set(&["spec", "leaseDurationSeconds"], 1.into());
        match self.api.replace(&leases(), &record, marker::MANAGER).await {
            Ok(_) => tracing::info!("released the lease"),
            Err(error) => tracing::warn!(%error, "could not release the lease; it runs out by itself"),
        }
    }

    fn record(&self, before: Option<&Object>, transitions: i64) -> Object {
        let mut object =
            before.cloned().unwrap_or_else(|| Object::named(&leases().gvk(), &self.terms.namespace, LEASE));
        let now = jiff::Timestamp::from_millisecond(self.terms.clock.now().as_millis()).unwrap_or_default();
        let now = format!("{now:.6}");
        let acquired = match before {
            Some(before) if before.text(&["spec", "holderIdentity"]) == Some(&self.terms.identity) => {
                before.text(&["spec", "acquireTime"]).unwrap_or(&now).to_owned()
            }
            Some(_) | None => now.clone(),
        };
        object.set(
            &["spec"],
            json!({
                "holderIdentity": self.terms.identity,
                "leaseDurationSeconds": self.terms.duration.as_secs().max(1),
                "acquireTime": acquired,
                "renewTime": now,
                "leaseTransitions": transitions,
            }),
        );
        object
    }
}

fn leases() -> Resource {
    Resource::namespaced(Gvr::new("coordination.k8s.io", "v1", "leases"), "Lease")
}
