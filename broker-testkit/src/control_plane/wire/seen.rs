//! What a request asks for, as a simulation notes it.

use std::sync::Arc;

use http::Request;

use super::path::{self, Query, Target};
use crate::simulation::Author;
use crate::simulation::history::{Call, ObjectKey};

/// What is asked for, not answered yet, and by whom.
pub(crate) fn describe<B>(request: &Request<B>, client: &Arc<str>) -> (Call, Author) {
    let query = Query::parse(request.uri().query());
    let location = path::locate(request.uri().path());
    let wanted = location.as_ref().and_then(|location| path::resource(&location.segments));
    let cluster = match location.map(|location| location.target) {
        Some(Target::Cluster(cluster) | Target::Export { within: Some(cluster), .. }) => cluster,
        Some(Target::AllClusters | Target::Plain | Target::Export { within: None, .. }) | None => {
            String::new()
        }
    };
    let method = request.method();
    let verb = wanted.as_ref().and_then(|wanted| path::verb(method, wanted, &query));
    let key = match wanted.clone() {
        Some(wanted) => ObjectKey {
            cluster,
            group: wanted.group,
            resource: wanted.resource,
            namespace: wanted.namespace,
            name: wanted.name,
        },
        // Discovery and the like.
        None => ObjectKey { cluster, resource: request.uri().path().to_owned(), ..ObjectKey::default() },
    };
    let author = Author {
        client: Arc::clone(client),
        manager: query.get("fieldManager").map(str::to_owned),
        method: method.as_str().to_owned(),
    };
    let call = Call {
        client: client.to_string(),
        verb: verb.map_or_else(|| method.as_str().to_lowercase(), str::to_owned),
        key,
        subresource: wanted.map(|wanted| wanted.subresource).unwrap_or_default(),
        status: None,
        fault: None,
    };
    (call, author)
}
