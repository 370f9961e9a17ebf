//! The command `clusters`: who binds the platform's exports, in which roles, and whether they are reached.
//!
//! A cluster is reached through the shards that serve the exports' virtual workspaces. That a shard does not answer
//! is told for all clusters that were seen to use it; since when, the running broker tells on the BrokeredAPI
//! (`ProvidersReachable`).

use std::collections::{BTreeMap, BTreeSet};

use broker_kcp::api::v1alpha1::{AcceptApi, ConditionStatus};
use broker_kcp::kcp::api::{ApiBinding, ApiExportEndpointSlice, CLUSTER_ANNOTATION};
use clap::Args;
use comfy_table::{Table, presets};
use kube::Api;
use kube::api::ListParams;
use serde::Serialize;

use crate::init::plan::ACCEPT_API_EXPORT;
use crate::platform::{Output, Platform, PlatformArgs};
use crate::survey::{assignments, pages, paths, server_of};

/// List the clusters that the platform knows: as consumers, as providers, or both.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
    resource-broker clusters\n  \
    resource-broker clusters -o json --workspace root:platform")]
pub struct ClustersArgs {
    #[command(flatten)]
    platform: PlatformArgs,
    /// How to print them.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// One cluster, and what it is to the platform.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Cluster {
    /// Its path, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// Its id.
    id: String,
    /// The exports that it binds.
    binds: BTreeSet<String>,
    /// Its offers, and how many of them are available.
    offers: usize,
    /// How many of its offers are available.
    available: usize,
    /// The orders that it serves, or is to serve.
    serves: usize,
    /// The orders that it made, as far as they were placed.
    orders: usize,
    /// `Reached`, or why not.
    contact: String,
}

/// What a cluster that is reached says.
const REACHED: &str = "Reached";

/// Prints the clusters.
pub async fn print(args: &ClustersArgs) -> anyhow::Result<()> {
    let platform = args.platform.open().await?;
    let mut clusters: Vec<Cluster> = read(&platform).await?.into_values().collect();
    clusters.sort_by_key(|cluster| (cluster.path.is_none(), cluster.path.clone(), cluster.id.clone()));
    match args.output {
        Output::Table if clusters.is_empty() => {
            eprintln!("No clusters: nobody binds an export of {}.", platform.workspace);
        }
        Output::Table => println!("{}", table(&clusters).trim_fmt()),
        Output::Json => println!("{}", serde_json::to_string_pretty(&clusters)?),
        Output::Yaml => print!("{}", serde_saphyr::to_string(&clusters)?),
    }
    Ok(())
}

async fn read(platform: &Platform) -> anyhow::Result<BTreeMap<String, Cluster>> {
    let mut clusters: BTreeMap<String, Cluster> = BTreeMap::new();
    let slices: Api<ApiExportEndpointSlice> = Api::all(platform.server.client(&platform.workspace)?);
    let slices = pages(&slices, ListParams::default()).await;
    let slices = slices.map_err(|error| platform.failure("listing the endpoints of exports", error))?;
    let urls: BTreeSet<(String, String)> = slices
        .into_iter()
        .flat_map(|slice| {
            let export = slice.spec.export.name.clone();
            let endpoints = slice.status.unwrap_or_default().endpoints;
            endpoints.into_iter().map(move |endpoint| (export.clone(), endpoint.url))
        })
        .collect();
    let mut silent = None;
    for (export, url) in urls {
        let client = platform.server.client_at(&format!("{url}/clusters/*"))?;
        let bindings = match pages(&Api::<ApiBinding>::all(client.clone()), ListParams::default()).await {
            Ok(bindings) => bindings,
            Err(error) => {
                let failure = platform.failure(&format!("listing who binds {export} at {url}"), error);
                eprintln!("note: {failure:#}");
                silent = Some(format!("{export} at {url} does not answer"));
                continue;
            }
        };
        for binding in bindings {
            let Some(cluster) = known(&mut clusters, &binding) else { continue };
            REACHED.clone_into(&mut cluster.contact);
            let bound = binding.spec.reference.export.map(|export| export.name);
            cluster.binds.insert(bound.unwrap_or_else(|| export.clone()));
        }
        if export == ACCEPT_API_EXPORT {
            let offers = pages(&Api::<AcceptApi>::all(client), ListParams::default()).await;
            for offer in offers.map_err(|error| platform.failure("listing the offers", error))? {
                let available = offer.status.iter().flat_map(|status| &status.conditions).any(|condition| {
                    condition.type_ == "Available" && condition.status == ConditionStatus::True
                });
                let Some(cluster) = known(&mut clusters, &offer) else { continue };
                cluster.offers += 1;
                cluster.available += usize::from(available);
            }
        }
    }
    for assignment in assignments(platform).await? {
        let consumer = &assignment.spec.order.cluster_name;
        named(&mut clusters, consumer, silent.as_deref()).orders += 1;
        if let Some(provider) = server_of(&assignment) {
            named(&mut clusters, provider, silent.as_deref()).serves += 1;
        }
    }
    for (id, path) in paths(platform).await? {
        if let Some(cluster) = clusters.get_mut(&id) {
            cluster.path = Some(path);
        }
    }
    Ok(clusters)
}

/// The cluster that an object is in.
fn known<'c>(
    clusters: &'c mut BTreeMap<String, Cluster>,
    object: &impl kube::ResourceExt,
) -> Option<&'c mut Cluster> {
    let id = object.annotations().get(CLUSTER_ANNOTATION)?;
    Some(clusters.entry(id.clone()).or_insert_with(|| Cluster { id: id.clone(), ..Cluster::default() }))
}

/// A cluster that a record names; one that binds nothing is gone, or cannot be reached.
fn named<'c>(clusters: &'c mut BTreeMap<String, Cluster>, id: &str, silent: Option<&str>) -> &'c mut Cluster {
    clusters.entry(id.to_owned()).or_insert_with(|| Cluster {
        id: id.to_owned(),
        contact: silent.unwrap_or("binds no export any more").to_owned(),
        ..Cluster::default()
    })
}

fn table(clusters: &[Cluster]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["CLUSTER", "ID", "BINDS", "OFFERS", "SERVES", "ORDERS", "CONTACT"]);
    for cluster in clusters {
        table.add_row([
            cluster.path.clone().unwrap_or_default(),
            cluster.id.clone(),
            cluster.binds.iter().cloned().collect::<Vec<_>>().join(","),
            if cluster.offers == 0 {
                String::new()
            } else {
                format!("{}/{}", cluster.available, cluster.offers)
            },
            cluster.serves.to_string(),
            cluster.orders.to_string(),
            cluster.contact.clone(),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 3));
    }
    table
}
