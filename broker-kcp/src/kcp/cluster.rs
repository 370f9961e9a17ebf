//! The requests to one logical cluster, or to all of them at once.

use std::fmt::{self, Write as _};
use std::time::Duration;

use broker_core::resource::{Gvr, Object};
use futures::{Stream, StreamExt};
use http::{Method, Request, Response};
use kube::Client;
use kube::client::Body;
use kube::core::WatchEvent;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::answer::{ListPage, Refusal, accepted, events};
use super::{ApiError, ApiErrorKind, Resource, Selector};
use crate::metrics::Metrics;

/// The longest a request may take before the server counts as unavailable. Far above what a busy server needs.
const PATIENCE: Duration = Duration::from_secs(30);
/// Objects per page of a list.
const PAGE: u32 = 500;

/// What must hold of an object for a deletion to happen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// Its uid.
    pub uid: Option<String>,
    /// Its version.
    pub resource_version: Option<String>,
}

/// What became of a deletion.
#[derive(Clone, Debug)]
pub enum Deletion {
    /// Nothing is left of the object.
    Done,
    /// It goes once its finalizers are gone; this is its state now.
    Begun(Object),
}

/// A facade over one client that addresses one logical cluster by URL path.
///
/// kube's own `Api` is not used here: it rebuilds URLs from the kind alone in places and would lose the cluster.
#[derive(Clone)]
pub struct ClusterApi {
    client: Client,
    prefix: String,
    metrics: Metrics,
}

impl ClusterApi {
    pub(super) fn new(client: Client, prefix: String, metrics: Metrics) -> Self {
        Self { client, prefix, metrics }
    }

    /// What its requests are counted with.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Reads one object.
    pub async fn get(&self, resource: &Resource, namespace: &str, name: &str) -> Result<Object, ApiError> {
        let call = Call::new("get", resource, namespace, name);
        self.send(&call, Method::GET, self.url(&call, "", &[]), None, "").await
    }

    /// What the server says of the kinds of a group and version: an `APIResourceList`.
    pub async fn discover(&self, group: &str, version: &str) -> Result<Value, ApiError> {
        let root =
            if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
        let kinds = Resource::cluster_scoped(Gvr::new(group, version, ""), "APIResourceList");
        let call = Call::new("discover", &kinds, "", "");
        self.send(&call, Method::GET, format!("{}{root}", self.prefix), None, "").await
    }

    /// Lists all objects of a kind that a selector chooses, page by page; the second value is the version at which the list
    /// holds.
    pub async fn list(
        &self,
        resource: &Resource,
        namespace: &str,
        selector: &Selector,
    ) -> Result<(Vec<Object>, String), ApiError> {
        self.list_as(resource, namespace, selector, |object| object).await
    }

    /// The same for who keeps objects in another form: each is as `keep` makes it, and no page is decoded as a whole.
    pub async fn list_as<T>(
        &self,
        resource: &Resource,
        namespace: &str,
        selector: &Selector,
        mut keep: impl FnMut(Object) -> T,
    ) -> Result<(Vec<T>, String), ApiError> {
        let call = Call::new("list", resource, namespace, "");
        let mut kept = Vec::new();
        let mut next = String::new();
        loop {
            let limit = PAGE.to_string();
            let mut query = vec![("limit", limit.as_str())];
            query.extend(selector.query());
            if !next.is_empty() {
                query.push(("continue", &next));
            }
            let read = |text: &[u8]| {
                let page: ListPage<'_> = serde_json::from_slice(text)?;
                // One at a time: decoded, a page is ten times its text.
                for item in page.items.unwrap_or_default() {
                    kept.extend(named_kind(serde_json::from_str(item.get())?, resource).map(&mut keep));
                }
                Ok(page.metadata)
            };
            let url = self.url(&call, "", &query);
            let metadata = self.send_and_read(&call, Method::GET, url, None, "", read).await?;
            next = metadata.next.unwrap_or_default();
            if next.is_empty() {
                return Ok((kept, metadata.resource_version.unwrap_or_default()));
            }
        }
    }

    /// Watches all objects of a kind, or those of a namespace, from a version on, for about `span`.
    pub(super) async fn watch(
        &self,
        resource: &Resource,
        namespace: &str,
        selector: &Selector,
        version: &str,
        span: Duration,
    ) -> Result<impl Stream<Item = Result<WatchEvent<Object>, ApiError>> + use<>, ApiError> {
        let call = Call::new("watch", resource, namespace, "");
        let seconds = span.as_secs().to_string();
        let mut query = vec![
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", version),
            ("timeoutSeconds", &seconds),
        ];
        query.extend(selector.query());
        let mut request = call.request(Method::GET, self.url(&call, "", &query), None, "")?;
        // Servers that compress a watch make each event a stream of its own, which few clients can read.
        request
            .headers_mut()
            .insert(http::header::ACCEPT_ENCODING, http::HeaderValue::from_static("identity"));
        let opened = async {
            tokio::time::timeout(PATIENCE, self.ask(request))
                .await
                .map_err(|_| call.timed_out())?
                .map_err(|refusal| call.refused(&refusal))
        };
        let answer = self.counted(&call, opened).await?;
        Ok(events(answer).map(move |event| event.map_err(|error| call.refused(&error.into()))))
    }

    /// Creates an object; an existing one is [`ApiErrorKind::AlreadyExists`].
    pub async fn create(
        &self,
        resource: &Resource,
        object: &Object,
        manager: &str,
    ) -> Result<Object, ApiError> {
        let call = Call::new("create", resource, object.namespace(), object.name());
        let url = self.collection(&call, &[("fieldManager", manager)]);
        self.send(&call, Method::POST, url, Some(body(object)), "application/json").await
    }

    /// Applies an object server-side, taking over fields that others own. With a uid in it, it never creates.
    pub async fn apply(
        &self,
        resource: &Resource,
        object: &Object,
        manager: &str,
    ) -> Result<Object, ApiError> {
        self.apply_to(resource, object, manager, "").await
    }

    /// Applies the status of an object server-side.
    pub async fn apply_status(
        &self,
        resource: &Resource,
        object: &Object,
        manager: &str,
    ) -> Result<Object, ApiError> {
        self.apply_to(resource, object, manager, "status").await
    }

    /// Changes an object by a JSON merge patch. Put the uid and resourceVersion that it is meant for into
    /// `patch.metadata`: the server then refuses it with [`ApiErrorKind::Conflict`] for any other.
    pub async fn merge(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        patch: &Value,
        manager: &str,
    ) -> Result<Object, ApiError> {
        let call = Call::new("patch", resource, namespace, name);
        let url = self.url(&call, "", &[("fieldManager", manager)]);
        let body = patch.to_string().into_bytes();
        self.send(&call, Method::PATCH, url, Some(body), "application/merge-patch+json").await
    }

    /// Changes the status of an object by a JSON merge patch. Put the resourceVersion that it is meant for into
    /// `patch.metadata`: of what is written to a status no server looks at the uid.
    pub async fn merge_status(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        patch: &Value,
        manager: &str,
    ) -> Result<Object, ApiError> {
        let call = Call::new("patch", resource, namespace, name);
        let url = self.url(&call, "/status", &[("fieldManager", manager)]);
        let body = patch.to_string().into_bytes();
        self.send(&call, Method::PATCH, url, Some(body), "application/merge-patch+json").await
    }

    /// Replaces an object; its `metadata.resourceVersion` is the precondition.
    pub async fn replace(
        &self,
        resource: &Resource,
        object: &Object,
        manager: &str,
    ) -> Result<Object, ApiError> {
        let call = Call::new("replace", resource, object.namespace(), object.name());
        let url = self.url(&call, "", &[("fieldManager", manager)]);
        self.send(&call, Method::PUT, url, Some(body(object)), "application/json").await
    }

    /// Begins the deletion of an object, with what depends on it deleted in the background.
    pub async fn delete(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        preconditions: &Preconditions,
    ) -> Result<Deletion, ApiError> {
        let call = Call::new("delete", resource, namespace, name);
        let mut conditions = serde_json::Map::new();
        if let Some(uid) = &preconditions.uid {
            conditions.insert("uid".into(), uid.clone().into());
        }
        if let Some(version) = &preconditions.resource_version {
            conditions.insert("resourceVersion".into(), version.clone().into());
        }
        let options = json!({
            "apiVersion": "v1", "kind": "DeleteOptions",
            "propagationPolicy": "Background", "preconditions": conditions,
        });
        let body = options.to_string().into_bytes();
        let url = self.url(&call, "", &[]);
        let answer: Object = self.send(&call, Method::DELETE, url, Some(body), "application/json").await?;
        // Without anything to wait for, the answer is a Status, or the object as it was.
        let going = answer.gvk().kind != "Status" && answer.finalizers().next().is_some();
        Ok(if going { Deletion::Begun(answer) } else { Deletion::Done })
    }

    async fn apply_to(
        &self,
        resource: &Resource,
        object: &Object,
        manager: &str,
        subresource: &str,
    ) -> Result<Object, ApiError> {
        let call = Call::new("apply", resource, object.namespace(), object.name());
        let part = if subresource.is_empty() { String::new() } else { format!("/{subresource}") };
        let url = self.url(&call, &part, &[("fieldManager", manager), ("force", "true")]);
        self.send(&call, Method::PATCH, url, Some(body(object)), "application/apply-patch+yaml").await
    }

    fn collection(&self, call: &Call, query: &[(&str, &str)]) -> String {
        let path = call.resource.path(&call.namespace);
        with_query(format!("{}{path}", self.prefix), query)
    }

    fn url(&self, call: &Call, subresource: &str, query: &[(&str, &str)]) -> String {
        let path = call.resource.path(&call.namespace);
        let name = if call.name.is_empty() { String::new() } else { format!("/{}", call.name) };
        with_query(format!("{}{path}{name}{subresource}", self.prefix), query)
    }

    async fn send<T: serde::de::DeserializeOwned>(
        &self,
        call: &Call,
        method: Method,
        url: String,
        body: Option<Vec<u8>>,
        content_type: &'static str,
    ) -> Result<T, ApiError> {
        self.send_and_read(call, method, url, body, content_type, |text| serde_json::from_slice(text)).await
    }

    async fn send_and_read<T>(
        &self,
        call: &Call,
        method: Method,
        url: String,
        body: Option<Vec<u8>>,
        content_type: &'static str,
        read: impl FnOnce(&[u8]) -> serde_json::Result<T>,
    ) -> Result<T, ApiError> {
        let request = call.request(method, url, body, content_type)?;
        let answered = async {
            let collect = async { Ok(self.ask(request).await?.into_body().collect_bytes().await?) };
            let text = tokio::time::timeout(PATIENCE, collect)
                .await
                .map_err(|_| call.timed_out())?
                .map_err(|refusal: Refusal| call.refused(&refusal))?;
            read(&text).map_err(|_| call.failed(ApiErrorKind::Unavailable, "the answer is no JSON object"))
        };
        self.counted(call, answered).await
    }

    /// Counts a request by how it ended. One that nobody waits for any more is not counted.
    async fn counted<T>(
        &self,
        call: &Call,
        request: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        let began = Instant::now();
        let result = request.await;
        let outcome = result.as_ref().map_or_else(|error| error.kind().reason(), |_| "Ok");
        self.metrics.requested(call.verb, outcome, began.elapsed());
        result
    }

    /// The answer to a request, its body still to be read, unless it is a refusal.
    async fn ask(&self, request: Request<Vec<u8>>) -> Result<Response<Body>, Refusal> {
        accepted(self.client.send(request.map(Body::from)).await?).await
    }
}

impl fmt::Debug for ClusterApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClusterApi").field(&self.prefix).finish()
    }
}

/// What a request is about, for its URL and for its error.
#[derive(Clone, Debug)]
struct Call {
    verb: &'static str,
    resource: Resource,
    namespace: String,
    name: String,
}

impl Call {
    fn new(verb: &'static str, resource: &Resource, namespace: &str, name: &str) -> Self {
        Self { verb, resource: resource.clone(), namespace: namespace.to_owned(), name: name.to_owned() }
    }

    fn request(
        &self,
        method: Method,
        url: String,
        body: Option<Vec<u8>>,
        content_type: &'static str,
    ) -> Result<Request<Vec<u8>>, ApiError> {
        let mut request =
            Request::builder().method(method).uri(url).header(http::header::ACCEPT, "application/json");
        if body.is_some() {
            request = request.header(http::header::CONTENT_TYPE, content_type);
        }
        request
            .body(body.unwrap_or_default())
            .map_err(|error| self.failed(ApiErrorKind::Invalid, &error.to_string()))
    }

    fn target(&self) -> String {
        let mut target = self.resource.to_string();
        if !self.name.is_empty() {
            target.push(' ');
            if !self.namespace.is_empty() {
                target.push_str(&self.namespace);
                target.push('/');
            }
            target.push_str(&self.name);
        }
        target
    }

    fn failed(&self, kind: ApiErrorKind, message: &str) -> ApiError {
        ApiError::new(kind, self.verb, self.target(), message)
    }

    fn timed_out(&self) -> ApiError {
        self.failed(ApiErrorKind::Unavailable, &format!("no answer within {} s", PATIENCE.as_secs()))
    }

    fn refused(&self, refusal: &Refusal) -> ApiError {
        ApiError::of_refusal(refusal, self.verb, self.target(), self.resource.is_confidential())
    }
}

fn body(object: &Object) -> Vec<u8> {
    Value::Object(object.fields().clone()).to_string().into_bytes()
}

/// Items of a list carry neither kind nor version; readers of single objects expect both.
fn named_kind(item: Value, resource: &Resource) -> Option<Object> {
    let mut object = Object::try_from(item).ok()?;
    let fields = object.fields_mut();
    fields.entry("apiVersion").or_insert_with(|| resource.gvr.api_version().into());
    fields.entry("kind").or_insert_with(|| resource.kind.clone().into());
    Some(object)
}

fn with_query(mut url: String, query: &[(&str, &str)]) -> String {
    for (index, (key, value)) in query.iter().enumerate() {
        url.push(if index == 0 { '?' } else { '&' });
        url.push_str(key);
        url.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                url.push(char::from(byte));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(url, "%{byte:02X}");
            }
        }
    }
    url
}
