//! What kcp refuses of its own kinds.

use serde_json::{Value, json};

use super::estate::{
    BINDINGS, EXPORT, EXPORTS, LOGICAL_CLUSTERS, SCHEMAS, SLICES, Tenant, WORKSPACES, binding_path,
    slice_path,
};
use crate::contract::broken::{Broken, hold, same};
use crate::contract::sample::{CONFIG_MAPS, GROUP, Kind, set};
use crate::contract::session::{Answer, caused_by, eventually};
use crate::contract::subject::Subject;

const OLDER_EXPORTS: Kind = Kind::of("/apis/apis.kcp.io/v1alpha1", "apiexports");
const OLDER_BINDINGS: Kind = Kind::of("/apis/apis.kcp.io/v1alpha1", "apibindings");
const TYPES: Kind = Kind::of("/apis/tenancy.kcp.io/v1alpha1", "workspacetypes");

/// A refusal by kcp's admission: a code, no causes, and words that say what is wrong.
fn forbidden(answer: Answer, words: &str) -> Result<(), Broken> {
    let status = answer.refused(403, "Forbidden")?;
    let message = status["message"].as_str().unwrap_or_default();
    hold(message.contains(words), &format!("the refusal says: {words}"), &status)?;
    same(&status["details"]["causes"], &Value::Null, "its causes")
}

fn workspace(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace",
        "metadata": {"name": name}, "spec": spec,
    })
}

fn workspace_type(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "WorkspaceType",
        "metadata": {"name": name}, "spec": spec,
    })
}

fn schema(name: &str) -> Value {
    json!({
        "apiVersion": "apis.kcp.io/v1alpha1", "kind": "APIResourceSchema", "metadata": {"name": name},
        "spec": {
            "group": GROUP, "scope": "Namespaced",
            "names": {"plural": "gauges", "singular": "gauge", "kind": "Gauge", "listKind": "GaugeList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"type": "object"}}],
        },
    })
}

fn export(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "apis.kcp.io/v1alpha2", "kind": "APIExport", "metadata": {"name": name}, "spec": spec})
}

fn binding(name: &str, path: &str, export: &str, claims: &Value) -> Value {
    json!({
        "apiVersion": "apis.kcp.io/v1alpha2", "kind": "APIBinding", "metadata": {"name": name},
        "spec": {"reference": {"export": {"path": path, "name": export}}, "permissionClaims": claims},
    })
}

/// In the older version.
fn older(mut object: Value) -> Value {
    set(&mut object, "/apiVersion", json!("apis.kcp.io/v1alpha1"));
    object
}

/// A path that is spelt like none is a bad request.
pub async fn a_path_that_is_none_is_a_bad_request(subject: &Subject) -> Result<(), Broken> {
    let path = subject.path()?;
    let url = subject.url().replace(&path, "Not_A_Path");
    subject.at(&url)?.get(&CONFIG_MAPS.path("default")).await?.refused(400, "BadRequest").map(|_| ())
}

/// A kind of the core group that a workspace does not have is told so by the group.
pub async fn what_a_workspace_lacks_is_not_found(subject: &Subject) -> Result<(), Broken> {
    let estate = subject.estate().await?;
    let session = subject.at(&estate.one.url)?;
    let pods = Kind::of("/api/v1", "pods");
    session.get(&pods.path("default")).await?.refused(404, "NotFound").map(|_| ())
}

/// A workspace is of a type that is there, or of the one that is usual below its parent.
pub async fn a_workspace_is_of_a_type_that_is_there(subject: &Subject) -> Result<(), Broken> {
    let estate = subject.estate().await?;
    let session = subject.at(&estate.one.url)?;
    let path = WORKSPACES.path("");
    let absent = workspace("absent", &json!({"type": {"name": "absent", "path": "root"}}));
    forbidden(
        session.post(&path, &absent).await?,
        "workspacetypes.tenancy.kcp.io \"root:absent\" not found",
    )?;
    let absent = workspace("absent", &json!({"type": {"name": "absent"}}));
    forbidden(session.post(&path, &absent).await?, "workspace type \"absent\" cannot be resolved")?;
    let made =
        session.post(&format!("{path}?dryRun=All"), &workspace("usual", &json!({}))).await?.coded(201)?;
    same(&made["spec"]["type"], &json!({"name": "universal", "path": "root"}), "the usual type")?;
    for name in ["any", "system"] {
        let answer = session.post(&TYPES.path(""), &workspace_type(name, &json!({}))).await?;
        forbidden(answer, "name is reserved")?;
    }
    Ok(())
}

/// A type says which workspaces may be above and below those of it; one that builds on another is that too.
pub async fn a_workspace_is_where_its_type_and_its_parents_want_it(subject: &Subject) -> Result<(), Broken> {
    let tenant = Tenant::make(subject).await?;
    let session = subject.at(&tenant.url)?;
    let path = WORKSPACES.path("");
    for (name, words) in [("home", "cannot have any parent"), ("team", "parent workspaces, but parent type")]
    {
        let wanted = workspace("child", &json!({"type": {"name": name, "path": "root"}}));
        forbidden(session.post(&path, &wanted).await?, words)?;
    }
    let universal = json!({"with": [{"name": "universal", "path": "root"}]});
    for (name, spec) in [
        ("barren", json!({"extend": universal, "limitAllowedChildren": {"none": true}})),
        (
            "leaf",
            json!({"extend": universal, "limitAllowedParents": {"types": [{"name": "barren", "path": tenant.path}]}}),
        ),
        (
            "free",
            json!({"extend": universal, "additionalWorkspaceLabels": {"contract.example.com/of": "free"}}),
        ),
    ] {
        session.ensure(&TYPES.path(""), &workspace_type(name, &spec)).await?;
    }
    // The server learns of a type a little after it was made.
    let free = workspace("free", &json!({"type": {"name": "free"}}));
    let trial = format!("{path}?dryRun=All");
    let made = eventually(|| async { session.post(&trial, &free).await?.coded(201) }).await?;
    same(&made["spec"]["type"]["path"], &json!(tenant.path), "where its type is")?;
    same(&made["metadata"]["labels"]["contract.example.com/of"], &json!("free"), "the label of its type")?;
    let leaf = workspace("leaf", &json!({"type": {"name": "leaf", "path": tenant.path}}));
    let only = format!("only allows [{}:barren] parent workspaces", tenant.path);
    eventually(|| async { forbidden(session.post(&trial, &leaf).await?, &only) }).await
}

/// What the server gave a workspace is nobody's to choose or to change, and its type stays.
pub async fn what_a_workspace_was_given_stays(subject: &Subject) -> Result<(), Broken> {
    let tenant = Tenant::make(subject).await?;
    let session = subject.session()?;
    let path = WORKSPACES.path("");
    let universal = json!({"name": "universal", "path": "root"});
    let chosen = workspace("chosen", &json!({"type": universal, "cluster": "abcdefgh"}));
    forbidden(
        session.post(&path, &chosen).await?,
        "spec.Cluster can only be set by system privileged users",
    )?;
    let chosen = workspace("chosen", &json!({"type": universal, "URL": "https://x.example.com"}));
    forbidden(session.post(&path, &chosen).await?, "spec.URL can only be set by system privileged users")?;
    let at = format!("{path}/{}", tenant.name);
    let moved = session.merge(&at, &json!({"spec": {"URL": "https://x.example.com"}})).await?;
    forbidden(moved, "spec.URL can only be changed by system privileged users")?;
    for (change, field) in [
        (json!({"cluster": "abcdefgh"}), "spec.cluster"),
        (json!({"cluster": null}), "spec"),
        (json!({"URL": null}), "spec"),
        (json!({"type": {"name": "team"}}), "spec.type"),
        (json!({"type": {"path": tenant.path}}), "spec.type"),
    ] {
        let refusal = session.merge(&at, &json!({"spec": change})).await?.refused(422, "Invalid")?;
        caused_by(&refusal, &[("FieldValueInvalid", field)])?;
    }
    let untyped = session.merge(&at, &json!({"spec": {"type": null}})).await?;
    forbidden(untyped, "spec.type: Invalid value: null: field is immutable")
}

/// The object that stands for a workspace inside it comes and goes with the workspace.
pub async fn a_logical_cluster_is_neither_made_nor_deleted(subject: &Subject) -> Result<(), Broken> {
    let estate = subject.estate().await?;
    let session = subject.at(&estate.one.url)?;
    let path = LOGICAL_CLUSTERS.path("");
    let cluster = |name: &str| json!({"apiVersion": "core.kcp.io/v1alpha1", "kind": "LogicalCluster", "metadata": {"name": name}});
    let refusal = session.post(&path, &cluster("other")).await?.refused(422, "Invalid")?;
    caused_by(&refusal, &[("FieldValueNotSupported", "metadata.name")])?;
    forbidden(session.post(&path, &cluster("cluster")).await?, "LogicalCluster cannot be created")?;
    forbidden(session.delete(&format!("{path}/cluster")).await?, "LogicalCluster cannot be deleted")
}

/// A schema is named for what it describes, is in order, and never changes.
pub async fn a_schema_is_named_for_what_it_describes_and_stays(subject: &Subject) -> Result<(), Broken> {
    let tenant = Tenant::make(subject).await?;
    let session = subject.at(&tenant.url)?;
    let path = SCHEMAS.path("");
    let ending = format!("gauges.{GROUP}");
    for (name, words) in [
        (ending.clone(), "must end in"),
        (format!("v1.others.{GROUP}"), "must end in"),
        (format!("1.{ending}"), "must match ^[a-z]([-a-z0-9]*[a-z0-9])?$ in front of"),
        (format!("a.b.{ending}"), "must match ^[a-z]([-a-z0-9]*[a-z0-9])?$ in front of"),
    ] {
        forbidden(session.post(&path, &schema(&name)).await?, words)?;
    }
    for (place, value, words) in [
        ("/spec/versions/0/storage", json!(false), "must have exactly one version marked as storage version"),
        (
            "/spec/versions/0/schema",
            json!({"type": "nosuch"}),
            "spec.versions[0].schema.openAPIV3Schema.type",
        ),
        ("/spec/group", json!("core"), "must be empty string for the core group"),
    ] {
        let mut wrong = schema(&format!("v1.{ending}"));
        set(&mut wrong, place, value);
        forbidden(session.post(&path, &wrong).await?, words)?;
    }
    let mut protected = schema("v1.gauges.contract.k8s.io");
    set(&mut protected, "/spec/group", json!("contract.k8s.io"));
    forbidden(session.post(&path, &protected).await?, "protected groups must have approval annotation")?;
    session.post(&path, &schema(&format!("v1.{ending}"))).await?.coded(201)?;
    let at = format!("{path}/v1.{ending}");
    let changed = session.merge(&at, &json!({"spec": {"names": {"categories": ["all"]}}})).await?;
    forbidden(changed, "is immutable")?;
    session.merge(&at, &json!({"metadata": {"labels": {"a": "b"}}})).await?.coded(200).map(|_| ())
}

/// An export names schemas that fit, stores objects in one way, and claims what is known or says whose it is.
pub async fn an_export_makes_sense(subject: &Subject) -> Result<(), Broken> {
    let tenant = Tenant::make(subject).await?;
    let session = subject.at(&tenant.url)?;
    let path = EXPORTS.path("");
    let schema = format!("v1.gauges.{GROUP}");
    let offers = |name: &str, storage: Value| json!({"resources": [{"group": GROUP, "name": name, "schema": schema, "storage": storage}]});
    let other = export("one", &offers("others", json!({"crd": {}})));
    forbidden(session.post(&path, &other).await?, &format!("must end in .others.{GROUP}"))?;
    session.post(&path, &export("one", &offers("gauges", json!({})))).await?.refused(422, "Invalid")?;
    for (group, resource) in [("", "pods"), (GROUP, "gauges"), ("tenancy.kcp.io", "workspaces")] {
        let claims = json!({"permissionClaims": [{"group": group, "resource": resource, "verbs": ["get"]}]});
        let words = "identityHash is required for API types that are not built-in";
        forbidden(session.post(&path, &export("one", &claims)).await?, words)?;
    }
    let path = OLDER_EXPORTS.path("");
    for claim in [
        json!({"group": "", "resource": "secrets"}),
        json!({"group": "", "resource": "secrets", "all": true, "resourceSelector": [{"name": "a"}]}),
    ] {
        let claims = older(export("one", &json!({"permissionClaims": [claim]})));
        let refusal = session.post(&path, &claims).await?.refused(422, "Invalid")?;
        caused_by(&refusal, &[("FieldValueInvalid", "spec.permissionClaims[0]")])?;
    }
    let odd = older(export("one", &json!({"latestResourceSchemas": ["gauges"]})));
    session.post(&path, &odd).await?.coded(500).map(|_| ())
}

/// Only what is there, and may be bound, is bound or listed; who may not is not told which of the two it is.
pub async fn only_what_may_be_bound_is_bound(subject: &Subject) -> Result<(), Broken> {
    let estate = subject.estate().await?;
    let session = subject.at(&estate.one.url)?;
    let platform = &estate.platform.path;
    let absent_workspace = format!("{platform}:absent");
    for (path, name) in [(platform, "absent"), (&absent_workspace, EXPORT)] {
        let words = format!("no permission to bind to export {path}:{name}");
        forbidden(session.post(&BINDINGS.path(""), &binding("one", path, name, &json!([]))).await?, &words)?;
        let slice = json!({
            "apiVersion": "apis.kcp.io/v1alpha1", "kind": "APIExportEndpointSlice",
            "metadata": {"name": "one"}, "spec": {"export": {"path": path, "name": name}},
        });
        forbidden(session.post(&SLICES.path(""), &slice).await?, &words)?;
    }
    let nameless = json!({
        "apiVersion": "apis.kcp.io/v1alpha2", "kind": "APIBinding", "metadata": {"name": "one"},
        "spec": {"reference": {"export": {"path": "root"}}},
    });
    forbidden(
        session.post(&BINDINGS.path(""), &nameless).await?,
        "spec.reference.export.name: Required value",
    )?;
    // What is bound, and what is listed, stays what it is.
    let other = json!({"spec": {"reference": {"export": {"path": "root", "name": "tenancy.kcp.io"}}}});
    let refusal = session.merge(&binding_path(), &other).await?.refused(422, "Invalid")?;
    caused_by(&refusal, &[("FieldValueInvalid", "spec.reference")])?;
    let home = subject.at(&estate.platform.url)?;
    let refusal = home.merge(&slice_path(), &json!({"spec": {"export": {"name": "other"}}})).await?;
    caused_by(&refusal.refused(422, "Invalid")?, &[("FieldValueInvalid", "spec.export")])
}

/// A claim is granted or not, and for something.
pub async fn a_claim_is_granted_for_something(subject: &Subject) -> Result<(), Broken> {
    let estate = subject.estate().await?;
    let session = subject.at(&estate.one.url)?;
    let platform = &estate.platform.path;
    let post = async |path: String, object: Value| session.post(&path, &object).await;
    let claim = |more: Value| {
        let mut claim = json!({"group": "", "resource": "secrets", "verbs": ["get"], "state": "Accepted"});
        for (field, value) in more.as_object().into_iter().flatten() {
            set(&mut claim, &format!("/{field}"), value.clone());
        }
        json!([claim])
    };
    let missing = "either one of matchAll, matchLabels, or matchExpressions must be set";
    for (more, words) in [
        (json!({}), missing),
        (json!({"selector": {}}), missing),
        (
            json!({"selector": {"matchAll": true, "matchLabels": {"a": "b"}}}),
            "matchLabels cannot be used with matchAll",
        ),
    ] {
        let wrong = binding("one", platform, EXPORT, &claim(more));
        forbidden(post(BINDINGS.path(""), wrong).await?, words)?;
    }
    for state in [Value::Null, json!("Maybe")] {
        let wrong =
            binding("one", platform, EXPORT, &claim(json!({"selector": {"matchAll": true}, "state": state})));
        let refusal = post(BINDINGS.path(""), wrong).await?.refused(422, "Invalid")?;
        caused_by(&refusal, &[("FieldValueNotSupported", "spec.permissionClaims[0].state")])?;
    }
    for more in [json!({}), json!({"all": true, "resourceSelector": [{"name": "a"}]})] {
        let mut claims = claim(more);
        if let Some(claim) = claims.pointer_mut("/0").and_then(Value::as_object_mut) {
            claim.remove("verbs");
        }
        let wrong = older(binding("one", platform, EXPORT, &claims));
        let refusal = post(OLDER_BINDINGS.path(""), wrong).await?.refused(422, "Invalid")?;
        caused_by(&refusal, &[("FieldValueInvalid", "spec.permissionClaims[0]")])?;
    }
    Ok(())
}

/// What one version of a claim says and the other has no words for is kept beside the claims there.
pub async fn what_the_other_version_cannot_say_is_kept_beside(subject: &Subject) -> Result<(), Broken> {
    let tenant = Tenant::make(subject).await?;
    let session = subject.at(&tenant.url)?;
    let (newer, before) = (EXPORTS.path(""), OLDER_EXPORTS.path(""));
    let all = older(export(
        "all",
        &json!({"permissionClaims": [{"group": "", "resource": "secrets", "all": true}]}),
    ));
    session.post(&before, &all).await?.coded(201)?;
    let found = session.get(&format!("{newer}/all")).await?.coded(200)?;
    let claim = json!([{"group": "", "resource": "secrets", "identityHash": "", "verbs": ["*"]}]);
    same(&found["spec"]["permissionClaims"], &claim, "the claim in the newer version")?;
    let found = session.get(&format!("{before}/all")).await?.coded(200)?;
    same(
        &found["spec"]["permissionClaims"],
        &json!([{"resource": "secrets", "all": true}]),
        "the claim as it was made",
    )?;
    let exported = export(
        "some",
        &json!({"permissionClaims": [{"group": "", "resource": "secrets", "verbs": ["get"]}]}),
    );
    session.post(&EXPORTS.path(""), &exported).await?.coded(201)?;
    let granted = json!([{
        "group": "", "resource": "secrets", "verbs": ["get"], "state": "Accepted",
        "selector": {"matchLabels": {"a": "b"}},
    }]);
    let bound = binding("some", &tenant.path, "some", &granted);
    eventually(|| async { session.ensure(&BINDINGS.path(""), &bound).await }).await?;
    let before = format!("{}/some", OLDER_BINDINGS.path(""));
    let found = session.get(&before).await?.coded(200)?;
    same(&found["spec"]["permissionClaims"][0]["all"], &Value::Null, "whether all is granted")?;
    let kept = &found["metadata"]["annotations"]["apis.v1alpha2.kcp.io/acceptable-permission-claims"];
    hold(kept.is_string(), "what is granted is kept beside the claims", &found)
}
