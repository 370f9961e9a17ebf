//! Preparing workspaces: the platform's, a provider's, a consumer's.
//!
//! What a workspace needs is planned by pure functions ([`plan`]); [`Init`] applies it, server-side and in
//! order, and waits by watch until what was applied is in force. Doing it again changes nothing. Nothing
//! here brokers: the operator neither needs this module nor the rights of whoever runs it.

mod apply;
mod cluster;
mod command;
mod copies;
mod credentials;
mod definition;
mod error;
pub mod plan;
mod server;
mod workspace;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use broker_kcp::api::v1alpha1::{BrokeredApi, Moves};
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::{Api, ResourceExt};
use serde_json::Value;

pub use apply::{Action, Change};
pub(crate) use cluster::{ACCEPT_APIS, member_rights};
pub use cluster::{ClusterOptions, JoinOptions, platform_rights};
pub use command::{InitArgs, init};
pub use copies::CopyExport;
pub use credentials::Credentials;
pub use definition::{ApiDefinition, DefinitionError};
pub use error::InitError;
pub use server::Server;

/// What a platform is made of.
#[derive(Clone, Debug, Default)]
pub struct PlatformOptions {
    /// The path of its workspace, such as `root:platform`.
    pub workspace: String,
    /// The APIs to broker.
    pub apis: Vec<ApiDefinition>,
    /// Whether their objects may move without a playbook; where it is not given, what the API's definition
    /// says, else not.
    pub moves: Option<Moves>,
    /// Kinds of providers' own, which orders of all these APIs may be translated into.
    pub copies: Vec<CopyExport>,
}

impl PlatformOptions {
    fn copy_names(&self) -> BTreeSet<String> {
        self.copies.iter().map(|copies| copies.name().to_owned()).collect()
    }
}

/// What a provider or a consumer is made of.
#[derive(Clone, Debug, Default)]
pub struct MemberOptions {
    /// The path of its workspace, such as `root:acme`.
    pub workspace: String,
    /// The path of the platform's workspace.
    pub platform: String,
    /// The exports to bind, such as `certificates.example.com`; all of the platform's APIs' where it is empty.
    pub apis: Vec<String>,
    /// The exports of a provider's own kinds to bind, such as `cert-manager.io`.
    pub copies: Vec<String>,
}

/// The role a workspace is prepared for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It orders.
    Consumer,
    /// It offers, and gets the copies.
    Provider,
}

/// Prepares workspaces of one server.
#[derive(Clone)]
pub struct Init {
    server: Server,
    listener: Arc<dyn Fn(&Change) + Send + Sync>,
}

impl fmt::Debug for Init {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Init").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Init {
    /// Prepares workspaces of this server.
    pub fn new(server: Server) -> Self {
        Self { server, listener: Arc::new(|_| {}) }
    }

    /// Tells every change as it is made.
    #[must_use]
    pub fn on_change(mut self, listener: impl Fn(&Change) + Send + Sync + 'static) -> Self {
        self.listener = Arc::new(listener);
        self
    }

    /// Makes a workspace and its parents where they are missing, and waits until it is ready.
    pub async fn workspace(&self, path: &str) -> Result<Vec<Change>, InitError> {
        let mut session = self.session();
        session.ensure_workspace(path).await?;
        Ok(session.changes)
    }

    /// Prepares the platform's workspace, and returns what that changed.
    pub async fn platform(&self, options: &PlatformOptions) -> Result<Vec<Change>, InitError> {
        let mut session = self.session();
        session.ensure_workspace(&options.workspace).await?;
        let workspace = session.enter(&options.workspace)?;
        for object in plan::platform_kinds() {
            session.apply(&workspace, &object).await?;
        }
        for object in plan::exports(&options.apis)?.into_iter().chain(plan::copy_exports(&options.copies)) {
            session.apply(&workspace, &object).await?;
        }
        session.settle().await?;
        let copies = options.copy_names();
        for api in &options.apis {
            session.apply_brokered_api(&workspace, api, options.moves, &copies).await?;
        }
        let mut exports = self.exports(&options.workspace).await?;
        exports.extend(self.copy_exports(&options.workspace).await?);
        exports.extend(copies);
        for object in plan::broker_rights(&exports) {
            session.apply(&workspace, &object).await?;
        }
        Ok(session.changes)
    }

    /// Prepares a provider's or a consumer's workspace, and returns what that changed.
    pub async fn member(&self, role: Role, options: &MemberOptions) -> Result<Vec<Change>, InitError> {
        let bound = self.bound(options).await?;
        let mut session = self.session();
        session.ensure_workspace(&options.workspace).await?;
        let workspace = session.enter(&options.workspace)?;
        for binding in plan::bindings(role, &options.platform, &bound) {
            session.bind(&workspace, binding).await?;
        }
        session.settle().await?;
        Ok(session.changes)
    }

    /// Prepares a provider's workspace: it binds `acceptapi` and the APIs it may offer.
    pub async fn provider(&self, options: &MemberOptions) -> Result<Vec<Change>, InitError> {
        self.member(Role::Provider, options).await
    }

    /// Prepares a consumer's workspace: it binds the APIs it may order.
    pub async fn consumer(&self, options: &MemberOptions) -> Result<Vec<Change>, InitError> {
        self.member(Role::Consumer, options).await
    }

    /// The access of the platform's ServiceAccount, with which the broker runs.
    pub async fn broker_credentials(&self, platform: &str) -> Result<(Credentials, Vec<Change>), InitError> {
        let mut session = self.session();
        let credentials = session.credentials(platform, plan::NAMESPACE, plan::BROKER).await?;
        Ok((credentials, session.changes))
    }

    /// The access of a ServiceAccount in a member's workspace, made with the rights its role needs: a
    /// provider's agent offers, serves copies and hands over what belongs to them; a consumer orders.
    pub async fn member_credentials(
        &self,
        role: Role,
        options: &MemberOptions,
    ) -> Result<(Credentials, Vec<Change>), InitError> {
        let apis = self.wanted(options).await?;
        let mut session = self.session();
        let workspace = session.enter(&options.workspace)?;
        let own = self.own_kinds(options).await?;
        for object in plan::member_rights(role, &apis, &own) {
            session.apply(&workspace, &object).await?;
        }
        let credentials =
            session.credentials(&options.workspace, plan::NAMESPACE, plan::account_name(role)).await?;
        Ok((credentials, session.changes))
    }

    /// The objects [`Init::platform`] would apply, the workspaces included.
    pub fn platform_objects(options: &PlatformOptions) -> Result<Vec<(String, Value)>, InitError> {
        let mut objects = plan::workspaces(&options.workspace);
        let within = |object| (options.workspace.clone(), object);
        objects.extend(plan::platform_kinds().into_iter().map(within));
        objects.extend(plan::exports(&options.apis)?.into_iter().map(within));
        objects.extend(plan::copy_exports(&options.copies).into_iter().map(within));
        let copies = options.copy_names();
        let brokered = |api| within(plan::brokered_api(api, options.moves, &copies));
        objects.extend(options.apis.iter().map(brokered));
        let exports = options.apis.iter().map(|api| api.name().to_owned()).chain(copies.clone()).collect();
        objects.extend(plan::broker_rights(&exports).into_iter().map(within));
        Ok(objects)
    }

    /// The objects [`Init::member`] would apply, the workspaces included.
    pub async fn member_objects(
        &self,
        role: Role,
        options: &MemberOptions,
    ) -> Result<Vec<(String, Value)>, InitError> {
        let bound = self.bound(options).await?;
        let mut objects = plan::workspaces(&options.workspace);
        let bindings = plan::bindings(role, &options.platform, &bound);
        objects.extend(bindings.into_iter().map(|object| (options.workspace.clone(), object)));
        Ok(objects)
    }

    /// The exports to bind: those of APIs, and those of the provider's own kinds.
    async fn bound(&self, options: &MemberOptions) -> Result<BTreeSet<String>, InitError> {
        let mut bound = self.wanted(options).await?;
        bound.extend(options.copies.iter().cloned());
        Ok(bound)
    }

    /// The exports of APIs to bind: those named, else all of the platform's.
    async fn wanted(&self, options: &MemberOptions) -> Result<BTreeSet<String>, InitError> {
        if !options.apis.is_empty() {
            return Ok(options.apis.iter().cloned().collect());
        }
        let exports = self.exports(&options.platform).await?;
        if exports.is_empty() {
            return Err(InitError::NothingBrokered { platform: options.platform.clone() });
        }
        Ok(exports)
    }

    /// The exports of all APIs that the platform brokers.
    async fn exports(&self, platform: &str) -> Result<BTreeSet<String>, InitError> {
        let apis = self.brokered(platform).await?;
        Ok(apis.into_iter().map(|api| api.spec.export.clone().unwrap_or_else(|| api.name_any())).collect())
    }

    /// The exports of the kinds that copies of these APIs may have.
    async fn copy_exports(&self, platform: &str) -> Result<BTreeSet<String>, InitError> {
        let apis = self.brokered(platform).await?;
        Ok(apis.into_iter().flat_map(|api| api.spec.copy_exports).collect())
    }

    async fn brokered(&self, platform: &str) -> Result<Vec<BrokeredApi>, InitError> {
        let api: Api<BrokeredApi> = Api::all(self.server.client(platform)?);
        let list = api.list(&ListParams::default()).await.map_err(|error| {
            self.server.failure(format!("listing the APIs that {platform} brokers"), error)
        })?;
        Ok(list.items)
    }

    /// The provider's own kinds, as (group, resource), by the exports that serve them.
    async fn own_kinds(&self, options: &MemberOptions) -> Result<BTreeSet<(String, String)>, InitError> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("apis.kcp.io", "v1alpha2", "APIExport"));
        let api: Api<DynamicObject> = Api::all_with(self.server.client(&options.platform)?, &resource);
        let mut kinds = BTreeSet::new();
        for name in &options.copies {
            let export = api.get(name).await.map_err(|error| {
                self.server.failure(format!("reading the export {name} of {}", options.platform), error)
            })?;
            kinds.extend(plan::kinds_of(&export.data));
        }
        Ok(kinds)
    }

    fn session(&self) -> apply::Session {
        apply::Session::new(self.server.clone(), Arc::clone(&self.listener))
    }
}
