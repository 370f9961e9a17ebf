//! The body of a watch: one JSON document per event, as they happen.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use futures::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};
use serde_json::{Value, json};
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep};
use tokio_util::sync::CancellationToken;

use super::response::{Body, Form, metadata_of};
use crate::control_plane::error::ApiError;
use crate::control_plane::machinery::table::IncludeObject;
use crate::control_plane::registry::{Event, Watch};
use crate::control_plane::surroundings::Surroundings;
use crate::control_plane::value;

/// The real server's bookmarks come about once a minute.
const BOOKMARKS: Duration = Duration::from_secs(55);
/// The real server ends watches of clients that name no end after half an hour at the earliest.
const LIFETIME: Duration = Duration::from_secs(1_810);

/// How a watch is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    pub(crate) form: Form,
    pub(crate) include: IncludeObject,
    pub(crate) bookmarks: bool,
    pub(crate) timeout: Option<Duration>,
}

struct Stream {
    watch: Watch,
    queue: VecDeque<Event>,
    style: Style,
    /// A Table's columns are sent once.
    columns_sent: bool,
    ticks: Interval,
    deadline: Pin<Box<Sleep>>,
    surroundings: Surroundings,
    stop: CancellationToken,
    ended: bool,
}

/// The body of a running watch, beginning with `first`.
pub(crate) fn body(
    watch: Watch,
    first: Vec<Event>,
    style: Style,
    (surroundings, stop): (Surroundings, CancellationToken),
) -> Body {
    let mut ticks = tokio::time::interval_at(Instant::now() + BOOKMARKS, BOOKMARKS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let lifetime = style.timeout.unwrap_or(LIFETIME);
    let state = Stream {
        watch,
        queue: first.into(),
        style,
        columns_sent: false,
        ticks,
        deadline: Box::pin(tokio::time::sleep(lifetime)),
        surroundings,
        stop,
        ended: false,
    };
    let frames = stream::unfold(state, |mut state| async move {
        let content = state.next().await?;
        Some((Ok::<_, Infallible>(Frame::data(content)), state))
    });
    BodyExt::boxed_unsync(StreamBody::new(frames))
}

/// The body of a watch that cannot begin: clients expect the refusal as an event.
pub(crate) fn refusal(error: &ApiError) -> Vec<u8> {
    let mut line = json!({"type": "ERROR", "object": error.to_status()}).to_string().into_bytes();
    line.push(b'\n');
    line
}

impl Stream {
    /// The next bytes; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if !self.queue.is_empty() {
                let mut content = Vec::new();
                while let Some(event) = self.queue.pop_front() {
                    self.write(&event, &mut content);
                }
                return Some(Bytes::from(content));
            }
            if self.ended {
                return None;
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => self.ended = true,
                () = &mut self.deadline => self.end_with_bookmark(),
                _ = self.ticks.tick() => {
                    if self.style.bookmarks {
                        self.queue.push_back(self.watch.bookmark());
                    }
                }
                () = self.watch.changed() => match self.watch.read() {
                    Ok(events) => self.queue.extend(events),
                    Err(expired) => {
                        self.ended = true;
                        return Some(Bytes::from(refusal(&ApiError::expired(expired.to_string()))));
                    }
                },
            }
        }
    }

    fn end_with_bookmark(&mut self) {
        self.ended = true;
        if self.style.bookmarks {
            self.queue.push_back(self.watch.bookmark());
        }
    }

    fn write(&mut self, event: &Event, content: &mut Vec<u8>) {
        let object: Value = match self.style.form {
            Form::Object => {
                // The common case is written without a copy of the object.
                content.extend_from_slice(b"{\"type\":\"");
                content.extend_from_slice(event.kind.as_bytes());
                content.extend_from_slice(b"\",\"object\":");
                event.write(content);
                content.extend_from_slice(b"}\n");
                return;
            }
            Form::Metadata => metadata_of(&event.object()),
            Form::Table => self.table(event),
        };
        content.extend_from_slice(json!({"type": event.kind, "object": object}).to_string().as_bytes());
        content.push(b'\n');
    }

    fn table(&mut self, event: &Event) -> Value {
        let object = event.object();
        let metadata = json!({"resourceVersion": value::at(&object, "/metadata/resourceVersion")});
        let now = self.surroundings.now();
        let columns = &self.watch.selection().definition.columns;
        let mut table = if event.kind == "BOOKMARK" {
            columns.render(&[], &metadata, self.style.include, &now)
        } else {
            columns.render(&[&*object], &metadata, self.style.include, &now)
        };
        if self.columns_sent {
            value::set(&mut table, &["columnDefinitions"], Value::Null);
        }
        self.columns_sent = true;
        table
    }
}
