//! HTTPS: connections, paths, media types, streams. Knows how things are asked for, not what they mean.

mod body;
mod call;
mod discovery;
mod documents;
mod handler;
mod lag;
mod left_out;
mod metrics;
pub(crate) mod path;
mod protobuf;
pub(crate) mod response;
#[cfg(feature = "simulation")]
mod seen;
mod watching;
mod writer;
mod writing;

pub(crate) use handler::{Server, answer};
pub use lag::{Lag, Lagged};
pub(crate) use metrics::Counters;
pub use metrics::{RequestKind, Requests};
pub(crate) use path::Target;
#[cfg(feature = "simulation")]
pub(crate) use seen::describe;

use std::convert::Infallible;
use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

/// Accepts connections until the server stops.
pub(crate) async fn serve(server: Arc<Server>, listener: TcpListener, acceptor: TlsAcceptor) {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = server.stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(connection(Arc::clone(&server), stream, acceptor.clone()));
            }
            Err(error) => tracing::debug!(%error, "a connection could not be accepted"),
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn connection(server: Arc<Server>, stream: TcpStream, acceptor: TlsAcceptor) {
    // Small answers shall not wait for each other.
    stream.set_nodelay(true).ok();
    let stop = server.stop.clone();
    let stream = tokio::select! {
        () = stop.cancelled() => return,
        stream = acceptor.accept(stream) => match stream {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(%error, "a TLS handshake failed");
                return;
            }
        },
    };
    let service = service_fn(move |request| {
        let server = Arc::clone(&server);
        async move { Ok::<_, Infallible>(handler::answer(server, request).await) }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            // Running watches end by themselves; idle connections are closed.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}
