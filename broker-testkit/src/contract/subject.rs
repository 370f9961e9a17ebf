//! Who is checked, and the places in it that checks have for themselves.

use http::Uri;
use kube::Config;
use kube::config::AuthInfo;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::broken::Broken;
use super::kcp::Estate;
use super::sample::{CONFIG_MAPS, DEFINITIONS, Kind, NAMESPACES, WIDGETS, widget_definition};
use super::session::{Session, eventually};

/// Which sentences can be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needs {
    /// Any Kubernetes API.
    Kubernetes,
    /// A kcp workspace, below which workspaces can be made.
    Kcp,
}

/// A server under check: an administrator's configuration for a cluster, or for a workspace of kcp.
///
/// Whatever is made stays: a subject is thrown away after the checks. Checks of one subject may run at the
/// same time, on different runtimes too.
#[derive(Debug)]
pub struct Subject {
    admin: Config,
    offers: Needs,
    estate: OnceCell<Estate>,
}

impl Subject {
    /// A cluster, of which no sentence about workspaces and exports is asked.
    pub fn kubernetes(admin: Config) -> Self {
        Self { admin, offers: Needs::Kubernetes, estate: OnceCell::new() }
    }

    /// A kcp workspace. The URL ends in `/clusters/<path>`, by names and not by the id, since those of the
    /// workspaces made below it are derived from it.
    pub fn kcp(admin: Config) -> Self {
        Self { admin, offers: Needs::Kcp, estate: OnceCell::new() }
    }

    /// Whether it has what a sentence needs.
    pub fn has(&self, needs: Needs) -> bool {
        needs <= self.offers
    }

    /// The administrator, at the subject's own URL.
    pub(super) fn session(&self) -> Result<Session, Broken> {
        Session::new(self.admin.clone())
    }

    /// The administrator at another URL.
    pub(super) fn at(&self, url: &str) -> Result<Session, Broken> {
        let mut config = self.admin.clone();
        config.cluster_url = uri(url)?;
        Session::new(config)
    }

    /// Somebody else at any URL.
    pub(super) fn bearer(&self, url: &str, token: &str) -> Result<Session, Broken> {
        let auth_info = AuthInfo { token: Some(token.to_owned().into()), ..AuthInfo::default() };
        let mut config = self.admin.clone();
        (config.cluster_url, config.auth_info) = (uri(url)?, auth_info);
        Session::new(config)
    }

    /// Somebody who acts as somebody else, as `kubectl --as` does.
    pub(super) fn acting(&self, token: &str, user: &str, groups: &[&str]) -> Result<Session, Broken> {
        let mut config = self.admin.clone();
        config.auth_info = AuthInfo {
            token: Some(token.to_owned().into()),
            impersonate: Some(user.to_owned()),
            impersonate_groups: Some(groups.iter().map(|group| (*group).to_owned()).collect()),
            ..AuthInfo::default()
        };
        Session::new(config)
    }

    /// The URL of the subject, without a slash at its end.
    pub(super) fn url(&self) -> String {
        self.admin.cluster_url.to_string().trim_end_matches('/').to_owned()
    }

    /// The path of the subject's workspace.
    pub(super) fn path(&self) -> Result<String, Broken> {
        let url = self.url();
        let (_, path) = url
            .split_once("/clusters/")
            .ok_or_else(|| Broken::new("a subject with kcp has a URL with /clusters/<path>", &*url))?;
        Ok(path.to_owned())
    }

    /// The workspaces and the export that sentences about kcp share.
    pub(super) async fn estate(&self) -> Result<&Estate, Broken> {
        self.estate.get_or_try_init(|| Estate::found(self)).await
    }

    /// A namespace of a check's own.
    pub(super) async fn place(&self) -> Result<Place, Broken> {
        Place::make(self.session()?).await
    }

    /// A namespace of a check's own in a server that has the kind [`WIDGETS`].
    pub(super) async fn place_with_widgets(&self) -> Result<Place, Broken> {
        let place = self.place().await?;
        place.session.ensure(&DEFINITIONS.path(""), &widget_definition()).await?;
        // That it is served cannot be watched before it is.
        eventually(|| async { place.session.get(&place.path(WIDGETS)).await?.accepted() }).await?;
        Ok(place)
    }
}

fn uri(url: &str) -> Result<Uri, Broken> {
    url.parse()
        .map_err(|error: http::uri::InvalidUri| Broken::new(format!("{url} is a URL"), error.to_string()))
}

/// A namespace, and the administrator in it.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) session: Session,
    pub(super) namespace: String,
}

impl Place {
    /// Makes a namespace.
    pub(super) async fn make(session: Session) -> Result<Self, Broken> {
        let body = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "contract-"},
        });
        let made = session.post(&NAMESPACES.path(""), &body).await?.coded(201)?;
        let namespace = made["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let place = Self { session, namespace };
        // kcp can answer a new workspace's first requests before it knows its namespaces.
        eventually(|| async { place.session.get(&place.path(CONFIG_MAPS)).await?.accepted() }).await?;
        Ok(place)
    }

    /// Where objects of a kind are.
    pub(super) fn path(&self, kind: Kind) -> String {
        kind.path(&self.namespace)
    }

    /// Where one object is.
    pub(super) fn at(&self, kind: Kind, name: &str) -> String {
        format!("{}/{name}", self.path(kind))
    }

    /// Creates an object and answers it as stored.
    pub(super) async fn create(&self, kind: Kind, object: &Value) -> Result<Value, Broken> {
        self.session.post(&self.path(kind), object).await?.coded(201)
    }

    /// Reads an object that is there.
    pub(super) async fn read(&self, kind: Kind, name: &str) -> Result<Value, Broken> {
        self.session.get(&self.at(kind, name)).await?.coded(200)
    }

    /// The version of a list of everything here.
    pub(super) async fn version(&self, kind: Kind) -> Result<String, Broken> {
        let found = self.session.get(&self.path(kind)).await?.coded(200)?;
        found["metadata"]["resourceVersion"]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| Broken::new("a list has a resourceVersion", super::broken::shown(&found)))
    }
}
