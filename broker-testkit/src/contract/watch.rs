//! A watch, event by event.

use http::Request;
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::DEADLINE;
use super::broken::{Broken, shown};
use super::session::{Session, chain};

/// One event.
#[derive(Debug, Clone)]
pub(super) struct Event {
    /// `ADDED`, `MODIFIED`, `DELETED` or `ERROR`.
    pub(super) kind: String,
    /// The object, or the `Status` of an error.
    pub(super) object: Value,
}

/// An open watch.
#[derive(Debug)]
pub(super) struct Watch {
    lines: Lines,
}

/// The stream of a watch, line by line.
#[derive(Debug)]
pub(super) struct Lines {
    what: String,
    body: Body,
    buffer: Vec<u8>,
}

impl Watch {
    /// Watches what a list of this path and query would show, from a version on.
    pub(super) async fn from(
        session: &Session,
        path: &str,
        query: &str,
        version: &str,
    ) -> Result<Self, Broken> {
        Self::open(session, &format!("{path}?watch=true&resourceVersion={version}{query}")).await
    }

    /// Opens a watch of any sort.
    pub(super) async fn open(session: &Session, path_and_query: &str) -> Result<Self, Broken> {
        let what = format!("GET {path_and_query}");
        let claim = format!("{what} is answered by a stream");
        // Answers compressed event by event are more than kube's decompression reads.
        let request = Request::get(path_and_query)
            .header("accept", "application/json")
            .header("accept-encoding", "identity")
            .body(Body::empty())
            .map_err(|error| Broken::new(&*claim, error.to_string()))?;
        let answer = timeout_at(Instant::now() + DEADLINE, session.open(request))
            .await
            .map_err(|_| Broken::new(&*claim, format!("nothing in {DEADLINE:?}")))?
            .map_err(|error| Broken::new(&*claim, chain(&error)))?;
        if !answer.status().is_success() {
            return Err(Broken::new(claim, answer.status().to_string()));
        }
        Ok(Self { lines: Lines::of(what, answer.into_body()) })
    }

    /// The next event; `None` when the server ended the watch. Bookmarks may come at any time and count for
    /// nothing.
    pub(super) async fn next(&mut self) -> Result<Option<Event>, Broken> {
        while let Some(mut event) = self.lines.next().await? {
            if event["type"] != "BOOKMARK" {
                let kind = event["type"].as_str().unwrap_or_default().to_owned();
                let object = event.pointer_mut("/object").map(Value::take).unwrap_or_default();
                return Ok(Some(Event { kind, object }));
            }
        }
        Ok(None)
    }

    /// The next event must be of this kind and about an object of this name.
    pub(super) async fn expect(&mut self, kind: &str, name: &str) -> Result<Value, Broken> {
        let claim = format!("the next event of {} is {kind} of {name}", self.lines.what);
        match self.next().await? {
            Some(event) if event.kind == kind && event.object["metadata"]["name"] == name => Ok(event.object),
            Some(event) => Err(Broken::new(claim, format!("{} {}", event.kind, shown(&event.object)))),
            None => Err(Broken::new(claim, "the end of the watch")),
        }
    }
}

impl Lines {
    /// The lines of an answer's body; `what` was asked.
    pub(super) fn of(what: String, body: Body) -> Self {
        Self { what, body, buffer: Vec::new() }
    }

    /// The next event, whatever it is; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Value>, Broken> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(event) = self.buffered()? {
                return Ok(Some(event));
            }
            let claim = || format!("{} shows the next event", self.what);
            let frame = timeout_at(deadline, self.body.frame())
                .await
                .map_err(|_| Broken::new(claim(), format!("nothing in {DEADLINE:?}")))?;
            match frame {
                None => return Ok(None),
                Some(Ok(frame)) => self.buffer.extend(frame.into_data().unwrap_or_default()),
                Some(Err(error)) => return Err(Broken::new(claim(), chain(&error))),
            }
        }
    }

    fn buffered(&mut self) -> Result<Option<Value>, Broken> {
        let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
        let line: Vec<u8> = self.buffer.drain(..=end).collect();
        serde_json::from_slice(&line)
            .map(Some)
            .map_err(|error| Broken::new(format!("{} sends JSON in lines", self.what), error.to_string()))
    }
}
