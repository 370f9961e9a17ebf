//! One server URL and the client that is used for it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use broker_core::resource::ClusterName;
use http::Uri;
use http::uri::Authority;
use kube::{Client, Config};

use super::ClusterApi;
use crate::metrics::Metrics;
use crate::store::Source;
use crate::surroundings::Connect;

/// How long a cluster among many may take to be connected to.
const CONNECT: Duration = Duration::from_secs(5);

/// Makes endpoints with the same credentials; URLs on one server share one client, and so its connections.
#[derive(Clone)]
pub struct Connector {
    config: Config,
    connect: Arc<dyn Connect>,
    metrics: Metrics,
    clients: Arc<Mutex<BTreeMap<String, Client>>>,
}

/// A server URL with the client for it: the platform workspace, an export's virtual workspace on one shard, or a plain
/// Kubernetes cluster.
#[derive(Clone)]
pub struct Endpoint {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    metrics: Metrics,
    url: String,
    path: String,
    source: Source,
    behind: Behind,
}

/// What is behind a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behind {
    /// Logical clusters, each at a path of its own.
    Workspaces,
    /// One cluster: the URL's.
    Itself,
}

/// A URL or credential that no client can be made from.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a client for {url}: {reason}")]
pub struct EndpointError {
    url: String,
    reason: String,
}

impl Connector {
    /// A connector with the credentials of a configuration.
    pub fn new(mut config: Config, connect: Arc<dyn Connect>) -> Self {
        // Retries are decided per object by the queue: a client that retries by itself would hide for minutes that
        // a server is away, and hold a worker meanwhile.
        config.default_retry = false;
        Self { config, connect, metrics: Metrics::default(), clients: Arc::default() }
    }

    /// Counts the requests to its endpoints with these.
    #[must_use]
    pub fn counted_by(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// The endpoint that the configuration itself names.
    pub fn home(&self) -> Result<Endpoint, EndpointError> {
        self.at(&self.config.cluster_url.to_string())
    }

    /// The endpoint that the configuration itself names, as a cluster of this name that has no others behind it. Its
    /// versions are told from those of another cluster that is given the name later.
    pub fn member(mut self, name: &ClusterName) -> Result<Endpoint, EndpointError> {
        self.config.connect_timeout = Some(CONNECT);
        let url = self.config.cluster_url.to_string();
        let source = Source::new(format!("{name} ({})", url.trim_end_matches('/')));
        self.endpoint(&url, Some(source))
    }

    /// The endpoint of a URL, such as one of an `APIExportEndpointSlice`.
    pub fn at(&self, url: &str) -> Result<Endpoint, EndpointError> {
        self.endpoint(url, None)
    }

    fn endpoint(&self, url: &str, member: Option<Source>) -> Result<Endpoint, EndpointError> {
        let url = url.trim_end_matches('/');
        let failed = |reason: String| EndpointError { url: url.to_owned(), reason };
        let uri: Uri = url.parse().map_err(|error| failed(format!("{error}")))?;
        let server = Uri::builder()
            .scheme(uri.scheme_str().unwrap_or("https"))
            .authority(uri.authority().map_or("", Authority::as_str))
            .path_and_query("/")
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let client = if let Some(client) = clients.get(&server.to_string()) {
            client.clone()
        } else {
            let mut config = self.config.clone();
            config.cluster_url = server.clone();
            let client = self.connect.connect(config).map_err(|error| failed(error.to_string()))?;
            clients.insert(server.to_string(), client.clone());
            client
        };
        let path = uri.path().trim_end_matches('/').to_owned();
        let behind = if member.is_some() { Behind::Itself } else { Behind::Workspaces };
        let source = member.unwrap_or_else(|| Source::new(url));
        let (metrics, url) = (self.metrics.clone(), url.to_owned());
        Ok(Endpoint { inner: Arc::new(Inner { client, metrics, url, path, source, behind }) })
    }
}

impl Endpoint {
    /// The URL, without a slash at its end.
    pub fn url(&self) -> &str {
        &self.inner.url
    }

    /// The domain of this server's versions.
    pub fn source(&self) -> Source {
        self.inner.source.clone()
    }

    /// The very cluster that the URL names.
    pub fn itself(&self) -> ClusterApi {
        self.below("")
    }

    /// One logical cluster behind the URL.
    pub fn cluster(&self, name: &ClusterName) -> ClusterApi {
        match self.inner.behind {
            Behind::Workspaces => self.below(&format!("/clusters/{name}")),
            Behind::Itself => self.itself(),
        }
    }

    /// All logical clusters behind the URL at once, to list and watch.
    pub fn every_cluster(&self) -> ClusterApi {
        match self.inner.behind {
            Behind::Workspaces => self.below("/clusters/*"),
            Behind::Itself => self.itself(),
        }
    }

    fn below(&self, path: &str) -> ClusterApi {
        ClusterApi::new(
            self.inner.client.clone(),
            format!("{}{path}", self.inner.path),
            self.inner.metrics.clone(),
        )
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Endpoint").field(&self.inner.url).finish()
    }
}
