//! A request for a resource that is served and allowed: writing and deleting.

use http::Method;
use serde_json::{Value, json};

use super::body;
use super::call::Call;
use super::response::{self, Answer};
use crate::control_plane::error::{ApiError, Cause};
use crate::control_plane::kcp::rules;
use crate::control_plane::machinery::openapi;
use crate::control_plane::rbac;
use crate::control_plane::registry::{
    self, DeleteOptions, Deleted, FieldValidation, Paging, Patch, Resource, WriteOptions, Written,
};
use crate::control_plane::value;

impl Call<'_> {
    fn write_options(&self) -> Result<WriteOptions, ApiError> {
        let options = match self.parts.method {
            Method::POST => "CreateOptions",
            Method::PUT => "UpdateOptions",
            _ => "PatchOptions",
        };
        let mut causes = Vec::new();
        let field_validation = match self.query.get("fieldValidation") {
            Some("Ignore") => FieldValidation::Ignore,
            Some("Strict") => FieldValidation::Strict,
            None | Some("" | "Warn") => FieldValidation::Warn,
            Some(other) => {
                let supported = ["", "Ignore", "Strict", "Warn"];
                causes.push(Cause::unsupported("fieldValidation", &json!(other), &supported));
                FieldValidation::Warn
            }
        };
        let dry_run = match self.query.get("dryRun") {
            None | Some("") => false,
            Some("All") => true,
            Some(other) => {
                causes.push(Cause::unsupported("dryRun", &json!([other]), &["All"]));
                false
            }
        };
        if !causes.is_empty() {
            return Err(ApiError::invalid_options(options, causes));
        }
        let agent = self.parts.headers.get(http::header::USER_AGENT).and_then(|v| v.to_str().ok());
        let agent = agent.and_then(|a| a.split('/').next()).filter(|a| !a.is_empty()).unwrap_or("unknown");
        Ok(WriteOptions {
            manager: self.query.get("fieldManager").filter(|m| !m.is_empty()).unwrap_or(agent).to_owned(),
            dry_run,
            force: self.query.get("force").is_some() && self.query.flag("force"),
            field_validation,
        })
    }

    pub(super) fn write(&self, verb: &str, content: &[u8]) -> Result<Answer, ApiError> {
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
                let mut object = self.object(content)?;
                let resource = self.resource()?;
                rules::sign(self.user, resource.cluster, self.definition, &mut object);
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
                let object = self.object(content)?;
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

    /// The object in the body. Only built-in kinds have protobuf messages.
    fn object(&self, content: &[u8]) -> Result<Value, ApiError> {
        let headers = &self.parts.headers;
        if self.definition.origin != registry::Origin::Builtin && body::media_type(headers) == body::PROTOBUF
        {
            return Err(ApiError::unsupported_media_type("application/json, application/yaml"));
        }
        Ok(self.definition.with_type(body::object(headers, content)?))
    }

    fn patch(&self, name: &str, subresource: &str, content: &[u8]) -> Result<Answer, ApiError> {
        let resource = self.resource()?;
        let media_type = body::media_type(&self.parts.headers);
        let strategic = self.definition.origin == registry::Origin::Builtin
            && openapi::takes_strategic_merge_patch(&self.definition.group);
        let known = matches!(
            media_type.as_str(),
            "application/json-patch+json" | "application/merge-patch+json" | "application/apply-patch+yaml"
        );
        if !(known || strategic && media_type == "application/strategic-merge-patch+json") {
            let accepted =
                "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
            return Err(ApiError::unsupported_media_type(accepted));
        }
        let options = self.write_options()?;
        let written = match media_type.as_str() {
            "application/json-patch+json" => {
                resource.patch(name, Patch::Json(&body::json(content)?), subresource, &options)
            }
            "application/merge-patch+json" => {
                resource.patch(name, Patch::Merge(&body::json(content)?), subresource, &options)
            }
            "application/strategic-merge-patch+json" => {
                resource.patch(name, Patch::Strategic(&body::json(content)?), subresource, &options)
            }
            _ => {
                if self.query.get("fieldManager").unwrap_or_default().is_empty() {
                    let cause = Cause::required("fieldManager", "is required for apply patch");
                    return Err(ApiError::invalid("meta.k8s.io", "PatchOptions", "", vec![cause]));
                }
                resource.apply(name, &body::yaml(content)?, subresource, &options)
            }
        }?;
        self.written(&written)
    }

    fn written(&self, written: &Written) -> Result<Answer, ApiError> {
        // The real virtual workspace answers an apply that creates like one that changes.
        let changes = self.view.export.is_some() && self.parts.method == Method::PATCH;
        let code = if written.created && !changes { 201 } else { 200 };
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
                guard: &self.writer,
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
