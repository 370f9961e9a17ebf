//! Which offer serves an order and why, asked from outside. Answers from caches alone, and decides nothing itself: it
//! asks what the driver asks.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use broker_core::broker::PassError;
use broker_core::matching::Routing;
use broker_core::port::{OrderAddress, PortErrorKind};
use broker_core::resource::{ClusterName, Gvr, ObjectKey};
use tokio::sync::{Notify, watch};

use super::access::Access;
use super::market::{brokered_kinds, paths};
use super::routes::Routes;
use super::service::{Options, Service};
use crate::fleet::{Fleet, Observer, Topic, Turn};
use crate::kcp::{Resource, Scope};
use crate::store::Change;
use crate::surroundings::Surroundings;

/// An order as people name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderQuery {
    /// Its API: `certificate`, `certificates` or `certificates.example.com`.
    pub resource: String,
    /// The consumer's cluster: its id or its path.
    pub cluster: String,
    /// Its namespace; `default` where none is named.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// The answer about one order.
#[derive(Clone, Debug)]
pub struct Explained {
    /// Its API.
    pub api: Gvr,
    /// Where it is.
    pub order: ObjectKey,
    /// Which offer should serve it, and why.
    pub routing: Routing,
    /// The paths of clusters, as far as they are known.
    pub paths: BTreeMap<ClusterName, String>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExplainError {
    /// It cannot be told yet.
    #[error("not everything was read yet")]
    NotSynced,
    /// There is no such API.
    #[error("`{asked}` is no brokered API; there are: {}", known.join(", "))]
    UnknownApi {
        /// What was asked for.
        asked: String,
        /// The brokered APIs that are served.
        known: Vec<String>,
    },
    /// There are several.
    #[error("`{asked}` is the name of several brokered APIs: {}", known.join(", "))]
    AmbiguousApi {
        /// What was asked for.
        asked: String,
        /// The APIs of that name.
        known: Vec<String>,
    },
    /// Nobody of that name binds the API.
    #[error("no cluster `{asked}` binds {api}: name it by its path, such as root:acme, or its id")]
    UnknownCluster {
        /// What was asked for.
        asked: String,
        /// The API.
        api: String,
    },
    /// There is no such order.
    #[error("there is no order {api} {order}")]
    UnknownOrder {
        /// The API.
        api: String,
        /// Where it was looked for.
        order: ObjectKey,
    },
    /// It cannot be told.
    #[error("{0}")]
    Unavailable(String),
}

impl ExplainError {
    /// A stable word.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NotSynced => "NotSynced",
            Self::UnknownApi { .. } => "UnknownAPI",
            Self::AmbiguousApi { .. } => "AmbiguousAPI",
            Self::UnknownCluster { .. } => "UnknownCluster",
            Self::UnknownOrder { .. } => "UnknownOrder",
            Self::Unavailable(_) => "Unavailable",
        }
    }

    /// Whether asking again later may be answered.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::NotSynced | Self::Unavailable(_))
    }
}

impl Service {
    /// Explains one order. What the driver remembers of writes that were refused does not count.
    ///
    /// # Errors
    /// Where there is no such order, or not everything was read yet.
    pub fn explain(&self, query: &OrderQuery) -> Result<Explained, ExplainError> {
        let (api, address) = self.address(query)?;
        let routing = self.driver().explain(&address).map_err(|error| refused(&error))?;
        let Some(routing) = routing else {
            return Err(ExplainError::UnknownOrder { api, order: address.key });
        };
        let paths = paths(self.fleet()).into_iter().map(|(path, cluster)| (cluster, path)).collect();
        Ok(Explained { api: address.gvr, order: address.key, routing, paths })
    }

    /// Whether the platform and the offers were read.
    pub(super) fn is_synced(&self) -> bool {
        let fleet = self.fleet();
        fleet.platform_is_synced()
            && fleet.is_planned()
            && fleet.offers().is_some_and(|export| export.is_synced())
    }

    /// The API and the address of the order that people mean.
    pub(super) fn address(&self, query: &OrderQuery) -> Result<(String, OrderAddress), ExplainError> {
        let fleet = self.fleet();
        if !self.is_synced() {
            return Err(ExplainError::NotSynced);
        }
        let (api, resource) = api_named(fleet, &query.resource)?;
        if !fleet.is_synced(&api) {
            return Err(ExplainError::NotSynced);
        }
        let cluster = cluster_named(fleet, &api, &paths(fleet), &query.cluster)?;
        let namespace = match resource.scope {
            Scope::Cluster => "",
            Scope::Namespaced => query.namespace.as_deref().unwrap_or("default"),
        };
        let key = ObjectKey::new(cluster, namespace, &query.name);
        Ok((api, OrderAddress { gvr: resource.gvr, key, uid: None }))
    }
}

/// Explains one order by reading the platform anew, as the broker of this configuration would see it. Writes nothing.
///
/// Ends when all that the answer depends on was read; it is the caller's to lose patience.
pub async fn explain_once(
    platform: impl Into<Access>,
    query: &OrderQuery,
) -> Result<Explained, ExplainError> {
    ask_once(platform.into(), |service| match service.explain(query) {
        Err(ExplainError::NotSynced) => None,
        answer => Some(answer),
    })
    .await
}

/// Reads the platform anew, and asks until there is an answer: `None` while not all that it depends on was read.
pub(super) async fn ask_once<T, E: From<ExplainError>>(
    platform: Access,
    ask: impl Fn(&Service) -> Option<Result<T, E>>,
) -> Result<T, E> {
    let service = reading(platform)?;
    let fleet = service.fleet().clone();
    let routes = service.routes();
    let following = fleet.run(routes.clone());
    let answer = async {
        loop {
            // Nobody else here says when what was taken in while it was read in part counts no more.
            service.driver().registry().invalidate();
            match ask(&service) {
                None => routes.progress.notified().await,
                Some(answer) => return answer,
            }
        }
    };
    tokio::select! {
        answer = answer => answer,
        () = following => Err(ExplainError::NotSynced.into()),
    }
}

/// Reads the platform anew, and asks whenever something changed, until `show` has seen enough of the answers. There is
/// none, `None`, while not all that it depends on was read.
pub(super) async fn ask_each<T, E: From<ExplainError>>(
    platform: Access,
    ask: impl Fn(&Service) -> Option<Result<T, E>>,
    mut show: impl FnMut(Result<T, E>) -> ControlFlow<()>,
) -> Result<(), E> {
    let service = reading(platform)?;
    let fleet = service.fleet().clone();
    let told = Arc::new(Told { next: service.routes().clone(), something: Notify::new() });
    let following = fleet.run(told.clone());
    let answers = async {
        loop {
            service.driver().registry().invalidate();
            if let Some(answer) = ask(&service)
                && show(answer).is_break()
            {
                return Ok(());
            }
            told.something.notified().await;
        }
    };
    tokio::select! {
        shown = answers => shown,
        () = following => Err(ExplainError::NotSynced.into()),
    }
}

/// A broker that follows everything and never leads.
fn reading(platform: Access) -> Result<Service, ExplainError> {
    let (_never_leading, leading) = watch::channel(false);
    service(platform, leading)
}

/// A broker of this platform, and of nothing else that somebody would have to say.
pub(super) fn service(platform: Access, leading: watch::Receiver<bool>) -> Result<Service, ExplainError> {
    let options = Options { clusters: Some(platform.clusters), ..Options::default() };
    Service::new(platform.config, Surroundings::default(), options, leading)
        .map_err(|error| ExplainError::Unavailable(error.to_string()))
}

/// Notices that anything changed.
struct Told {
    next: Arc<Routes>,
    something: Notify,
}

impl Observer for Told {
    fn changed(&self, topic: &Topic, changes: &[Change]) {
        self.next.changed(topic, changes);
        self.something.notify_one();
    }

    fn synced(&self) {
        self.next.synced();
        self.something.notify_one();
    }

    fn turned(&self, turn: Turn, clusters: &BTreeSet<ClusterName>) {
        self.next.turned(turn, clusters);
        self.something.notify_one();
    }
}

/// The brokered API that people mean.
pub(super) fn api_named(fleet: &Fleet, asked: &str) -> Result<(String, Resource), ExplainError> {
    let kinds = brokered_kinds(fleet);
    let fits = |(api, resource): &(&String, &Resource)| {
        *api == asked || resource.gvr.resource == asked || resource.kind.eq_ignore_ascii_case(asked)
    };
    let mut fitting = kinds.iter().filter(fits);
    match (fitting.next(), fitting.next()) {
        (Some((api, resource)), None) => Ok((api.clone(), resource.clone())),
        (None, _) => {
            Err(ExplainError::UnknownApi { asked: asked.to_owned(), known: kinds.keys().cloned().collect() })
        }
        (Some(_), Some(_)) => Err(ExplainError::AmbiguousApi {
            asked: asked.to_owned(),
            known: kinds.iter().filter(fits).map(|(api, _)| api.clone()).collect(),
        }),
    }
}

/// The consumer's cluster that people mean.
pub(super) fn cluster_named(
    fleet: &Fleet,
    api: &str,
    paths: &BTreeMap<String, ClusterName>,
    asked: &str,
) -> Result<ClusterName, ExplainError> {
    let cluster = paths.get(asked).cloned().unwrap_or_else(|| ClusterName::from(asked));
    let export = fleet.plan().apis.get(api).and_then(|export| fleet.export(export));
    if export.is_some_and(|export| export.is_bound(&cluster)) {
        Ok(cluster)
    } else {
        Err(ExplainError::UnknownCluster { asked: asked.to_owned(), api: api.to_owned() })
    }
}

/// What a failed look means to whoever asked.
pub(super) fn refused(error: &PassError) -> ExplainError {
    match error {
        PassError::NotReady => ExplainError::NotSynced,
        PassError::Port(port) if port.kind == PortErrorKind::Unavailable => {
            ExplainError::Unavailable(format!("{}: {}", port.what, port.message))
        }
        PassError::Port(_) | PassError::Unsound(_) | PassError::Restless(_) => {
            ExplainError::Unavailable(error.to_string())
        }
    }
}
