//! Small servers for whoever watches over the process: each answers at once, from memory.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tracing::Instrument as _;

/// What is answered.
pub(crate) type Answer = Response<Full<Bytes>>;

/// Where something is served.
#[derive(Clone, Debug, Default)]
pub(crate) enum Place {
    /// Nowhere.
    #[default]
    Nowhere,
    /// At an address that is still to be bound.
    Address(SocketAddr),
    /// On a socket that is bound already.
    Bound(Arc<std::net::TcpListener>),
}

/// Why nothing can be served at a place.
#[derive(Debug)]
pub(crate) struct Unbound {
    /// The address.
    pub(crate) address: SocketAddr,
    /// Why.
    pub(crate) source: io::Error,
}

impl Place {
    /// Begins to listen, if anything is served; the address is the one that was bound.
    pub(crate) async fn listen(&self) -> Result<Option<(TcpListener, SocketAddr)>, Unbound> {
        let (address, listener) = match self {
            Self::Nowhere => return Ok(None),
            Self::Address(address) => (*address, TcpListener::bind(address).await),
            Self::Bound(bound) => {
                let address = bound.local_addr().unwrap_or_else(|_| ([0, 0, 0, 0], 0).into());
                let own = bound.try_clone().and_then(|own| {
                    own.set_nonblocking(true)?;
                    TcpListener::from_std(own)
                });
                (address, own)
            }
        };
        let listener = listener.map_err(|source| Unbound { address, source })?;
        let address = listener.local_addr().unwrap_or(address);
        Ok(Some((listener, address)))
    }
}

/// Answers requests until it is dropped, and with it whoever still asks. The answer depends on the head of the request and on who asks.
pub(crate) async fn serve<A>(listener: TcpListener, answer: A)
where
    A: Fn(&Parts, SocketAddr) -> Answer + Clone + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            // Out of file descriptors, most likely: let others finish first.
            tokio::task::yield_now().await;
            continue;
        };
        let answer = answer.clone();
        let answering = async move {
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let answer = answer(&request.into_parts().0, peer);
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the connection of somebody who asked broke");
            }
        };
        connections.spawn(answering.in_current_span());
    }
}

/// A text as answer.
pub(crate) fn text(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response
}
