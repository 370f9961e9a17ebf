//! Requests that read.

use serde_json::json;

use super::super::operation::{Operation, Request};
use super::super::player::MARKER;
use super::{Draw, ask, pair, typed};

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
const METADATA: &str = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";

/// Selectors of labels, with labels that they admit.
const LABELS: &[(&str, &[(&str, &str)])] = &[
    ("tier=a", &[("tier", "a")]),
    ("tier=a", &[("tier", "a")]),
    ("!tier", &[]),
    ("tier!=a", &[]),
    ("tier==b", &[("tier", "b")]),
    ("tier!=a", &[]),
    ("tier", &[("tier", "b")]),
    ("!tier", &[]),
    ("tier in (a, b),zone notin (a)", &[("tier", "a")]),
    ("example.com/part=a", &[("example.com/part", "a")]),
    ("zone in (a,)", &[("zone", "")]),
];

impl Draw {
    /// Now and then in another form.
    pub(super) fn form(&mut self, request: &mut Request) {
        if self.once_in(15) {
            self.of(&[TABLE, METADATA, TABLE]).clone_into(&mut request.accept);
        }
    }

    pub(super) fn get(&mut self, kind: &str) -> Request {
        let name = if self.once_in(6) { "{{generated:0}}" } else { self.name() };
        let mut request = ask("GET", kind, name);
        if self.once_in(2) {
            self.of(&[TABLE, METADATA]).clone_into(&mut request.accept);
        }
        request
    }

    /// A list, in pages now and then.
    pub(super) fn lists(&mut self, kind: &str, operations: &mut Vec<Operation>) {
        let mut request = ask("GET", kind, "");
        self.select(kind, &mut request, 3);
        if self.once_in(3) {
            self.of(&[TABLE, METADATA_LIST]).clone_into(&mut request.accept);
            if self.once_in(3) && request.accept == TABLE {
                request
                    .query
                    .push(pair("includeObject", self.dice_word(&["Object", "None", "Metadata", "Nothing"])));
            }
        }
        let pages = self.once_in(2) && request.accept != TABLE;
        if pages {
            request.query.push(pair("limit", self.of(&["1", "2"])));
        }
        match self.dice.below(10) {
            0 => request.query.extend([
                pair("resourceVersion", &self.some_version(kind)),
                pair("resourceVersionMatch", "Exact"),
            ]),
            1 => {
                // What came later may or may not be in it: nothing did.
                operations.push(Operation::Send(ask("GET", kind, "")));
                request.query.push(pair("resourceVersion", "{{listed}}"));
                if self.once_in(2) {
                    request.query.push(pair("resourceVersionMatch", "NotOlderThan"));
                }
            }
            2 if self.once_in(3) => {
                request
                    .query
                    .push(pair("resourceVersionMatch", self.of(&["Exact", "NotOlderThan", "Other"])));
            }
            3 if self.once_in(3) => request.query.push(pair("resourceVersion", "not-a-version")),
            _ => {}
        }
        operations.push(Operation::Send(request.clone()));
        if pages {
            let mut next = request;
            next.query.retain(|(key, _)| !key.starts_with("resourceVersion"));
            next.query.push(pair("continue", "{{continue}}"));
            // What happens between two pages is not of their moment.
            if !self.owners && self.once_in(2) {
                let write = if self.once_in(2) { self.create(kind) } else { self.delete(kind) };
                operations.push(Operation::Send(write));
            }
            operations.push(Operation::Send(next.clone()));
            if self.once_in(3) {
                operations.push(Operation::Send(next));
            }
        }
    }

    fn some_version(&mut self, kind: &str) -> String {
        let name = self.name();
        format!("{{{{version:{kind}/{name}:{}}}}}", self.dice.below(4))
    }

    /// Labels (once in so many times) and fields that are asked for; the labels and the name that something must have to be among that.
    fn select(
        &mut self,
        kind: &str,
        request: &mut Request,
        times: u64,
    ) -> (&'static [(&'static str, &'static str)], &'static str) {
        let mut labels: &[(&str, &str)] = &[];
        let mut name = "marker";
        if self.once_in(times) {
            let (selector, admitted) = self.of(LABELS);
            request.query.push(pair("labelSelector", selector));
            labels = admitted;
        }
        if self.once_in(4) {
            let fields: &[&str] = match kind {
                "gadgets" => &[
                    "spec.colour=blue",
                    "spec.colour!=red",
                    "spec.size=3",
                    "metadata.name!=a",
                    "metadata.name=b",
                    "spec.size=3,spec.colour=blue",
                    "spec.owner=me",
                ],
                "secrets" => {
                    &["type=Opaque", "metadata.name!=a", "metadata.name=b", "type!=Opaque", "data=x"]
                }
                _ => &["metadata.name!=a", "metadata.name=b", "metadata.namespace!=other", "data=x"],
            };
            let mut selector = self.dice_word(fields);
            if selector == "metadata.name=b" && !request.query.is_empty() {
                // Whether an object that others write keeps the labels is not known before.
                selector = "metadata.name!=a";
            }
            request.query.push(pair("fieldSelector", selector));
            if selector == "metadata.name=b" {
                name = "b";
            }
        }
        (labels, name)
    }

    pub(super) fn watch(&mut self, kind: &str) -> Operation {
        let mut request = ask("GET", kind, "");
        let (labels, name) = self.select(kind, &mut request, 2);
        if self.once_in(5) {
            self.of(&[TABLE, METADATA]).clone_into(&mut request.accept);
        }
        if self.once_in(3) {
            request.query.push(pair("allowWatchBookmarks", "true"));
        }
        if self.once_in(4) {
            request.query.push(pair("sendInitialEvents", "true"));
            request.query.push(pair(
                "resourceVersionMatch",
                self.dice_word(&["NotOlderThan", "NotOlderThan", "Exact"]),
            ));
            if !request.query.iter().any(|(key, _)| key == "allowWatchBookmarks") && !self.once_in(8) {
                request.query.push(pair("allowWatchBookmarks", "true"));
            }
        } else {
            let version = if self.once_in(3) { "{{start}}".to_owned() } else { self.some_version(kind) };
            request.query.push(pair("resourceVersion", &version));
        }
        let mut marker = ask("PATCH", kind, name);
        "application/apply-patch+yaml".clone_into(&mut marker.media);
        marker.query = vec![pair("fieldManager", "marker"), pair("force", "true")];
        let mut object = typed(kind, name);
        object["metadata"]["annotations"] = json!({MARKER: ""});
        for (key, value) in labels {
            object["metadata"]["labels"][*key] = json!(value);
        }
        if kind == "gadgets" {
            object["spec"] = json!({"size": 3, "colour": "blue"});
        }
        if request.query.iter().any(|(_, value)| value == "type!=Opaque") {
            object["type"] = json!("example.com/marker");
        }
        marker.body = Some(object);
        Operation::Watch { request, marker }
    }
}
