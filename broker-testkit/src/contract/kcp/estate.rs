//! The workspaces that the checks share: a platform that exports gadgets and claims Secrets, and two that have
//! bound it. One of them accepted the claim for labelled Secrets, the other did not accept it.

use serde_json::{Value, json};

use crate::contract::broken::{Broken, hold};
use crate::contract::sample::{CONFIG_MAPS, GROUP, Kind, set, widget, widget_schema};
use crate::contract::session::{Session, eventually, list};
use crate::contract::subject::Subject;

/// The name of the export and of its bindings.
pub(super) const EXPORT: &str = "gadgets.contract.example.com";
/// The label without which a Secret is none of the export's business.
pub(super) const LABEL: &str = "contract.example.com/managed";
pub(super) const GADGETS: Kind = Kind::of("/apis/contract.example.com/v1", "gadgets");
pub(super) const WORKSPACES: Kind = Kind::of("/apis/tenancy.kcp.io/v1alpha1", "workspaces");
pub(super) const LOGICAL_CLUSTERS: Kind = Kind::of("/apis/core.kcp.io/v1alpha1", "logicalclusters");
pub(super) const BINDINGS: Kind = Kind::of("/apis/apis.kcp.io/v1alpha2", "apibindings");
pub(super) const EXPORTS: Kind = Kind::of("/apis/apis.kcp.io/v1alpha2", "apiexports");
pub(super) const SCHEMAS: Kind = Kind::of("/apis/apis.kcp.io/v1alpha1", "apiresourceschemas");
pub(super) const SLICES: Kind = Kind::of("/apis/apis.kcp.io/v1alpha1", "apiexportendpointslices");

/// A workspace.
#[derive(Debug, Clone)]
pub(super) struct Tenant {
    /// `root:…:name`.
    pub(super) path: String,
    /// The name in the workspace above.
    pub(super) name: String,
    /// The id of its logical cluster.
    pub(super) id: String,
    /// Its URL, by path.
    pub(super) url: String,
}

impl Tenant {
    /// Makes a workspace below the subject's, and waits until it can be used.
    pub(super) async fn make(subject: &Subject) -> Result<Self, Broken> {
        let above = subject.session()?;
        let object = json!({
            "apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace",
            "metadata": {"generateName": "contract-"},
            "spec": {"type": {"name": "universal", "path": "root"}},
        });
        let made = above.post(&WORKSPACES.path(""), &object).await?.coded(201)?;
        let name = text(&made["metadata"]["name"]);
        let at = format!("{}/{name}", WORKSPACES.path(""));
        let ready = above.until(&at, "the workspace is Ready", |w| w["status"]["phase"] == "Ready").await?;
        let (path, url) = (format!("{}:{name}", subject.path()?), format!("{}:{name}", subject.url()));
        let tenant = Self { path, name, id: text(&ready["spec"]["cluster"]), url };
        let session = subject.at(&tenant.url)?;
        // Its administrator's rights arrive a little later.
        let namespaced = CONFIG_MAPS.path("default");
        eventually(|| async { session.get(&namespaced).await?.coded(200) }).await?;
        Ok(tenant)
    }

    /// Binds the export of a platform and waits until it is bound.
    pub(super) async fn bind(
        &self,
        subject: &Subject,
        platform: &Self,
        accept: Accept,
    ) -> Result<(), Broken> {
        let session = subject.at(&self.url)?;
        let mut claims = vec![json!({
            "group": "core.kcp.io", "resource": "logicalclusters", "verbs": ["get", "list", "watch"],
            "state": "Accepted", "selector": {"matchAll": true},
        })];
        let (state, selector) = match accept {
            Accept::Labelled => ("Accepted", json!({"matchLabels": {LABEL: "true"}})),
            Accept::Nothing => ("Rejected", json!({"matchAll": true})),
        };
        claims.push(json!({
            "group": "", "resource": "secrets", "verbs": ["*"], "state": state, "selector": selector,
        }));
        let binding = json!({
            "apiVersion": "apis.kcp.io/v1alpha2", "kind": "APIBinding", "metadata": {"name": EXPORT},
            "spec": {
                "reference": {"export": {"path": platform.path, "name": EXPORT}}, "permissionClaims": claims,
            },
        });
        // The administrator's right to bind in a new workspace arrives a little later.
        eventually(|| async { session.ensure(&BINDINGS.path(""), &binding).await }).await?;
        let bound = |found: &Value| {
            let conditions = list(&found["status"]["conditions"]);
            let is_true = |kind: &str| conditions.iter().any(|c| c["type"] == kind && c["status"] == "True");
            found["status"]["phase"] == "Bound" && is_true("Ready") && is_true("PermissionClaimsApplied")
        };
        session
            .until(&binding_path(), "the binding is Bound and Ready, with its claims applied", bound)
            .await?;
        eventually(|| async { session.get(&GADGETS.path("default")).await?.coded(200) }).await.map(|_| ())
    }
}

/// What a binding accepts of the claim on Secrets.
#[derive(Debug, Clone, Copy)]
pub(super) enum Accept {
    /// Those with [`LABEL`].
    Labelled,
    /// None.
    Nothing,
}

/// Where the binding of a workspace is.
pub(super) fn binding_path() -> String {
    format!("{}/{EXPORT}", BINDINGS.path(""))
}

/// Where the endpoint slice of the export is.
pub(super) fn slice_path() -> String {
    format!("{}/{EXPORT}", SLICES.path(""))
}

/// A gadget.
pub(super) fn gadget(name: &str, size: i64) -> Value {
    let mut object = widget(name, size);
    set(&mut object, "/kind", json!("Gadget"));
    object
}

/// Exports gadgets from a workspace.
pub(super) async fn export(platform: &Session) -> Result<(), Broken> {
    let schema = json!({
        "apiVersion": "apis.kcp.io/v1alpha1", "kind": "APIResourceSchema",
        "metadata": {"name": format!("v1.{EXPORT}")},
        "spec": {
            "group": GROUP, "scope": "Namespaced",
            "names": {
                "plural": "gadgets", "singular": "gadget", "kind": "Gadget", "listKind": "GadgetList",
            },
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "subresources": {"status": {}}, "schema": widget_schema(),
            }],
        },
    });
    eventually(|| async { platform.ensure(&SCHEMAS.path(""), &schema).await }).await?;
    let export = json!({
        "apiVersion": "apis.kcp.io/v1alpha2", "kind": "APIExport", "metadata": {"name": EXPORT},
        "spec": {
            "resources": [{
                "group": GROUP, "name": "gadgets", "schema": format!("v1.{EXPORT}"), "storage": {"crd": {}},
            }],
            "permissionClaims": [
                {"group": "", "resource": "secrets", "verbs": ["*"]},
                {"group": "core.kcp.io", "resource": "logicalclusters", "verbs": ["get", "list", "watch"]},
            ],
        },
    });
    eventually(|| async { platform.ensure(&EXPORTS.path(""), &export).await }).await
}

/// See the module.
#[derive(Debug)]
pub(in crate::contract) struct Estate {
    pub(super) platform: Tenant,
    /// Accepted the claim for labelled Secrets.
    pub(super) one: Tenant,
    /// Did not accept it.
    pub(super) other: Tenant,
    /// The virtual workspace's URL, without `/clusters/…`.
    pub(super) door: String,
}

impl Estate {
    /// Makes it.
    pub(in crate::contract) async fn found(subject: &Subject) -> Result<Self, Broken> {
        let (platform, one, other) =
            futures::try_join!(Tenant::make(subject), Tenant::make(subject), Tenant::make(subject))?;
        let session = subject.at(&platform.url)?;
        export(&session).await?;
        futures::try_join!(
            one.bind(subject, &platform, Accept::Labelled),
            other.bind(subject, &platform, Accept::Nothing)
        )?;
        let claim = "the slice has the URL of the virtual workspace";
        let has_url = |slice: &Value| slice["status"]["endpoints"][0]["url"].is_string();
        let slice = session.until(&slice_path(), claim, has_url).await?;
        let door = text(&slice["status"]["endpoints"][0]["url"]);
        let estate = Self { platform, one, other, door };
        // What was bound is seen a little after it is bound.
        let everywhere = estate.inside(subject, "*")?;
        eventually(|| async {
            let found = everywhere.get(&BINDINGS.path("")).await?.coded(200)?;
            hold(list(&found["items"]).len() >= 2, "the virtual workspace knows both bindings", &found)
        })
        .await?;
        Ok(estate)
    }

    /// The administrator in the virtual workspace, in one cluster or in all of them (`*`).
    pub(super) fn inside(&self, subject: &Subject, cluster: &str) -> Result<Session, Broken> {
        subject.at(&self.inside_url(cluster))
    }

    pub(super) fn inside_url(&self, cluster: &str) -> String {
        format!("{}/clusters/{cluster}", self.door)
    }
}

/// The text of a value, empty where there is none.
pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The id of the cluster an object is in.
pub(super) fn cluster(object: &Value) -> String {
    text(&object["metadata"]["annotations"]["kcp.io/cluster"])
}
