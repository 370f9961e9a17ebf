//! One node of a structural schema, and how it is read from OpenAPI.

use super::SchemaError;
use super::cel::Rule;
use super::rules::Rules;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The JSON type a node asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Kind {
    /// No type is given: anything goes.
    #[default]
    Any,
    /// `object`
    Object,
    /// `array`
    Array,
    /// `string`
    Text,
    /// `integer`
    Integer,
    /// `number`
    Number,
    /// `boolean`
    Boolean,
    /// `x-kubernetes-int-or-string`
    IntOrString,
}

/// What is allowed beside the named properties.
#[derive(Debug, Clone, Default)]
pub(crate) enum Additional {
    /// Nothing is said.
    #[default]
    Unspecified,
    /// `additionalProperties: false`
    Refused,
    /// `additionalProperties: true`
    Anything,
    /// A schema for each value.
    Each(Box<Node>),
}

/// `x-kubernetes-list-type`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum ListType {
    /// Replaced as a whole.
    #[default]
    Atomic,
    /// Each value at most once.
    Set,
    /// Objects told apart by these keys.
    Map(Vec<String>),
}

/// `x-kubernetes-patch-strategy` and `x-kubernetes-patch-merge-key`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct PatchStrategy {
    /// Lists are merged rather than replaced.
    pub(crate) merge: bool,
    /// `$retainKeys` is understood.
    pub(crate) retain_keys: bool,
    /// The key that tells the objects of a merged list apart; none for lists of scalars.
    pub(crate) merge_key: Option<String>,
}

/// One node of a structural schema.
#[derive(Debug, Clone, Default)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) nullable: bool,
    pub(crate) preserve_unknown: bool,
    pub(crate) properties: BTreeMap<String, Node>,
    pub(crate) additional: Additional,
    pub(crate) items: Option<Box<Node>>,
    pub(crate) list: ListType,
    pub(crate) atomic_map: bool,
    pub(crate) default: Option<Value>,
    pub(crate) patch: PatchStrategy,
    pub(crate) rules: Rules,
    pub(crate) validations: Vec<Rule>,
}

impl Node {
    /// A node that keeps everything and of which nothing is known.
    pub(crate) fn anything() -> Self {
        Self { preserve_unknown: true, nullable: true, ..Self::default() }
    }

    /// The node of a named field: declared, or one of the additional ones.
    pub(crate) fn field(&self, name: &str) -> Option<&Node> {
        self.properties.get(name).or(match &self.additional {
            Additional::Each(node) => Some(node),
            Additional::Unspecified | Additional::Refused | Additional::Anything => None,
        })
    }

    /// Reads a node. `path` is where it stands, for errors; `typed` whether a type must be given.
    pub(crate) fn parse(schema: &Value, path: &str) -> Result<Self, SchemaError> {
        let fields =
            schema.as_object().ok_or_else(|| error(path, "Invalid value: must be an object".to_owned()))?;
        let flag = |name: &str| fields.get(name).and_then(Value::as_bool).unwrap_or(false);
        let int_or_string = flag("x-kubernetes-int-or-string");
        let preserve_unknown = flag("x-kubernetes-preserve-unknown-fields");
        let mut node = Self {
            kind: parse_kind(fields, path, int_or_string, preserve_unknown)?,
            nullable: flag("nullable"),
            preserve_unknown,
            list: parse_list_type(fields, path)?,
            atomic_map: fields.get("x-kubernetes-map-type").and_then(Value::as_str) == Some("atomic"),
            default: fields.get("default").filter(|value| !value.is_null()).cloned(),
            patch: parse_patch_strategy(fields),
            rules: Rules::parse(fields, path)?,
            validations: match fields.get("x-kubernetes-validations") {
                Some(rules) => Rule::parse_all(rules, path)?,
                None => Vec::new(),
            },
            ..Self::default()
        };
        if let Some(properties) = fields.get("properties").and_then(Value::as_object) {
            for (name, property) in properties {
                let child = Self::parse(property, &format!("{path}.properties[{name}]"))?;
                node.properties.insert(name.clone(), child);
            }
        }
        node.additional = match fields.get("additionalProperties") {
            None | Some(Value::Null) => Additional::Unspecified,
            Some(Value::Bool(true)) => Additional::Anything,
            Some(Value::Bool(false)) => Additional::Refused,
            Some(each) => {
                Additional::Each(Box::new(Self::parse(each, &format!("{path}.additionalProperties"))?))
            }
        };
        if let Some(items) = fields.get("items") {
            node.items = Some(Box::new(Self::parse(items, &format!("{path}.items"))?));
        } else if node.kind == Kind::Array && !preserve_unknown {
            return Err(error(&format!("{path}.items"), "Required value: must be specified".to_owned()));
        }
        if flag("x-kubernetes-embedded-resource") {
            node.rules.required.extend(["apiVersion", "kind"].map(str::to_owned));
            node.add_type_and_metadata();
        }
        Ok(node)
    }

    /// Gives the node what every object has: `apiVersion`, `kind`, `metadata`.
    pub(crate) fn add_type_and_metadata(&mut self) {
        for name in ["apiVersion", "kind"] {
            let text = Self { kind: Kind::Text, ..Self::default() };
            self.properties.insert(name.to_owned(), text);
        }
        self.properties.insert("metadata".to_owned(), super::metadata::node().clone());
    }
}

fn parse_kind(
    fields: &Map<String, Value>,
    path: &str,
    int_or_string: bool,
    preserve_unknown: bool,
) -> Result<Kind, SchemaError> {
    let named = fields.get("type").and_then(Value::as_str).unwrap_or_default();
    Ok(match named {
        _ if int_or_string => Kind::IntOrString,
        "object" => Kind::Object,
        "array" => Kind::Array,
        "string" => Kind::Text,
        "integer" => Kind::Integer,
        "number" => Kind::Number,
        "boolean" => Kind::Boolean,
        "" if preserve_unknown => Kind::Any,
        "" => {
            let message = "Required value: must not be empty for specified object fields";
            return Err(error(&format!("{path}.type"), message.to_owned()));
        }
        other => {
            let message = format!(
                "Unsupported value: \"{other}\": supported values: \"array\", \"boolean\", \"integer\", \"number\", \
                 \"object\", \"string\""
            );
            return Err(error(&format!("{path}.type"), message));
        }
    })
}

fn parse_list_type(fields: &Map<String, Value>, path: &str) -> Result<ListType, SchemaError> {
    let at = format!("{path}.x-kubernetes-list-type");
    match fields.get("x-kubernetes-list-type").and_then(Value::as_str) {
        None | Some("atomic") => Ok(ListType::Atomic),
        Some("set") => Ok(ListType::Set),
        Some("map") => {
            let keys: Vec<String> = fields
                .get("x-kubernetes-list-map-keys")
                .and_then(Value::as_array)
                .map(|keys| keys.iter().filter_map(Value::as_str).map(str::to_owned).collect())
                .unwrap_or_default();
            if keys.is_empty() {
                let message = "Required value: must not be empty if x-kubernetes-list-type is map";
                return Err(error(&format!("{path}.x-kubernetes-list-map-keys"), message.to_owned()));
            }
            Ok(ListType::Map(keys))
        }
        Some(other) => Err(error(
            &at,
            format!("Unsupported value: \"{other}\": supported values: \"atomic\", \"map\", \"set\""),
        )),
    }
}

fn parse_patch_strategy(fields: &Map<String, Value>) -> PatchStrategy {
    let words = fields.get("x-kubernetes-patch-strategy").and_then(Value::as_str).unwrap_or_default();
    PatchStrategy {
        merge: words.split(',').any(|word| word == "merge"),
        retain_keys: words.split(',').any(|word| word == "retainKeys"),
        merge_key: fields.get("x-kubernetes-patch-merge-key").and_then(Value::as_str).map(str::to_owned),
    }
}

pub(super) fn error(path: &str, message: String) -> SchemaError {
    SchemaError { path: path.to_owned(), message }
}
