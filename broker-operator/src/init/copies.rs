//! Kinds of providers' own, into which orders may be translated: served together by one export of the platform's.

use serde_json::Value;

use super::definition::{DefinitionError, Schema};
use super::plan::ACCEPT_API_EXPORT;

/// An export of kinds that copies may have, as `BrokeredAPI.spec.copyExports` names it.
#[derive(Clone, Debug, PartialEq)]
pub struct CopyExport {
    name: String,
    schemas: Vec<Value>,
}

impl CopyExport {
    /// An export of this name, such as `cert-manager.io`, with the kinds of these CustomResourceDefinitions or
    /// APIResourceSchemas; `origin` names their file in errors. Their status may be anything: an offer translates it.
    pub fn parse(name: &str, origin: &str, objects: &[Value]) -> Result<Self, DefinitionError> {
        let is_part = |part: &str| {
            let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            !part.is_empty() && part.bytes().all(inner) && !part.starts_with('-') && !part.ends_with('-')
        };
        if name.len() > 253 || name == ACCEPT_API_EXPORT || !name.split('.').all(is_part) {
            return Err(DefinitionError::Export { name: name.to_owned() });
        }
        let schemas: Vec<Value> = objects
            .iter()
            .map(|object| Schema::parse(origin, object).map(|schema| schema.object))
            .collect::<Result<_, _>>()?;
        if schemas.is_empty() {
            return Err(DefinitionError::Empty { origin: origin.to_owned() });
        }
        Ok(Self { name: name.to_owned(), schemas })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The APIResourceSchemas that it serves.
    pub fn schemas(&self) -> &[Value] {
        &self.schemas
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition() -> Value {
        json!({
            "kind": "CustomResourceDefinition",
            "spec": {
                "group": "azure.example.com",
                "names": {"kind": "AzureDatabase", "plural": "azuredatabases"},
                "scope": "Namespaced",
                "versions": [{
                    "name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}},
                }],
            },
        })
    }

    #[test]
    fn a_kind_of_a_providers_own_need_not_carry_what_an_order_must() {
        let export = CopyExport::parse("azure.example.com", "a.yaml", &[definition()]).unwrap();
        assert_eq!(export.name(), "azure.example.com");
        assert_eq!(export.schemas()[0]["spec"]["names"]["kind"], "AzureDatabase");
    }

    #[test]
    fn what_cannot_be_an_export_is_refused_in_words() {
        let refusal = |name: &str, objects: &[Value]| {
            CopyExport::parse(name, "a.yaml", objects).unwrap_err().to_string()
        };
        assert!(refusal("azure", &[]).starts_with("a.yaml: there is no object"));
        assert!(refusal("azure", &[json!({"kind": "Pod"})]).contains("a Pod defines no API"));
        for name in ["", "acceptapi", "Azure", "azure..com", "-azure", "a/b"] {
            assert!(refusal(name, &[definition()]).contains(&format!("{name:?} is no name for an export")));
        }
    }
}
