//! Workspaces.

use serde_json::json;

use super::estate::{LOGICAL_CLUSTERS, Tenant, WORKSPACES};
use crate::contract::broken::{Broken, hold, same};
use crate::contract::sample::{CONFIG_MAPS, config_map};
use crate::contract::session::{eventually, named};
use crate::contract::subject::{Place, Subject};

/// A workspace becomes Ready, knows its path and id, and is reached by either.
pub async fn a_workspace_becomes_ready_and_knows_its_path(subject: &Subject) -> Result<(), Broken> {
    let tenant = Tenant::make(subject).await?;
    let above = subject.session()?;
    let workspace = above.get(&format!("{}/{}", WORKSPACES.path(""), tenant.name)).await?.coded(200)?;
    let url = workspace["spec"]["URL"].as_str().unwrap_or_default();
    let claim = "the workspace's URL ends in its path";
    hold(url.ends_with(&format!("/clusters/{}", tenant.path)), claim, &workspace)?;
    hold(!tenant.id.is_empty(), "the workspace names its cluster", &workspace)?;
    let own = format!("{}/cluster", LOGICAL_CLUSTERS.path(""));
    let by_id = tenant.url.replace(&tenant.path, &tenant.id);
    for url in [&tenant.url, &by_id] {
        let found = subject.at(url)?.get(&own).await?.coded(200)?;
        let annotations = &found["metadata"]["annotations"];
        same(&annotations["kcp.io/cluster"], &json!(tenant.id), "the id that it tells")?;
        same(&annotations["kcp.io/path"], &json!(tenant.path), "the path that it tells")?;
        same(&found["status"]["phase"], &json!("Ready"), "its phase")?;
    }
    Ok(())
}

/// Objects of one workspace are not there in another, and each says which workspace it is in.
pub async fn workspaces_have_objects_of_their_own(subject: &Subject) -> Result<(), Broken> {
    let estate = subject.estate().await?;
    let here = Place::make(subject.at(&estate.one.url)?).await?;
    let made = here.create(CONFIG_MAPS, &config_map("one")).await?;
    let cluster = &made["metadata"]["annotations"]["kcp.io/cluster"];
    same(cluster, &json!(estate.one.id), "the cluster that the object names")?;
    let there = subject.at(&estate.other.url)?;
    there.get(&here.at(CONFIG_MAPS, "one")).await?.refused(404, "NotFound")?;
    named(&there.get(&here.path(CONFIG_MAPS)).await?.coded(200)?, &[], "the other workspace shows nothing")
}

/// A workspace without anything that holds it is gone when it is deleted, and so is what was in it.
pub async fn a_deleted_workspace_is_gone(subject: &Subject) -> Result<(), Broken> {
    let tenant = Tenant::make(subject).await?;
    let inside = subject.at(&tenant.url)?;
    inside.post(&CONFIG_MAPS.path("default"), &config_map("one")).await?.coded(201)?;
    let path = format!("{}/{}", WORKSPACES.path(""), tenant.name);
    let above = subject.session()?;
    above.delete(&path).await?.accepted()?;
    above.until_gone(&path).await?;
    // Which of the two depends on whether the path or the rights in it are forgotten first.
    eventually(|| async {
        let answer = inside.get(&CONFIG_MAPS.path("default")).await?;
        let refused = matches!(answer.code, 403 | 404);
        hold(refused, "nothing is there any more", &json!(answer.code))
    })
    .await
}
