//! Playing one sequence on one server, in a namespace of its own.

use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout, timeout_at};

use super::super::DEADLINE;
use super::super::broken::Broken;
use super::super::session::{Session, chain, list};
use super::super::watch::Lines;
use super::kinds;
use super::memory::Memory;
use super::operation::{Operation, Request};

/// The annotation that marks the end of what a watch is to show.
pub(super) const MARKER: &str = "differential.example.com/marker";

/// What every namespace has.
pub(super) const FURNITURE: &str = "kube-root-ca.crt";

/// Something that a server said.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Said {
    /// The HTTP status.
    pub(super) code: u16,
    /// The `Warning` headers, in order.
    pub(super) warnings: Vec<String>,
    /// The body, or the events of a watch.
    pub(super) body: Value,
}

/// A watch that is open.
struct Open {
    /// Where what it shows belongs in the transcript.
    said: usize,
    marker: Request,
    lines: Lines,
}

/// One server in the middle of a sequence.
pub(super) struct Player {
    session: Session,
    namespace: String,
    kinds: Vec<String>,
    memory: Memory,
    open: Vec<Open>,
    said: Vec<Said>,
}

/// All that a server said in one sequence.
#[derive(Debug)]
pub(super) struct Transcript {
    /// What each operation was answered, then the events of each watch, then everything that was there in the end.
    pub(super) said: Vec<Said>,
}

impl Player {
    /// At the beginning of a sequence.
    pub(super) async fn new(session: Session, namespace: &str, kinds: Vec<String>) -> Result<Self, Broken> {
        let mut player = Self {
            session,
            namespace: namespace.to_owned(),
            kinds,
            memory: Memory::default(),
            open: Vec::new(),
            said: Vec::new(),
        };
        let list = player.send(&get("configmaps")).await?;
        player.memory = Memory::since(list.body["metadata"]["resourceVersion"].as_str().unwrap_or_default());
        Ok(player)
    }

    /// Plays one operation.
    pub(super) async fn play(&mut self, operation: &Operation) -> Result<(), Broken> {
        match operation {
            Operation::Send(request) => {
                let said = self.send(request).await?;
                let is_trial = request.query.iter().any(|(key, _)| key == "dryRun");
                let generates = request.method == "POST"
                    && request.body.as_ref().is_some_and(|body| body["metadata"]["name"].is_null())
                    && said.code == 201;
                if !is_trial {
                    self.memory.learn(&request.kind, &said.body, generates);
                }
                self.said.push(said);
            }
            Operation::Watch { request, marker } => self.watch(request, marker).await?,
            Operation::Settle => {
                let rests = self.settle().await?;
                let all = self.everything().await?;
                self.said.push(Said { code: if rests { 200 } else { 0 }, warnings: Vec::new(), body: all });
            }
        }
        Ok(())
    }

    /// Ends the sequence: reads what the watches show, and what is there.
    pub(super) async fn end(mut self) -> Result<Transcript, Broken> {
        for (index, mut open) in std::mem::take(&mut self.open).into_iter().enumerate() {
            let mut marker = open.marker.clone();
            if let Some(body) = &mut marker.body {
                body["metadata"]["annotations"][MARKER] = json!(index.to_string());
            }
            let said = self.send(&marker).await?;
            let events =
                if said.code < 300 { until(&mut open.lines, &index.to_string()).await } else { Vec::new() };
            let end = Said { body: Value::Null, ..said };
            if let Some(place) = self.said.get_mut(open.said) {
                place.body = Value::Array(events);
            }
            self.said.push(end);
        }
        let all = self.everything().await?;
        self.clear(&all).await?;
        self.said.push(Said { code: 200, warnings: Vec::new(), body: all });
        Ok(Transcript { said: self.said })
    }

    /// Everything in the namespace, by kind.
    async fn everything(&mut self) -> Result<Value, Broken> {
        let mut all = json!({});
        for kind in self.kinds.clone() {
            let said = self.send(&get(&kind)).await?;
            self.memory.learn(&kind, &said.body, false);
            all[&kind] = said.body["items"].clone();
        }
        Ok(all)
    }

    /// Removes what is left.
    async fn clear(&self, all: &Value) -> Result<(), Broken> {
        for kind in &self.kinds {
            for object in list(&all[kind]) {
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                if name == FURNITURE {
                    continue;
                }
                let at = format!("{}/{name}", kinds::path(kind, &self.namespace));
                if !list(&object["metadata"]["finalizers"]).is_empty() {
                    self.session.merge(&at, &json!({"metadata": {"finalizers": null}})).await?;
                }
                if object["metadata"]["deletionTimestamp"].is_null() {
                    self.session.delete(&at).await?;
                }
            }
        }
        Ok(())
    }

    fn request(&self, request: &Request, watch: bool) -> Result<http::Request<Body>, Broken> {
        let mut uri = kinds::path(&request.kind, &self.namespace);
        if !request.name.is_empty() {
            uri = format!("{uri}/{}", self.memory.fill(&request.name));
        }
        if watch || !request.query.is_empty() {
            let mut query = form_urlencoded::Serializer::new(String::new());
            if watch {
                query.append_pair("watch", "true");
            }
            for (key, value) in &request.query {
                query.append_pair(key, &self.memory.fill(value));
            }
            uri = format!("{uri}?{}", query.finish());
        }
        let or = |given: &str, default: &str| if given.is_empty() { default } else { given }.to_owned();
        let mut body =
            request.edits.as_ref().map(|key| self.memory.object(key).cloned().unwrap_or(json!({})));
        if let Some(sent) = &request.body {
            let sent = self.memory.fill_value(sent);
            match &mut body {
                Some(body) => merge(body, &sent),
                None => body = Some(sent),
            }
        }
        let content = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        http::Request::builder()
            .method(request.method.as_str())
            .uri(&uri)
            .header("accept", or(&request.accept, "application/json"))
            .header("accept-encoding", "identity")
            .header("content-type", or(&request.media, "application/json"))
            .header("user-agent", "differential")
            .body(Body::from(content))
            .map_err(|error| Broken::new(format!("{request} is a request"), error.to_string()))
    }

    async fn send(&self, request: &Request) -> Result<Said, Broken> {
        let broken = |why: String| Broken::new(format!("{request} is answered"), why);
        let sent = self.request(request, false)?;
        let answer = async {
            let answer = self.session.open(sent).await.map_err(|error| chain(&error))?;
            let (head, body) = answer.into_parts();
            let content = body.collect().await.map_err(|error| chain(&error))?.to_bytes();
            Ok((head, content))
        };
        let (head, content) = timeout(DEADLINE, answer)
            .await
            .unwrap_or_else(|_| Err(format!("nothing in {DEADLINE:?}")))
            .map_err(broken)?;
        let mut said = said(&head, &content);
        let asks = |key: &str, value: &str| {
            request.query.iter().any(|(k, v)| k == key && (v == value || value.is_empty()))
        };
        if request.name.is_empty()
            && asks("resourceVersion", "")
            && !asks("resourceVersionMatch", "Exact")
            && let Some(metadata) = said.body.get_mut("metadata").and_then(Value::as_object_mut)
        {
            // Any version that is new enough will do.
            metadata.remove("resourceVersion");
        }
        Ok(said)
    }

    async fn watch(&mut self, request: &Request, marker: &Request) -> Result<(), Broken> {
        let broken = |why: String| Broken::new(format!("{request} is answered by a stream"), why);
        let sent = self.request(request, true)?;
        let answer = timeout_at(Instant::now() + DEADLINE, self.session.open(sent))
            .await
            .map_err(|_| broken(format!("nothing in {DEADLINE:?}")))?
            .map_err(|error| broken(chain(&error)))?;
        let (head, body) = answer.into_parts();
        if head.status.is_success() {
            let lines = Lines::of(request.to_string(), body);
            self.open.push(Open { said: self.said.len(), marker: marker.clone(), lines });
            self.said.push(said(&head, b"[]"));
        } else {
            let content = body.collect().await.map_err(|error| broken(chain(&error)))?.to_bytes();
            self.said.push(said(&head, &content));
        }
        Ok(())
    }
}

/// A list of a kind.
fn get(kind: &str) -> Request {
    Request {
        method: "GET".to_owned(),
        kind: kind.to_owned(),
        name: String::new(),
        query: Vec::new(),
        accept: String::new(),
        media: String::new(),
        edits: None,
        body: None,
    }
}

fn said(head: &http::response::Parts, content: &[u8]) -> Said {
    let text = String::from_utf8_lossy(content);
    let warnings = head.headers.get_all("warning").iter().filter_map(|value| value.to_str().ok());
    Said {
        code: head.status.as_u16(),
        warnings: warnings.map(str::to_owned).collect(),
        body: serde_json::from_slice(content).unwrap_or_else(|_| Value::from(text)),
    }
}

/// The events up to the marker; an error ends a watch too.
async fn until(lines: &mut Lines, marker: &str) -> Vec<Value> {
    let mut events = Vec::new();
    loop {
        let event = match lines.next().await {
            Ok(Some(event)) => event,
            Ok(None) => break,
            // That something is not shown is what there is to compare.
            Err(broken) => {
                events.push(json!({"type": "NOTHING", "why": broken.seen()}));
                break;
            }
        };
        let initial = event["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true";
        if event["type"] == "BOOKMARK" && !initial {
            continue;
        }
        let object = &event["object"];
        let object = object.pointer("/rows/0/object").unwrap_or(object);
        let ends = event["type"] == "ERROR" || object["metadata"]["annotations"][MARKER] == *marker;
        events.push(event);
        if ends {
            break;
        }
    }
    events
}

/// RFC 7386, without its word for what is no object: null removes.
fn merge(into: &mut Value, change: &Value) {
    let Value::Object(fields) = change else {
        *into = change.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    for (key, value) in fields {
        if value.is_null() {
            if let Some(map) = into.as_object_mut() {
                map.remove(key);
            }
        } else {
            merge(&mut into[key.as_str()], value);
        }
    }
}

impl Player {
    /// The kinds that the sequence is about.
    pub(super) fn kinds(&self) -> &[String] {
        &self.kinds
    }

    /// Everything of a kind, and a watch from there on.
    pub(super) async fn list_and_watch(&self, kind: &str) -> Result<(Vec<Value>, Lines), Broken> {
        let said = self.send(&get(kind)).await?;
        let mut request = get(kind);
        let version = said.body["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        request.query = vec![("resourceVersion".to_owned(), version.to_owned())];
        let sent = self.request(&request, true)?;
        let broken = |why: String| Broken::new(format!("{request} is answered by a stream"), why);
        let answer = timeout(DEADLINE, self.session.open(sent))
            .await
            .map_err(|_| broken(format!("nothing in {DEADLINE:?}")))?
            .map_err(|error| broken(chain(&error)))?;
        let lines = Lines::of(request.to_string(), answer.into_body());
        Ok((list(&said.body["items"]).to_vec(), lines))
    }
}

impl Said {
    /// As one value; the code first, which says most.
    pub(super) fn to_value(&self) -> Value {
        let mut warnings = self.warnings.clone();
        warnings.sort();
        json!({"!code": self.code, "body": self.body, "warnings": warnings})
    }
}
