//! Answers `http-01` challenges (RFC 8555, 8.3): for each name that is being ordered, the ACME server asks
//! `http://<name>/.well-known/acme-challenge/<token>`, and whoever serves the name there must know the answer.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const PATH: &str = "/.well-known/acme-challenge/";

/// The answers to the challenges of the orders that are under way.
#[derive(Debug, Clone, Default)]
pub struct Challenges(Arc<Mutex<HashMap<String, String>>>);

impl Challenges {
    /// Answers a challenge until the returned value is dropped.
    pub(crate) fn answer(&self, token: &str, with: &str) -> Answered {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(token.to_owned(), with.to_owned());
        Answered { challenges: self.clone(), token: token.to_owned() }
    }

    fn find(&self, path: &str) -> Option<String> {
        let token = path.strip_prefix(PATH)?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }
}

/// A challenge that is being answered.
#[derive(Debug)]
pub(crate) struct Answered {
    challenges: Challenges,
    token: String,
}

impl Drop for Answered {
    fn drop(&mut self) {
        self.challenges.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.token);
    }
}

/// A web server for nothing but the answers.
#[derive(Debug)]
pub struct Responder {
    listener: TcpListener,
    challenges: Challenges,
}

impl Responder {
    /// Listens here; port 80 is where ACME servers look.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await?, challenges: Challenges::default() })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What it answers.
    pub fn challenges(&self) -> Challenges {
        self.challenges.clone()
    }

    /// Answers until `shutdown` is cancelled.
    pub async fn run(self, shutdown: CancellationToken) {
        while let Some(accepted) = shutdown.run_until_cancelled(self.listener.accept()).await {
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "a connection was not accepted");
                    continue;
                }
            };
            let challenges = self.challenges.clone();
            let service = service_fn(move |request| {
                let answer = answer(&challenges, &request);
                async move { Ok::<_, Infallible>(answer) }
            });
            // Whoever breaks off a connection asks again; with a timer, whoever asks nothing is not waited for.
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new());
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
        }
    }
}

fn answer(challenges: &Challenges, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let found = challenges.find(request.uri().path());
    let status = if found.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let mut response = Response::new(Full::from(found.unwrap_or_default()));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_answered_while_its_order_is_under_way_and_no_longer() {
        let challenges = Challenges::default();
        let found = |challenges: &Challenges| challenges.find("/.well-known/acme-challenge/token");
        assert_eq!(found(&challenges), None);
        let answered = challenges.answer("token", "token.thumbprint");
        assert_eq!(found(&challenges).as_deref(), Some("token.thumbprint"));
        assert_eq!(challenges.find("/token"), None);
        drop(answered);
        assert_eq!(found(&challenges), None);
    }
}
