//! The same faults for a controller in another process: a proxy before any server.

mod rewrite;
mod route;
mod servers;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Either, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use kube::Config;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tower::{BoxError, Layer as _, ServiceExt as _};

use self::servers::{Behind, Servers};
use super::body::Body;
use super::injector::Injector;
use super::layer::Faulty;

/// Why there is no proxy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// No port could be had.
    #[error("listening on a free port of the loopback")]
    Listen(#[from] io::Error),
    /// The server's configuration cannot be used.
    #[error("making a client for the server behind the proxy")]
    Client(#[from] kube::Error),
}

/// A proxy before one server, on a free port of the loopback, with an injector's faults in between.
///
/// In front it speaks plain HTTP, behind whatever the server does. Callers bring their own tokens, which are passed on.
/// The URLs that an `APIExportEndpointSlice` (or an `APIExport`) tells are rewritten, so that whoever follows them stays
/// behind the proxy, on other hosts too. Watches are streamed. Each connection is one of the controller that is alive
/// when it is opened ([`Injector::revive`]): no faults are needed to end a process.
///
/// It stops, and its connections break, when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    servers: Arc<Servers>,
    stop: CancellationToken,
}

impl Proxy {
    /// A proxy before the server of a configuration, of which the address, the trust and a client certificate are
    /// used; the path of its URL is not.
    pub async fn before(server: &Config, injector: &Injector) -> Result<Self, ProxyError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let servers = Arc::new(Servers::new(listener.local_addr()?, server)?);
        let stop = CancellationToken::new();
        let accepting = accept(listener, Arc::clone(&servers), injector.clone(), stop.clone());
        tokio::spawn(stop.clone().run_until_cancelled_owned(accepting));
        Ok(Self { servers, stop })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.servers.front()
    }

    /// `http://127.0.0.1:<port>`, without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// A configuration through the proxy, for a client that has this one: the same path and credentials. A client
    /// certificate does not reach the server from there; it is the proxy's own that counts.
    pub fn config(&self, original: &Config) -> Config {
        let mut config = original.clone();
        config.cluster_url = self.through(route::NOBODY, original).parse().unwrap_or_default();
        (config.root_cert, config.root_cert_file, config.tls_server_name) = (None, None, None);
        config.proxy_url = None;
        let auth = &mut config.auth_info;
        (auth.client_certificate, auth.client_certificate_data) = (None, None);
        (auth.client_key, auth.client_key_data) = (None, None);
        config
    }

    /// A kubeconfig through the proxy, as YAML, for somebody who has this configuration. There are no credentials in
    /// it, since kubectl sends none over plain HTTP: the proxy adds them for whoever comes this way.
    pub fn kubeconfig(&self, original: &Config) -> String {
        let server = self.through(self.servers.admit(original.clone()), original);
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "proxy", "cluster": {"server": server}}],
            "users": [{"name": "proxy", "user": {}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
            "current-context": "proxy",
        });
        // Plain maps, lists and strings can always be written.
        serde_saphyr::to_string(&config).unwrap_or_default()
    }

    fn through(&self, identity: usize, original: &Config) -> String {
        let url = original.cluster_url.to_string();
        self.servers.in_front(identity, &url).unwrap_or(url)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn accept(listener: TcpListener, servers: Arc<Servers>, injector: Injector, stop: CancellationToken) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let behind = injector.layer().layer(Behind::new(Arc::clone(&servers)));
                let serving = serve(stream, Arc::clone(&servers), behind);
                tokio::spawn(stop.clone().run_until_cancelled_owned(serving));
            }
            Err(error) => tracing::debug!(%error, "a connection could not be accepted"),
        }
    }
}

async fn serve(stream: TcpStream, servers: Arc<Servers>, behind: Faulty<Behind>) {
    // Small answers shall not wait for each other.
    stream.set_nodelay(true).ok();
    let service = service_fn(move |request| exchange(request, Arc::clone(&servers), behind.clone()));
    let builder = auto::Builder::new(TokioExecutor::new());
    // A request that fails breaks its connection: this is how a client is to see it.
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection ended");
    }
}

type Answer = Response<Either<Body, Full<Bytes>>>;

async fn exchange(
    request: Request<Incoming>,
    servers: Arc<Servers>,
    behind: Faulty<Behind>,
) -> Result<Answer, BoxError> {
    let (mut parts, content) = request.into_parts();
    let path = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let Some((route, uri)) = servers.locate(&path) else {
        let mut answer = Response::new(Either::Right(Full::from("nothing is proxied here\n")));
        *answer.status_mut() = StatusCode::NOT_FOUND;
        return Ok(answer);
    };
    parts.uri = uri;
    parts.extensions.insert(route);
    parts.headers.remove(CONTENT_LENGTH);
    of_one_hop(&mut parts.headers);
    let content = content.collect().await?.to_bytes();
    let request = Request::from_parts(parts, kube::client::Body::from(content));
    let mut answer = behind.oneshot(request).await?;
    of_one_hop(answer.headers_mut());
    Ok(answer.map(Either::Left))
}

/// Takes out what is meant for the next server alone.
fn of_one_hop(headers: &mut HeaderMap) {
    for header in [HOST, CONNECTION, TRANSFER_ENCODING, UPGRADE, TE, TRAILER] {
        headers.remove(header);
    }
}
