//! Exports, their bindings, and what is seen through the virtual workspace.

use serde_json::{Value, json};

use super::estate::{
    Accept, BINDINGS, EXPORT, GADGETS, LOGICAL_CLUSTERS, Tenant, binding_path, cluster, export, gadget,
    slice_path, text,
};
use crate::contract::broken::{Broken, hold, same};
use crate::contract::rights::{ROBOT, token};
use crate::contract::sample::{
    CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, CONFIG_MAPS, SECRETS, config_map, labelled, set,
};
use crate::contract::session::{eventually, list};
use crate::contract::subject::{Place, Subject};
use crate::contract::watch::Watch;

/// An export's endpoint slice appears by itself, and has a URL from the first binding on.
pub async fn an_export_has_a_url_from_its_first_binding_on(subject: &Subject) -> Result<(), Broken> {
    let platform = Tenant::make(subject).await?;
    let session = subject.at(&platform.url)?;
    export(&session).await?;
    let path = slice_path();
    eventually(|| async { session.get(&path).await?.coded(200) }).await?;
    let valid = |slice: &Value| {
        let conditions = list(&slice["status"]["conditions"]);
        conditions.iter().any(|c| c["type"] == "APIExportValid" && c["status"] == "True")
    };
    let slice = session.until(&path, "the slice's export is valid", valid).await?;
    hold(list(&slice["status"]["endpoints"]).is_empty(), "there is no URL before a binding", &slice)?;
    platform.bind(subject, &platform, Accept::Labelled).await?;
    let has_url = |slice: &Value| slice["status"]["endpoints"][0]["url"].is_string();
    let slice = session.until(&path, "the slice has a URL", has_url).await?;
    let url = text(&slice["status"]["endpoints"][0]["url"]);
    let wanted = format!("/services/apiexport/{}/{EXPORT}", platform.id);
    hold(url.ends_with(&wanted), &format!("the URL ends in {wanted}"), &slice)
}

/// A binding tells what it bound, and its workspace serves that.
pub async fn a_binding_tells_what_it_bound(subject: &Subject) -> Result<(), Broken> {
    let estate = subject.estate().await?;
    let session = subject.at(&estate.one.url)?;
    let binding = session.get(&binding_path()).await?.coded(200)?;
    let status = &binding["status"];
    same(&status["apiExportClusterName"], &json!(estate.platform.id), "the export's cluster")?;
    let bound: Vec<_> = list(&status["boundResources"])
        .iter()
        .map(|bound| json!([bound["group"], bound["resource"]]))
        .collect();
    same(&json!(bound), &json!([["contract.example.com", "gadgets"]]), "what is bound")?;
    let applied: Vec<_> =
        list(&status["appliedPermissionClaims"]).iter().map(|claim| text(&claim["resource"])).collect();
    hold(applied.iter().any(|claim| claim == "secrets"), "the accepted claim is applied", &binding)?;
    let place = Place::make(session).await?;
    let made = place.create(GADGETS, &gadget("one", 3)).await?;
    same(&made["spec"], &json!({"size": 3, "colour": "blue"}), "a gadget, with its defaults")?;
    let refused = place.session.post(&place.path(GADGETS), &gadget("two", 500)).await?;
    refused.refused(422, "Invalid").map(|_| ())
}

/// A list of all clusters shows objects of equal names, each with the id of its cluster.
pub async fn a_list_of_all_clusters_tells_equal_names_apart(subject: &Subject) -> Result<(), Broken> {
    let estate = subject.estate().await?;
    let here = Place::make(subject.at(&estate.one.url)?).await?;
    let mark = &here.namespace;
    let everywhere = estate.inside(subject, "*")?;
    for tenant in [&estate.one, &estate.other] {
        let object = labelled(gadget("same", 3), "mark", mark);
        subject.at(&tenant.url)?.post(&GADGETS.path("default"), &object).await?.coded(201)?;
    }
    let path = format!("{}?labelSelector=mark%3D{mark}", GADGETS.path(""));
    let found = everywhere.get(&path).await?.coded(200)?;
    let items = list(&found["items"]);
    let mut clusters: Vec<_> = items.iter().map(cluster).collect();
    clusters.sort();
    let mut wanted = vec![estate.one.id.clone(), estate.other.id.clone()];
    wanted.sort();
    same(&json!(clusters), &json!(wanted), "the clusters of the objects")?;
    hold(items.iter().all(|item| item["metadata"]["name"] == "same"), "they have one name", &found)?;
    for tenant in [&estate.one, &estate.other] {
        let path = format!("{}/same", GADGETS.path("default"));
        let seen = estate.inside(subject, &tenant.id)?.get(&path).await?.coded(200)?;
        same(&json!(cluster(&seen)), &json!(tenant.id), "the cluster of one read by its id")?;
        subject.at(&tenant.url)?.delete(&path).await?.coded(200)?;
    }
    Ok(())
}

/// One watch shows what happens in all workspaces, in order.
pub async fn one_watch_shows_every_workspace(subject: &Subject) -> Result<(), Broken> {
    let estate = subject.estate().await?;
    let here = Place::make(subject.at(&estate.one.url)?).await?;
    let there = Place::make(subject.at(&estate.other.url)?).await?;
    let everywhere = estate.inside(subject, "*")?;
    let selector = format!("labelSelector=mark%3D{}", here.namespace);
    let path = GADGETS.path("");
    let found = everywhere.get(&format!("{path}?{selector}")).await?.coded(200)?;
    let version = text(&found["metadata"]["resourceVersion"]);
    let mut watch = Watch::from(&everywhere, &path, &format!("&{selector}"), &version).await?;
    let object = labelled(gadget("same", 3), "mark", &here.namespace);
    for (place, tenant) in [(&here, &estate.one), (&there, &estate.other)] {
        place.create(GADGETS, &object).await?;
        let added = watch.expect("ADDED", "same").await?;
        same(&json!(cluster(&added)), &json!(tenant.id), "the cluster of ADDED")?;
    }
    here.session.merge(&here.at(GADGETS, "same"), &json!({"spec": {"size": 4}})).await?.coded(200)?;
    let modified = watch.expect("MODIFIED", "same").await?;
    same(&json!(cluster(&modified)), &json!(estate.one.id), "the cluster of MODIFIED")?;
    there.session.delete(&there.at(GADGETS, "same")).await?.coded(200)?;
    let deleted = watch.expect("DELETED", "same").await?;
    same(&json!(cluster(&deleted)), &json!(estate.other.id), "the cluster of DELETED")
}

/// Objects of the export's kinds are written through the virtual workspace, as in the workspace itself.
pub async fn a_workspace_is_written_through_the_virtual_one(subject: &Subject) -> Result<(), Broken> {
    let estate = subject.estate().await?;
    let place = Place::make(subject.at(&estate.one.url)?).await?;
    let inside = estate.inside(subject, &estate.one.id)?;
    let path = place.at(GADGETS, "one");
    let made = inside.post(&place.path(GADGETS), &gadget("one", 3)).await?.coded(201)?;
    let mut applied = gadget("one", 4);
    set(&mut applied, "/metadata/uid", made["metadata"]["uid"].clone());
    inside.force(&path, "first", &applied).await?.coded(200)?;
    let status = json!({"status": {"phase": "Ready"}});
    let changed = inside.merge(&format!("{path}/status"), &status).await?.coded(200)?;
    let seen = place.read(GADGETS, "one").await?;
    same(&seen, &changed, "the workspace shows what was written")?;
    same(&seen["spec"]["size"], &json!(4), "the spec")?;
    same(&seen["status"]["phase"], &json!("Ready"), "the status")?;
    inside.delete(&path).await?.coded(200)?;
    place.session.get(&path).await?.refused(404, "NotFound")?;
    inside.force(&path, "first", &applied).await?.refused(409, "Conflict")?;
    place.session.get(&path).await?.refused(404, "NotFound")?;
    // Not 201 as everywhere else.
    inside.force(&path, "first", &gadget("one", 5)).await?.coded(200)?;
    place.read(GADGETS, "one").await.map(|_| ())
}

/// A kind that is neither exported nor claimed does not exist for all clusters, and is refused in each of them.
pub async fn a_kind_that_is_not_claimed_is_not_there(subject: &Subject) -> Result<(), Broken> {
    let estate = subject.estate().await?;
    let inside = estate.inside(subject, &estate.one.id)?;
    let path = CONFIG_MAPS.path("default");
    inside.get(&path).await?.refused(403, "Forbidden")?;
    inside.post(&path, &config_map("one")).await?.refused(403, "Forbidden")?;
    estate.inside(subject, "*")?.get(&CONFIG_MAPS.path("")).await?.coded(404).map(|_| ())
}

/// The bindings of the export are seen without any claim, those of other exports are not.
pub async fn the_exports_bindings_are_seen_without_a_claim(subject: &Subject) -> Result<(), Broken> {
    let estate = subject.estate().await?;
    let found = estate.inside(subject, "*")?.get(&BINDINGS.path("")).await?.coded(200)?;
    let items = list(&found["items"]);
    let exports: Vec<_> =
        items.iter().map(|binding| text(&binding["spec"]["reference"]["export"]["name"])).collect();
    hold(exports.iter().all(|name| name == EXPORT), "all are bindings to the export", &json!(exports))?;
    for tenant in [&estate.one, &estate.other] {
        hold(items.iter().any(|b| cluster(b) == tenant.id), "every workspace's binding is seen", &found)?;
    }
    Ok(())
}

/// A claim on logical clusters tells the path of every workspace that accepted it.
pub async fn a_claim_on_logical_clusters_tells_paths(subject: &Subject) -> Result<(), Broken> {
    let estate = subject.estate().await?;
    let everywhere = estate.inside(subject, "*")?;
    for tenant in [&estate.one, &estate.other] {
        let found = everywhere.get(&LOGICAL_CLUSTERS.path("")).await?.coded(200)?;
        let paths: Vec<_> = list(&found["items"])
            .iter()
            .filter(|item| cluster(item) == tenant.id)
            .map(|item| item["metadata"]["annotations"]["kcp.io/path"].clone())
            .collect();
        same(&json!(paths), &json!([tenant.path]), "the path of a workspace")?;
    }
    Ok(())
}

/// Whoever looks through the virtual workspace needs `apiexports/content` of that export, and the right to be in
/// the export's workspace; neither gives a right in the workspaces seen.
pub async fn the_virtual_workspace_needs_the_right_to_its_content(subject: &Subject) -> Result<(), Broken> {
    let estate = subject.estate().await?;
    let place = Place::make(subject.at(&estate.platform.url)?).await?;
    let token = token(&place).await?;
    let everywhere = subject.bearer(&estate.inside_url("*"), &token)?;
    let path = GADGETS.path("");
    eventually(|| async { everywhere.get(&path).await?.refused(403, "Forbidden") }).await?;
    let name = &place.namespace;
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name},
        "rules": [{
            "apiGroups": ["apis.kcp.io"], "resources": ["apiexports/content"], "resourceNames": [EXPORT],
            "verbs": ["*"],
        }],
    });
    place.session.post(&CLUSTER_ROLES.path(""), &role).await?.coded(201)?;
    let access = "system:kcp:workspace:access";
    for (binding, role) in [(name.clone(), name.as_str()), (format!("{name}-access"), access)] {
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": binding},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": ROBOT, "namespace": name}],
        });
        place.session.post(&CLUSTER_ROLE_BINDINGS.path(""), &binding).await?.coded(201)?;
    }
    eventually(|| async { everywhere.get(&path).await?.coded(200) }).await?;
    let inside = subject.bearer(&estate.inside_url(&estate.one.id), &token)?;
    inside.get(&path).await?.coded(200)?;
    inside.get(&SECRETS.path("default")).await?.coded(200)?;
    inside.get(&CONFIG_MAPS.path("default")).await?.refused(403, "Forbidden")?;
    let direct = subject.bearer(&estate.one.url, &token)?;
    for kind in [GADGETS, SECRETS] {
        direct.get(&kind.path("default")).await?.refused(403, "Forbidden")?;
    }
    Ok(())
}
