//! The servers behind a proxy, and who asks them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{Request, Response, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Bytes;
use kube::client::Body;
use kube::config::AuthInfo;
use kube::{Client, Config};
use tower::{BoxError, Service};

use super::rewrite;
use super::route::{self, NOBODY, Route};

/// What is known behind a proxy.
pub(super) struct Servers {
    front: SocketAddr,
    /// The host of the proxy's own server.
    home: String,
    known: Mutex<Known>,
}

struct Known {
    /// The first is nobody's: the trust alone.
    identities: Vec<Config>,
    /// Hosts that the server told of, with their schemes. Nothing else is reached through the proxy.
    hosts: BTreeMap<String, String>,
    clients: BTreeMap<(usize, String), Client>,
}

impl Servers {
    pub(super) fn new(front: SocketAddr, server: &Config) -> Result<Self, kube::Error> {
        let url = &server.cluster_url;
        let home = url.authority().map(ToString::to_string).unwrap_or_default();
        let scheme = url.scheme_str().unwrap_or("https").to_owned();
        let mut nobody = server.clone();
        nobody.auth_info = AuthInfo {
            client_certificate: server.auth_info.client_certificate.clone(),
            client_certificate_data: server.auth_info.client_certificate_data.clone(),
            client_key: server.auth_info.client_key.clone(),
            client_key_data: server.auth_info.client_key_data.clone(),
            ..AuthInfo::default()
        };
        let known = Known {
            identities: vec![nobody],
            hosts: BTreeMap::from([(home.clone(), scheme)]),
            clients: BTreeMap::new(),
        };
        let servers = Self { front, home, known: Mutex::new(known) };
        // What cannot be used shows now.
        servers.client(NOBODY, &servers.home)?;
        Ok(servers)
    }

    pub(super) fn front(&self) -> SocketAddr {
        self.front
    }

    /// Lets somebody in whose credentials the proxy adds.
    pub(super) fn admit(&self, identity: Config) -> usize {
        let mut known = self.lock();
        known.identities.push(identity);
        known.identities.len() - 1
    }

    /// Whose way a path in front is, and where it leads.
    pub(super) fn locate(&self, path: &str) -> Option<(Route, Uri)> {
        let path = route::parse(path)?;
        let known = self.lock();
        known.identities.get(path.identity)?;
        let host = path.host.unwrap_or(&self.home);
        let uri = route::join(known.hosts.get(host)?, host, path.rest)?;
        Some((Route { identity: path.identity }, uri))
    }

    /// Where a server's URL is in front of the proxy.
    pub(super) fn in_front(&self, identity: usize, url: &str) -> Option<String> {
        let uri: Uri = url.parse().ok()?;
        let (scheme, host) = (uri.scheme_str()?, uri.authority()?.as_str());
        let other = (host != self.home).then_some(host);
        if let Some(host) = other {
            self.lock().hosts.insert(host.to_owned(), scheme.to_owned());
        }
        let rest = uri.path_and_query().map_or("", |rest| rest.as_str());
        Some(format!("http://{}{}{rest}", self.front, route::prefix(identity, other)))
    }

    fn client(&self, identity: usize, host: &str) -> Result<Client, kube::Error> {
        let mut known = self.lock();
        let key = (identity, host.to_owned());
        if let Some(client) = known.clients.get(&key) {
            return Ok(client.clone());
        }
        let scheme = known.hosts.get(host).map_or("https", String::as_str);
        let url = route::join(scheme, host, "/").unwrap_or_default();
        let mut config = known.identities.get(identity).cloned().unwrap_or_else(|| Config::new(url.clone()));
        config.cluster_url = url;
        // Whoever is behind the proxy shall see every refusal.
        config.default_retry = false;
        let client = Client::try_from(config)?;
        known.clients.insert(key, client.clone());
        Ok(client)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Servers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Servers")
            .field("front", &self.front)
            .field("home", &self.home)
            .finish_non_exhaustive()
    }
}

/// Sends requests to where their URLs lead.
#[derive(Clone, Debug)]
pub(super) struct Behind {
    servers: Arc<Servers>,
}

impl Behind {
    pub(super) fn new(servers: Arc<Servers>) -> Self {
        Self { servers }
    }
}

impl Service<Request<Body>> for Behind {
    type Response = Response<UnsyncBoxBody<Bytes, BoxError>>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let servers = Arc::clone(&self.servers);
        async move {
            let identity = request.extensions().get::<Route>().map_or(NOBODY, |route| route.identity);
            let uri = request.uri().clone();
            let host = uri.authority().map_or("", |host| host.as_str());
            let answer = servers.client(identity, host)?.send(request).await?;
            rewrite::urls(&uri, answer, move |url| servers.in_front(identity, url)).await
        }
        .boxed()
    }
}
