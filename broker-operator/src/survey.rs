//! What the platform holds and what is seen through its exports, read once by lists: for commands that tell of all orders
//! or of all clusters, where following everything would cost more than it tells.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::bail;
use broker_core::resource::{Object, marker};
use broker_kcp::api::v1alpha1::{Assignment, BrokeredApi, MigrationConfiguration};
use broker_kcp::fleet::{Plan, PlatformObjects};
use broker_kcp::kcp::api::{ApiExport, ApiExportEndpointSlice};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::offers::clusters;
use crate::platform::Platform;

/// So many objects a page.
const PAGE: u32 = 1000;
/// So many lists at the same time.
const WIDTH: usize = 4;

/// The paths of clusters, by id, as far as they are told.
pub(crate) async fn paths(platform: &Platform) -> anyhow::Result<BTreeMap<String, String>> {
    let clusters = clusters(&platform.server, &platform.workspace).await?;
    Ok(clusters.into_iter().map(|(path, id)| (id, path)).collect())
}

/// The records of who serves whom.
pub(crate) async fn assignments(platform: &Platform) -> anyhow::Result<Vec<Assignment>> {
    let api = Api::<Assignment>::all(platform.server.client(&platform.workspace)?);
    listed(platform, &api, "assignments").await
}

/// The cluster that serves an order, or is to.
pub(crate) fn server_of(assignment: &Assignment) -> Option<&str> {
    let spec = &assignment.spec;
    let serving = spec.pointer.as_ref().map(|copy| copy.cluster_name.as_str());
    serving.or_else(|| spec.offer.as_ref().map(|offer| offer.cluster_name.as_str()))
}

/// The orders of all brokered APIs, or of one, each with its API.
pub(crate) async fn orders(
    platform: &Platform,
    only: Option<&str>,
) -> anyhow::Result<Vec<(String, DynamicObject)>> {
    let plan = plan(platform).await?;
    if let Some(asked) = only
        && !plan.apis.contains_key(asked)
    {
        let known: Vec<&str> = plan.apis.keys().map(String::as_str).collect();
        bail!("`{asked}` is no brokered API of {}; there are: {}", platform.workspace, known.join(", "));
    }
    let wanted = plan.apis.iter().filter(|(api, _)| only.is_none_or(|asked| asked == *api));
    let lists = wanted.flat_map(|(api, export)| {
        let export = plan.exports.get(export);
        let kind = export.and_then(|export| export.kinds.get(api));
        let urls = export.into_iter().flat_map(|export| &export.urls);
        urls.filter_map(move |url| Some((api, url, kind?)))
    });
    let lists = lists.map(|(api, url, kind)| async move {
        let resource = ApiResource {
            group: kind.gvr.group.clone(),
            version: kind.gvr.version.clone(),
            api_version: kind.gvk().api_version(),
            kind: kind.kind.clone(),
            plural: kind.gvr.resource.clone(),
        };
        let client = platform.server.client_at(&format!("{url}/clusters/*"))?;
        // Copies are of the same kind.
        let no_copies = ListParams::default().labels(&format!("!{}", marker::ORDER_LABEL));
        let found = pages(&Api::<DynamicObject>::all_with(client, &resource), no_copies).await;
        let found = found.map_err(|error| platform.failure(&format!("listing {api}"), error))?;
        anyhow::Ok(found.into_iter().map(|order| (api.clone(), order)).collect::<Vec<_>>())
    });
    let orders: Vec<Vec<_>> = stream::iter(lists).buffered(WIDTH).try_collect().await?;
    Ok(orders.into_iter().flatten().collect())
}

/// Which APIs are brokered, and where their orders are.
async fn plan(platform: &Platform) -> anyhow::Result<Plan> {
    Ok(Plan::from_objects(&platform_objects(platform).await?))
}

/// The playbooks, by name.
pub(crate) async fn playbooks(platform: &Platform) -> anyhow::Result<Vec<(String, Value)>> {
    let found = by_name(platform, ApiResource::erase::<MigrationConfiguration>(&())).await?;
    Ok(found.into_iter().map(|(name, object)| (name, Value::Object(object.fields().clone()))).collect())
}

/// What the platform's workspace says of APIs and exports.
pub(crate) async fn platform_objects(platform: &Platform) -> anyhow::Result<PlatformObjects> {
    let schemas = GroupVersionKind::gvk("apis.kcp.io", "v1alpha1", "APIResourceSchema");
    let (brokered_apis, exports, slices, schemas) = tokio::try_join!(
        by_name(platform, ApiResource::erase::<BrokeredApi>(&())),
        by_name(platform, ApiResource::erase::<ApiExport>(&())),
        by_name(platform, ApiResource::erase::<ApiExportEndpointSlice>(&())),
        by_name(platform, ApiResource::from_gvk_with_plural(&schemas, "apiresourceschemas")),
    )?;
    Ok(PlatformObjects { brokered_apis, exports, slices, schemas })
}

/// The platform workspace's objects of a kind, whole.
async fn by_name(
    platform: &Platform,
    resource: ApiResource,
) -> anyhow::Result<BTreeMap<String, Arc<Object>>> {
    let client = platform.server.client(&platform.workspace)?;
    let api = Api::<DynamicObject>::all_with(client, &resource);
    let mut named = BTreeMap::new();
    for object in listed(platform, &api, &resource.plural).await? {
        let object = Object::try_from(serde_json::to_value(object)?)?;
        named.insert(object.name().to_owned(), Arc::new(object));
    }
    Ok(named)
}

async fn listed<K>(platform: &Platform, api: &Api<K>, plural: &str) -> anyhow::Result<Vec<K>>
where
    K: Clone + std::fmt::Debug + DeserializeOwned,
{
    let found = pages(api, ListParams::default()).await;
    found.map_err(|error| platform.failure(&format!("listing {plural}"), error))
}

/// A whole list, page by page.
pub(crate) async fn pages<K>(api: &Api<K>, params: ListParams) -> kube::Result<Vec<K>>
where
    K: Clone + std::fmt::Debug + DeserializeOwned,
{
    let mut all = Vec::new();
    let mut params = params.limit(PAGE);
    loop {
        let page = api.list(&params).await?;
        all.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(all),
        }
    }
}
