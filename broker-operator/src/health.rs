//! `/healthz` and `/readyz`, for whoever starts and restarts us.

use std::convert::Infallible;
use std::net::SocketAddr;

use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::operator::OperatorHandle;

/// Begins to listen.
pub(crate) async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Answers probes until the task is aborted.
pub(crate) async fn serve(listener: TcpListener, operator: OperatorHandle) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: let others finish first.
            tokio::task::yield_now().await;
            continue;
        };
        let operator = operator.clone();
        tokio::spawn(async move {
            let answer = hyper::service::service_fn(move |request: Request<Incoming>| {
                let answer = answer(request.uri().path(), &operator);
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a probe's connection broke");
            }
        });
    }
}

fn answer(path: &str, operator: &OperatorHandle) -> Response<Full<Bytes>> {
    let (status, text) = match path {
        "/healthz" | "/livez" => (StatusCode::OK, "ok"),
        // A standby is ready: its caches are warm.
        "/readyz" if operator.status().synced => (StatusCode::OK, "ok"),
        "/readyz" => (StatusCode::SERVICE_UNAVAILABLE, "not everything was read yet"),
        _ => (StatusCode::NOT_FOUND, "there are /healthz and /readyz"),
    };
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
}
