//! Reads the protobuf bodies that kubectl and Go clients send for kinds they know.
//!
//! Only what is sent is read, never written: answers are JSON, which those clients accept. The tables below
//! are the field numbers of Kubernetes' published `generated.proto` files; a field that is not in them is
//! skipped, as protobuf demands.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::control_plane::error::ApiError;

/// What a protobuf body of Kubernetes begins with.
const MAGIC: &[u8] = b"k8s\0";
/// Deeper than any kind here.
const DEPTH: usize = 16;

/// How one field is read.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Number,
    Flag,
    Time,
    MicroTime,
    One(Fields),
    Many(Fields),
    Texts,
    TextMap,
    BytesMap,
}

type Fields = &'static [(u64, &'static str, Kind)];

const OWNER: Fields = &[
    (1, "kind", Kind::Text),
    (3, "name", Kind::Text),
    (4, "uid", Kind::Text),
    (5, "apiVersion", Kind::Text),
    (6, "controller", Kind::Flag),
    (7, "blockOwnerDeletion", Kind::Flag),
];
const META: Fields = &[
    (1, "name", Kind::Text),
    (2, "generateName", Kind::Text),
    (3, "namespace", Kind::Text),
    (5, "uid", Kind::Text),
    (6, "resourceVersion", Kind::Text),
    (7, "generation", Kind::Number),
    (8, "creationTimestamp", Kind::Time),
    (9, "deletionTimestamp", Kind::Time),
    (11, "labels", Kind::TextMap),
    (12, "annotations", Kind::TextMap),
    (13, "ownerReferences", Kind::Many(OWNER)),
    (14, "finalizers", Kind::Texts),
];
const REFERENCE: Fields = &[
    (1, "kind", Kind::Text),
    (2, "namespace", Kind::Text),
    (3, "name", Kind::Text),
    (4, "uid", Kind::Text),
    (5, "apiVersion", Kind::Text),
    (6, "resourceVersion", Kind::Text),
    (7, "fieldPath", Kind::Text),
];
const NAMESPACE: Fields =
    &[(1, "metadata", Kind::One(META)), (2, "spec", Kind::One(&[(1, "finalizers", Kind::Texts)]))];
const CONFIG_MAP: Fields = &[
    (1, "metadata", Kind::One(META)),
    (2, "data", Kind::TextMap),
    (3, "binaryData", Kind::BytesMap),
    (4, "immutable", Kind::Flag),
];
const SECRET: Fields = &[
    (1, "metadata", Kind::One(META)),
    (2, "data", Kind::BytesMap),
    (3, "type", Kind::Text),
    (4, "stringData", Kind::TextMap),
    (5, "immutable", Kind::Flag),
];
const SERVICE_ACCOUNT: Fields = &[
    (1, "metadata", Kind::One(META)),
    (2, "secrets", Kind::Many(REFERENCE)),
    (3, "imagePullSecrets", Kind::Many(&[(1, "name", Kind::Text)])),
    (4, "automountServiceAccountToken", Kind::Flag),
];
const EVENT: Fields = &[
    (1, "metadata", Kind::One(META)),
    (2, "involvedObject", Kind::One(REFERENCE)),
    (3, "reason", Kind::Text),
    (4, "message", Kind::Text),
    (5, "source", Kind::One(&[(1, "component", Kind::Text), (2, "host", Kind::Text)])),
    (6, "firstTimestamp", Kind::Time),
    (7, "lastTimestamp", Kind::Time),
    (8, "count", Kind::Number),
    (9, "type", Kind::Text),
    (10, "eventTime", Kind::MicroTime),
    (12, "action", Kind::Text),
    (13, "related", Kind::One(REFERENCE)),
    (14, "reportingComponent", Kind::Text),
    (15, "reportingInstance", Kind::Text),
];
const LEASE_SPEC: Fields = &[
    (1, "holderIdentity", Kind::Text),
    (2, "leaseDurationSeconds", Kind::Number),
    (3, "acquireTime", Kind::MicroTime),
    (4, "renewTime", Kind::MicroTime),
    (5, "leaseTransitions", Kind::Number),
];
const LEASE: Fields = &[(1, "metadata", Kind::One(META)), (2, "spec", Kind::One(LEASE_SPEC))];
const RULE: Fields = &[
    (1, "verbs", Kind::Texts),
    (2, "apiGroups", Kind::Texts),
    (3, "resources", Kind::Texts),
    (4, "resourceNames", Kind::Texts),
    (5, "nonResourceURLs", Kind::Texts),
];
const REQUIREMENT: Fields =
    &[(1, "key", Kind::Text), (2, "operator", Kind::Text), (3, "values", Kind::Texts)];
const SELECTOR: Fields =
    &[(1, "matchLabels", Kind::TextMap), (2, "matchExpressions", Kind::Many(REQUIREMENT))];
const ROLE: Fields = &[
    (1, "metadata", Kind::One(META)),
    (2, "rules", Kind::Many(RULE)),
    (3, "aggregationRule", Kind::One(&[(1, "clusterRoleSelectors", Kind::Many(SELECTOR))])),
];
const SUBJECT: Fields = &[
    (1, "kind", Kind::Text),
    (2, "apiGroup", Kind::Text),
    (3, "name", Kind::Text),
    (4, "namespace", Kind::Text),
];
const ROLE_REF: Fields = &[(1, "apiGroup", Kind::Text), (2, "kind", Kind::Text), (3, "name", Kind::Text)];
const BINDING: Fields = &[
    (1, "metadata", Kind::One(META)),
    (2, "subjects", Kind::Many(SUBJECT)),
    (3, "roleRef", Kind::One(ROLE_REF)),
];
const TOKEN_SPEC: Fields = &[
    (1, "audiences", Kind::Texts),
    (3, "boundObjectRef", Kind::One(BOUND)),
    (4, "expirationSeconds", Kind::Number),
];
const BOUND: Fields = &[
    (1, "kind", Kind::Text),
    (2, "apiVersion", Kind::Text),
    (3, "name", Kind::Text),
    (4, "uid", Kind::Text),
];
const TOKEN_REQUEST: Fields = &[(1, "metadata", Kind::One(META)), (2, "spec", Kind::One(TOKEN_SPEC))];
const RESOURCE_ATTRIBUTES: Fields = &[
    (1, "namespace", Kind::Text),
    (2, "verb", Kind::Text),
    (3, "group", Kind::Text),
    (4, "version", Kind::Text),
    (5, "resource", Kind::Text),
    (6, "subresource", Kind::Text),
    (7, "name", Kind::Text),
];
const PATH_ATTRIBUTES: Fields = &[(1, "path", Kind::Text), (2, "verb", Kind::Text)];
const SELF_ACCESS: Fields = &[
    (1, "metadata", Kind::One(META)),
    (
        2,
        "spec",
        Kind::One(&[
            (1, "resourceAttributes", Kind::One(RESOURCE_ATTRIBUTES)),
            (2, "nonResourceAttributes", Kind::One(PATH_ATTRIBUTES)),
        ]),
    ),
];
const ACCESS_SPEC: Fields = &[
    (1, "resourceAttributes", Kind::One(RESOURCE_ATTRIBUTES)),
    (2, "nonResourceAttributes", Kind::One(PATH_ATTRIBUTES)),
    (3, "user", Kind::Text),
    (4, "groups", Kind::Texts),
    (6, "uid", Kind::Text),
];
const ACCESS: Fields = &[(1, "metadata", Kind::One(META)), (2, "spec", Kind::One(ACCESS_SPEC))];
const RULES_REVIEW: Fields =
    &[(1, "metadata", Kind::One(META)), (2, "spec", Kind::One(&[(1, "namespace", Kind::Text)]))];
const SELF_REVIEW: Fields = &[(1, "metadata", Kind::One(META))];
const DELETE_OPTIONS: Fields = &[
    (1, "gracePeriodSeconds", Kind::Number),
    (2, "preconditions", Kind::One(&[(1, "uid", Kind::Text), (2, "resourceVersion", Kind::Text)])),
    (3, "orphanDependents", Kind::Flag),
    (4, "propagationPolicy", Kind::Text),
    (5, "dryRun", Kind::Texts),
];

fn fields(kind: &str) -> Option<Fields> {
    Some(match kind {
        "Namespace" => NAMESPACE,
        "ConfigMap" => CONFIG_MAP,
        "Secret" => SECRET,
        "ServiceAccount" => SERVICE_ACCOUNT,
        "Event" => EVENT,
        "Lease" => LEASE,
        "Role" | "ClusterRole" => ROLE,
        "RoleBinding" | "ClusterRoleBinding" => BINDING,
        "TokenRequest" => TOKEN_REQUEST,
        "SelfSubjectAccessReview" => SELF_ACCESS,
        "SubjectAccessReview" | "LocalSubjectAccessReview" => ACCESS,
        "SelfSubjectRulesReview" => RULES_REVIEW,
        "SelfSubjectReview" => SELF_REVIEW,
        "DeleteOptions" => DELETE_OPTIONS,
        _ => return None,
    })
}

/// The object in a protobuf body.
pub(crate) fn object(content: &[u8]) -> Result<Value, ApiError> {
    let malformed = || ApiError::bad_request("the body of the request is no protobuf object of Kubernetes");
    let rest = content.strip_prefix(MAGIC).ok_or_else(malformed)?;
    let (mut kind, mut version, mut raw): (String, String, &[u8]) = <_>::default();
    for (number, found) in Reader(rest).fields().ok_or_else(malformed)? {
        match (number, found) {
            (1, Found::Bytes(bytes)) => {
                for (number, found) in Reader(bytes).fields().ok_or_else(malformed)? {
                    match (number, found) {
                        (1, Found::Bytes(text)) => version = String::from_utf8_lossy(text).into_owned(),
                        (2, Found::Bytes(text)) => kind = String::from_utf8_lossy(text).into_owned(),
                        _ => {}
                    }
                }
            }
            (2, Found::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let table = fields(&kind).ok_or_else(|| {
        let message = format!("protobuf bodies of kind {kind:?}");
        ApiError::not_implemented(&message)
    })?;
    let mut object = message(raw, table, DEPTH).ok_or_else(malformed)?;
    object.insert("kind".to_owned(), json!(kind));
    object.insert("apiVersion".to_owned(), json!(version));
    Ok(Value::Object(object))
}

/// What stands in a field, before its meaning is known.
#[derive(Debug, Clone, Copy)]
enum Found<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Other,
}

#[derive(Debug)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn fields(mut self) -> Option<Vec<(u64, Found<'a>)>> {
        let mut fields = Vec::new();
        while !self.0.is_empty() {
            let tag = self.number()?;
            let found = match tag & 7 {
                0 => Found::Number(self.number()?),
                1 => self.take(8).map(|_| Found::Other)?,
                2 => {
                    let length = usize::try_from(self.number()?).ok()?;
                    Found::Bytes(self.take(length)?)
                }
                5 => self.take(4).map(|_| Found::Other)?,
                _ => return None,
            };
            fields.push((tag >> 3, found));
        }
        Some(fields)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

/// Reads a message; a field that is empty is left out, as JSON clients leave it out.
fn message(content: &[u8], table: Fields, depth: usize) -> Option<Map<String, Value>> {
    let depth = depth.checked_sub(1)?;
    let mut object = Map::new();
    for (number, found) in Reader(content).fields()? {
        let Some((_, name, kind)) = table.iter().find(|(known, ..)| *known == number) else { continue };
        match (kind, found) {
            (Kind::Text, Found::Bytes(bytes)) => {
                let text = String::from_utf8(bytes.to_vec()).ok()?;
                if !text.is_empty() {
                    object.insert((*name).to_owned(), json!(text));
                }
            }
            // Two's complement: negative numbers come as very large ones.
            (Kind::Number, Found::Number(number)) => {
                object.insert((*name).to_owned(), json!(number.cast_signed()));
            }
            (Kind::Flag, Found::Number(number)) => {
                object.insert((*name).to_owned(), json!(number != 0));
            }
            (Kind::Time | Kind::MicroTime, Found::Bytes(bytes)) => {
                if let Some(time) = time(bytes, matches!(kind, Kind::MicroTime)) {
                    object.insert((*name).to_owned(), json!(time));
                }
            }
            (Kind::One(table), Found::Bytes(bytes)) => {
                let inner = message(bytes, table, depth)?;
                if !inner.is_empty() {
                    object.insert((*name).to_owned(), Value::Object(inner));
                }
            }
            (Kind::Many(table), Found::Bytes(bytes)) => {
                let inner = Value::Object(message(bytes, table, depth)?);
                append(&mut object, name, inner);
            }
            (Kind::Texts, Found::Bytes(bytes)) => {
                append(&mut object, name, json!(String::from_utf8_lossy(bytes)));
            }
            (Kind::TextMap, Found::Bytes(bytes)) => {
                let (key, content) = entry(bytes)?;
                let map = object.entry(*name).or_insert_with(|| json!({}));
                map.as_object_mut()?.insert(key, json!(String::from_utf8_lossy(content)));
            }
            (Kind::BytesMap, Found::Bytes(bytes)) => {
                let (key, content) = entry(bytes)?;
                let map = object.entry(*name).or_insert_with(|| json!({}));
                map.as_object_mut()?.insert(key, json!(STANDARD.encode(content)));
            }
            _ => return None,
        }
    }
    Some(object)
}

fn append(object: &mut Map<String, Value>, name: &str, item: Value) {
    if let Value::Array(list) = object.entry(name).or_insert_with(|| json!([])) {
        list.push(item);
    }
}

/// One entry of a map: its key and its value.
fn entry(content: &[u8]) -> Option<(String, &[u8])> {
    let (mut key, mut value): (String, &[u8]) = <_>::default();
    for (number, found) in Reader(content).fields()? {
        match (number, found) {
            (1, Found::Bytes(bytes)) => key = String::from_utf8(bytes.to_vec()).ok()?,
            (2, Found::Bytes(bytes)) => value = bytes,
            _ => {}
        }
    }
    Some((key, value))
}

/// A time; none for the empty one, which Go writes for "not set".
fn time(content: &[u8], micros: bool) -> Option<String> {
    let (mut seconds, mut nanos) = (0i64, 0i32);
    for (number, found) in Reader(content).fields()? {
        match (number, found) {
            (1, Found::Number(number)) => seconds = number.cast_signed(),
            (2, Found::Number(number)) => nanos = i32::try_from(number).unwrap_or(0),
            _ => {}
        }
    }
    if content.is_empty() {
        return None;
    }
    let time = Timestamp::new(seconds, nanos).ok()?;
    let format = if micros { "%Y-%m-%dT%H:%M:%S.%6fZ" } else { "%Y-%m-%dT%H:%M:%SZ" };
    Some(time.strftime(format).to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::object;

    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![number << 3 | 2, u8::try_from(content.len()).unwrap()];
        bytes.extend_from_slice(content);
        bytes
    }

    #[test]
    fn a_secret_is_read_as_if_it_were_json() {
        let kind = [field(1, b"v1"), field(2, b"Secret")].concat();
        let metadata = [field(1, b"one"), field(11, &[field(1, b"a"), field(2, b"b")].concat())].concat();
        let data = [field(1, b"key"), field(2, b"value")].concat();
        let raw = [field(1, &metadata), field(2, &data), field(3, b"Opaque")].concat();
        let body = [b"k8s\0".to_vec(), field(1, &kind), field(2, &raw)].concat();
        let expected = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "one", "labels": {"a": "b"}},
            "data": {"key": "dmFsdWU="}, "type": "Opaque",
        });
        assert_eq!(object(&body).unwrap(), expected);
    }

    #[test]
    fn a_broken_body_is_refused() {
        assert_eq!(object(b"k8s\0\x0a\xff").unwrap_err().code, 400);
        assert_eq!(object(b"nonsense").unwrap_err().code, 400);
    }
}
