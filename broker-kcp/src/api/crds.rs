//! The broker's kinds as CustomResourceDefinitions.
//!
//! The derive macros give the schema; this module makes it what a person would have written:
//! no `nullable` (the server drops nulls by itself then, instead of storing them), no defaults
//! that say nothing, none at all in a status.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;
use serde_json::Value;

use super::v1alpha1::{AcceptApi, Assignment, BrokeredApi, Migration, MigrationConfiguration};

/// Every kind of the broker: what a plain Kubernetes cluster that plays all roles needs.
pub fn crds() -> Vec<CustomResourceDefinition> {
    let mut all = vec![polished(AcceptApi::crd())];
    all.extend(platform_crds());
    all
}

/// The kinds that live in the platform's cluster only. AcceptAPI is not among them: providers get
/// it from the platform's export.
pub fn platform_crds() -> Vec<CustomResourceDefinition> {
    [Assignment::crd(), BrokeredApi::crd(), Migration::crd(), MigrationConfiguration::crd()]
        .map(polished)
        .into()
}

/// AcceptAPI, which the platform exports.
pub fn accept_api_crd() -> CustomResourceDefinition {
    polished(AcceptApi::crd())
}

/// A definition as JSON, numbers written as people write them.
pub fn to_json(crd: &CustomResourceDefinition) -> Value {
    // A definition is made of maps with text keys and numbers that JSON has: this cannot fail.
    let mut value = serde_json::to_value(crd).unwrap_or_default();
    super::schema::tidy_numbers(&mut value);
    value
}

fn polished(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        if let Some(validation) = &mut version.schema
            && let Some(schema) = &mut validation.open_api_v3_schema
        {
            polish(schema, false);
            for (name, property) in schema.properties.iter_mut().flatten() {
                polish(property, name == "status");
            }
        }
    }
    crd
}

/// Cleans one schema and all below it; `status` tells whether it is part of a status.
fn polish(schema: &mut JSONSchemaProps, status: bool) {
    schema.nullable = None;
    schema.title = None;
    if let Some(description) = &mut schema.description {
        *description = unwrapped(description);
    }
    let says_nothing = |value: &Value| {
        value.is_null()
            || value.as_array().is_some_and(Vec::is_empty)
            || value.as_object().is_some_and(serde_json::Map::is_empty)
    };
    if status || schema.default.as_ref().is_some_and(|d| says_nothing(&d.0)) {
        schema.default = None;
    }
    for property in schema.properties.iter_mut().flatten().map(|(_, p)| p) {
        polish(property, status);
    }
    if let Some(items) = &mut schema.items {
        match items {
            JSONSchemaPropsOrArray::Schema(item) => polish(item, status),
            JSONSchemaPropsOrArray::Schemas(all) => {
                for item in all {
                    polish(item, status);
                }
            }
        }
    }
    if let Some(values) = &mut schema.additional_properties {
        match values {
            JSONSchemaPropsOrBool::Schema(value) => polish(value, status),
            JSONSchemaPropsOrBool::Bool(_) => {}
        }
    }
}

/// Text without the line breaks of its source file; paragraphs stay.
fn unwrapped(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|p| p.replace('\n', " "));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
