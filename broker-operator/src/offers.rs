//! The command `offers`: what providers offer, as the platform sees it.
//!
//! It reads through AcceptAPI's virtual workspace, with the broker's own kubeconfig: what it shows is what
//! the broker sees.

use std::collections::BTreeMap;

use anyhow::bail;
use broker_kcp::api::v1alpha1::AcceptApi;
use broker_kcp::kcp::api::{
    ApiBinding, ApiExportEndpointSlice, CLUSTER_ANNOTATION, LogicalCluster, PATH_ANNOTATION,
};
use clap::Args;
use comfy_table::{Table, presets};
use kube::api::ListParams;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::init::Server;
use crate::init::plan::ACCEPT_API_EXPORT;
use crate::platform::{ListOutput, Platform, PlatformArgs, age_of};
use crate::survey::{paths, views};

/// List what providers offer, and whether it is available.
#[derive(Clone, Debug, Args)]
pub struct OffersArgs {
    #[command(flatten)]
    platform: PlatformArgs,
    /// How to print them.
    #[arg(short, long, value_enum, default_value_t = ListOutput::Table)]
    output: ListOutput,
}

/// An offer, and the path of its provider's workspace where it is known.
pub(crate) struct Offer {
    pub(crate) provider: String,
    pub(crate) object: AcceptApi,
}

/// Prints the offers.
pub async fn print(args: &OffersArgs) -> anyhow::Result<()> {
    let platform = args.platform.open().await?;
    let Platform { workspace, .. } = &platform;
    let mut offers = read(&platform).await?;
    offers.sort_by_key(|offer| (offer.provider.clone(), offer.object.namespace(), offer.object.name_any()));
    match args.output {
        ListOutput::Table | ListOutput::Wide if offers.is_empty() => {
            eprintln!("No offers: no provider of {workspace} has an AcceptAPI.");
        }
        ListOutput::Table | ListOutput::Wide => println!("{}", table(&offers, args.output).trim_fmt()),
        ListOutput::Json => println!("{}", serde_json::to_string_pretty(&list(offers))?),
        ListOutput::Yaml => print!("{}", serde_saphyr::to_string(&list(offers))?),
    }
    Ok(())
}

/// All offers of all shards.
pub(crate) async fn read(platform: &Platform) -> anyhow::Result<Vec<Offer>> {
    let providers = providers(platform).await?;
    let mut offers = Vec::new();
    for view in views(platform, ACCEPT_API_EXPORT).await? {
        let list = view.list::<AcceptApi>(&Api::all(view.client.clone()), ListParams::default()).await;
        let list =
            list.map_err(|error| platform.failure(&format!("listing the offers at {}", view.place), error))?;
        offers.extend(list.into_iter().map(|object| {
            let id = object.annotations().get(CLUSTER_ANNOTATION).cloned().unwrap_or_default();
            Offer { provider: providers.get(&id).cloned().unwrap_or(id), object }
        }));
    }
    Ok(offers)
}

/// Who may offer: workspaces that bind the export of offers, by id, with their path, or the id again where nothing tells
/// the path; on plain Kubernetes every cluster that takes part, by name.
pub(crate) async fn providers(platform: &Platform) -> anyhow::Result<BTreeMap<String, String>> {
    if platform.is_on_plain_kubernetes() {
        return paths(platform).await;
    }
    let Platform { server, workspace, .. } = platform;
    let mut providers = BTreeMap::new();
    for url in endpoints(server, workspace).await? {
        for binding in all_of::<ApiBinding>(server, &url, "bindings").await? {
            if let Some(id) = binding.annotations().get(CLUSTER_ANNOTATION) {
                providers.insert(id.clone(), path(&binding).map_or_else(|| id.clone(), |(_, path)| path));
            }
        }
    }
    if providers.iter().all(|(id, path)| id != path) {
        return Ok(providers);
    }
    // Of two exports that make the same claim, a workspace may show itself to one only: any of them will do.
    let slices: Api<ApiExportEndpointSlice> = Api::all(server.client(workspace)?);
    let slices = slices
        .list(&ListParams::default())
        .await
        .map_err(|error| server.failure(format!("listing the endpoints of exports in {workspace}"), error))?;
    for slice in slices {
        for endpoint in slice.status.unwrap_or_default().endpoints {
            // Whose binding predates the claim, or rejects it, is shown by its id.
            let clusters: Api<LogicalCluster> = Api::all(at(server, &endpoint.url)?);
            let Ok(clusters) = clusters.list(&ListParams::default()).await else { continue };
            for (id, path) in clusters.iter().filter_map(path) {
                providers.entry(id).and_modify(|known| *known = path);
            }
        }
    }
    Ok(providers)
}

/// Where the offers are served: one address for each shard.
pub(crate) async fn endpoints(server: &Server, workspace: &str) -> anyhow::Result<Vec<String>> {
    let slices: Api<ApiExportEndpointSlice> = Api::all(server.client(workspace)?);
    let Some(slice) = slices.get_opt(ACCEPT_API_EXPORT).await.map_err(|error| {
        server.failure(format!("reading the endpoints of {ACCEPT_API_EXPORT} in {workspace}"), error)
    })?
    else {
        bail!(
            "{workspace} exports no {ACCEPT_API_EXPORT}: is it the platform's workspace, prepared by `init platform`?"
        );
    };
    Ok(slice.status.unwrap_or_default().endpoints.into_iter().map(|endpoint| endpoint.url).collect())
}

/// All objects of a kind that a virtual workspace shows.
async fn all_of<K>(server: &Server, url: &str, what: &str) -> anyhow::Result<Vec<K>>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned,
{
    let api: Api<K> = Api::all(at(server, url)?);
    let found = api.list(&ListParams::default()).await;
    Ok(found.map_err(|error| server.failure(format!("listing the {what} at {url}"), error))?.items)
}

pub(crate) fn at(server: &Server, url: &str) -> anyhow::Result<Client> {
    Ok(server.client_at(&format!("{url}/clusters/*"))?)
}

/// The id and the path of the cluster that an object is in, where it tells both.
pub(crate) fn path(object: &impl ResourceExt) -> Option<(String, String)> {
    let annotation = |name| object.annotations().get(name).cloned();
    Some((annotation(CLUSTER_ANNOTATION)?, annotation(PATH_ANNOTATION)?))
}

fn table(offers: &[Offer], output: ListOutput) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(output.columns(
        ["PROVIDER", "NAMESPACE", "NAME", "RESOURCE", "AVAILABLE", "REASON", "ORDERS", "AGE"],
        ["PRIORITY", "WEIGHT", "COST", "CAPACITY", "SCHEDULING", "FILTERS"],
    ));
    for offer in offers {
        let object = &offer.object;
        let status = object.status.clone().unwrap_or_default();
        let available = status.conditions.iter().find(|condition| condition.type_ == "Available");
        let usual = [
            offer.provider.clone(),
            object.namespace().unwrap_or_default(),
            object.name_any(),
            named_by(object),
            available.map_or_else(|| "Unknown".to_owned(), |condition| format!("{:?}", condition.status)),
            available.and_then(|condition| condition.reason.clone()).unwrap_or_default(),
            status.assigned_orders.map(|orders| orders.to_string()).unwrap_or_default(),
            object.creation_timestamp().map(|time| age_of(time.0)).unwrap_or_default(),
        ];
        table.add_row(output.columns(usual, terms(object)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 3));
    }
    table
}

/// The API that an offer names, as `<resource>.<group>`; the resource alone where it says no group.
pub(crate) fn named_by(offer: &AcceptApi) -> String {
    let gvr = &offer.spec.gvr;
    gvr.group.as_ref().map_or_else(|| gvr.resource.clone(), |group| format!("{}.{group}", gvr.resource))
}

/// What an offer says of itself: how loudly it is made, what it costs, how much there is, and what decides.
fn terms(offer: &AcceptApi) -> [String; 6] {
    let spec = &offer.spec;
    let capacity = spec.capacity.as_ref().and_then(|capacity| capacity.orders);
    // A filter without a key is an expression.
    let keys =
        spec.filters.iter().map(|filter| if filter.key.is_empty() { "expression" } else { &filter.key });
    [
        spec.priority.to_string(),
        spec.weight.to_string(),
        spec.cost.as_ref().map(ToString::to_string).unwrap_or_default(),
        capacity.map(|orders| orders.to_string()).unwrap_or_default(),
        format!("{:?}", spec.scheduling),
        keys.collect::<Vec<_>>().join(","),
    ]
}

fn list(offers: Vec<Offer>) -> Value {
    let items: Vec<_> = offers
        .into_iter()
        .map(|mut offer| {
            offer.object.metadata.managed_fields = None;
            offer.object
        })
        .collect();
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn offer() -> AcceptApi {
        let offer = json!({
            "apiVersion": "broker.platform-mesh.io/v1alpha1", "kind": "AcceptAPI",
            "metadata": {"name": "eu", "namespace": "default"},
            "spec": {
                "gvr": {"group": "example.com", "resource": "databases"},
                "filters": [{"key": "spec.region", "prefix": "eu-"}, {"expression": "true"}],
                "cost": "0.25", "capacity": {"orders": 100}, "scheduling": "Cordoned",
            },
        });
        serde_json::from_value(offer).unwrap()
    }

    #[test]
    fn the_wide_table_has_the_terms_of_an_offer_and_the_usual_one_has_not() {
        let offers = [Offer { provider: "root:eu".to_owned(), object: offer() }];
        let words = |output| -> Vec<String> {
            let text = table(&offers, output).to_string();
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
        };
        let usual = words(ListOutput::Table);
        assert_eq!(usual[0], "PROVIDER NAMESPACE NAME RESOURCE AVAILABLE REASON ORDERS AGE");
        let wide = words(ListOutput::Wide);
        assert_eq!(wide[0], format!("{} PRIORITY WEIGHT COST CAPACITY SCHEDULING FILTERS", usual[0]));
        assert_eq!(wide[1], format!("{} 0 100 0.25 100 Cordoned spec.region,expression", usual[1]));
    }
}
