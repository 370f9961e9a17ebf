//! Requests that write.

use serde_json::{Value, json};

use super::super::operation::Request;
use super::objects::Odd;
use super::{Draw, GENERATED, MANAGERS, ask, pair, typed};

impl Draw {
    pub(super) fn create(&mut self, kind: &str) -> Request {
        let name = if self.once_in(30) { "Not_A_Name" } else { self.name() };
        let mut object = self.object(kind, name);
        if self.once_in(12)
            && let Some(metadata) = object["metadata"].as_object_mut()
        {
            metadata.remove("name");
            metadata.insert("generateName".to_owned(), json!(format!("{GENERATED}{}-", self.step)));
        }
        let odd = self.dice.below(60);
        match odd {
            0 => {
                if kind == "gadgets" {
                    // Its rules would be looked at even so, and nothing else.
                    object["spec"] = json!({"size": 2});
                }
                object["kind"] = json!("Other");
            }
            1 => object["apiVersion"] = json!("example.com/v9"),
            2 => object["metadata"]["resourceVersion"] = json!("1"),
            3 => drop(object.as_object_mut().map(|fields| fields.remove("kind"))),
            4 => drop(object["metadata"].as_object_mut().map(|fields| fields.remove("name"))),
            _ => {}
        }
        let mut request = ask("POST", kind, "");
        request.body = Some(object);
        self.write_options(&mut request);
        if odd == 2 {
            // A trial answers what was sent.
            request.query.retain(|(key, _)| key != "dryRun");
        }
        self.form(&mut request);
        request
    }

    pub(super) fn update(&mut self, kind: &str) -> Request {
        let name = self.name();
        let status = kind == "gadgets" && self.once_in(3);
        let path = if status { format!("{name}/status") } else { name.to_owned() };
        let mut request = ask("PUT", kind, &path);
        if self.once_in(5) {
            let mut object = self.object(kind, name);
            if status {
                object["status"] = self.status();
                // A spec that cannot be would be ignored, and the managed fields with it.
                object["spec"] = json!({"size": 2});
            }
            if self.once_in(2) {
                object["metadata"]["resourceVersion"] = json!(self.version(kind, name));
            }
            if self.once_in(6) {
                object["metadata"]["uid"] = json!(format!("{{{{uid:{kind}/{name}}}}}"));
            }
            request.body = Some(object);
        } else {
            request.edits = Some(format!("{kind}/{name}"));
            let mut change = self.change(kind, status);
            if self.once_in(8) {
                change["metadata"]["resourceVersion"] = match self.dice.below(3) {
                    0 => Value::Null,
                    _ => json!(self.version(kind, name)),
                };
            }
            request.body = Some(change);
        }
        self.write_options(&mut request);
        if request.edits.is_none() {
            // Where it creates, a trial answers the version that was sent.
            request.query.retain(|(key, _)| key != "dryRun");
        }
        request
    }

    /// The version of an object, or one that it had.
    fn version(&mut self, kind: &str, name: &str) -> String {
        format!("{{{{version:{kind}/{name}:{}}}}}", self.dice.below(3))
    }

    /// A merge patch of a few fields; of none now and then.
    fn change(&mut self, kind: &str, status: bool) -> Value {
        let mut change = json!({});
        if self.once_in(3) {
            change["metadata"] = json!({});
            self.metadata(&mut change["metadata"]);
            if self.once_in(4) {
                let field =
                    self.of(&["finalizers", "labels", "annotations", "ownerReferences", "managedFields"]);
                change["metadata"][field] = Value::Null;
            }
        }
        if status {
            change["status"] = self.status();
            if self.once_in(6) {
                change["spec"] = json!({"size": 9});
            }
            return change;
        }
        match self.dice.below(8) {
            0 => {}
            1 => {
                let field = self.of(&["data", "spec", "rules", "type", "stringData"]);
                change[field] = self.of(&[Odd::Null, Odd::Null, Odd::Object]).value();
            }
            _ if kind == "gadgets" => {
                let mut spec = json!({});
                let many = 1 + self.dice.below(2);
                for _ in 0..many {
                    let field = self.of(&[
                        "size", "reserve", "colour", "note", "word", "port", "fixed", "parts", "ports",
                        "tags", "steps", "limits", "whole", "inner", "open", "unknown",
                    ]);
                    spec[field] = if self.once_in(5) { Value::Null } else { self.field(field) };
                }
                change["spec"] = spec;
            }
            _ => self.content(kind, &mut change),
        }
        change
    }

    pub(super) fn apply(&mut self, kind: &str) -> Request {
        let name = self.name();
        let status = kind == "gadgets" && self.once_in(4);
        let path = if status { format!("{name}/status") } else { name.to_owned() };
        let mut request = ask("PATCH", kind, &path);
        "application/apply-patch+yaml".clone_into(&mut request.media);
        let mut object = typed(kind, name);
        self.metadata(&mut object["metadata"]);
        if let (true, Some(metadata)) = (kind == "gadgets", object["metadata"].as_object_mut()) {
            // Empty ones are stored with custom resources, and removed by the next write, whatever it is.
            metadata.retain(|_, field| *field != json!({}) && *field != json!([]));
        }
        if status {
            object["status"] = self.status();
        } else {
            self.content(kind, &mut object);
        }
        let odd = self.dice.below(60);
        match odd {
            0 => object["metadata"]["resourceVersion"] = json!(self.version(kind, name)),
            1 => object["metadata"]["uid"] = json!(format!("{{{{uid:{kind}/{name}}}}}")),
            2 => object["metadata"]["managedFields"] = json!([]),
            3 => object["metadata"]["name"] = json!("other"),
            4 => drop(object["metadata"].as_object_mut().map(|fields| fields.remove("name"))),
            5 => object["kind"] = json!("Other"),
            _ => {}
        }
        request.body = Some(object);
        if !self.once_in(40) {
            request.query.push(pair("fieldManager", self.of(MANAGERS)));
        }
        if self.once_in(3) {
            request.query.push(pair("force", self.of(&["true", "true", "false"])));
        }
        if self.once_in(12) && odd > 5 {
            request.query.push(pair("dryRun", "All"));
        }
        if self.once_in(5) {
            request.query.push(pair("fieldValidation", self.of(&["Strict", "Ignore", "Warn"])));
        }
        request
    }

    pub(super) fn merge(&mut self, kind: &str) -> Request {
        let name = self.name();
        let status = kind == "gadgets" && self.once_in(4);
        let path = if status { format!("{name}/status") } else { name.to_owned() };
        let mut request = ask("PATCH", kind, &path);
        "application/merge-patch+json".clone_into(&mut request.media);
        let mut change = self.change(kind, status);
        if self.once_in(10) {
            change["metadata"]["resourceVersion"] = json!(self.version(kind, name));
        }
        request.body = Some(change);
        self.write_options(&mut request);
        request
    }

    /// A change of labels, by which objects come to be selected or not.
    pub(super) fn relabel(&mut self, kind: &str) -> Request {
        let name = self.name();
        let mut request = ask("PATCH", kind, name);
        "application/merge-patch+json".clone_into(&mut request.media);
        let label = self.of(&["tier", "tier", "tier", "zone"]);
        let value = if self.once_in(2) { Value::Null } else { json!(self.of(&["a", "a", "b"])) };
        request.body = Some(json!({"metadata": {"labels": {label: value}}}));
        request
    }

    pub(super) fn strategic(&mut self, kind: &str) -> Request {
        let mut request = self.merge(kind);
        "application/strategic-merge-patch+json".clone_into(&mut request.media);
        if self.once_in(3) {
            request.body = Some(match self.dice.below(5) {
                0 => json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/one"]}}),
                1 => json!({"metadata": {"finalizers": ["example.com/two"]}}),
                2 => json!({"data": {"$patch": "replace", "z": "x"}}),
                3 => json!({"data": {"$patch": "delete"}}),
                _ => json!({"metadata": {"labels": {"tier": null, "zone": "a"}}}),
            });
        }
        request
    }

    pub(super) fn json_patch(&mut self, kind: &str) -> Request {
        let status = kind == "gadgets" && self.once_in(5);
        let name = self.name();
        let path = if status { format!("{name}/status") } else { name.to_owned() };
        let mut request = ask("PATCH", kind, &path);
        "application/json-patch+json".clone_into(&mut request.media);
        let many = 1 + self.dice.below(3);
        let operations: Vec<Value> = (0..many).map(|_| self.json_operation(kind, status)).collect();
        request.body = Some(json!(operations));
        self.write_options(&mut request);
        request
    }

    fn json_operation(&mut self, kind: &str, status: bool) -> Value {
        let below = match kind {
            _ if status => self.of(&["/status/phase", "/status/observed", "/status"]),
            "gadgets" => self.of(&[
                "/spec/size",
                "/spec/tags",
                "/spec/tags/0",
                "/spec/tags/-",
                "/spec/parts/0",
                "/spec/parts/0/count",
                "/spec/open",
                "/spec/open/k",
                "/spec/note",
                "/spec/inner",
                "/spec/inner/depth",
                "/spec/limits/cpu",
                "/spec/fixed",
                "/spec",
            ]),
            "leases" => self.of(&["/spec/holderIdentity", "/spec/leaseDurationSeconds", "/spec"]),
            "roles" => self.of(&["/rules", "/rules/0", "/rules/-", "/rules/0/verbs/0"]),
            _ => self.of(&["/data", "/data/a", "/data/b", "/data/c.d", "/immutable"]),
        };
        let path = if self.once_in(3) {
            self.of(&[
                "/metadata/labels",
                "/metadata/labels/tier",
                "/metadata/annotations",
                "/metadata/finalizers",
                "/metadata/finalizers/0",
                "/metadata/finalizers/-",
                "/metadata/labels/example.com~1part",
                "/metadata/name",
                "/metadata/resourceVersion",
                "/kind",
            ])
        } else {
            below
        };
        let value = self
            .of(&[
                Odd::Text,
                Odd::Text,
                Odd::Text,
                Odd::Number,
                Odd::Number,
                Odd::Null,
                Odd::Object,
                Odd::Object,
                Odd::List,
                Odd::List,
                Odd::NamedP,
            ])
            .value();
        // Null is something else than no bytes to who owns it, and the same once it is stored.
        let value = if kind == "secrets" && value.is_null() { json!("aGk=") } else { value };
        match self.dice.below(12) {
            0..4 => json!({"op": "add", "path": path, "value": value}),
            4..7 => json!({"op": "replace", "path": path, "value": value}),
            7..9 => json!({"op": "remove", "path": path}),
            9 => json!({"op": "test", "path": path, "value": value}),
            10 => json!({"op": self.of(&["copy", "move"]), "from": below, "path": path}),
            _ => json!({"op": "test", "path": path, "value": null}),
        }
    }

    pub(super) fn delete(&mut self, kind: &str) -> Request {
        let name = self.name();
        let mut request = ask("DELETE", kind, name);
        let mut options = json!({"apiVersion": "v1", "kind": "DeleteOptions"});
        let mut sent = false;
        if self.once_in(5) {
            options["preconditions"] = match self.dice.below(3) {
                0 => json!({"uid": format!("{{{{uid:{kind}/{name}}}}}")}),
                1 => json!({"resourceVersion": self.version(kind, name)}),
                _ => json!({"uid": "{{uid:absent}}"}),
            };
            sent = true;
        }
        let policies: &[&str] = if self.owners && self.blocking {
            &["Background", "Orphan", "Foreground", "Foreground"]
        } else if self.owners {
            &["Background", "Orphan", "Orphan"]
        } else {
            &["Background", "Background", "Sideways"]
        };
        if self.once_in(if self.owners { 2 } else { 10 }) {
            let policy = self.dice_word(policies);
            if self.once_in(2) {
                request.query.push(pair("propagationPolicy", policy));
            } else {
                options["propagationPolicy"] = json!(policy);
                sent = true;
            }
        }
        if self.once_in(10) {
            request.query.push(pair("dryRun", "All"));
        }
        if self.once_in(12) {
            options["gracePeriodSeconds"] = json!(self.dice.below(2) * 30);
            sent = true;
        }
        request.body = sent.then_some(options);
        request
    }

    pub(super) fn delete_collection(&mut self, kind: &str) -> Request {
        let mut request = ask("DELETE", kind, "");
        let selector = self.of(&["tier=a", "tier", "!zone,zone!=", "tier!=a", "tier in (a,b)"]);
        request.query.push(pair("labelSelector", selector));
        if kind == "configmaps" {
            request.query.push(pair("fieldSelector", "metadata.name!=kube-root-ca.crt"));
        }
        request
    }
}
