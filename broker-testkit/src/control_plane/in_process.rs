//! The way into a control plane without a network: requests are answered where they are made.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use broker_kcp::Connect;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Bytes;
use kube::client::{Body, ConfigExt as _};
use kube::{Client, Config};
use tower::{BoxError, Service, ServiceBuilder};

use super::wire::{Server, answer};

/// Answers requests of one control plane in the caller's own task, as its HTTPS port would.
///
/// No sockets, threads or TLS: on a paused tokio clock everything takes no time at all. Requests name workspaces by path,
/// and carry their tokens, as everywhere; scheme and host are ignored.
#[derive(Clone, Debug)]
pub struct InProcess {
    server: Arc<Server>,
}

impl InProcess {
    pub(super) fn new(server: Arc<Server>) -> Self {
        Self { server }
    }
}

impl Service<Request<Body>> for InProcess {
    type Response = Response<UnsyncBoxBody<Bytes, Infallible>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let server = Arc::clone(&self.server);
        Box::pin(async move { Ok(answer(server, request).await) })
    }
}

/// A client that sends its requests into a service instead of a network, with the address and the credentials of a
/// configuration.
///
/// # Errors
/// Where the configuration has credentials that cannot be used.
pub fn client_over<S, B>(service: S, config: &Config) -> Result<Client, kube::Error>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .map_err(Into::<BoxError>::into)
        .service(service);
    Ok(Client::new(service, config.default_namespace.clone()))
}

impl Connect for InProcess {
    fn connect(&self, config: Config) -> Result<Client, kube::Error> {
        client_over(self.clone(), &config)
    }
}
