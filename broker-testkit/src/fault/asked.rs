//! What a request asks for.

use std::fmt;

use http::request::Parts;
use http::{Method, Uri};

use super::point::Series;
use crate::control_plane::path::{self, Query, ResourcePath, Target};

/// What a request asks for, as far as its method and URL say it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Asked {
    verb: &'static str,
    resource: String,
    path: String,
    writes: bool,
}

impl Asked {
    pub(super) fn of(parts: &Parts) -> Self {
        let path = parts.uri.path().to_owned();
        let query = Query::parse(parts.uri.query());
        let wanted = path::locate(&path).and_then(|location| path::resource(&location.segments));
        let verb = wanted.as_ref().and_then(|wanted| path::verb(&parts.method, wanted, &query));
        match (wanted, verb) {
            (Some(wanted), Some(verb)) => {
                let writes = !matches!(verb, "get" | "list" | "watch")
                    && !matches!(wanted.group.as_str(), "authorization.k8s.io" | "authentication.k8s.io")
                    && query.get("dryRun").unwrap_or_default().is_empty();
                Self { verb, resource: qualified(&wanted), path, writes }
            }
            _ => Self { verb: plain(&parts.method), resource: String::new(), path, writes: false },
        }
    }

    /// The verb of Kubernetes' rules: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`,
    /// `deletecollection`; `get`, `post` or `other` for what is no resource, such as discovery.
    pub fn verb(&self) -> &str {
        self.verb
    }

    /// The resource as people write it, `certificates.example.com/status`; empty for what is none.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The URL's path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether it may change something.
    pub fn writes(&self) -> bool {
        self.writes
    }

    /// The series that it belongs to.
    pub(super) fn series(&self) -> impl Iterator<Item = Series> + use<> {
        let further = match self.verb {
            _ if self.writes => Some(Series::Write),
            "list" => Some(Series::List),
            "watch" => Some(Series::Watch),
            _ => None,
        };
        std::iter::once(Series::Request).chain(further)
    }

    /// The object's name; empty where none is meant, or where it is in the body.
    pub(super) fn name(&self) -> &str {
        if matches!(self.verb, "create" | "list" | "watch" | "deletecollection") {
            return "";
        }
        let subresource = usize::from(self.resource.contains('/'));
        self.path.rsplit('/').nth(subresource).unwrap_or_default()
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.path)
    }
}

fn qualified(wanted: &ResourcePath) -> String {
    let mut text = wanted.resource.clone();
    for (sign, part) in [('.', &wanted.group), ('/', &wanted.subresource)] {
        if !part.is_empty() {
            text.push(sign);
            text.push_str(part);
        }
    }
    text
}

fn plain(method: &Method) -> &'static str {
    match *method {
        Method::GET | Method::HEAD => "get",
        Method::POST => "post",
        _ => "other",
    }
}

/// The server, as far as a client can tell servers apart: host and port, shard, and which of its two faces.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(String);

impl Place {
    pub(super) fn of(uri: &Uri) -> Self {
        let host = uri.authority().map(ToString::to_string).unwrap_or_default();
        Self(match path::locate(uri.path()).map(|location| location.target) {
            Some(Target::Export { shard: Some(shard), .. }) => format!("{host}/shards/{shard}"),
            Some(Target::Export { .. }) => format!("{host}/services"),
            _ => host,
        })
    }
}
