//! Definitions out of CustomResourceDefinitions and out of kcp's APIResourceSchemas, which have the same
//! shape but for where the schema stands.

use std::sync::Arc;

use serde_json::Value;

use super::definition::{ALL_VERBS, Definition, Origin, SchemaOf, api_version};
use crate::control_plane::machinery::schema::Schema;
use crate::control_plane::machinery::table;
use crate::control_plane::storage::TableId;
use crate::control_plane::value::{list, text as text_of};

/// The definitions of all served versions of a CRD.
pub(crate) fn from_crd(crd: &Value) -> Vec<Definition> {
    from_spec(crd, "", Origin::Custom, |version| version.pointer("/schema/openAPIV3Schema"))
}

/// The definitions of all served versions of an APIResourceSchema, stored under the export's identity.
pub(crate) fn from_api_resource_schema(schema: &Value, identity: &str) -> Vec<Definition> {
    from_spec(schema, identity, Origin::Bound, |version| version.get("schema"))
}

fn from_spec(
    object: &Value,
    identity: &str,
    origin: Origin,
    schema_of: impl Fn(&Value) -> Option<&Value>,
) -> Vec<Definition> {
    let spec = &object["spec"];
    let text = |pointer: &str| spec.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let group = text("/group");
    let plural = text("/names/plural");
    let kind = text("/names/kind");
    if plural.is_empty() || kind.is_empty() {
        return Vec::new();
    }
    let or = |found: String, default: String| if found.is_empty() { default } else { found };
    let versions = spec["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let schema_group = if group == "core" { "" } else { &group };
    versions
        .iter()
        .filter(|version| version["served"] == true)
        .map(|version| Definition {
            group: schema_group.to_owned(),
            version: text_of(version, "/name").to_owned(),
            api_version: api_version(schema_group, text_of(version, "/name")),
            plural: plural.clone(),
            singular: or(text("/names/singular"), kind.to_lowercase()),
            kind: kind.clone(),
            list_kind: or(text("/names/listKind"), format!("{kind}List")),
            short_names: strings(spec.pointer("/names/shortNames")),
            categories: strings(spec.pointer("/names/categories")),
            namespaced: text("/scope") != "Cluster",
            status: version.pointer("/subresources/status").is_some(),
            generation: true,
            verbs: ALL_VERBS,
            table: TableId::bound(schema_group, &plural, identity),
            schema: schema(schema_of(version)),
            columns: table::custom_columns(
                version["additionalPrinterColumns"].as_array().map(Vec::as_slice).unwrap_or_default(),
            ),
            selectable_fields: list(version, "/selectableFields")
                .iter()
                .map(|field| text_of(field, "/jsonPath").trim_start_matches('.').to_owned())
                .collect(),
            origin,
        })
        .collect()
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let list = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

// A schema that cannot be read is refused when its object is written, so this is not reached by it.
fn schema(raw: Option<&Value>) -> SchemaOf {
    let parsed = raw.and_then(|raw| Schema::parse(raw).ok());
    SchemaOf::Custom(Arc::new(parsed.unwrap_or_else(Schema::untyped)))
}
