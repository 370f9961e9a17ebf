//! The way of one client to the control plane: it takes time, and everything that passes is written down.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use broker_kcp::Connect;
use futures::stream;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Bytes, Frame};
use kube::client::Body;
use kube::{Client, Config};
use tower::Service;

use super::journal::Journal;
use crate::control_plane::{InProcess, client_over, wire};
use crate::dice::Dice;

/// The body of an answer that comes through a wire.
pub type Answer = UnsyncBoxBody<Bytes, Infallible>;

/// How long messages are on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// The usual time one way, at most.
    pub usual: Duration,
    /// Now and then one takes up to this.
    pub worst: Duration,
}

impl Weather {
    /// Up to 3 ms, once in 40 times up to 200 ms: a network of one data centre, with its hiccups.
    pub const FAIR: Self = Self { usual: Duration::from_millis(3), worst: Duration::from_millis(200) };
    /// No time at all. What depends on nothing but the order of requests shows.
    pub const STILL: Self = Self { usual: Duration::ZERO, worst: Duration::ZERO };

    fn draw(self, dice: &mut Dice) -> Duration {
        let longest = if dice.once_in(40) { self.worst } else { self.usual };
        dice.span(Duration::ZERO, longest)
    }
}

/// The way of one client. Clones are connections of the same client.
#[derive(Clone, Debug)]
pub struct Wire {
    plane: InProcess,
    client: Arc<str>,
    journal: Journal,
    weather: Weather,
    dice: Arc<Mutex<Dice>>,
}

impl Wire {
    pub(super) fn new(
        plane: InProcess,
        client: &str,
        journal: Journal,
        weather: Weather,
        dice: Dice,
    ) -> Self {
        Self { plane, client: client.into(), journal, weather, dice: Arc::new(Mutex::new(dice)) }
    }

    fn time(&self) -> Duration {
        self.weather.draw(&mut self.dice.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn pass(mut self, request: Request<Body>) -> Response<Answer> {
        tokio::time::sleep(self.time()).await;
        let (mut call, author) = wire::describe(&request, &self.client);
        self.journal.attribute(None);
        let Ok(answer) = self.plane.call(request).await;
        // Nothing else ran meanwhile: a write is stored without waiting for anything.
        self.journal.attribute(Some(&author));
        call.status = Some(answer.status().as_u16());
        self.journal.called(call);
        tokio::time::sleep(self.time()).await;
        let (head, body) = answer.into_parts();
        let frames = stream::unfold((body, self), |(mut body, wire)| async move {
            let frame = body.frame().await?;
            tokio::time::sleep(wire.time()).await;
            let Ok(frame) = frame;
            Some((Ok::<Frame<Bytes>, Infallible>(frame), (body, wire)))
        });
        Response::from_parts(head, StreamBody::new(frames).boxed_unsync())
    }
}

impl Service<Request<Body>> for Wire {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Answer>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let wire = self.clone();
        Box::pin(async move { Ok(wire.pass(request).await) })
    }
}

impl Connect for Wire {
    fn connect(&self, config: Config) -> Result<Client, kube::Error> {
        client_over(self.clone(), &config)
    }
}
