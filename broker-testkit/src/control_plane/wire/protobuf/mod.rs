//! Reads the protobuf bodies that kubectl and Go clients send for kinds they know.
//!
//! Only what is sent is read, never written: answers are JSON, which those clients accept. The tables below
//! are the field numbers of Kubernetes' published `generated.proto` files; a field that is not in them is
//! skipped, as protobuf demands.

mod fields;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use self::fields::{Fields, Kind};
use crate::control_plane::error::ApiError;

/// What a protobuf body of Kubernetes begins with.
const MAGIC: &[u8] = b"k8s\0";
/// Deeper than any kind here.
const DEPTH: usize = 16;

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
    let table = fields::of(&version, &kind).ok_or_else(|| {
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
            (Kind::Json, Found::Bytes(bytes)) => {
                let raw = Reader(bytes).fields()?.into_iter().find_map(|field| match field {
                    (1, Found::Bytes(raw)) => Some(raw),
                    _ => None,
                });
                if let Some(raw) = raw {
                    object.insert((*name).to_owned(), serde_json::from_slice(raw).ok()?);
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
    fn an_event_of_either_group_has_the_fields_of_its_own() {
        let event = |version: &[u8], number: u8| {
            let kind = [field(1, version), field(2, b"Event")].concat();
            let raw = [field(1, &field(1, b"one")), field(number, b"it is there")].concat();
            [b"k8s\0".to_vec(), field(1, &kind), field(2, &raw)].concat()
        };
        assert_eq!(object(&event(b"v1", 4)).unwrap()["message"], "it is there");
        assert_eq!(object(&event(b"events.k8s.io/v1", 10)).unwrap()["note"], "it is there");
    }

    #[test]
    fn who_wrote_which_fields_is_read_as_json() {
        let fields = field(1, br#"{"f:data":{}}"#);
        // Of numbers above 15 the tag takes two bytes.
        let managed = [field(1, b"somebody"), field(2, b"Apply"), field(7, &fields)].concat();
        let managed = [vec![0x8a, 0x01, u8::try_from(managed.len()).unwrap()], managed].concat();
        let kind = [field(1, b"v1"), field(2, b"ConfigMap")].concat();
        let raw = field(1, &[field(1, b"one"), managed].concat());
        let body = [b"k8s\0".to_vec(), field(1, &kind), field(2, &raw)].concat();
        let expected = json!([{"manager": "somebody", "operation": "Apply", "fieldsV1": {"f:data": {}}}]);
        assert_eq!(object(&body).unwrap()["metadata"]["managedFields"], expected);
    }

    #[test]
    fn a_broken_body_is_refused() {
        assert_eq!(object(b"k8s\0\x0a\xff").unwrap_err().code, 400);
        assert_eq!(object(b"nonsense").unwrap_err().code, 400);
    }
}
