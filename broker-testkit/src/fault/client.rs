//! A kube client as the service below another one.

use std::task::{Context, Poll};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{Request, Response};
use kube::Client;
use tower::{BoxError, Service};

/// Sends what comes with a client that is there already.
#[derive(Clone)]
pub(super) struct Through(pub(super) Client);

impl Service<Request<kube::client::Body>> for Through {
    type Response = Response<kube::client::Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // The client waits for itself in `send`.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<kube::client::Body>) -> Self::Future {
        let client = self.0.clone();
        async move { client.send(request).await.map_err(BoxError::from) }.boxed()
    }
}
