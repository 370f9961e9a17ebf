//! What objects consist of.

use serde_json::{Map, Value, json};

use super::{Draw, NAMES};

/// Fields of a gadget's spec by name.
const FIELDS: &[&str] = &[
    "reserve", "ratio", "on", "colour", "owner", "note", "word", "port", "fixed", "parts", "ports", "tags",
    "steps", "limits", "whole", "inner", "open",
];

impl Draw {
    /// Labels, annotations, finalizers and owners, each now and then.
    pub(super) fn metadata(&mut self, metadata: &mut Value) {
        if self.once_in(3) {
            metadata["labels"] = self.labels();
        }
        if self.once_in(6) {
            metadata["annotations"] = json!({"note": self.of(&["x", "y", ""])});
        }
        if self.once_in(8) {
            metadata["finalizers"] = self.finalizers();
        }
        if self.owners && self.once_in(2) {
            metadata["ownerReferences"] = self.owner_references();
        }
        if self.once_in(40) {
            let (key, odd) = self
                .of::<Option<(&str, &str)>>(&[
                    Some(("generation", "7")),
                    Some(("creationTimestamp", "\"2020-01-01T00:00:00Z\"")),
                    Some(("uid", "\"11111111-0000-4000-8000-000000000000\"")),
                    Some(("unknown", "1")),
                    Some(("labels", "{\"a\":1}")),
                    Some(("labels", "[]")),
                    Some(("annotations", "{\"-\":\"x\"}")),
                    Some(("managedFields", "[]")),
                    Some(("managedFields", "[{}]")),
                    Some(("namespace", "\"other\"")),
                ])
                .unwrap_or_default();
            metadata[key] = serde_json::from_str(odd).unwrap_or_default();
        }
    }

    pub(super) fn labels(&mut self) -> Value {
        let mut labels = Map::new();
        for key in ["tier", "zone", "example.com/part"] {
            if self.once_in(2) {
                labels.insert(key.to_owned(), json!(self.dice_word(&["a", "b", "", "not a value"])));
            }
        }
        if self.once_in(40) {
            labels.insert("-not-a-key".to_owned(), json!("a"));
        }
        Value::Object(labels)
    }

    fn finalizers(&mut self) -> Value {
        let mut all = Vec::new();
        for finalizer in ["example.com/one", "example.com/two"] {
            if self.once_in(2) {
                all.push(finalizer);
            }
        }
        if self.once_in(30) {
            all.push(self.of(&["not qualified", "plain", "example.com/one"]));
        }
        json!(all)
    }

    fn owner_references(&mut self) -> Value {
        let many = 1 + self.dice.below(2);
        let mut all = Vec::new();
        for _ in 0..many {
            let (kind, name) = (self.kind(), self.of(NAMES));
            let (version, type_name) = super::super::kinds::type_of(kind);
            let uid = if self.once_in(8) {
                "{{uid:absent}}".to_owned()
            } else {
                format!("{{{{uid:{kind}/{name}}}}}")
            };
            let mut owner = json!({"apiVersion": version, "kind": type_name, "name": name, "uid": uid});
            if self.blocking || self.once_in(2) {
                owner["blockOwnerDeletion"] = json!(self.blocking || self.once_in(2));
            }
            if self.once_in(5) {
                owner["controller"] = json!(true);
            }
            all.push(owner);
        }
        json!(all)
    }

    /// A whole object of a kind.
    pub(super) fn object(&mut self, kind: &str, name: &str) -> Value {
        let mut object = super::typed(kind, name);
        self.metadata(&mut object["metadata"]);
        self.content(kind, &mut object);
        object
    }

    /// What an object of a kind says, now and then something that it cannot say.
    pub(super) fn content(&mut self, kind: &str, object: &mut Value) {
        match kind {
            "gadgets" => {
                object["spec"] = self.spec();
                if self.once_in(8) {
                    object["status"] = self.status();
                }
            }
            "secrets" => self.secret(object),
            "leases" => self.lease(object),
            "roles" => self.role(object),
            _ => self.config_map(object),
        }
        if self.once_in(25) {
            object[self.of(&["unknown", "odd"])] = json!(self.of(&["x", ""]));
        }
    }

    fn config_map(&mut self, object: &mut Value) {
        if !self.once_in(8) {
            object["data"] = self.texts();
        }
        if self.once_in(8) {
            object["binaryData"] = json!({"raw": self.dice_word(&["aGk=", "aG8=", "not base64"])});
        }
        if self.once_in(25) {
            object["immutable"] = json!(true);
        }
        if self.once_in(40) {
            object["data"] = self.of(&[Odd::Number, Odd::List, Odd::Key]).value();
        }
    }

    fn secret(&mut self, object: &mut Value) {
        if !self.once_in(4) {
            object["data"] =
                json!({self.of(&["a", "b"]): self.dice_word(&["aGk=", "aG8=", "", "not base64"])});
        }
        if self.once_in(3) {
            object["stringData"] = self.texts();
        }
        if self.once_in(5) {
            object["type"] = json!(self.of(&[
                "Opaque",
                "example.com/own",
                "kubernetes.io/tls",
                "kubernetes.io/basic-auth"
            ]));
        }
        if self.once_in(25) {
            object["immutable"] = json!(true);
        }
    }

    fn texts(&mut self) -> Value {
        let mut texts = Map::new();
        for key in ["a", "b", "c.d"] {
            if self.once_in(2) {
                texts.insert(key.to_owned(), json!(self.of(&["x", "y", ""])));
            }
        }
        Value::Object(texts)
    }

    fn lease(&mut self, object: &mut Value) {
        let mut spec = json!({});
        if self.once_in(2) {
            spec["holderIdentity"] = json!(self.of(&["me", "you", ""]));
        }
        if self.once_in(2) {
            spec["leaseDurationSeconds"] =
                self.of(&[Odd::Ten, Odd::Ten, Odd::Ten, Odd::Zero, Odd::Text]).value();
        }
        if self.once_in(3) {
            spec["renewTime"] = json!(self.dice_word(&[
                "2026-01-01T00:00:00.000000Z",
                "2026-01-01T00:00:01.500000Z",
                "yesterday"
            ]));
        }
        if self.once_in(4) {
            spec["leaseTransitions"] = json!(self.dice.below(3));
        }
        object["spec"] = spec;
    }

    fn role(&mut self, object: &mut Value) {
        let many = self.dice.below(3);
        let mut rules = Vec::new();
        for _ in 0..many {
            let mut rule = json!({"apiGroups": [""], "resources": [self.of(&["pods", "secrets"])]});
            if !self.once_in(12) {
                rule["verbs"] = json!([self.of(&["get", "list", "*"])]);
            }
            if self.once_in(4) {
                rule["resourceNames"] = json!(["x"]);
            }
            rules.push(rule);
        }
        object["rules"] = json!(rules);
    }

    /// A gadget's spec.
    pub(super) fn spec(&mut self) -> Value {
        let mut spec = json!({});
        if !self.once_in(25) {
            spec["size"] = json!(1 + self.dice.below(4));
        }
        let many = self.dice.below(4);
        for _ in 0..many {
            let field = self.of(FIELDS);
            spec[field] = self.field(field);
        }
        if self.once_in(15) {
            let field = self.of(&[
                "size", "colour", "tags", "parts", "inner", "whole", "unknown", "on", "limits", "port",
            ]);
            spec[field] = self
                .of(&[
                    Odd::Text,
                    Odd::Null,
                    Odd::Number,
                    Odd::List,
                    Odd::Object,
                    Odd::Zero,
                    Odd::Large,
                    Odd::Fraction,
                ])
                .value();
        }
        spec
    }

    /// A value of a field.
    pub(super) fn field(&mut self, field: &str) -> Value {
        match field {
            "size" => json!(1 + self.dice.below(4)),
            "reserve" => json!(self.dice.below(4)),
            "ratio" => self.of(&[Odd::Fraction, Odd::Number, Odd::Zero]).value(),
            "on" => json!(self.once_in(2)),
            "colour" => json!(self.dice_word(&["blue", "red", "green"])),
            "owner" => json!(self.dice_word(&["me", "you", "Nobody"])),
            "note" | "word" => self.of(&[Odd::Text, Odd::Null, Odd::Empty]).value(),
            "port" => self.of(&[Odd::Text, Odd::Number, Odd::Zero]).value(),
            "fixed" => json!(self.of(&["x", "x", "y"])),
            "parts" => self.parts(),
            "ports" => self.ports(),
            "tags" => self.tags(),
            "steps" => {
                let many = self.dice.below(3);
                (0..many).map(|_| json!({"do": self.of(&["this", "that"])})).collect()
            }
            "limits" => {
                let mut limits = Map::new();
                for key in ["cpu", "memory"] {
                    if self.once_in(2) {
                        limits.insert(key.to_owned(), json!(self.dice.below(3)));
                    }
                }
                Value::Object(limits)
            }
            "whole" => {
                let mut whole = json!({});
                for key in ["left", "right"] {
                    if self.once_in(2) {
                        whole[key] = json!(self.of(&["x", "y"]));
                    }
                }
                whole
            }
            "inner" => {
                let mut inner = json!({});
                if self.once_in(2) {
                    inner["depth"] = json!(self.dice.below(9));
                }
                if self.once_in(2) {
                    inner["deeper"] = json!("x");
                }
                inner
            }
            _ => self.open(),
        }
    }

    fn parts(&mut self) -> Value {
        let mut parts = Vec::new();
        for name in ["p", "q", "r"] {
            if self.once_in(2) {
                let mut part = json!({"name": name});
                if self.once_in(2) {
                    part["count"] = json!(self.dice.below(3));
                }
                if self.once_in(3) {
                    part["note"] = json!(self.of(&["x", "y"]));
                }
                if self.once_in(4) {
                    part["marks"] = json!([self.of(&["m", "n"])]);
                }
                parts.push(part);
            }
        }
        if self.once_in(2) {
            parts.reverse();
        }
        if self.once_in(20) {
            parts.push(self.of(&[Odd::NamedP, Odd::Object, Odd::Text]).value());
        }
        json!(parts)
    }

    fn ports(&mut self) -> Value {
        let mut ports = Vec::new();
        for number in [1, 2] {
            if self.once_in(2) {
                let mut port = json!({"number": number});
                if self.once_in(2) {
                    port["protocol"] = json!(self.of(&["TCP", "UDP"]));
                }
                if self.once_in(2) {
                    port["target"] = self.of(&[Odd::Text, Odd::Number]).value();
                }
                ports.push(port);
            }
        }
        json!(ports)
    }

    fn tags(&mut self) -> Value {
        let mut tags: Vec<&str> = ["t", "u", "v", "w", "x"].into_iter().filter(|_| self.once_in(3)).collect();
        if self.once_in(2) {
            tags.reverse();
        }
        if self.once_in(20) {
            tags.push("t");
        }
        json!(tags)
    }

    fn open(&mut self) -> Value {
        let mut open = json!({});
        for key in ["k", "l"] {
            if self.once_in(2) {
                open[key] = self.of(&[Odd::Text, Odd::Number, Odd::List, Odd::Object, Odd::Null]).value();
            }
        }
        open
    }

    /// A gadget's status.
    pub(super) fn status(&mut self) -> Value {
        let mut status = json!({});
        if self.once_in(2) {
            status["phase"] = json!(self.of(&["Ready", "Waiting"]));
        }
        if self.once_in(3) {
            status["observed"] = json!(self.dice.below(3));
        }
        if self.once_in(2) {
            let mut conditions = Vec::new();
            for kind in ["Ready", "Synced"] {
                if self.once_in(2) {
                    let mut condition = json!({"type": kind, "status": self.of(&["True", "False"])});
                    if self.once_in(3) {
                        condition["reason"] = json!("Because");
                    }
                    conditions.push(condition);
                }
            }
            status["conditions"] = json!(conditions);
        }
        if self.once_in(15) {
            status["unknown"] = json!(1);
        }
        status
    }
}

/// Values that fit here and not there.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Odd {
    #[default]
    Null,
    Text,
    Empty,
    Number,
    Ten,
    Zero,
    Large,
    Fraction,
    List,
    Object,
    Key,
    NamedP,
}

impl Odd {
    pub(super) fn value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Text => json!("text"),
            Self::Empty => json!(""),
            Self::Number => json!(5),
            Self::Ten => json!(10),
            Self::Zero => json!(0),
            Self::Large => json!(1_000),
            Self::Fraction => json!(1.5),
            Self::List => json!(["x"]),
            Self::Object => json!({"k": "x"}),
            Self::Key => json!({"not a key": "x"}),
            Self::NamedP => json!({"name": "p"}),
        }
    }
}
