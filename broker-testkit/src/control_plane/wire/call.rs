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
use crate::control_plane::error::ApiError;
use crate::control_plane::machinery::selector::{FieldSelector, LabelSelector};
use crate::control_plane::machinery::table::IncludeObject;
use crate::control_plane::plane::View;
use crate::control_plane::rbac::{User, Writer};
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
                let metadata = json!({"resourceVersion": value::at(object, "/metadata/resourceVersion")});
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

    fn list_answer(&self, page: &Page) -> Result<Answer, ApiError> {
        Ok(match response::form(&self.parts.headers) {
            Form::Object => response::bytes(200, "application/json", self.list_document(page)),
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
                    &self.server.plane.now(),
                );
                response::json(200, &table)
            }
        })
    }

    /// The list as JSON, without a copy of its objects.
    pub(super) fn list_document(&self, page: &Page) -> Vec<u8> {
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

    pub(super) fn watch(&self) -> Result<Answer, ApiError> {
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
