//! Lists that were seen, for servers that cannot look back by themselves.

use std::collections::BTreeMap;

use hyper::body::Bytes;
use serde_json::Value;

/// The first answer to each list.
#[derive(Default)]
pub(super) struct Lists {
    /// By path and query.
    first: BTreeMap<String, Seen>,
}

struct Seen {
    version: String,
    content: Bytes,
}

impl Lists {
    /// Remembers the first answer to a list.
    pub(super) fn remember(&mut self, url: &str, content: &Bytes) {
        if !self.first.contains_key(url) {
            let seen = Seen { version: version(content), content: content.clone() };
            self.first.insert(url.to_owned(), seen);
        }
    }

    /// The first answer, if it was another one.
    pub(super) fn stale(&self, url: &str, now: &Bytes) -> Option<Bytes> {
        let seen = self.first.get(url)?;
        (seen.version != version(now)).then(|| seen.content.clone())
    }
}

/// The version at which a list holds.
fn version(content: &Bytes) -> String {
    let list: Value = serde_json::from_slice(content).unwrap_or_default();
    let version = list.pointer("/metadata/resourceVersion").and_then(Value::as_str);
    version.unwrap_or_default().to_owned()
}
