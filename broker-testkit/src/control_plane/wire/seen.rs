//! What a request asks for, as a simulation notes it.

use http::Request;

use super::path::{self, Query, Target};
use crate::simulation::history::Call;

/// What is asked for, not answered yet.
pub(crate) fn describe<B>(request: &Request<B>, client: &str) -> Call {
    let query = Query::parse(request.uri().query());
    let location = path::locate(request.uri().path());
    let wanted = location.as_ref().and_then(|location| path::resource(&location.segments));
    let cluster = match location.map(|location| location.target) {
        Some(Target::Cluster(cluster)) => cluster,
        Some(Target::AllClusters | Target::Export { within: None, .. }) => "*".to_owned(),
        Some(Target::Export { within: Some(cluster), .. }) => cluster,
        Some(Target::Plain) | None => String::new(),
    };
    let verb = wanted.as_ref().and_then(|wanted| path::verb(request.method(), wanted, &query));
    let verb = verb.map_or_else(|| request.method().as_str().to_lowercase(), str::to_owned);
    let wanted = wanted.unwrap_or_else(|| path::ResourcePath {
        group: String::new(),
        version: String::new(),
        resource: request.uri().path().to_owned(),
        namespace: String::new(),
        name: String::new(),
        subresource: String::new(),
    });
    Call {
        who: client.to_owned(),
        verb,
        group: wanted.group,
        resource: wanted.resource,
        subresource: wanted.subresource,
        cluster,
        namespace: wanted.namespace,
        name: wanted.name,
        status: None,
        fault: None,
    }
}

/// In whose name fields are written, where the request says so.
pub(crate) fn field_manager<B>(request: &Request<B>) -> Option<String> {
    Query::parse(request.uri().query()).get("fieldManager").map(str::to_owned)
}
