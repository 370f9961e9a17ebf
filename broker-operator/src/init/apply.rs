//! Applying objects, and telling what that changed.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use broker_kcp::api::v1alpha1::{BrokeredApi, Moves};
use broker_kcp::kcp::api::ApiBinding;
use futures::future::try_join_all;
use kube::api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::runtime::wait::await_condition;
use kube::{Api, Client, ResourceExt};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::definition::ApiDefinition;
use super::{InitError, Server, plan};

/// The field manager of what `init` applies.
const MANAGER: &str = "resource-broker-init";

/// How long something applied may take to be in force: bindings need 3 to 5 s on an idle server.
const IN_FORCE: Duration = Duration::from_mins(1);

/// How long a fresh workspace or API may answer as if it were not there.
const SETTLING: Duration = Duration::from_secs(20);

/// What became of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The object, as `kind/name`.
    pub object: String,
    /// What was done.
    pub action: Action,
    /// What else a person should know about it.
    pub note: Option<String>,
}

/// What was done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It was made.
    Created,
    /// It was changed.
    Configured,
    /// It was as it should be.
    Unchanged,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = match self.action {
            Action::Created => "created",
            Action::Configured => "configured",
            Action::Unchanged => "unchanged",
        };
        write!(f, "{} {action}", self.object)?;
        self.note.iter().try_for_each(|note| write!(f, " ({note})"))
    }
}

/// One run: a server, and the changes so far.
pub(super) struct Session {
    pub(super) server: Server,
    pub(super) changes: Vec<Change>,
    listener: Arc<dyn Fn(&Change) + Send + Sync>,
    /// What was applied and may not be in force yet.
    pending: Vec<Target>,
}

/// A workspace that can be written to.
pub(super) struct Entered {
    pub(super) client: Client,
    pub(super) path: String,
}

impl Session {
    pub(super) fn new(server: Server, listener: Arc<dyn Fn(&Change) + Send + Sync>) -> Self {
        Self { server, changes: Vec::new(), listener, pending: Vec::new() }
    }

    pub(super) fn enter(&self, path: &str) -> Result<Entered, InitError> {
        Ok(Entered { client: self.server.client(path)?, path: path.to_owned() })
    }

    pub(super) fn note(&mut self, kind: &str, name: &str, action: Action) {
        self.report(Change { object: format!("{kind}/{name}"), action, note: None });
    }

    fn report(&mut self, change: Change) {
        (self.listener)(&change);
        self.changes.push(change);
    }

    /// Applies one object. It may take [`Session::settle`] until it is in force.
    pub(super) async fn apply(&mut self, workspace: &Entered, object: &Value) -> Result<(), InitError> {
        let target = Target::of(workspace, object);
        let before = self.patiently(&target, || target.api.get_opt(&target.name)).await?;
        let parameters = PatchParams::apply(MANAGER).force();
        let patch = Patch::Apply(object);
        let after = self.patiently(&target, || target.api.patch(&target.name, &parameters, &patch)).await?;
        let action = match before {
            None => Action::Created,
            Some(before) if essence(&before) == essence(&after) => Action::Unchanged,
            Some(_) => Action::Configured,
        };
        self.note(&target.kind, &target.name, action);
        self.pending.push(target);
        Ok(())
    }

    /// Waits until all that was applied is in force. At once, because the server takes 5 s for each.
    pub(super) async fn settle(&mut self) -> Result<(), InitError> {
        let pending = std::mem::take(&mut self.pending);
        try_join_all(pending.iter().map(|target| self.in_force(target))).await?;
        Ok(())
    }

    /// Makes the BrokeredAPI of an API. One that is there belongs to the platform's people: only what was asked for, `moves`
    /// and further exports of copies, is written to it.
    pub(super) async fn apply_brokered_api(
        &mut self,
        workspace: &Entered,
        api: &ApiDefinition,
        moves: Option<Moves>,
        copies: &BTreeSet<String>,
    ) -> Result<(), InitError> {
        let target = Target::of(workspace, &plan::brokered_api(api, moves, copies));
        let existing: Api<BrokeredApi> = Api::all(workspace.client.clone());
        let found = self.patiently(&target, || existing.get_opt(&target.name)).await?;
        let Some(found) = found.map(|found| found.spec) else {
            return self.apply(workspace, &plan::brokered_api(api, moves, copies)).await;
        };
        let named: BTreeSet<String> = found.copy_exports.into_iter().collect();
        if moves.is_some() || !named.is_superset(copies) {
            // What an earlier run wrote and this one leaves out would go.
            let all = named.union(copies).cloned().collect();
            let wanted = plan::brokered_api(api, moves.or(Some(found.moves)), &all);
            return self.apply(workspace, &wanted).await;
        }
        let note = api.moves().filter(|moves| *moves != found.moves).map(|wanted| {
            format!("keeps moves: {:?}, the file says {wanted:?}; --moves {wanted:?} changes it", found.moves)
        });
        self.report(Change {
            object: format!("{}/{}", target.kind, target.name),
            action: Action::Unchanged,
            note,
        });
        Ok(())
    }

    /// Binds an export, unless the workspace has a binding to it. Claims that were answered before keep
    /// their answer: it is the workspace owner's word, and their selectors cannot change anyway.
    pub(super) async fn bind(&mut self, workspace: &Entered, mut binding: Value) -> Result<(), InitError> {
        let target = Target::of(workspace, &binding);
        let api: Api<ApiBinding> = Api::all(workspace.client.clone());
        let all = self.patiently(&target, || async { api.list(&ListParams::default()).await }).await?;
        let export = binding.pointer("/spec/reference/export").cloned().unwrap_or_default();
        let same = all.into_iter().find(|found| {
            serde_json::to_value(&found.spec.reference.export).is_ok_and(|found| found == export)
        });
        if let Some(found) = same {
            plan::keep_answers(&mut binding, &found.spec.permission_claims);
            if let Some(name) = binding.pointer_mut("/metadata/name") {
                *name = Value::String(found.name_any());
            }
        }
        self.apply(workspace, &binding).await
    }

    /// Repeats a request while a fresh workspace or API is not served yet.
    async fn patiently<T, F>(&self, target: &Target, request: impl Fn() -> F) -> Result<T, InitError>
    where
        F: Future<Output = Result<T, kube::Error>>,
    {
        let deadline = Instant::now() + SETTLING;
        loop {
            let error = match request().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if !self.may_pass(&error) || Instant::now() > deadline {
                let what = format!("applying {}/{} in {}", target.kind, target.name, target.workspace);
                return Err(self.server.failure(what, error));
            }
            // What is waited for, that the API server has taken notice, cannot be watched.
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Whether an answer is one that a workspace or an API gives only while it is new.
    fn may_pass(&self, error: &kube::Error) -> bool {
        let kube::Error::Api(status) = error else { return false };
        let fresh = self.changes.iter().any(|change| change.action == Action::Created);
        let names_nothing = status.details.as_ref().is_none_or(|details| details.name.is_empty());
        match status.code {
            403 => fresh,
            404 => fresh && names_nothing,
            code => matches!(code, 429 | 503),
        }
    }

    /// Waits until an object does what it is there for.
    async fn in_force(&self, target: &Target) -> Result<(), InitError> {
        let holds: fn(&Value) -> bool = match target.kind.as_str() {
            "customresourcedefinition" => |object| condition(object, "Established"),
            "apibinding" => |object| {
                object.pointer("/status/phase").and_then(Value::as_str) == Some("Bound")
                    && condition(object, "PermissionClaimsValid")
                    && condition(object, "PermissionClaimsApplied")
            },
            _ => return Ok(()),
        };
        let check = |found: Option<&DynamicObject>| found.is_some_and(|object| holds(&object.data));
        let waiting = await_condition(target.api.clone(), &target.name, check);
        let seen = match tokio::time::timeout(IN_FORCE, waiting).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => {
                let last = target.api.get_opt(&target.name).await.ok().flatten();
                last.map_or_else(|| "nothing".to_owned(), |object| unmet(&object.data))
            }
        };
        let what = format!("{}/{} in {} to be in force", target.kind, target.name, target.workspace);
        Err(InitError::Timeout { what, deadline: IN_FORCE, seen })
    }
}

/// Where an object goes.
struct Target {
    api: Api<DynamicObject>,
    kind: String,
    name: String,
    workspace: String,
}

impl Target {
    fn of(workspace: &Entered, object: &Value) -> Self {
        let text = |path| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let (group, version) = text("/apiVersion").split_once('/').unwrap_or(("", text("/apiVersion")));
        let kind = text("/kind");
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let client = workspace.client.clone();
        let api = match text("/metadata/namespace") {
            "" => Api::all_with(client, &resource),
            namespace => Api::namespaced_with(client, namespace, &resource),
        };
        Self {
            api,
            kind: kind.to_lowercase(),
            name: text("/metadata/name").to_owned(),
            workspace: workspace.path.clone(),
        }
    }
}

/// What makes an object what it is: all but the server's own bookkeeping and what others observe.
fn essence(object: &DynamicObject) -> Value {
    let mut object = serde_json::to_value(object).unwrap_or_default();
    if let Some(object) = object.as_object_mut() {
        object.remove("status");
    }
    if let Some(metadata) = object.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        for field in ["resourceVersion", "managedFields", "generation"] {
            metadata.remove(field);
        }
    }
    object
}

fn conditions(object: &Value) -> impl Iterator<Item = (&str, &str, &str)> {
    let all = object.pointer("/status/conditions").and_then(Value::as_array);
    all.into_iter().flatten().map(|condition| {
        let text = |name| condition.get(name).and_then(Value::as_str).unwrap_or_default();
        (text("type"), text("status"), text("message"))
    })
}

fn condition(object: &Value, wanted: &str) -> bool {
    conditions(object).any(|(name, status, _)| name == wanted && status == "True")
}

/// The conditions that do not hold, with their messages.
fn unmet(object: &Value) -> String {
    let unmet: Vec<_> = conditions(object)
        .filter(|(_, status, _)| *status != "True")
        .map(|(name, _, message)| format!("{name} does not hold: {message}"))
        .collect();
    if unmet.is_empty() { "no condition yet".to_owned() } else { unmet.join("; ") }
}
