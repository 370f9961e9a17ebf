//! Everything that is no resource: discovery, OpenAPI, versions, health, counters.

use std::sync::Arc;

use http::Method;
use http::request::Parts;
use serde_json::{Value, json};

use super::discovery;
use super::handler::Server;
use super::path::Location;
use super::response::{self, Answer};
use crate::control_plane::error::ApiError;
use crate::control_plane::kcp::door;
use crate::control_plane::machinery::openapi::{self, ServedKind};
use crate::control_plane::rbac::{Action, User};
use crate::control_plane::registry::Definition;

/// The older OpenAPI document as protobuf: how it is asked for, in both spellings, and how it is answered.
const SWAGGER: &str = "application/com.github.proto-openapi.spec.v2";
const SWAGGER_ANSWER: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// Answers what is no resource.
pub(super) fn documents(
    server: &Server,
    parts: &Parts,
    location: &Location,
    user: &User,
) -> Result<Answer, ApiError> {
    let plane = &server.plane;
    let words: Vec<&str> = location.segments.iter().map(String::as_str).collect();
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return Err(ApiError::method_not_allowed());
    }
    match words.as_slice() {
        ["healthz" | "livez" | "readyz", ..] => return Ok(response::text(200, "ok")),
        ["version"] => return Ok(response::json(200, &version())),
        _ => {}
    }
    let action = Action::Path { verb: "get", path: &location.path };
    let seen = door::enter(plane, &location.target, user, &action)?;
    let catalog = &seen.served;
    let aggregated =
        response::accepted(&parts.headers).take_while(|part| *part != "application/json").any(|part| {
            part.contains("g=apidiscovery.k8s.io") && part.contains("v=v2") && !part.contains("v=v2beta1")
        });
    let behind_export = seen.export.is_some();
    let plain_json =
        response::accepted(&parts.headers).any(|part| matches!(part, "application/json" | "*/*"));
    if aggregated && behind_export && !plain_json {
        return Err(ApiError::not_acceptable());
    }
    let document = match words.as_slice() {
        // The real virtual workspaces' documents lead nowhere, and kubectl has to do without.
        ["openapi", ..] if behind_export => None,
        [core @ ("api" | "apis")] if aggregated && !behind_export => {
            let document = discovery::aggregated(catalog, *core == "api");
            return Ok(response::bytes(200, discovery::AGGREGATED, document.to_string().into_bytes()));
        }
        ["api"] => Some(discovery::legacy_versions(plane.url.trim_start_matches("https://"))),
        ["apis"] => Some(discovery::groups(catalog)),
        ["api", version] => discovery::resources(catalog, "", version),
        ["apis", group] => discovery::group(catalog, group),
        ["apis", group, version] => discovery::resources(catalog, group, version),
        ["openapi", "v2"] if response::accepted(&parts.headers).any(|part| part.starts_with(SWAGGER)) => {
            let document = openapi::v2_protobuf(&kinds(catalog.all()));
            return Ok(response::bytes(200, SWAGGER_ANSWER, document));
        }
        ["openapi", "v2"] => {
            let json = response::accepted(&parts.headers)
                .any(|part| part.starts_with("application/json") || part == "*/*");
            json.then(|| openapi::v2_document(&kinds(catalog.all())))
        }
        ["openapi", "v3"] => Some(openapi::v3_index(&kinds(catalog.all()), &location.prefix)),
        ["openapi", "v3", "api", version] => openapi::v3_document(&kinds(catalog.all()), "", version),
        ["openapi", "v3", "apis", group, version] => {
            openapi::v3_document(&kinds(catalog.all()), group, version)
        }
        ["metrics"] => return Ok(response::text(200, server.counters.render())),
        [] => Some(
            json!({"paths": ["/api", "/apis", "/healthz", "/livez", "/metrics", "/openapi/v3", "/readyz", "/version"]}),
        ),
        _ => None,
    };
    document.map(|document| response::json(200, &document)).ok_or_else(ApiError::no_such_path)
}

fn kinds(definitions: &[Arc<Definition>]) -> Vec<ServedKind<'_>> {
    definitions
        .iter()
        .map(|d| ServedKind {
            group: &d.group,
            version: &d.version,
            kind: &d.kind,
            plural: &d.plural,
            namespaced: d.namespaced,
            status_subresource: d.status,
            schema: &d.schema,
        })
        .collect()
}

fn version() -> Value {
    json!({
        "major": "1",
        "minor": "35",
        "gitVersion": "v1.35.0+embedded",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}
