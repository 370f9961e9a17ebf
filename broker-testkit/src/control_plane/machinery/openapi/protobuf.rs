//! The definitions of a Swagger 2.0 document as the protobuf message in which kubectl asks for them.
//!
//! kubectl checks Lists by it, which no server checks as a whole. The field numbers are those of gnostic's
//! `OpenAPIv2.proto`. As the real server, it says nothing of what is below a field that may be null or that keeps
//! unknown fields: Swagger cannot say so, and clients would refuse what the server takes.

use serde_json::{Map, Value};

/// The message. Paths are left out: clients look for definitions only.
pub(super) fn document(json: &Value) -> Vec<u8> {
    let mut content = Vec::new();
    text(&mut content, 1, &json["swagger"]);
    let mut info = Vec::new();
    let about = &json["info"];
    text(&mut info, 1, &about["title"]);
    text(&mut info, 2, &about["version"]);
    bytes(&mut content, 2, &info);
    bytes(&mut content, 8, &[]);
    bytes(&mut content, 9, &named_schemas(&json["definitions"]));
    content
}

/// `Definitions` and `Properties` alike: names with their schemas.
fn named_schemas(schemas: &Value) -> Vec<u8> {
    let mut content = Vec::new();
    for (name, of) in schemas.as_object().into_iter().flatten() {
        let mut named = Vec::new();
        bytes(&mut named, 1, name.as_bytes());
        bytes(&mut named, 2, &schema(of));
        bytes(&mut content, 1, &named);
    }
    content
}

fn schema(of: &Value) -> Vec<u8> {
    let mut content = Vec::new();
    let only = of["allOf"].as_array().and_then(|all| match all.as_slice() {
        [one] => Some(one),
        _ => None,
    });
    text(&mut content, 1, if of["$ref"].is_string() { &of["$ref"] } else { &only.unwrap_or(of)["$ref"] });
    text(&mut content, 4, &of["description"]);
    if is_told(of) {
        text(&mut content, 2, &of["format"]);
        for field in of["required"].as_array().into_iter().flatten() {
            text(&mut content, 19, field);
        }
        if of["additionalProperties"].is_object() {
            let mut item = Vec::new();
            bytes(&mut item, 1, &schema(&of["additionalProperties"]));
            bytes(&mut content, 21, &item);
        }
        let mut types = Vec::new();
        text(&mut types, 1, &of["type"]);
        bytes(&mut content, 22, &types);
        if of["items"].is_object() {
            let mut items = Vec::new();
            bytes(&mut items, 1, &schema(&of["items"]));
            bytes(&mut content, 23, &items);
        }
        if of["properties"].as_object().is_some_and(|properties| !properties.is_empty()) {
            bytes(&mut content, 25, &named_schemas(&of["properties"]));
        }
    }
    for (name, value) in of.as_object().into_iter().flat_map(Map::iter) {
        if name.starts_with("x-kubernetes-") && name != "x-kubernetes-validations" {
            let (mut any, mut named) = (Vec::new(), Vec::new());
            // JSON is YAML.
            bytes(&mut any, 2, value.to_string().as_bytes());
            bytes(&mut named, 1, name.as_bytes());
            bytes(&mut named, 2, &any);
            bytes(&mut content, 31, &named);
        }
    }
    content
}

/// Whether Swagger can tell what a value looks like.
fn is_told(of: &Value) -> bool {
    let has = |field: &str| of[field] == true;
    let list_of_something = of["type"] != "array" || of["items"].is_object();
    of["type"].is_string()
        && list_of_something
        && !has("nullable")
        && !has("x-kubernetes-preserve-unknown-fields")
        && !has("x-kubernetes-int-or-string")
}

fn text(content: &mut Vec<u8>, number: u64, value: &Value) {
    if let Some(text) = value.as_str() {
        bytes(content, number, text.as_bytes());
    }
}

/// A field of bytes: a text or a message.
fn bytes(content: &mut Vec<u8>, number: u64, field: &[u8]) {
    varint(content, number << 3 | 2);
    varint(content, field.len() as u64);
    content.extend_from_slice(field);
}

fn varint(content: &mut Vec<u8>, mut number: u64) {
    loop {
        let seven = number.to_le_bytes()[0] & 0x7f;
        number >>= 7;
        if number == 0 {
            content.push(seven);
            return;
        }
        content.push(seven | 0x80);
    }
}
