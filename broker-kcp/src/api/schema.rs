//! From a CustomResourceDefinition to what kcp publishes: an APIResourceSchema.
//!
//! kcp's schemas never change; a changed one gets another name. So the name begins with a hash of
//! the content: the same definition always has the same name, on every machine.

pub use broker_core::resource::marker::MOVES_ANNOTATION;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// A definition that cannot become a schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// A field is missing or of another type.
    #[error("no CustomResourceDefinition: {field} must be {expected}")]
    Field {
        /// Path of the field.
        field: String,
        /// What it must be.
        expected: &'static str,
    },
    /// kcp converts in other ways than by webhook services of a cluster.
    #[error(
        "spec.conversion.strategy is {strategy}: kcp cannot reach a conversion webhook of another cluster; serve one version, or versions without conversion (strategy None)"
    )]
    Conversion {
        /// The strategy found.
        strategy: String,
    },
}

/// The prefix for the schema of a CRD: `v` and eight hexadecimal digits of its content's hash.
pub fn content_prefix(crd: &Value) -> Result<String, SchemaError> {
    let spec = schema_spec(crd)?;
    // serde_json's maps are sorted, so equal content has equal text.
    let digest = Sha256::digest(spec.to_string().as_bytes());
    let hash = digest.iter().take(4).fold(0u32, |hash, byte| (hash << 8) | u32::from(*byte));
    Ok(format!("v{hash:08x}"))
}

/// The APIResourceSchema (`apis.kcp.io/v1alpha1`) that serves the API of `crd`, a
/// CustomResourceDefinition as JSON: named `<prefix>.<plural>.<group>`.
///
/// The annotation [`MOVES_ANNOTATION`] is kept, so that the schema alone still tells it.
pub fn api_resource_schema(crd: &Value, prefix: &str) -> Result<Value, SchemaError> {
    let spec = schema_spec(crd)?;
    let plural = text(&spec, "spec.names.plural", &["names", "plural"])?;
    let group = text(&spec, "spec.group", &["group"])?;
    let mut metadata = json!({ "name": format!("{prefix}.{plural}.{}", group_part(&group)) });
    if let Some(moves) =
        crd.pointer("/metadata/annotations").and_then(|annotations| annotations.get(MOVES_ANNOTATION))
        && let Some(metadata) = metadata.as_object_mut()
    {
        let mut annotations = Map::new();
        annotations.insert(MOVES_ANNOTATION.to_owned(), moves.clone());
        metadata.insert("annotations".to_owned(), Value::Object(annotations));
    }
    Ok(json!({
        "apiVersion": "apis.kcp.io/v1alpha1",
        "kind": "APIResourceSchema",
        "metadata": metadata,
        "spec": spec,
    }))
}

/// How a group stands in names of schemas and exports: kcp writes the core group as `core`.
fn group_part(group: &str) -> &str {
    if group.is_empty() { "core" } else { group }
}

/// The spec of the schema: the CRD's, with the version's schema one level higher.
fn schema_spec(crd: &Value) -> Result<Value, SchemaError> {
    let spec = crd.get("spec").ok_or_else(|| field("spec", "an object"))?;
    if let Some(strategy) = spec.pointer("/conversion/strategy").and_then(Value::as_str)
        && strategy != "None"
    {
        return Err(SchemaError::Conversion { strategy: strategy.to_owned() });
    }
    let mut out = Map::new();
    out.insert("group".to_owned(), Value::String(text(spec, "spec.group", &["group"])?));
    out.insert("names".to_owned(), names(spec)?);
    out.insert("scope".to_owned(), Value::String(text(spec, "spec.scope", &["scope"])?));
    let versions =
        spec.get("versions").and_then(Value::as_array).ok_or_else(|| field("spec.versions", "a list"))?;
    let versions = versions
        .iter()
        .enumerate()
        .map(|(index, item)| version(item, index))
        .collect::<Result<Vec<_>, _>>()?;
    out.insert("versions".to_owned(), Value::Array(versions));
    let mut out = Value::Object(out);
    tidy_numbers(&mut out);
    Ok(out)
}

/// Writes whole numbers without a fraction: a bound is `1` in a file and `1.0` in a typed client,
/// and both must give the same name.
pub(super) fn tidy_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(float) = number.as_f64().filter(|_| number.is_f64())
                && let Ok(whole) = format!("{float:.0}").parse::<i64>()
                && float.fract() == 0.0
            {
                *value = whole.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(tidy_numbers),
        Value::Object(map) => map.values_mut().for_each(tidy_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// The names with the defaults a server would fill in.
fn names(spec: &Value) -> Result<Value, SchemaError> {
    let kind = text(spec, "spec.names.kind", &["names", "kind"])?;
    text(spec, "spec.names.plural", &["names", "plural"])?;
    let mut names = spec.get("names").and_then(Value::as_object).cloned().unwrap_or_default();
    names.entry("listKind").or_insert_with(|| Value::String(format!("{kind}List")));
    names.entry("singular").or_insert_with(|| Value::String(kind.to_lowercase()));
    Ok(Value::Object(names))
}

fn version(item: &Value, index: usize) -> Result<Value, SchemaError> {
    let path = |name: &str| format!("spec.versions[{index}].{name}");
    let flag = |name: &str| {
        item.get(name).and_then(Value::as_bool).ok_or_else(|| field(path(name), "true or false"))
    };
    let schema = item
        .pointer("/schema/openAPIV3Schema")
        .filter(|schema| schema.is_object())
        .ok_or_else(|| field(path("schema.openAPIV3Schema"), "an object"))?;
    let mut out = Map::new();
    out.insert("name".to_owned(), Value::String(text(item, &path("name"), &["name"])?));
    out.insert("served".to_owned(), Value::Bool(flag("served")?));
    out.insert("storage".to_owned(), Value::Bool(flag("storage")?));
    out.insert("schema".to_owned(), schema.clone());
    for name in ["subresources", "additionalPrinterColumns", "deprecated", "deprecationWarning"] {
        if let Some(value) = item.get(name) {
            out.insert(name.to_owned(), value.clone());
        }
    }
    // The server writes it where it is missing; written here, what is applied equals what is read.
    out.entry("subresources").or_insert_with(|| json!({}));
    Ok(Value::Object(out))
}

fn text(value: &Value, path: &str, keys: &[&str]) -> Result<String, SchemaError> {
    keys.iter()
        .try_fold(value, |value, key| value.get(key))
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| field(path, "text"))
}

fn field(field: impl Into<String>, expected: &'static str) -> SchemaError {
    SchemaError::Field { field: field.into(), expected }
}

#[cfg(test)]
mod tests;
