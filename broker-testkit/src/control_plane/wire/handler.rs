//! From a request to its answer: who asks, through which door, for what.

use std::sync::Arc;

use http::Request;
use http::request::Parts;
use hyper::body::{Body, Bytes};
use tokio_util::sync::CancellationToken;
use tower::BoxError;

use super::call::Call;
use super::metrics::{Counters, RequestKind};
use super::path::{self, Query, ResourcePath, Target};
use super::response::{self, Answer};
use super::writer::Writer;
use super::{body, discovery, documents, left_out};
use crate::control_plane::error::ApiError;
use crate::control_plane::kcp::door;
use crate::control_plane::plane::Plane;
use crate::control_plane::rbac::{self, Action, Stage};

/// What every connection shares.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) plane: Arc<Plane>,
    pub(crate) counters: Counters,
    pub(crate) stop: CancellationToken,
}

/// Answers one request.
pub(crate) async fn answer<B>(server: Arc<Server>, request: Request<B>) -> Answer
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let (parts, content) = request.into_parts();
    let mut kind = RequestKind {
        verb: parts.method.as_str().to_lowercase(),
        group: String::new(),
        resource: String::new(),
        subresource: String::new(),
        user: "system:anonymous".to_owned(),
        code: 0,
    };
    let answer = match route(&server, &parts, content, &mut kind).await {
        Ok(answer) => answer,
        Err(error) => response::error(&error),
    };
    kind.code = answer.status().as_u16();
    server.counters.count(kind);
    answer
}

async fn route<B>(
    server: &Server,
    parts: &Parts,
    content: B,
    kind: &mut RequestKind,
) -> Result<Answer, ApiError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let plane = &server.plane;
    let location = path::locate(parts.uri.path()).ok_or_else(ApiError::no_such_path)?;
    let query = Query::parse(parts.uri.query());
    let mut user = rbac::authenticate(plane, &parts.headers)?;
    if rbac::is_asked_for(&parts.headers) {
        let cluster = door::cluster_of(plane, &location.target);
        let stage = Stage { cluster: cluster.as_deref(), plain: location.target == Target::Plain };
        user = rbac::impersonate(plane, stage, user, &parts.headers)?;
    }
    kind.user.clone_from(&user.name);
    let Some(wanted) = path::resource(&location.segments) else {
        return documents::documents(server, parts, &location, &user);
    };
    let verb = path::verb(&parts.method, &wanted, &query).ok_or_else(ApiError::method_not_allowed)?;
    verb.clone_into(&mut kind.verb);
    kind.group.clone_from(&wanted.group);
    kind.resource.clone_from(&wanted.resource);
    kind.subresource.clone_from(&wanted.subresource);
    let action = Action::Resource {
        verb,
        group: &wanted.group,
        resource: &wanted.resource,
        subresource: &wanted.subresource,
        namespace: &wanted.namespace,
        name: named(&wanted, &query),
    };
    let view = door::enter(plane, &location.target, &user, &action)?;
    let definition =
        view.served.find(&wanted.group, &wanted.version, &wanted.resource).cloned().ok_or_else(|| {
            left_out::resource(&wanted.group, &wanted.resource, &wanted.subresource, view.plain)
        })?;
    if !wanted.namespace.is_empty() && !definition.namespaced {
        return Err(ApiError::no_such_path());
    }
    if !wanted.subresource.is_empty() && !discovery::has_subresource(&definition, &wanted.subresource) {
        return Err(left_out::subresource(&definition, &wanted.subresource));
    }
    if wanted.subresource.is_empty() && !definition.serves(verb) {
        return Err(ApiError::method_not_allowed());
    }
    let call = Call {
        server,
        parts,
        query: &query,
        user: &user,
        view: &view,
        definition: &definition,
        wanted: &wanted,
        writer: Writer { plane, user: &user },
    };
    match verb {
        "get" => call.get(),
        "list" => call.list(),
        "watch" => call.watch(),
        _ => {
            let content = body::read(content).await?;
            call.write(verb, &content)
        }
    }
}

/// The one object a list or watch is limited to, as rules with resource names see it.
fn named<'a>(wanted: &'a ResourcePath, query: &'a Query) -> &'a str {
    if !wanted.name.is_empty() {
        return &wanted.name;
    }
    query.get("fieldSelector").and_then(|text| text.strip_prefix("metadata.name=")).unwrap_or_default()
}
