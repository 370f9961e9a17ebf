//! What the platform holds and what is seen through its exports, read once by lists: for commands that tell of all orders
//! or of all clusters, where following everything would cost more than it tells.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::bail;
use broker_core::resource::{ClusterName, Object, marker};
use broker_kcp::api::v1alpha1::{Assignment, BrokeredApi, MigrationConfiguration};
use broker_kcp::fleet::{ExportPlan, Plan, PlatformObjects, revisions};
use broker_kcp::kcp::Resource;
use broker_kcp::kcp::api::{
    ApiBinding, ApiExport, ApiExportEndpointSlice, CLUSTER_ANNOTATION, LogicalCluster,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams};
use kube::{Api, Client, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::offers::{at, path};
use crate::platform::Platform;

/// So many objects a page: what is decoded at the same time takes tens of kilobytes each.
const PAGE: u32 = 500;
/// So many lists at the same time.
const WIDTH: usize = 4;

/// Where the objects of an export are read: behind the URL of a shard, or in one cluster of plain Kubernetes.
pub(crate) struct View {
    pub(crate) client: Client,
    /// The URL, or the cluster's name.
    pub(crate) place: String,
    /// The one cluster that is there, on plain Kubernetes.
    pub(crate) member: Option<ClusterName>,
}

impl View {
    /// A whole list. Each object is annotated with its cluster, as kcp does. A cluster of plain Kubernetes that does not
    /// serve the kind has none.
    pub(crate) async fn list<K>(&self, api: &Api<K>, params: ListParams) -> kube::Result<Vec<K>>
    where
        K: kube::Resource + Clone + std::fmt::Debug + DeserializeOwned,
    {
        self.list_as(api, params, |object| object).await
    }

    /// What is kept of each object of such a list.
    async fn list_as<K, T>(
        &self,
        api: &Api<K>,
        params: ListParams,
        keep: impl Fn(K) -> T,
    ) -> kube::Result<Vec<T>>
    where
        K: kube::Resource + Clone + std::fmt::Debug + DeserializeOwned,
    {
        let found = pages_as(api, params, |mut object| {
            if let Some(member) = &self.member {
                object.annotations_mut().insert(CLUSTER_ANNOTATION.to_owned(), member.to_string());
            }
            keep(object)
        });
        match found.await {
            Err(kube::Error::Api(status)) if self.member.is_some() && status.code == 404 => Ok(Vec::new()),
            found => found,
        }
    }
}

/// Where the objects of an export are read.
pub(crate) async fn views(platform: &Platform, export: &str) -> anyhow::Result<Vec<View>> {
    let plan = plan(platform).await?;
    views_of(platform, plan.exports.get(export)).await
}

pub(crate) async fn views_of(platform: &Platform, planned: Option<&ExportPlan>) -> anyhow::Result<Vec<View>> {
    let Some(planned) = planned else { return Ok(Vec::new()) };
    if planned.members.is_none() {
        let at_url = |url: &String| {
            let client = platform.server.client_at(&format!("{url}/clusters/*"))?;
            anyhow::Ok(View { client, place: url.clone(), member: None })
        };
        return planned.urls.iter().map(at_url).collect();
    }
    let mut views = Vec::new();
    for (name, member) in platform.members().await?.iter() {
        let client = match &member.config {
            Ok(config) => Client::try_from(config.clone()).map_err(|error| error.to_string()),
            Err(why) => Err(why.clone()),
        };
        match client {
            Ok(client) => {
                views.push(View { client, place: name.to_string(), member: Some(name.clone()) });
            }
            Err(why) => {
                eprintln!("note: the cluster {name} is not looked at: its kubeconfig is of no use: {why}");
            }
        }
    }
    Ok(views)
}

/// The paths of clusters, by id, as far as they are told.
pub(crate) async fn paths(platform: &Platform) -> anyhow::Result<BTreeMap<String, String>> {
    Ok(clusters(platform).await?.into_iter().map(|(path, id)| (id, path)).collect())
}

/// The workspaces that bind any of the platform's exports and show themselves to it: ids by path.
pub(crate) async fn clusters(platform: &Platform) -> anyhow::Result<BTreeMap<String, String>> {
    let Platform { server, workspace, .. } = platform;
    if platform.is_on_plain_kubernetes() {
        let members = platform.members().await?;
        return Ok(members.keys().map(|name| (name.to_string(), name.to_string())).collect());
    }
    let slices: Api<ApiExportEndpointSlice> = Api::all(server.client(workspace)?);
    let slices = slices
        .list(&ListParams::default())
        .await
        .map_err(|error| server.failure(format!("listing the endpoints of exports in {workspace}"), error))?;
    let mut found = BTreeMap::new();
    for endpoint in slices.into_iter().flat_map(|slice| slice.status.unwrap_or_default().endpoints) {
        let bindings: Api<ApiBinding> = Api::all(at(server, &endpoint.url)?);
        let clusters: Api<LogicalCluster> = Api::all(at(server, &endpoint.url)?);
        let (bindings, clusters) =
            (bindings.list(&ListParams::default()).await, clusters.list(&ListParams::default()).await);
        // What an export has no claim on is not shown by it; another may have one.
        let told = bindings.iter().flatten().filter_map(path);
        let told = told.chain(clusters.iter().flatten().filter_map(path));
        found.extend(told.map(|(id, path)| (path, id)));
    }
    Ok(found)
}

/// The records of who serves whom.
pub(crate) async fn assignments(platform: &Platform) -> anyhow::Result<Vec<Assignment>> {
    assignments_as(platform, |assignment| assignment).await
}

/// What is kept of each record of who serves whom.
pub(crate) async fn assignments_as<T>(
    platform: &Platform,
    keep: impl Fn(Assignment) -> T,
) -> anyhow::Result<Vec<T>> {
    let api = Api::<Assignment>::all(platform.server.client(&platform.workspace)?);
    let found = pages_as(&api, ListParams::default(), keep).await;
    found.map_err(|error| platform.failure("listing assignments", error))
}

/// The cluster that serves an order, or is to.
pub(crate) fn server_of(assignment: &Assignment) -> Option<&str> {
    let spec = &assignment.spec;
    let serving = spec.pointer.as_ref().map(|copy| copy.cluster_name.as_str());
    serving.or_else(|| spec.offer.as_ref().map(|offer| offer.cluster_name.as_str()))
}

/// The orders of all brokered APIs, each with its API.
pub(crate) async fn orders(platform: &Platform) -> anyhow::Result<Vec<(String, DynamicObject)>> {
    orders_as(platform, None, |api, order| (api.to_owned(), order)).await
}

/// What is kept of each order of all brokered APIs, or of one, and its API.
pub(crate) async fn orders_as<T>(
    platform: &Platform,
    only: Option<&str>,
    keep: impl Fn(&str, DynamicObject) -> T,
) -> anyhow::Result<Vec<T>> {
    // Copies are of the same kind.
    brokered(platform, only, &format!("!{}", marker::ORDER_LABEL), keep).await
}

/// What carries our mark of the kinds of brokered APIs: copies, as far as they are of their orders' kinds.
pub(crate) async fn copies(platform: &Platform) -> anyhow::Result<Vec<(String, DynamicObject)>> {
    brokered(platform, None, marker::ORDER_LABEL, |api, copy| (api.to_owned(), copy)).await
}

/// What is kept of each object of all brokered APIs, or of one, that is labelled so, and its API.
async fn brokered<T>(
    platform: &Platform,
    only: Option<&str>,
    labels: &str,
    keep: impl Fn(&str, DynamicObject) -> T,
) -> anyhow::Result<Vec<T>> {
    let plan = plan(platform).await?;
    if let Some(asked) = only
        && !plan.apis.contains_key(asked)
    {
        let known: Vec<&str> = plan.apis.keys().map(String::as_str).collect();
        bail!("`{asked}` is no brokered API of {}; there are: {}", platform.workspace, known.join(", "));
    }
    let mut wanted = Vec::new();
    for (api, export) in plan.apis.iter().filter(|(api, _)| only.is_none_or(|asked| asked == *api)) {
        let planned = plan.exports.get(export);
        let Some(kind) = planned.and_then(|planned| planned.kinds.get(api)) else { continue };
        wanted.extend(views_of(platform, planned).await?.into_iter().map(|view| (api, view, kind)));
    }
    let keep = &keep;
    let lists = wanted.into_iter().map(|(api, view, kind)| async move {
        let resource = api_resource(kind);
        let labelled = ListParams::default().labels(labels);
        let objects = Api::<DynamicObject>::all_with(view.client.clone(), &resource);
        let found = view.list_as(&objects, labelled, |object| keep(api, object)).await;
        found.map_err(|error| platform.failure(&format!("listing {api}"), error))
    });
    let orders: Vec<Vec<T>> = stream::iter(lists).buffered(WIDTH).try_collect().await?;
    Ok(orders.into_iter().flatten().collect())
}

/// A kind, as kube takes it.
pub(crate) fn api_resource(kind: &Resource) -> ApiResource {
    ApiResource {
        group: kind.gvr.group.clone(),
        version: kind.gvr.version.clone(),
        api_version: kind.gvk().api_version(),
        kind: kind.kind.clone(),
        plural: kind.gvr.resource.clone(),
    }
}

/// What follows from these objects of the platform's.
pub(crate) async fn plan_of(platform: &Platform, objects: &PlatformObjects) -> anyhow::Result<Plan> {
    if platform.is_on_plain_kubernetes() {
        let members = platform.members().await?;
        return Ok(Plan::on_plain_kubernetes(objects, &revisions(&members)));
    }
    Ok(Plan::from_objects(objects))
}

/// Which APIs are brokered, and where their orders are.
pub(crate) async fn plan(platform: &Platform) -> anyhow::Result<Plan> {
    plan_of(platform, &platform_objects(platform).await?).await
}

/// The playbooks, by name.
pub(crate) async fn playbooks(platform: &Platform) -> anyhow::Result<Vec<(String, Value)>> {
    let found = by_name(platform, ApiResource::erase::<MigrationConfiguration>(&())).await?;
    Ok(found.into_iter().map(|(name, object)| (name, Value::Object(object.fields().clone()))).collect())
}

/// What the platform's workspace says of APIs and exports.
pub(crate) async fn platform_objects(platform: &Platform) -> anyhow::Result<PlatformObjects> {
    if platform.is_on_plain_kubernetes() {
        let definitions = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
        let (brokered_apis, schemas) = tokio::try_join!(
            by_name(platform, ApiResource::erase::<BrokeredApi>(&())),
            by_name(platform, ApiResource::from_gvk_with_plural(&definitions, "customresourcedefinitions")),
        )?;
        return Ok(PlatformObjects { brokered_apis, schemas, ..PlatformObjects::default() });
    }
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
    pages_as(api, params, |object| object).await
}

/// What is kept of each object of a whole list, read page by page.
async fn pages_as<K, T>(
    api: &Api<K>,
    params: ListParams,
    mut keep: impl FnMut(K) -> T,
) -> kube::Result<Vec<T>>
where
    K: Clone + std::fmt::Debug + DeserializeOwned,
{
    let mut all = Vec::new();
    let mut params = params.limit(PAGE);
    loop {
        let page = api.list(&params).await?;
        all.extend(page.items.into_iter().map(&mut keep));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(all),
        }
    }
}
