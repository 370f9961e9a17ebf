//! One server URL and the one client that is used for it.

use std::fmt;
use std::sync::Arc;

use broker_core::resource::ClusterName;
use kube::{Client, Config};

use super::ClusterApi;
use crate::store::Source;

/// A server URL with the client for it: the platform workspace, or an export's virtual workspace on one shard.
#[derive(Clone)]
pub struct Endpoint {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    url: String,
}

/// A URL or credential that no client can be made from.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a client for {url}: {reason}")]
pub struct EndpointError {
    url: String,
    reason: String,
}

impl Endpoint {
    /// The endpoint that the configuration itself names.
    pub fn new(mut config: Config) -> Result<Self, EndpointError> {
        let url = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        // Retries are decided per object by the queue: a client that retries by itself would hide for minutes that
        // a server is away, and hold a worker meanwhile.
        config.default_retry = false;
        let client = Client::try_from(config)
            .map_err(|error| EndpointError { url: url.clone(), reason: error.to_string() })?;
        Ok(Self { inner: Arc::new(Inner { client, url }) })
    }

    /// Another URL with the same credentials, such as one of an `APIExportEndpointSlice`.
    pub fn at(config: &Config, url: &str) -> Result<Self, EndpointError> {
        let cluster_url = url
            .trim_end_matches('/')
            .parse()
            .map_err(|error| EndpointError { url: url.to_owned(), reason: format!("{error}") })?;
        let mut config = config.clone();
        config.cluster_url = cluster_url;
        Self::new(config)
    }

    /// The URL, without a slash at its end.
    pub fn url(&self) -> &str {
        &self.inner.url
    }

    /// The domain of this server's versions.
    pub fn source(&self) -> Source {
        Source::new(&self.inner.url)
    }

    /// The very cluster that the URL names.
    pub fn itself(&self) -> ClusterApi {
        ClusterApi::new(self.inner.client.clone(), String::new())
    }

    /// One logical cluster behind the URL.
    pub fn cluster(&self, name: &ClusterName) -> ClusterApi {
        ClusterApi::new(self.inner.client.clone(), format!("/clusters/{name}"))
    }

    /// All logical clusters behind the URL at once, to list and watch.
    pub fn every_cluster(&self) -> ClusterApi {
        ClusterApi::new(self.inner.client.clone(), "/clusters/*".to_owned())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Endpoint").field(&self.inner.url).finish()
    }
}
