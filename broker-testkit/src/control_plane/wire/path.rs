//! What a URL asks for.

use std::collections::BTreeMap;

use http::Method;
use percent_encoding::percent_decode_str;

/// Which door of the server a URL goes through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// No prefix: the root cluster, as a plain Kubernetes server.
    Plain,
    /// `/clusters/<path or id>`.
    Cluster(String),
    /// `/clusters/*`.
    AllClusters,
    /// `/services/apiexport/<cluster>/<export>/clusters/<path, id or *>`, of a further shard below `/shards/<name>`.
    Export {
        /// The shard, none for the first.
        shard: Option<String>,
        /// The cluster of the export.
        cluster: String,
        /// The export.
        export: String,
        /// The cluster looked at, all where `None`.
        within: Option<String>,
    },
}

/// A parsed path: the door, and the segments behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) target: Target,
    pub(crate) segments: Vec<String>,
    /// The path behind the door, for messages and non-resource rules.
    pub(crate) path: String,
    /// The part of the path that names the door, without a slash at its end.
    pub(crate) prefix: String,
}

/// Takes a path apart; `None` if its prefix is no door of this server.
pub(crate) fn locate(path: &str) -> Option<Location> {
    let segments: Vec<String> = path
        .split('/')
        .filter(|s| !s.is_empty())
        .map(|s| percent_decode_str(s).decode_utf8_lossy().into_owned())
        .collect();
    let words: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (shard, skipped, words) = match words.as_slice() {
        ["shards", name, rest @ ..] if rest.first() == Some(&"services") => {
            (Some((*name).to_owned()), 2, rest)
        }
        all => (None, 0, all),
    };
    let (target, taken) = match words {
        ["services", "apiexport", cluster, export, "clusters", within, ..] => {
            let within = Some((*within).to_owned()).filter(|w| w != "*");
            let (cluster, export) = ((*cluster).to_owned(), (*export).to_owned());
            (Target::Export { shard, cluster, export, within }, skipped + 6)
        }
        ["services", ..] => return None,
        ["clusters", "*", ..] => (Target::AllClusters, 2),
        ["clusters", cluster, ..] => (Target::Cluster((*cluster).to_owned()), 2),
        _ => (Target::Plain, 0),
    };
    let rest: Vec<String> = segments.iter().skip(taken).cloned().collect();
    let prefix = segments.iter().take(taken).fold(String::new(), |prefix, s| prefix + "/" + s);
    let path = format!("/{}", rest.join("/"));
    Some(Location { target, segments: rest, path, prefix })
}

/// A request for a resource, or for objects of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResourcePath {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) resource: String,
    /// Empty for cluster-scoped resources and for lists over all namespaces.
    pub(crate) namespace: String,
    /// Empty for lists and creations.
    pub(crate) name: String,
    pub(crate) subresource: String,
}

/// Reads a path below `/api/<version>` or `/apis/<group>/<version>`; `None` for every other path.
pub(crate) fn resource(segments: &[String]) -> Option<ResourcePath> {
    let words: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (group, version, rest) = match words.as_slice() {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return None,
    };
    let (namespace, rest): (&str, &[&str]) = match rest {
        [] => return None,
        // The namespace object itself and its own subresources.
        ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => ("", rest),
        ["namespaces", namespace, below @ ..] if !below.is_empty() => (namespace, below),
        _ => ("", rest),
    };
    let (resource, name, subresource) = match rest {
        [resource] => (*resource, "", ""),
        [resource, name] => (*resource, *name, ""),
        [resource, name, subresource] => (*resource, *name, *subresource),
        _ => return None,
    };
    Some(ResourcePath {
        group: group.to_owned(),
        version: version.to_owned(),
        resource: resource.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        subresource: subresource.to_owned(),
    })
}

/// The query parameters; of a repeated one the first counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    pub(crate) fn parse(query: Option<&str>) -> Self {
        let mut map = BTreeMap::new();
        for (key, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            map.entry(key.into_owned()).or_insert_with(|| value.into_owned());
        }
        Self(map)
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Whether a flag is set, in any of the ways Go reads one.
    pub(crate) fn flag(&self, key: &str) -> bool {
        matches!(self.get(key), Some("true" | "1" | "True" | "TRUE" | "t" | "T" | ""))
    }

    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.get(key)?.parse().ok()
    }
}

/// The verb that rules and metrics know the request by.
pub(crate) fn verb(method: &Method, path: &ResourcePath, query: &Query) -> Option<&'static str> {
    let many = path.name.is_empty();
    match *method {
        Method::GET | Method::HEAD if query.flag("watch") => Some("watch"),
        Method::GET | Method::HEAD if many => Some("list"),
        Method::GET | Method::HEAD => Some("get"),
        Method::POST => Some("create"),
        Method::PUT => Some("update"),
        Method::PATCH => Some("patch"),
        Method::DELETE if many => Some("deletecollection"),
        Method::DELETE => Some("delete"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Target, locate, resource};

    #[test]
    fn a_virtual_workspace_path_names_export_and_cluster() {
        let found = locate("/services/apiexport/2abc/certs/clusters/%2A/apis/example.com/v1/certs").unwrap();
        let target = |shard| Target::Export {
            shard,
            cluster: "2abc".to_owned(),
            export: "certs".to_owned(),
            within: None,
        };
        assert_eq!(found.target, target(None));
        assert_eq!(found.path, "/apis/example.com/v1/certs");
        let found = locate("/shards/west/services/apiexport/2abc/certs/clusters/%2A/api/v1/secrets").unwrap();
        assert_eq!(found.target, target(Some("west".to_owned())));
        assert_eq!((found.path.as_str(), found.segments.len()), ("/api/v1/secrets", 3));
    }

    #[test]
    fn namespaces_are_a_resource_and_a_prefix() {
        let own = locate("/api/v1/namespaces/blue").unwrap();
        assert_eq!(resource(&own.segments).unwrap().name, "blue");
        let below = locate("/clusters/root:a/api/v1/namespaces/blue/secrets/key").unwrap();
        let path = resource(&below.segments).unwrap();
        assert_eq!(
            (path.namespace.as_str(), path.resource.as_str(), path.name.as_str()),
            ("blue", "secrets", "key")
        );
        let list = locate("/api/v1/namespaces").unwrap();
        assert_eq!(resource(&list.segments).unwrap().resource, "namespaces");
        let status = locate("/api/v1/namespaces/blue/status").unwrap();
        assert_eq!(resource(&status.segments).unwrap().subresource, "status");
    }
}
