//! A request for a resource that is served and allowed: reading.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use serde_json::{Value, json};

use super::handler::Server;
use super::lag::{Lag, Lagged};
use super::path::{Query, ResourcePath};
use super::response::{self, Answer, Form};
use super::watching::{self, Style};
use super::writer::Writer;
use crate::control_plane::error::{ApiError, Cause};
use crate::control_plane::machinery::selector::{FieldSelector, LabelSelector};
use crate::control_plane::machinery::table::IncludeObject;
use crate::control_plane::plane::View;
use crate::control_plane::rbac::User;
use crate::control_plane::registry::{self, Definition, Page, Paging, Resource, Selection, Start, Watch};
use crate::control_plane::storage::Scope;
use crate::control_plane::value;

/// A request for a resource that is served and allowed.
pub(super) struct Call<'a> {
    pub(super) server: &'a Server,
    pub(super) parts: &'a Parts,
    pub(super) query: &'a Query,
    pub(super) user: &'a User,
    pub(super) view: &'a View,
    pub(super) definition: &'a Arc<Definition>,
    pub(super) wanted: &'a ResourcePath,
    pub(super) writer: Writer<'a>,
}

impl Call<'_> {
    /// The resource in the one cluster that is looked at.
    pub(super) fn resource(&self) -> Result<Resource<'_>, ApiError> {
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
            guard: &self.writer,
        })
    }

    pub(super) fn selection(&self) -> Result<Selection, ApiError> {
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

    pub(super) fn include(&self) -> Result<IncludeObject, ApiError> {
        let word = self.query.get("includeObject");
        IncludeObject::parse(word)
            .ok_or_else(|| ApiError::bad_request(format!("unrecognized includeObject value: {word:?}")))
    }

    pub(super) fn get(&self) -> Result<Answer, ApiError> {
        let object = self.resource()?.get(&self.wanted.name)?;
        self.show(200, &object)
    }

    /// One object in the form that was asked for.
    pub(super) fn show(&self, code: u16, object: &Arc<Value>) -> Result<Answer, ApiError> {
        Ok(match response::form(&self.parts.headers) {
            Form::Object => response::shared(code, object),
            Form::Metadata => response::json(code, &response::metadata_of(object)),
            Form::Table => {
                let version = value::at(object, "/metadata/resourceVersion");
                let metadata =
                    if version.is_null() { json!({}) } else { json!({"resourceVersion": version}) };
                let table = self.definition.columns.render(
                    &[object],
                    &metadata,
                    self.include()?,
                    &self.server.plane.now(),
                );
                response::json(code, &table)
            }
        })
    }

    pub(super) fn list(&self) -> Result<Answer, ApiError> {
        let exactly = self.query.get("resourceVersionMatch") == Some("Exact");
        self.check_versions()?;
        let mut paging = Paging {
            limit: self.query.number("limit"),
            token: self.query.get("continue").filter(|t| !t.is_empty()).map(str::to_owned),
            exactly: self.query.number("resourceVersion").filter(|_| exactly),
        };
        // Who asks for a version gets that one, from a replica that lags too.
        let asks_for_none = paging.token.is_none() && paging.exactly.is_none();
        let lag = self.parts.extensions.get::<Lag>().filter(|_| asks_for_none);
        if let Some(Lag(changes)) = lag {
            let store = &self.server.plane.store;
            paging.exactly = store.before_the_last(&self.definition.table, changes.get());
        }
        let lagged = lag.and(paging.exactly).map(|_| Lagged);
        let page = registry::list(&self.server.plane, &self.selection()?, &paging)?;
        let mut answer = self.list_answer(&page)?;
        lagged.map(|lagged| answer.extensions_mut().insert(lagged));
        Ok(answer)
    }

    /// Versions and how they are to match must make sense together.
    fn check_versions(&self) -> Result<(), ApiError> {
        const FIELD: &str = "resourceVersionMatch";
        let version = self.query.get("resourceVersion").unwrap_or_default();
        let continues = self.query.get("continue").is_some_and(|token| !token.is_empty());
        let wanted = self.query.get(FIELD).unwrap_or_default();
        let mut causes = Vec::new();
        if !wanted.is_empty() {
            if version.is_empty() {
                let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
                causes.push(Cause::forbidden(FIELD, why));
            }
            if continues {
                let why = "resourceVersionMatch is forbidden when continue is provided";
                causes.push(Cause::forbidden(FIELD, why));
            }
            if !matches!(wanted, "Exact" | "NotOlderThan") {
                let supported = ["Exact", "NotOlderThan", ""];
                causes.push(Cause::unsupported(FIELD, &json!(wanted), &supported));
            }
            if wanted == "Exact" && version == "0" {
                let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
                causes.push(Cause::forbidden(FIELD, why));
            }
        }
        if !causes.is_empty() {
            return Err(ApiError::invalid_options("ListOptions", causes));
        }
        if !version.is_empty() && version.parse::<u64>().is_err() {
            let why = format!(
                "invalid resource version: resourceVersion: Invalid value: \"{version}\": strconv.ParseUint: \
                 parsing \"{version}\": invalid syntax"
            );
            return Err(ApiError::bad_request(why));
        }
        Ok(())
    }

    /// The same for a watch, which has one way alone.
    fn check_match(&self, initial: Option<bool>) -> Result<(), ApiError> {
        const FIELD: &str = "resourceVersionMatch";
        let wanted = self.query.get(FIELD).unwrap_or_default();
        let mut causes = Vec::new();
        if initial.is_some() && wanted != "NotOlderThan" {
            let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            causes.push(Cause::forbidden(FIELD, why));
        }
        if !wanted.is_empty() && initial.is_none() {
            let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            causes.push(Cause::forbidden(FIELD, why));
        }
        if !matches!(wanted, "" | "NotOlderThan") {
            causes.push(Cause::unsupported(FIELD, &json!(wanted), &["NotOlderThan"]));
        }
        if causes.is_empty() { Ok(()) } else { Err(ApiError::invalid_options("ListOptions", causes)) }
    }

    fn list_answer(&self, page: &Page) -> Result<Answer, ApiError> {
        Ok(match response::form(&self.parts.headers) {
            Form::Object => response::bytes(200, "application/json", self.list_document(page)),
            Form::Metadata => {
                let items: Vec<Value> = page.items.iter().map(|o| response::metadata_of(o)).collect();
                let items = if items.is_empty() { Value::Null } else { Value::Array(items) };
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
                    &self.server.plane.now(),
                );
                response::json(200, &table)
            }
        })
    }

    /// The list as JSON, without a copy of its objects.
    pub(super) fn list_document(&self, page: &Page) -> Vec<u8> {
        let native = self.definition.is_native();
        let mut metadata = page.metadata();
        if !native && page.next.is_none() {
            // The real server's lists of custom resources say so.
            value::set(&mut metadata, &["continue"], json!(""));
        }
        let head = json!({
            "kind": self.definition.list_kind,
            "apiVersion": self.definition.api_version(),
            "metadata": metadata,
        });
        let mut content = head.to_string().into_bytes();
        content.pop();
        content.extend_from_slice(b",\"items\":[");
        for (index, item) in page.items.iter().enumerate() {
            if index > 0 {
                content.push(b',');
            }
            if native {
                write_without_type(item, &mut content);
            } else {
                value::write(item, &mut content);
            }
        }
        content.extend_from_slice(b"]}");
        content
    }

    pub(super) fn watch(&self) -> Result<Answer, ApiError> {
        let initial = self.query.get("sendInitialEvents").map(|_| self.query.flag("sendInitialEvents"));
        let bookmarks =
            self.query.flag("allowWatchBookmarks") && self.query.get("allowWatchBookmarks").is_some();
        if self.server.plane.streaming_lists {
            self.check_match(initial)?;
        }
        let selection = self.selection()?;
        let initial = initial == Some(true) && self.server.plane.streaming_lists;
        let start = match self.query.get("resourceVersion") {
            _ if initial && bookmarks => Start::NowWithMark,
            _ if initial => Start::Now,
            None | Some("" | "0") => Start::Now,
            Some(text) => match text.parse() {
                Ok(revision) => Start::After(revision),
                Err(_) => return Err(ApiError::bad_request(format!("invalid resource version \"{text}\""))),
            },
        };
        let style = Style {
            form: response::form(&self.parts.headers),
            include: self.include()?,
            bookmarks,
            timeout: self.query.number("timeoutSeconds").map(Duration::from_secs),
        };
        Ok(match Watch::begin(&self.server.plane, selection, start) {
            Ok((watch, first)) => {
                let stop = self.server.stop.clone();
                response::with_body(
                    200,
                    "application/json",
                    watching::body(watch, first, style, (self.server.plane.surroundings.clone(), stop)),
                )
            }
            Err(expired) => {
                let refusal = watching::refusal(&ApiError::expired(expired.to_string()));
                response::bytes(200, "application/json", refusal)
            }
        })
    }
}

/// An item of a native kind's list, which leaves out what the list says of all of them.
fn write_without_type(item: &Value, content: &mut Vec<u8>) {
    let Some(fields) = item.as_object() else { return };
    content.push(b'{');
    let fields = fields.iter().filter(|(key, _)| !matches!(key.as_str(), "apiVersion" | "kind"));
    for (index, (key, field)) in fields.enumerate() {
        if index > 0 {
            content.push(b',');
        }
        content.extend_from_slice(Value::from(key.as_str()).to_string().as_bytes());
        content.push(b':');
        content.extend_from_slice(field.to_string().as_bytes());
    }
    content.push(b'}');
}
