//! The body of an answer: the server's frames, or what a fault makes of them.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Frame};
use tokio::time::Sleep;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tower::BoxError;

use super::answer;
use super::asked::{Asked, Place};
use super::effect::Damage;
use super::injector::Life;
use super::plan::Fault;
use super::watch::Watching;

/// What a body shows when it is asked for more.
type Polled = Poll<Option<Result<Frame<Bytes>, BoxError>>>;

/// In how many pieces a frame comes slowly.
const PIECES: usize = 4;

/// The body of an answer that came through the faults.
pub struct Body {
    source: Option<UnsyncBoxBody<Bytes, BoxError>>,
    /// What comes next, before anything further of the source.
    steps: VecDeque<Step>,
    pause: Option<Pin<Box<Sleep>>>,
    /// Of whom; an answer that is no server's has nobody.
    owner: Option<Owner>,
    manner: Manner,
    /// Pauses before every piece.
    slow: Option<Duration>,
    /// The place of a watch went away.
    gone: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

#[derive(Clone)]
pub(super) struct Owner {
    pub(super) life: Life,
    pub(super) asked: Arc<Asked>,
}

/// How the frames of the source are read.
enum Manner {
    /// As they are.
    Plain,
    /// All of them, of which the first half is sent before the connection breaks.
    Halved(Fault, Vec<u8>),
    /// Event by event.
    Watch(Box<Watching>),
}

/// Something that comes next.
pub(super) enum Step {
    Send(Frame<Bytes>),
    Pause(Duration),
    /// What was sent so far leaves before what comes next: servers forget what they have not written yet when a body
    /// breaks.
    Flush,
    /// Nothing more comes, and it stays open.
    Hang,
    Break(BoxError),
    End,
    Crash(Fault),
    /// A fault took hold.
    Told(Fault),
}

impl Step {
    pub(super) fn send(content: Bytes) -> Self {
        Self::Send(Frame::data(content))
    }
}

impl Body {
    /// Content that is there already.
    pub(super) fn of(content: Bytes) -> Self {
        let content = Full::new(content).map_err(|never| match never {}).boxed_unsync();
        Self {
            source: Some(content),
            steps: VecDeque::new(),
            pause: None,
            owner: None,
            manner: Manner::Plain,
            slow: None,
            gone: None,
        }
    }

    /// A server's content, to which harm is done; event by event where it is a watch at some place.
    pub(super) fn new(
        content: UnsyncBoxBody<Bytes, BoxError>,
        life: Life,
        asked: Arc<Asked>,
        watch: Option<Place>,
        damage: Option<(Fault, Damage)>,
    ) -> Self {
        let owner = Owner { life, asked };
        let mut body = Self { source: Some(content), ..Self::of(Bytes::new()) };
        if let Some(place) = watch {
            body.gone = Some(Box::pin(owner.life.departure(&place).cancelled_owned()));
            body.manner = Manner::Watch(Box::new(Watching::new(owner.clone(), place)));
        }
        if let Some((fault, damage)) = damage {
            body.damage(fault, damage);
        }
        body.owner = Some(owner);
        body
    }

    /// What befalls the answer as a whole.
    fn damage(&mut self, fault: Fault, damage: Damage) {
        match damage {
            Damage::Slow(span) => {
                self.slow = Some(span);
                self.steps.push_back(Step::Told(fault));
            }
            Damage::Cut => match &mut self.manner {
                Manner::Watch(watching) => watching.cut_first(fault),
                Manner::Plain | Manner::Halved(..) => self.manner = Manner::Halved(fault, Vec::new()),
            },
            Damage::End => self.steps.extend([Step::Told(fault), Step::End]),
            Damage::Stall => self.steps.extend([Step::Told(fault), Step::Hang]),
            // An event's alone.
            Damage::Repeat(_) => {}
        }
    }

    /// Takes a frame of the source.
    fn take(&mut self, frame: Frame<Bytes>) {
        let Ok(data) = frame.into_data() else {
            // Trailers say nothing here.
            return;
        };
        match &mut self.manner {
            Manner::Plain => self.steps.push_back(Step::send(data)),
            Manner::Halved(_, content) => content.extend_from_slice(&data),
            Manner::Watch(watching) => watching.take(data),
        }
    }

    /// Reads the next event, if it is there.
    fn read_event(&mut self) {
        if let Manner::Watch(watching) = &mut self.manner {
            watching.read(&mut self.steps);
        }
    }

    /// Takes what comes next apart, where it is to come slowly.
    fn slow_down(&mut self) {
        if let Some(pause) = self.slow {
            self.steps =
                std::mem::take(&mut self.steps).into_iter().flat_map(|step| slowly(step, pause)).collect();
        }
    }

    /// The connection breaks, after what was sent.
    fn break_off(&mut self) {
        self.close();
        self.steps.extend([Step::Flush, Step::Break(answer::broken())]);
    }

    /// The source ended.
    fn finish(&mut self) {
        self.source = None;
        match &mut self.manner {
            Manner::Plain => {}
            Manner::Halved(fault, content) => {
                let half = content.get(..content.len() / 2).unwrap_or_default();
                let half = Bytes::copy_from_slice(half);
                let told = Step::Told(*fault);
                self.steps.extend([told, Step::send(half), Step::Flush, Step::Break(answer::broken())]);
                self.manner = Manner::Plain;
            }
            Manner::Watch(watching) => watching.finish(&mut self.steps),
        }
    }

    /// Nothing more comes.
    fn close(&mut self) {
        self.source = None;
        self.steps.clear();
        self.gone = None;
    }

    fn crash(&self, fault: Fault) {
        if let Some(Owner { life, asked }) = &self.owner {
            life.crash(fault, Some(asked));
        }
    }

    /// The next thing that is seen from outside, if one is at hand.
    fn next_step(&mut self, cx: &Context<'_>) -> Option<Polled> {
        match self.steps.pop_front()? {
            Step::Send(frame) => {
                // Whoever dies of what was heard does nothing about it any more.
                if let Some(Step::Crash(fault)) = self.steps.front() {
                    self.crash(*fault);
                }
                Some(Poll::Ready(Some(Ok(frame))))
            }
            Step::Pause(span) => {
                self.pause = Some(Box::pin(tokio::time::sleep(span)));
                None
            }
            Step::Flush => {
                cx.waker().wake_by_ref();
                Some(Poll::Pending)
            }
            Step::Hang => {
                self.steps.push_front(Step::Hang);
                Some(Poll::Pending)
            }
            Step::Break(error) => {
                self.close();
                Some(Poll::Ready(Some(Err(error))))
            }
            Step::End => {
                self.close();
                Some(Poll::Ready(None))
            }
            Step::Crash(fault) => {
                self.crash(fault);
                Some(Poll::Pending)
            }
            Step::Told(fault) => {
                if let Some(Owner { life, asked }) = &self.owner {
                    life.record(fault, asked);
                }
                None
            }
        }
    }
}

/// A step in pieces.
fn slowly(step: Step, pause: Duration) -> Vec<Step> {
    let Step::Send(frame) = step else { return vec![step] };
    let Ok(mut data) = frame.into_data() else { return Vec::new() };
    let size = data.len().div_ceil(PIECES).max(1);
    let mut steps = Vec::new();
    while !data.is_empty() {
        let piece = data.split_to(size.min(data.len()));
        steps.extend([Step::Pause(pause), Step::send(piece)]);
    }
    steps
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        loop {
            if self.owner.as_ref().is_some_and(|owner| owner.life.is_over()) {
                return Poll::Pending;
            }
            if self.gone.as_mut().is_some_and(|gone| gone.as_mut().poll(cx).is_ready()) {
                self.break_off();
            }
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            if let Some(seen) = self.next_step(cx) {
                return seen;
            }
            if self.steps.is_empty() {
                self.read_event();
                self.slow_down();
            }
            if self.steps.is_empty() && self.pause.is_none() {
                let Some(source) = &mut self.source else { return Poll::Ready(None) };
                match ready!(Pin::new(source).poll_frame(cx)) {
                    Some(Ok(frame)) => self.take(frame),
                    Some(Err(error)) => self.steps.extend([Step::Flush, Step::Break(error)]),
                    None => self.finish(),
                }
                self.slow_down();
            }
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}
