//! An API to broker, from a CustomResourceDefinition or an APIResourceSchema, and whether its status can
//! carry what the broker writes.

use broker_kcp::api::schema::MOVES_ANNOTATION;
use broker_kcp::api::v1alpha1::Moves;
use broker_kcp::api::{SchemaError, api_resource_schema, content_prefix};
use serde_json::{Value, json};
use thiserror::Error;

/// Why an API cannot be brokered.
#[derive(Debug, Error)]
pub enum DefinitionError {
    /// It is neither of the two kinds.
    #[error(
        "{origin}: a {kind} defines no API; what does are CustomResourceDefinitions and APIResourceSchemas"
    )]
    Kind {
        /// Where it was read.
        origin: String,
        /// What it is.
        kind: String,
    },
    /// It is malformed.
    #[error("{origin}")]
    Schema {
        /// Where it was read.
        origin: String,
        /// What is wrong.
        source: SchemaError,
    },
    /// Its annotation has a value that means nothing.
    #[error("{origin}: annotation {MOVES_ANNOTATION} is {value:?}; write Free or PlaybookOnly")]
    Moves {
        /// Where it was read.
        origin: String,
        /// What it says.
        value: String,
    },
    /// The server would drop what the broker writes into the status.
    #[error(
        "{origin}: version {version} would drop {}, which the broker writes for the consumer. Add below spec.versions[].{place}:\n\n{add}",
        missing.join(" and ")
    )]
    Prunes {
        /// Where it was read.
        origin: String,
        /// The version of the API.
        version: String,
        /// What would be dropped.
        missing: Vec<&'static str>,
        /// Where something must be added.
        place: &'static str,
        /// What must be added, as YAML.
        add: String,
    },
    /// Two files define the same API.
    #[error("{origin}: {name} was already defined by another --api")]
    Twice {
        /// Where it was read.
        origin: String,
        /// The API.
        name: String,
    },
    /// An export cannot be called like this.
    #[error(
        "{name:?} is no name for an export of kinds that copies may have: lower-case letters, digits, dots and dashes, such as cert-manager.io"
    )]
    Export {
        /// The name.
        name: String,
    },
    /// A file has no definition in it.
    #[error(
        "{origin}: there is no object in it, but CustomResourceDefinitions or APIResourceSchemas are asked for"
    )]
    Empty {
        /// The file.
        origin: String,
    },
}

/// An API that can be brokered.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiDefinition {
    name: String,
    group: String,
    resource: String,
    schema: Value,
    moves: Option<Moves>,
}

impl ApiDefinition {
    /// Reads a CustomResourceDefinition or an APIResourceSchema; `origin` names its file in errors.
    pub fn parse(origin: &str, object: &Value) -> Result<Self, DefinitionError> {
        let Schema { group, resource, object: schema } = Schema::parse(origin, object)?;
        check_status(origin, &schema)?;
        Ok(Self {
            name: format!("{resource}.{group}"),
            moves: moves(origin, &schema)?,
            group,
            resource,
            schema,
        })
    }

    /// Its name, `<resource>.<group>`: that of its export and of its BrokeredAPI.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its API group.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// Its plural resource name.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The APIResourceSchema that serves it.
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// The CustomResourceDefinition that serves it on plain Kubernetes.
    pub fn definition(&self) -> Value {
        let mut spec = self.schema.get("spec").cloned().unwrap_or_default();
        let versions = spec.get_mut("versions").and_then(Value::as_array_mut);
        for version in versions.into_iter().flatten().filter_map(Value::as_object_mut) {
            if let Some(schema) = version.get_mut("schema") {
                *schema = json!({ "openAPIV3Schema": schema.take() });
            }
        }
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": { "name": self.name },
            "spec": spec,
        })
    }

    /// Whether its objects may move without a playbook, as its definition says.
    pub fn moves(&self) -> Option<Moves> {
        self.moves
    }
}

/// What serves a kind, and what it is called.
pub(super) struct Schema {
    pub(super) group: String,
    pub(super) resource: String,
    /// The APIResourceSchema.
    pub(super) object: Value,
}

impl Schema {
    /// Reads a CustomResourceDefinition or an APIResourceSchema.
    pub(super) fn parse(origin: &str, object: &Value) -> Result<Self, DefinitionError> {
        let broken = |source| DefinitionError::Schema { origin: origin.to_owned(), source };
        let object = match object.get("kind").and_then(Value::as_str) {
            Some("CustomResourceDefinition") => {
                let prefix = content_prefix(object).map_err(broken)?;
                api_resource_schema(object, &prefix).map_err(broken)?
            }
            Some("APIResourceSchema") => object.clone(),
            other => {
                let kind = other.unwrap_or("file without kind").to_owned();
                return Err(DefinitionError::Kind { origin: origin.to_owned(), kind });
            }
        };
        let text = |path: &'static str| {
            object.pointer(path).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| {
                broken(SchemaError::Field {
                    field: path.trim_start_matches('/').replace('/', "."),
                    expected: "text",
                })
            })
        };
        text("/metadata/name")?;
        let (group, resource) = (text("/spec/group")?, text("/spec/names/plural")?);
        Ok(Self { group, resource, object })
    }
}

fn moves(origin: &str, schema: &Value) -> Result<Option<Moves>, DefinitionError> {
    let Some(value) = schema.pointer("/metadata/annotations").and_then(|all| all.get(MOVES_ANNOTATION))
    else {
        return Ok(None);
    };
    serde_json::from_value(value.clone()).map(Some).map_err(|_| DefinitionError::Moves {
        origin: origin.to_owned(),
        value: value.as_str().map_or_else(|| value.to_string(), str::to_owned),
    })
}

/// What the status must keep, and the schema that keeps it.
const KEPT: [(&str, &[&[&str]], &str); 2] = [
    (
        "status.conditions",
        &[
            &["status", "conditions", "[]", "type"],
            &["status", "conditions", "[]", "status"],
            &["status", "conditions", "[]", "reason"],
            &["status", "conditions", "[]", "message"],
            &["status", "conditions", "[]", "lastTransitionTime"],
            &["status", "conditions", "[]", "observedGeneration"],
        ],
        "conditions:
  type: array
  x-kubernetes-list-type: map
  x-kubernetes-list-map-keys: [type]
  items:
    type: object
    required: [type, status]
    properties:
      type: {type: string}
      status: {type: string}
      observedGeneration: {type: integer, format: int64}
      lastTransitionTime: {type: string, format: date-time}
      reason: {type: string}
      message: {type: string}
",
    ),
    (
        "status.relatedResources",
        &[
            &["status", "relatedResources", "*", "namespace"],
            &["status", "relatedResources", "*", "name"],
            &["status", "relatedResources", "*", "gvk", "group"],
            &["status", "relatedResources", "*", "gvk", "version"],
            &["status", "relatedResources", "*", "gvk", "kind"],
        ],
        "relatedResources:
  type: object
  additionalProperties:
    type: object
    properties:
      namespace: {type: string}
      name: {type: string}
      gvk:
        type: object
        properties:
          group: {type: string}
          version: {type: string}
          kind: {type: string}
",
    ),
];

/// Refuses a schema that would prune what the broker writes into the status, and says what to add.
fn check_status(origin: &str, schema: &Value) -> Result<(), DefinitionError> {
    let versions = schema.pointer("/spec/versions").and_then(Value::as_array);
    for version in versions.into_iter().flatten() {
        if version.get("served").and_then(Value::as_bool) == Some(false) {
            continue;
        }
        let name = version.get("name").and_then(Value::as_str).unwrap_or_default();
        let refused = |missing, place, add| {
            Err(DefinitionError::Prunes {
                origin: origin.to_owned(),
                version: name.to_owned(),
                missing,
                place,
                add,
            })
        };
        if version.pointer("/subresources/status").is_none() {
            return refused(vec!["its status"], "subresources", "status: {}\n".to_owned());
        }
        let root = version.get("schema").unwrap_or(&Value::Null);
        let lost: Vec<_> =
            KEPT.iter().filter(|(_, paths, _)| !paths.iter().all(|path| keeps(root, path))).collect();
        if !lost.is_empty() {
            return refused(
                lost.iter().map(|(field, _, _)| *field).collect(),
                "schema.openAPIV3Schema.properties.status.properties",
                lost.iter().map(|(_, _, add)| *add).collect(),
            );
        }
    }
    Ok(())
}

/// Whether a server with this schema keeps the field at a path; `[]` is any item, `*` any key.
fn keeps(schema: &Value, path: &[&str]) -> bool {
    let Some((first, rest)) = path.split_first() else { return true };
    let open = schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    let below = match *first {
        "[]" => schema.get("items"),
        "*" => schema.get("additionalProperties"),
        name => schema.get("properties").and_then(|all| all.get(name)),
    };
    match below {
        Some(Value::Bool(any)) => *any || open,
        Some(below) => keeps(below, rest),
        None => open,
    }
}

#[cfg(test)]
mod tests;
