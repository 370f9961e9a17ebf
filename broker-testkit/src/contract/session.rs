//! Requests as they go over the wire, since codes, reasons and bodies are what is checked.

use http::{Method, Request, Response};
use http_body_util::BodyExt;
use kube::client::Body;
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::broken::{Broken, hold, same, shown};
use super::{DEADLINE, pause};

/// JSON as the body of a create or an update.
const JSON: &str = "application/json";
/// RFC 7386.
const MERGE_PATCH: &str = "application/merge-patch+json";
/// RFC 6902.
const JSON_PATCH: &str = "application/json-patch+json";
/// Kubernetes' own patch of built-in kinds.
const STRATEGIC_PATCH: &str = "application/strategic-merge-patch+json";
/// Server-side apply; JSON is YAML.
const APPLY: &str = "application/apply-patch+yaml";
/// What kubectl asks for to print columns.
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/// Somebody at some URL.
#[derive(Clone)]
pub(super) struct Session {
    url: String,
    client: Client,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Session {
    /// A client belongs to the runtime it is made in, so that every check makes its own.
    pub(super) fn new(config: Config) -> Result<Self, Broken> {
        let url = config.cluster_url.to_string();
        let client = Client::try_from(config)
            .map_err(|error| Broken::new(format!("{url} can be used"), chain(&error)))?;
        Ok(Self { url, client })
    }

    /// Somebody whose client is there already.
    pub(super) fn over(client: Client) -> Self {
        Self { url: String::new(), client }
    }

    /// Sends a request and answers before the body is read.
    pub(super) async fn open(&self, request: Request<Body>) -> Result<Response<Body>, kube::Error> {
        self.client.send(request).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: [(&str, &str); 2],
        body: Option<&Value>,
    ) -> Result<Answer, Broken> {
        let what = format!("{method} {path}");
        let broken = |error: String| Broken::new(format!("{what} is answered"), error);
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let content = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let request = request.body(Body::from(content)).map_err(|error| broken(error.to_string()))?;
        let answer = async {
            let answer = self.client.send(request).await.map_err(|error| chain(&error))?;
            let code = answer.status().as_u16();
            let content = answer.into_body().collect().await.map_err(|error| chain(&error))?.to_bytes();
            let text = String::from_utf8_lossy(&content);
            Ok((code, serde_json::from_slice(&content).unwrap_or_else(|_| Value::from(text))))
        };
        let (code, body) = timeout(DEADLINE, answer)
            .await
            .unwrap_or_else(|_| Err(format!("nothing in {DEADLINE:?}")))
            .map_err(broken)?;
        Ok(Answer { what, code, body })
    }

    async fn send(&self, method: Method, path: &str, media: &str, body: &Value) -> Result<Answer, Broken> {
        self.ask(method, path, [("content-type", media), ("accept", JSON)], Some(body)).await
    }

    pub(super) async fn get(&self, path: &str) -> Result<Answer, Broken> {
        self.ask(Method::GET, path, [("accept", JSON), ("user-agent", "contract")], None).await
    }

    pub(super) async fn table(&self, path: &str) -> Result<Answer, Broken> {
        self.ask(Method::GET, path, [("accept", TABLE), ("user-agent", "contract")], None).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Answer, Broken> {
        self.send(Method::POST, path, JSON, body).await
    }

    pub(super) async fn put(&self, path: &str, body: &Value) -> Result<Answer, Broken> {
        self.send(Method::PUT, path, JSON, body).await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<Answer, Broken> {
        self.ask(Method::DELETE, path, [("accept", JSON), ("user-agent", "contract")], None).await
    }

    /// Deletes with options, such as preconditions.
    pub(super) async fn delete_with(&self, path: &str, options: &Value) -> Result<Answer, Broken> {
        let mut body = json!({"apiVersion": "v1", "kind": "DeleteOptions"});
        if let (Some(body), Some(options)) = (body.as_object_mut(), options.as_object()) {
            body.extend(options.clone());
        }
        self.send(Method::DELETE, path, JSON, &body).await
    }

    pub(super) async fn merge(&self, path: &str, change: &Value) -> Result<Answer, Broken> {
        self.send(Method::PATCH, path, MERGE_PATCH, change).await
    }

    pub(super) async fn json_patch(&self, path: &str, change: &Value) -> Result<Answer, Broken> {
        self.send(Method::PATCH, path, JSON_PATCH, change).await
    }

    pub(super) async fn strategic(&self, path: &str, change: &Value) -> Result<Answer, Broken> {
        self.send(Method::PATCH, path, STRATEGIC_PATCH, change).await
    }

    /// Applies as a field manager, without force.
    pub(super) async fn apply(&self, path: &str, manager: &str, object: &Value) -> Result<Answer, Broken> {
        self.send(Method::PATCH, &format!("{path}?fieldManager={manager}"), APPLY, object).await
    }

    /// Applies as a field manager and takes over what is in conflict.
    pub(super) async fn force(&self, path: &str, manager: &str, object: &Value) -> Result<Answer, Broken> {
        self.send(Method::PATCH, &format!("{path}?fieldManager={manager}&force=true"), APPLY, object).await
    }

    /// Applies with a query of any sort.
    pub(super) async fn apply_raw(&self, path_and_query: &str, object: &Value) -> Result<Answer, Broken> {
        self.send(Method::PATCH, path_and_query, APPLY, object).await
    }

    /// Creates what may be there already.
    pub(super) async fn ensure(&self, path: &str, object: &Value) -> Result<(), Broken> {
        let answer = self.post(path, object).await?;
        if answer.code == 409 { Ok(()) } else { answer.accepted().map(|_| ()) }
    }

    /// Reads until what is there satisfies the condition.
    pub(super) async fn until(
        &self,
        path: &str,
        claim: &str,
        holds: impl Fn(&Value) -> bool + Send + Sync,
    ) -> Result<Value, Broken> {
        eventually(|| async {
            let found = self.get(path).await?.accepted()?;
            hold(holds(&found), claim, &found).map(|()| found)
        })
        .await
    }

    /// Reads until nothing is there.
    pub(super) async fn until_gone(&self, path: &str) -> Result<(), Broken> {
        eventually(|| async { self.get(path).await?.refused(404, "NotFound").map(|_| ()) }).await
    }
}

/// Tries until it holds, or answers why it did not hold the last time.
pub(super) async fn eventually<T, F>(mut attempt: impl FnMut() -> F) -> Result<T, Broken>
where
    F: Future<Output = Result<T, Broken>>,
{
    let deadline = tokio::time::Instant::now() + DEADLINE;
    loop {
        match attempt().await {
            Ok(found) => return Ok(found),
            Err(broken) if tokio::time::Instant::now() > deadline => {
                let claim = format!("{} (in {DEADLINE:?})", broken.claim());
                return Err(Broken::new(claim, broken.seen()));
            }
            Err(_) => pause().await,
        }
    }
}

/// What the server answered.
#[derive(Debug)]
pub(super) struct Answer {
    what: String,
    pub(super) code: u16,
    body: Value,
}

impl Answer {
    fn shown(&self) -> String {
        format!("{} {}", self.code, shown(&self.body))
    }

    /// The body of an answer that is a success.
    pub(super) fn accepted(self) -> Result<Value, Broken> {
        if (200..300).contains(&self.code) {
            Ok(self.body)
        } else {
            Err(Broken::new(format!("{} is accepted", self.what), self.shown()))
        }
    }

    /// The body of an answer with exactly this success.
    pub(super) fn coded(self, code: u16) -> Result<Value, Broken> {
        if self.code == code {
            Ok(self.body)
        } else {
            Err(Broken::new(format!("{} is answered {code}", self.what), self.shown()))
        }
    }

    /// The `Status` of a refusal with this code and reason.
    pub(super) fn refused(self, code: u16, reason: &str) -> Result<Value, Broken> {
        let claim = format!("{} is refused with {code} {reason}, as a Status", self.what);
        let status = &self.body;
        let is_status = status["kind"] == "Status"
            && status["apiVersion"] == "v1"
            && status["status"] == "Failure"
            && status["code"] == json!(code)
            && status["reason"] == reason
            && status["message"].as_str().is_some_and(|message| !message.is_empty());
        if self.code == code && is_status { Ok(self.body) } else { Err(Broken::new(claim, self.shown())) }
    }
}

/// The causes of a refusal: reason and field each, sorted, and once each: the real servers check some twice.
pub(super) fn causes(status: &Value) -> Vec<(String, String)> {
    let text = |cause: &Value, key: &str| cause[key].as_str().unwrap_or_default().to_owned();
    let mut found: Vec<_> = list(&status["details"]["causes"])
        .iter()
        // A word about rules that were not checked, which newer servers add, is about no field.
        .filter(|cause| cause["field"] != "<nil>")
        .map(|cause| (text(cause, "reason"), text(cause, "field")))
        .collect();
    found.sort();
    found.dedup();
    found
}

/// A refusal must have exactly these causes: reason and field each.
pub(super) fn caused_by(status: &Value, wanted: &[(&str, &str)]) -> Result<(), Broken> {
    let mut wanted: Vec<_> = wanted.iter().map(|(r, f)| ((*r).to_owned(), (*f).to_owned())).collect();
    wanted.sort();
    let claim = format!("the causes of the refusal are {wanted:?}");
    hold(causes(status) == wanted, &claim, status)
}

/// The elements of a list, none where there is no list.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The names of a list's objects.
pub(super) fn names(found: &Value) -> Vec<&str> {
    list(&found["items"]).iter().filter_map(|item| item["metadata"]["name"].as_str()).collect()
}

/// A list must hold exactly objects of these names, in their order.
pub(super) fn named(found: &Value, wanted: &[&str], claim: &str) -> Result<(), Broken> {
    same(&json!(names(found)), &json!(wanted), claim)
}

/// An error with its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
