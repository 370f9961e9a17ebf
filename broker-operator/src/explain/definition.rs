//! An API's definition, as far as orders in files need it: what its resource is called, and which fields have defaults.

use broker_core::resource::{Gvr, Object};
use serde_json::{Map, Value};

/// A CustomResourceDefinition or an APIResourceSchema.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    group: String,
    kind: String,
    resource: String,
    versions: Vec<Value>,
}

impl Definition {
    /// Reads one; `None` where it defines nothing.
    pub(super) fn read(object: &Object) -> Option<Self> {
        let text = |keys: &[&str]| object.text(keys).map(str::to_owned);
        Some(Self {
            group: text(&["spec", "group"])?,
            kind: text(&["spec", "names", "kind"])?,
            resource: text(&["spec", "names", "plural"])?,
            versions: object.get(&["spec", "versions"])?.as_array()?.clone(),
        })
    }

    /// `<resource>.<group>`.
    pub(super) fn api(&self) -> String {
        Gvr::new(&self.group, "", &self.resource).group_resource()
    }

    pub(super) fn resource(&self) -> &str {
        &self.resource
    }

    /// The name of its first version.
    pub(super) fn version(&self) -> Option<&str> {
        self.versions.first()?.get("name")?.as_str()
    }

    pub(super) fn defines(&self, group: &str, kind: &str) -> bool {
        self.group == group && self.kind == kind
    }

    /// Sets what is missing and has a default in this version, as the API server does.
    pub(super) fn set_defaults(&self, version: &str, object: &mut Map<String, Value>) {
        let version =
            self.versions.iter().find(|known| known.get("name").is_some_and(|name| name == version));
        let Some(schema) = version.and_then(|version| version.get("schema")) else { return };
        // A definition has the schema one level deeper than kcp's.
        set_members(schema.get("openAPIV3Schema").unwrap_or(schema), object);
    }
}

fn set_members(schema: &Value, object: &mut Map<String, Value>) {
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        if let (false, Some(default)) = (object.contains_key(name), property.get("default")) {
            object.insert(name.clone(), default.clone());
        }
        if let Some(value) = object.get_mut(name) {
            set(property, value);
        }
    }
    if let Some(others) = schema.get("additionalProperties").filter(|others| others.is_object()) {
        object.values_mut().for_each(|value| set(others, value));
    }
}

fn set(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(object) => set_members(schema, object),
        Value::Array(elements) => {
            if let Some(items) = schema.get("items") {
                for element in elements {
                    set(items, element);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
