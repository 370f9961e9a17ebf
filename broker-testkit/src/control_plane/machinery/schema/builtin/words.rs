//! The words the built-in schemas are written in.

use serde_json::{Map, Value, json};

/// A field: its name (with `!` where it is required), its schema, its description.
pub(super) type Field<'a> = (&'a str, Value, &'a str);

/// An object with these fields and no others.
pub(super) fn object(fields: Vec<Field<'_>>) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, mut schema, description) in fields {
        let plain = name.trim_end_matches('!');
        if plain != name {
            required.push(Value::from(plain));
        }
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("description".to_owned(), Value::from(description));
        }
        properties.insert(plain.to_owned(), schema);
    }
    let mut object = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        set(&mut object, "required", Value::from(required));
    }
    object
}

/// The schema of a whole kind.
pub(super) fn kind(description: &str, fields: Vec<Field<'_>>) -> Value {
    let mut schema = object(fields);
    set(&mut schema, "description", Value::from(description));
    schema
}

/// A string.
pub(super) fn text() -> Value {
    json!({"type": "string"})
}

/// A string of a format.
pub(super) fn text_of(format: &str) -> Value {
    json!({"type": "string", "format": format})
}

/// A point in time.
pub(super) fn time() -> Value {
    text_of("date-time")
}

/// A whole number.
pub(super) fn integer() -> Value {
    json!({"type": "integer", "format": "int32"})
}

/// Yes or no.
pub(super) fn flag() -> Value {
    json!({"type": "boolean"})
}

/// One of these words.
pub(super) fn one_of(words: &[&str]) -> Value {
    json!({"type": "string", "enum": words})
}

/// Any object, kept as it is.
pub(super) fn free() -> Value {
    json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// An object of free keys with values of one schema.
pub(super) fn map(values: &Value) -> Value {
    json!({"type": "object", "additionalProperties": values})
}

/// A list that is replaced as a whole.
pub(super) fn list(items: &Value) -> Value {
    json!({"type": "array", "items": items, "x-kubernetes-list-type": "atomic"})
}

/// A list of different values.
pub(super) fn set_of(items: &Value) -> Value {
    json!({"type": "array", "items": items, "x-kubernetes-list-type": "set"})
}

/// A list that is not empty.
pub(super) fn some(mut list: Value) -> Value {
    set(&mut list, "minItems", Value::from(1));
    list
}

/// A list of objects told apart by these keys.
pub(super) fn keyed(keys: &[&str], items: &Value) -> Value {
    json!({"type": "array", "items": items, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys})
}

/// A list that strategic merge patches merge by this key.
pub(super) fn merged_by(key: &str, mut list: Value) -> Value {
    set(&mut list, "x-kubernetes-patch-strategy", Value::from("merge"));
    set(&mut list, "x-kubernetes-patch-merge-key", Value::from(key));
    list
}

/// An object that is replaced as a whole.
pub(super) fn atomic(mut object: Value) -> Value {
    set(&mut object, "x-kubernetes-map-type", Value::from("atomic"));
    object
}

/// What fulfils these rules in CEL; each has its message.
pub(super) fn ruled(rules: &[(&str, &str)], mut schema: Value) -> Value {
    let rules = rules.iter().map(|(rule, message)| json!({"rule": rule, "message": message})).collect();
    set(&mut schema, "x-kubernetes-validations", rules);
    schema
}

/// A field with a default.
pub(super) fn or(default: Value, mut schema: Value) -> Value {
    set(&mut schema, "default", default);
    schema
}

/// A `metav1.LabelSelector`.
pub(super) fn label_selector() -> Value {
    atomic(object(vec![
        ("matchLabels", map(&text()), "Labels the objects must have."),
        (
            "matchExpressions",
            list(&object(vec![
                ("key!", text(), "The label."),
                ("operator!", text(), "In, NotIn, Exists or DoesNotExist."),
                ("values", list(&text()), "The values for In and NotIn."),
            ])),
            "Requirements on labels, all of which must hold.",
        ),
    ]))
}

fn set(schema: &mut Value, name: &str, value: Value) {
    if let Some(fields) = schema.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}
