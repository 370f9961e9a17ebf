//! The paths in front of the proxy.
//!
//! A path is the server's own, behind what says who asks (`/as/<number>`) and which other host is meant
//! (`/via/<host:port>`), where that has to be said.

use http::Uri;

/// Who brings credentials of their own, or has none.
pub(super) const NOBODY: usize = 0;

/// Whose way a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Route {
    /// Whose credentials the proxy adds.
    pub(super) identity: usize,
}

/// A path taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path<'a> {
    pub(super) identity: usize,
    /// Another host than the proxy's own server.
    pub(super) host: Option<&'a str>,
    /// With its query.
    pub(super) rest: &'a str,
}

/// Takes a path and query apart.
pub(super) fn parse(path: &str) -> Option<Path<'_>> {
    let (identity, path) = match path.strip_prefix("/as/") {
        Some(below) => {
            let (number, rest) = split(below);
            (number.parse().ok()?, rest)
        }
        None => (NOBODY, path),
    };
    let (host, rest) = match path.strip_prefix("/via/") {
        Some(below) => {
            let (host, rest) = split(below);
            (Some(host), rest)
        }
        None => (None, path),
    };
    Some(Path { identity, host, rest })
}

/// What begins the paths of an identity, and of a host.
pub(super) fn prefix(identity: usize, host: Option<&str>) -> String {
    let who = if identity == NOBODY { String::new() } else { format!("/as/{identity}") };
    host.map_or_else(|| who.clone(), |host| format!("{who}/via/{host}"))
}

/// A server's URL.
pub(super) fn join(scheme: &str, host: &str, rest: &str) -> Option<Uri> {
    let rest = if rest.starts_with('/') { rest } else { "/" };
    Uri::builder().scheme(scheme).authority(host).path_and_query(rest).build().ok()
}

fn split(path: &str) -> (&str, &str) {
    path.split_at(path.find('/').unwrap_or(path.len()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::*;

    #[test]
    fn a_path_says_who_asks_and_which_host_is_meant() {
        let path = |identity, host, rest| Some(Path { identity, host, rest });
        assert_eq!(parse("/api/v1/pods?watch=1"), path(NOBODY, None, "/api/v1/pods?watch=1"));
        for (identity, host) in [(NOBODY, None), (2, None), (NOBODY, Some("a.b:6443")), (3, Some("a.b:6443"))]
        {
            let whole = format!("{}/clusters/root/api", prefix(identity, host));
            assert_eq!(parse(&whole), path(identity, host, "/clusters/root/api"));
        }
        assert_eq!(parse("/as/x/api"), None);
        assert_eq!(join("https", "a:1", "").unwrap(), "https://a:1/");
    }
}
