//! The paths of an OpenAPI document: which operations there are, and which parameters they take.

use super::{DELETE_OPTIONS, PATCH, STATUS, ServedKind, schema_name, takes_strategic_merge_patch};
use serde_json::{Map, Value, json};

/// `api/v1` or `apis/<group>/<version>`.
pub(super) fn of_version(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

/// All paths of one kind.
pub(super) fn of_kind(kind: &ServedKind<'_>) -> Map<String, Value> {
    let root = format!("/{}", of_version(kind.group, kind.version));
    let space = if kind.namespaced { "/namespaces/{namespace}" } else { "" };
    let all = format!("{root}{space}/{}", kind.plural);
    let one = format!("{all}/{{name}}");
    let mut paths = Map::new();
    if kind.namespaced {
        let everywhere = json!({"get": operation(kind, "list", "List", &[], None)});
        paths.insert(format!("{root}/{}", kind.plural), everywhere);
    }
    let space_parameter = kind.namespaced.then(|| in_path("namespace"));
    let collection = json!({
        "get": operation(kind, "list", "List", &[], None),
        "post": operation(kind, "post", "", WRITING, Some(object_body(kind))),
        "delete": operation(kind, "deletecollection", "", &["dryRun"], Some(body(DELETE_OPTIONS))),
        "parameters": space_parameter.iter().collect::<Vec<_>>(),
    });
    paths.insert(all, collection);
    let parameters: Vec<Value> = [in_path("name")].into_iter().chain(space_parameter).collect();
    let mut item = writable(kind, &parameters);
    if let Some(item) = item.as_object_mut() {
        let delete = operation(kind, "delete", "", &["dryRun"], Some(body(DELETE_OPTIONS)));
        item.insert("delete".to_owned(), delete);
    }
    if kind.status_subresource {
        paths.insert(format!("{one}/status"), writable(kind, &parameters));
    }
    paths.insert(one, item);
    paths
}

/// The query parameters of writes. kubectl looks for `fieldValidation` and `dryRun` before it uses them.
const WRITING: &[&str] = &["dryRun", "fieldManager", "fieldValidation"];

fn writable(kind: &ServedKind<'_>, parameters: &[Value]) -> Value {
    let patching = [WRITING, &["force"]].concat();
    json!({
        "get": operation(kind, "get", "", &[], None),
        "put": operation(kind, "put", "", WRITING, Some(object_body(kind))),
        "patch": operation(kind, "patch", "", &patching, Some(patch_body(kind))),
        "parameters": parameters,
    })
}

fn operation(
    kind: &ServedKind<'_>,
    action: &str,
    suffix: &str,
    parameters: &[&str],
    request: Option<Value>,
) -> Value {
    let schema = match action {
        "delete" | "deletecollection" => STATUS.to_owned(),
        _ => format!("{}{suffix}", schema_name(kind)),
    };
    let parameters: Vec<Value> = parameters.iter().map(|name| in_query(name)).collect();
    let mut operation = json!({
        "parameters": parameters,
        "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": reference(&schema)}}}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
    });
    if let (Some(request), Some(fields)) = (request, operation.as_object_mut()) {
        fields.insert("requestBody".to_owned(), request);
    }
    operation
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn body(schema: &str) -> Value {
    json!({"content": {"*/*": {"schema": reference(schema)}}})
}

fn object_body(kind: &ServedKind<'_>) -> Value {
    json!({"content": {"*/*": {"schema": reference(&schema_name(kind))}}, "required": true})
}

fn patch_body(kind: &ServedKind<'_>) -> Value {
    let mut types =
        vec!["application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json"];
    if takes_strategic_merge_patch(kind.group) {
        types.push("application/strategic-merge-patch+json");
    }
    let content: Map<String, Value> =
        types.into_iter().map(|name| (name.to_owned(), json!({"schema": reference(PATCH)}))).collect();
    json!({"content": content, "required": true})
}

fn in_path(name: &str) -> Value {
    json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "uniqueItems": true}})
}

fn in_query(name: &str) -> Value {
    let kind = if name == "force" { "boolean" } else { "string" };
    json!({"name": name, "in": "query", "schema": {"type": kind, "uniqueItems": true}})
}
