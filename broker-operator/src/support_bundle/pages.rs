//! What a running broker tells at its own addresses.

use std::time::Duration;

use anyhow::Context as _;
use http::Request;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// No page of ours is larger.
const MOST: usize = 64 << 20;

/// The body of a page, whatever its status is; the status comes first where it is no success.
pub(super) async fn page(address: &str, path: &str, timeout: Duration) -> anyhow::Result<String> {
    let asking = async {
        let stream =
            TcpStream::connect(address).await.with_context(|| format!("{address} does not answer"))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .context("no HTTP is spoken there")?;
        let connection = tokio::spawn(connection);
        let request = Request::get(path).header(http::header::HOST, address).body(Empty::<Bytes>::new())?;
        let response =
            sender.send_request(request).await.with_context(|| format!("{path} is not answered"))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MOST).collect().await;
        connection.abort();
        let body = body.map_err(|error| anyhow::anyhow!("{path} breaks off: {error}"))?.to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        Ok(if status.is_success() { text } else { format!("{status}\n{text}") })
    };
    tokio::time::timeout(timeout, asking)
        .await
        .with_context(|| format!("{address}{path} does not answer in time"))?
}
