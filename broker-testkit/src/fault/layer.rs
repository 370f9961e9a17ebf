//! The layer that everything goes through.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use broker_kcp::Connect;
use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, Request, Response, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use kube::{Client, Config};
use tower::{BoxError, Service};

use super::answer;
use super::asked::{Asked, Place};
use super::body::Body;
use super::effect::{Effect, Outcome};
use super::injector::{Life, Turn};
use super::plan::Fault;
use crate::control_plane::{Lag, Lagged, client_over};

/// Puts the faults of one [`Injector`](super::Injector) before a service.
#[derive(Clone, Debug)]
pub struct Layer {
    life: Life,
}

impl Layer {
    pub(super) fn new(life: Life) -> Self {
        Self { life }
    }
}

impl<S> tower::Layer<S> for Layer {
    type Service = Faulty<S>;

    fn layer(&self, inner: S) -> Faulty<S> {
        Faulty { inner, life: self.life.clone() }
    }
}

/// A service before which faults happen.
///
/// A request is counted when it is handed over ([`Service::call`]), and sent when its future is first polled.
#[derive(Clone, Debug)]
pub struct Faulty<S> {
    inner: S,
    life: Life,
}

impl<S, Q, B> Service<Request<Q>> for Faulty<S>
where
    S: Service<Request<Q>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    Q: Send + 'static,
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let (mut parts, content) = request.into_parts();
        // Answers are read, and so asked for as they are.
        parts.headers.remove(ACCEPT_ENCODING);
        let asked = Arc::new(Asked::of(&parts));
        let turn = self.life.send(&asked, &parts);
        // The clone is not ready yet; this one is.
        let ready = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, ready);
        let exchange = Exchange { life: self.life.clone(), asked, parts, inner };
        Box::pin(Alive { life: self.life.clone(), future: Box::pin(exchange.run(turn, content)) })
    }
}

/// A client for any configuration, with its own URL and credentials, that goes through the faults.
impl<S, B> Connect for Faulty<S>
where
    S: Service<Request<kube::client::Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn connect(&self, config: Config) -> Result<Client, kube::Error> {
        client_over(self.clone(), &config)
    }
}

/// A future of somebody who may die: from then on it does nothing, and never ends.
struct Alive<F> {
    life: Life,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Alive<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if self.life.is_over() { Poll::Pending } else { self.future.as_mut().poll(cx) }
    }
}

/// One request on its way.
struct Exchange<S> {
    life: Life,
    asked: Arc<Asked>,
    parts: Parts,
    inner: S,
}

impl<S> Exchange<S> {
    async fn run<Q, B>(self, turn: Turn, content: Q) -> Result<Response<Body>, BoxError>
    where
        S: Service<Request<Q>, Response = Response<B>>,
        S::Error: Into<BoxError>,
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let Self { life, asked, mut parts, mut inner } = self;
        let (delay, harm) = match turn {
            Turn::Dead => return std::future::pending().await,
            Turn::Away => return Err(answer::refused()),
            Turn::Unauthorized => return Ok(answer::unauthorized()),
            Turn::Goes { delay, harm } => (delay, harm.map(|fault| (fault, fault.harm().effect()))),
        };
        if let Some((fault, span)) = delay {
            life.record(fault, &asked);
            tokio::time::sleep(span).await;
        }
        if let Some((fault, Effect::Instead(outcome))) = harm {
            return suffer(&life, &asked, fault, outcome).await;
        }
        if let Some((_, Effect::Stale(changes))) = harm {
            parts.extensions.insert(Lag(changes));
        }
        let uri = parts.uri.clone();
        let answered = inner.call(Request::from_parts(parts, content)).await.map_err(Into::into);
        if let Some((fault, Effect::After(outcome))) = harm {
            return suffer(&life, &asked, fault, outcome).await;
        }
        let (mut head, content) = answered?.into_parts();
        let mut content = content.map_err(Into::into).boxed_unsync();
        if asked.verb() == "list" && head.status.is_success() {
            let stale = harm.filter(|(_, effect)| matches!(effect, Effect::Stale(_))).map(|(fault, _)| fault);
            if let Some(fault) = stale.filter(|_| head.extensions.get::<Lagged>().is_some()) {
                life.record(fault, &asked);
            } else if stale.is_some() || life.wants_lists() {
                content = recall(&life, &asked, &uri, content, stale).await?;
                head.headers.remove(CONTENT_LENGTH);
            }
        }
        let damage = harm.and_then(|(fault, effect)| match effect {
            Effect::Damage(damage) => Some((fault, damage)),
            Effect::Around(_)
            | Effect::Delay(_)
            | Effect::Instead(_)
            | Effect::After(_)
            | Effect::Stale(_) => None,
        });
        let watches = asked.verb() == "watch" && head.status.is_success() && is_json(&head.headers);
        let place = watches.then(|| Place::of(&uri));
        Ok(Response::from_parts(head, Body::new(content, life, asked, place, damage)))
    }
}

/// What happens instead of an answer.
async fn suffer(
    life: &Life,
    asked: &Asked,
    fault: Fault,
    outcome: Outcome,
) -> Result<Response<Body>, BoxError> {
    if let Outcome::Crash = outcome {
        life.crash(fault, Some(asked));
        return std::future::pending().await;
    }
    life.record(fault, asked);
    match outcome {
        Outcome::Crash | Outcome::Silence => std::future::pending().await,
        Outcome::Refused => Err(answer::refused()),
        Outcome::Broken => Err(answer::broken()),
        Outcome::Answer(canned) => Ok(answer::canned(canned, asked)),
    }
}

/// Remembers a list, and answers an earlier one where it is to be stale.
async fn recall(
    life: &Life,
    asked: &Asked,
    uri: &Uri,
    content: UnsyncBoxBody<Bytes, BoxError>,
    stale: Option<Fault>,
) -> Result<UnsyncBoxBody<Bytes, BoxError>, BoxError> {
    let mut content = content.collect().await?.to_bytes();
    let url = uri.to_string();
    if let Some(fault) = stale
        && let Some(earlier) = life.stale(&url, &content)
    {
        life.record(fault, asked);
        content = earlier;
    } else {
        life.remember(&url, &content);
    }
    Ok(Full::new(content).map_err(|never| match never {}).boxed_unsync())
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.starts_with("application/json")
}
