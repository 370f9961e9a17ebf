//! The command `clusters`: who binds the platform's exports, in which roles, and whether they are reached.
//!
//! A cluster is reached through the shards that serve the exports' virtual workspaces. That a shard does not answer
//! is told for all clusters that were seen to use it; since when, the running broker tells on the BrokeredAPI
//! (`ProvidersReachable`).

use std::collections::{BTreeMap, BTreeSet};

use broker_kcp::api::v1alpha1::{AcceptApi, ConditionStatus};
use broker_kcp::fleet::ExportPlan;
use broker_kcp::kcp::api::{ApiBinding, CLUSTER_ANNOTATION};
use clap::Args;
use comfy_table::{Table, presets};
use kube::api::{DynamicObject, ListParams};
use kube::{Api, ResourceExt as _};
use serde::Serialize;

use crate::init::plan::ACCEPT_API_EXPORT;
use crate::offers::named_by;
use crate::platform::{ListOutput, Platform, PlatformArgs};
use crate::survey::{View, api_resource, assignments, pages, paths, plan, server_of, views_of};

/// List the clusters that the platform knows: as consumers, as providers, or both.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
    resource-broker clusters\n  \
    resource-broker clusters -o json --workspace root:platform")]
pub struct ClustersArgs {
    #[command(flatten)]
    platform: PlatformArgs,
    /// How to print them.
    #[arg(short, long, value_enum, default_value_t = ListOutput::Table)]
    output: ListOutput,
}

/// One cluster, and what it is to the platform.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cluster {
    /// Its path, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    /// Its id.
    pub(crate) id: String,
    /// The exports that it binds.
    binds: BTreeSet<String>,
    /// Its offers, and how many of them are available.
    pub(crate) offers: usize,
    /// How many of its offers are available.
    available: usize,
    /// What its offers are for, as `<resource>.<group>`, or as far as they say it.
    offered: BTreeSet<String>,
    /// The orders that it serves, or is to serve.
    pub(crate) serves: usize,
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
        ListOutput::Table | ListOutput::Wide if clusters.is_empty() => {
            eprintln!("No clusters: nobody binds an export of {}.", platform.workspace);
        }
        ListOutput::Table | ListOutput::Wide => println!("{}", table(&clusters, args.output).trim_fmt()),
        ListOutput::Json => println!("{}", serde_json::to_string_pretty(&clusters)?),
        ListOutput::Yaml => print!("{}", serde_saphyr::to_string(&clusters)?),
    }
    Ok(())
}

/// The clusters that bind an export, or that a record names, by id.
pub(crate) async fn read(platform: &Platform) -> anyhow::Result<BTreeMap<String, Cluster>> {
    let mut clusters: BTreeMap<String, Cluster> = BTreeMap::new();
    let mut silent = None;
    for (export, planned) in plan(platform).await?.exports {
        for view in views_of(platform, Some(&planned)).await? {
            let bound = match who_binds(&view, &export, &planned).await {
                Ok(bound) => bound,
                Err(error) => {
                    let place = &view.place;
                    let failure = platform.failure(&format!("listing who binds {export} at {place}"), error);
                    eprintln!("note: {failure:#}");
                    silent = Some(format!("{export} at {place} does not answer"));
                    continue;
                }
            };
            for (id, export) in bound {
                let cluster =
                    clusters.entry(id.clone()).or_insert_with(|| Cluster { id, ..Cluster::default() });
                REACHED.clone_into(&mut cluster.contact);
                cluster.binds.insert(export);
            }
            if export == ACCEPT_API_EXPORT {
                let offers =
                    view.list(&Api::<AcceptApi>::all(view.client.clone()), ListParams::default()).await;
                for offer in offers.map_err(|error| platform.failure("listing the offers", error))? {
                    let available =
                        offer.status.iter().flat_map(|status| &status.conditions).any(|condition| {
                            condition.type_ == "Available" && condition.status == ConditionStatus::True
                        });
                    let Some(cluster) = known(&mut clusters, &offer) else { continue };
                    cluster.offers += 1;
                    cluster.offered.insert(named_by(&offer));
                    cluster.available += usize::from(available);
                }
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

/// The clusters that take part in an export there, each with the export that it binds.
async fn who_binds(view: &View, export: &str, planned: &ExportPlan) -> kube::Result<Vec<(String, String)>> {
    if let Some(member) = &view.member {
        // What serves a kind lists it.
        let mut bound = Vec::new();
        for kind in planned.kinds.values() {
            let resource = api_resource(kind);
            let all: Api<DynamicObject> = Api::all_with(view.client.clone(), &resource);
            match all.list(&ListParams::default().limit(1)).await {
                Ok(_) => bound.push((member.to_string(), export.to_owned())),
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(error),
            }
        }
        return Ok(bound);
    }
    let bindings = pages(&Api::<ApiBinding>::all(view.client.clone()), ListParams::default()).await?;
    let named = bindings.into_iter().filter_map(|binding| {
        let id = binding.annotations().get(CLUSTER_ANNOTATION)?.clone();
        let bound = binding.spec.reference.export.map(|export| export.name);
        Some((id, bound.unwrap_or_else(|| export.to_owned())))
    });
    Ok(named.collect())
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

fn table(clusters: &[Cluster], output: ListOutput) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(
        output.columns(["CLUSTER", "ID", "BINDS", "OFFERS", "SERVES", "ORDERS", "CONTACT"], ["OFFERED"]),
    );
    for cluster in clusters {
        let usual = [
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
        ];
        let offered: Vec<&str> = cluster.offered.iter().map(String::as_str).collect();
        table.add_row(output.columns(usual, [offered.join(",")]));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 3));
    }
    table
}
