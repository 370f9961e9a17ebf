//! From a request to its answer: who asks, through which door, for what.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{Method, Request};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::body;
use super::discovery;
use super::metrics::{Counters, RequestKind};
use super::path::{self, Location, Query, ResourcePath};
use super::response::{self, Answer, Form};
use super::watching::{self, Style};
use crate::control_plane::error::ApiError;
use crate::control_plane::kcp::{door, rules};
use crate::control_plane::machinery::openapi::{self, ServedKind};
use crate::control_plane::machinery::selector::{FieldSelector, LabelSelector};
use crate::control_plane::machinery::table::IncludeObject;
use crate::control_plane::plane::{Plane, View};
use crate::control_plane::rbac::{self, Action, User};
use crate::control_plane::registry::{
    self, Definition, DeleteOptions, Deleted, FieldValidation, Page, Paging, Patch, Resource, Selection,
    Start, Watch, WriteOptions, Written,
};
use crate::control_plane::storage::Scope;
use crate::control_plane::value;

/// What every connection shares.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) plane: Arc<Plane>,
    pub(crate) counters: Counters,
    pub(crate) stop: CancellationToken,
}

/// Answers one request.
pub(crate) async fn answer(server: Arc<Server>, request: Request<Incoming>) -> Answer {
    let (parts, content) = request.into_parts();
    let mut kind = RequestKind {
        verb: parts.method.as_str().to_lowercase(),
        group: String::new(),
        resource: String::new(),
        subresource: String::new(),
        user: "system:anonymous".to_owned(),
        code: 0,
    };
    let answer = match route(&server, &parts, content, &mut kind).await {
        Ok(answer) => answer,
        Err(error) => response::error(&error),
    };
    kind.code = answer.status().as_u16();
    server.counters.count(kind);
    answer
}

async fn route(
    server: &Server,
    parts: &Parts,
    content: Incoming,
    kind: &mut RequestKind,
) -> Result<Answer, ApiError> {
    let plane = &server.plane;
    let location = path::locate(parts.uri.path()).ok_or_else(ApiError::no_such_path)?;
    let query = Query::parse(parts.uri.query());
    let user = rbac::authenticate(plane, &parts.headers)?;
    kind.user.clone_from(&user.name);
    let Some(wanted) = path::resource(&location.segments) else {
        return documents(server, parts, &location, &user);
    };
    let verb = path::verb(&parts.method, &wanted, &query).ok_or_else(ApiError::method_not_allowed)?;
    verb.clone_into(&mut kind.verb);
    kind.group.clone_from(&wanted.group);
    kind.resource.clone_from(&wanted.resource);
    kind.subresource.clone_from(&wanted.subresource);
    let action = Action::Resource {
        verb,
        group: &wanted.group,
        resource: &wanted.resource,
        subresource: &wanted.subresource,
        namespace: &wanted.namespace,
        name: named(&wanted, &query),
    };
    let view = door::enter(plane, &location.target, &user, &action)?;
    let definition = view
        .served
        .find(&wanted.group, &wanted.version, &wanted.resource)
        .cloned()
        .ok_or_else(ApiError::no_such_path)?;
    if !wanted.namespace.is_empty() && !definition.namespaced {
        return Err(ApiError::no_such_path());
    }
    if !wanted.subresource.is_empty() && !discovery::has_subresource(&definition, &wanted.subresource) {
        return Err(ApiError::no_such_path());
    }
    if wanted.subresource.is_empty() && !definition.serves(verb) {
        return Err(ApiError::method_not_allowed());
    }
    let call = Call {
        server,
        parts,
        query: &query,
        user: &user,
        view: &view,
        definition: &definition,
        wanted: &wanted,
    };
    match verb {
        "get" => call.get(),
        "list" => call.list(),
        "watch" => call.watch(),
        _ => {
            let content = body::read(content).await?;
            call.write(verb, &content)
        }
    }
}

/// The one object a list or watch is limited to, as rules with resource names see it.
fn named<'a>(wanted: &'a ResourcePath, query: &'a Query) -> &'a str {
    if !wanted.name.is_empty() {
        return &wanted.name;
    }
    query.get("fieldSelector").and_then(|text| text.strip_prefix("metadata.name=")).unwrap_or_default()
}

/// Everything that is no resource.
fn documents(server: &Server, parts: &Parts, location: &Location, user: &User) -> Result<Answer, ApiError> {
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

/// A request for a resource that is served and allowed.
struct Call<'a> {
    server: &'a Server,
    parts: &'a Parts,
    query: &'a Query,
    user: &'a User,
    view: &'a View,
    definition: &'a Arc<Definition>,
    wanted: &'a ResourcePath,
}

impl Call<'_> {
    /// The resource in the one cluster that is looked at.
    fn resource(&self) -> Result<Resource<'_>, ApiError> {
        let Some(cluster) = self.view.cluster.as_deref() else {
            // Only lists and watches go over all clusters.
            return Err(ApiError::no_such_path());
        };
        if self.definition.namespaced && self.wanted.namespace.is_empty() {
            return Err(ApiError::no_such_path());
        }
        Ok(Resource {
            plane: &self.server.plane,
            view: self.view,
            definition: self.definition,
            cluster,
            namespace: &self.wanted.namespace,
        })
    }

    fn selection(&self) -> Result<Selection, ApiError> {
        let labels = LabelSelector::parse(self.query.get("labelSelector").unwrap_or_default())
            .map_err(|error| ApiError::bad_request(error.to_string()))?;
        let fields = FieldSelector::parse(self.query.get("fieldSelector").unwrap_or_default())
            .map_err(|error| ApiError::bad_request(error.to_string()))?;
        if let Some(unknown) = fields.fields().find(|field| !self.definition.selectable(field)) {
            return Err(ApiError::bad_request(format!("field label not supported: {unknown}")));
        }
        let namespace = Some(self.wanted.namespace.as_str()).filter(|n| !n.is_empty());
        Ok(Selection {
            definition: Arc::clone(self.definition),
            view: self.view.clone(),
            scope: Scope { cluster: self.view.cluster.clone(), namespace: namespace.map(Into::into) },
            name: Some(self.wanted.name.clone()).filter(|n| !n.is_empty()),
            labels,
            fields,
        })
    }

    fn include(&self) -> Result<IncludeObject, ApiError> {
        let word = self.query.get("includeObject");
        IncludeObject::parse(word)
            .ok_or_else(|| ApiError::bad_request(format!("unrecognized includeObject value: {word:?}")))
    }

    fn get(&self) -> Result<Answer, ApiError> {
        let object = self.resource()?.get(&self.wanted.name)?;
        self.show(200, &object)
    }

    /// One object in the form that was asked for.
    fn show(&self, code: u16, object: &Arc<Value>) -> Result<Answer, ApiError> {
        Ok(match response::form(&self.parts.headers) {
            Form::Object => response::shared(code, object),
            Form::Metadata => response::json(code, &response::metadata_of(object)),
            Form::Table => {
                let metadata = json!({"resourceVersion": value::at(object, "/metadata/resourceVersion")});
                let table =
                    self.definition.columns.render(&[object], &metadata, self.include()?, &value::now());
                response::json(code, &table)
            }
        })
    }

    fn list(&self) -> Result<Answer, ApiError> {
        let exactly = self.query.get("resourceVersionMatch") == Some("Exact");
        let paging = Paging {
            limit: self.query.number("limit"),
            token: self.query.get("continue").filter(|t| !t.is_empty()).map(str::to_owned),
            exactly: self.query.number("resourceVersion").filter(|_| exactly),
        };
        let page = registry::list(&self.server.plane, &self.selection()?, &paging)?;
        Ok(match response::form(&self.parts.headers) {
            Form::Object => response::bytes(200, "application/json", self.list_document(&page)),
            Form::Metadata => {
                let items: Vec<Value> = page.items.iter().map(|o| response::metadata_of(o)).collect();
                response::json(
                    200,
                    &json!({
                        "kind": "PartialObjectMetadataList",
                        "apiVersion": "meta.k8s.io/v1",
                        "metadata": page.metadata(),
                        "items": items,
                    }),
                )
            }
            Form::Table => {
                let objects: Vec<&Value> = page.items.iter().map(|o| &**o).collect();
                let table = self.definition.columns.render(
                    &objects,
                    &page.metadata(),
                    self.include()?,
                    &value::now(),
                );
                response::json(200, &table)
            }
        })
    }

    /// The list as JSON, without a copy of its objects.
    fn list_document(&self, page: &Page) -> Vec<u8> {
        let head = json!({
            "kind": self.definition.list_kind,
            "apiVersion": self.definition.api_version(),
            "metadata": page.metadata(),
        });
        let mut content = head.to_string().into_bytes();
        content.pop();
        content.extend_from_slice(b",\"items\":[");
        for (index, item) in page.items.iter().enumerate() {
            if index > 0 {
                content.push(b',');
            }
            content.extend_from_slice(item.to_string().as_bytes());
        }
        content.extend_from_slice(b"]}");
        content
    }

    fn watch(&self) -> Result<Answer, ApiError> {
        let selection = self.selection()?;
        let initial = self.query.flag("sendInitialEvents") && self.query.get("sendInitialEvents").is_some();
        let start = match self.query.get("resourceVersion") {
            _ if initial && self.server.plane.streaming_lists => Start::NowWithMark,
            None | Some("" | "0") => Start::Now,
            Some(text) => match text.parse() {
                Ok(revision) => Start::After(revision),
                Err(_) => return Err(ApiError::bad_request(format!("invalid resource version \"{text}\""))),
            },
        };
        let style = Style {
            form: response::form(&self.parts.headers),
            include: self.include()?,
            bookmarks: self.query.flag("allowWatchBookmarks")
                && self.query.get("allowWatchBookmarks").is_some(),
            timeout: self.query.number("timeoutSeconds").map(Duration::from_secs),
        };
        Ok(match Watch::begin(&self.server.plane, selection, start) {
            Ok((watch, first)) => {
                let stop = self.server.stop.clone();
                response::with_body(200, "application/json", watching::body(watch, first, style, stop))
            }
            Err(expired) => {
                let refusal = watching::refusal(&ApiError::expired(expired.to_string()));
                response::bytes(200, "application/json", refusal)
            }
        })
    }

    fn write_options(&self) -> Result<WriteOptions, ApiError> {
        let field_validation = match self.query.get("fieldValidation") {
            Some("Ignore") => FieldValidation::Ignore,
            Some("Strict") => FieldValidation::Strict,
            None | Some("" | "Warn") => FieldValidation::Warn,
            Some(other) => {
                return Err(ApiError::bad_request(format!("invalid fieldValidation: {other}")));
            }
        };
        let agent = self.parts.headers.get(http::header::USER_AGENT).and_then(|v| v.to_str().ok());
        let agent = agent.and_then(|a| a.split('/').next()).filter(|a| !a.is_empty()).unwrap_or("unknown");
        Ok(WriteOptions {
            manager: self.query.get("fieldManager").filter(|m| !m.is_empty()).unwrap_or(agent).to_owned(),
            dry_run: match self.query.get("dryRun") {
                None | Some("") => false,
                Some("All") => true,
                Some(other) => return Err(ApiError::bad_request(format!("invalid dryRun: {other}"))),
            },
            force: self.query.get("force").is_some() && self.query.flag("force"),
            field_validation,
        })
    }

    fn write(&self, verb: &str, content: &[u8]) -> Result<Answer, ApiError> {
        let headers = &self.parts.headers;
        let name = &self.wanted.name;
        let subresource = self.wanted.subresource.as_str();
        match (verb, subresource) {
            ("create", "token") => {
                let request = body::object(headers, content)?;
                let answer = rbac::request_token(&self.resource()?, name, request)?;
                Ok(response::json(201, &answer))
            }
            ("create", "") if self.definition.serves("get") => {
                let mut object = self.with_type(body::object(headers, content)?);
                let resource = self.resource()?;
                rules::admit(&self.server.plane, self.user, resource.cluster, self.definition, &mut object)?;
                self.written(&resource.create(object, &self.write_options()?)?)
            }
            ("create", "") => {
                let question = body::object(headers, content)?;
                let cluster = self.view.cluster.as_deref().unwrap_or_default();
                let answer =
                    rbac::review(&self.server.plane, self.user, cluster, &self.definition.kind, question)?;
                Ok(response::json(201, &answer))
            }
            ("update", _) => {
                let object = self.with_type(body::object(headers, content)?);
                self.written(&self.resource()?.update(name, &object, subresource, &self.write_options()?)?)
            }
            ("patch", _) => self.patch(name, subresource, content),
            ("delete", "") => {
                let body = body::options(headers, content)?;
                let options = DeleteOptions::read(&body, |key| self.query.get(key).map(str::to_owned))?;
                self.deleted(&self.resource()?.delete(name, &options)?)
            }
            ("deletecollection", "") => {
                let body = body::options(headers, content)?;
                let options = DeleteOptions::read(&body, |key| self.query.get(key).map(str::to_owned))?;
                self.delete_collection(&options)
            }
            _ => Err(ApiError::method_not_allowed()),
        }
    }

    /// Clients of built-in kinds may leave the type out: the URL says it.
    fn with_type(&self, mut object: Value) -> Value {
        if object.is_object()
            && value::text(&object, "/kind").is_empty()
            && value::text(&object, "/apiVersion").is_empty()
        {
            value::set(&mut object, &["kind"], json!(self.definition.kind));
            value::set(&mut object, &["apiVersion"], json!(self.definition.api_version()));
        }
        object
    }

    fn patch(&self, name: &str, subresource: &str, content: &[u8]) -> Result<Answer, ApiError> {
        let resource = self.resource()?;
        let options = self.write_options()?;
        let media_type = body::media_type(&self.parts.headers);
        let strategic = self.definition.origin == registry::Origin::Builtin
            && openapi::takes_strategic_merge_patch(&self.definition.group);
        let written = match media_type.as_str() {
            "application/json-patch+json" => {
                resource.patch(name, Patch::Json(&body::json(content)?), subresource, &options)
            }
            "application/merge-patch+json" => {
                resource.patch(name, Patch::Merge(&body::json(content)?), subresource, &options)
            }
            "application/strategic-merge-patch+json" if strategic => {
                resource.patch(name, Patch::Strategic(&body::json(content)?), subresource, &options)
            }
            "application/apply-patch+yaml" => {
                if self.query.get("fieldManager").unwrap_or_default().is_empty() {
                    return Err(ApiError::bad_request(
                        "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
                    ));
                }
                resource.apply(name, &self.with_type(body::yaml(content)?), subresource, &options)
            }
            other => {
                let accepted =
                    "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
                Err(ApiError::unsupported_media_type(other, accepted))
            }
        }?;
        self.written(&written)
    }

    fn written(&self, written: &Written) -> Result<Answer, ApiError> {
        let code = if written.created { 201 } else { 200 };
        Ok(response::warn(self.show(code, &written.object)?, &written.warnings))
    }

    fn deleted(&self, deleted: &Deleted) -> Result<Answer, ApiError> {
        match deleted {
            Deleted::Waiting(object) => self.show(200, object),
            Deleted::Gone(object) => {
                let mut details = json!({
                    "name": value::name(object),
                    "kind": self.definition.plural,
                    "uid": value::uid(object),
                });
                if !self.definition.group.is_empty() {
                    value::set(&mut details, &["group"], json!(self.definition.group));
                }
                let status = json!({
                    "kind": "Status",
                    "apiVersion": "v1",
                    "metadata": {},
                    "status": "Success",
                    "details": details,
                });
                Ok(response::json(200, &status))
            }
        }
    }

    fn delete_collection(&self, options: &DeleteOptions) -> Result<Answer, ApiError> {
        let page = registry::list(&self.server.plane, &self.selection()?, &Paging::default())?;
        for object in &page.items {
            let resource = Resource {
                plane: &self.server.plane,
                view: self.view,
                definition: self.definition,
                cluster: self.view.cluster.as_deref().ok_or_else(ApiError::method_not_allowed)?,
                namespace: value::text(object, "/metadata/namespace"),
            };
            match resource.delete(value::name(object), options) {
                Ok(_) => {}
                // Somebody else was faster.
                Err(error) if error.code == 404 => {}
                Err(error) => return Err(error),
            }
        }
        Ok(response::bytes(200, "application/json", self.list_document(&page)))
    }
}
