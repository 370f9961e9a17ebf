//! All orders, a line each: what their consumers are told, and who serves them.

use std::collections::BTreeMap;

use broker_core::resource::{Condition, ConditionStatus};
use broker_kcp::api::v1alpha1::Assignment;
use broker_kcp::kcp::api::CLUSTER_ANNOTATION;
use broker_kcp::reconcile::OrderQuery;
use comfy_table::{Table, presets};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::DynamicObject;
use serde::Serialize;
use serde_json::Value;

use super::StatusArgs;
use crate::platform::{Output, Platform, age_of};
use crate::survey::{assignments, orders, paths, server_of};

/// An order at a glance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    /// The consumer's cluster: its path, or its id.
    consumer: String,
    /// Its namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    namespace: String,
    /// Its API, as `<resource>.<group>`.
    resource: String,
    /// Its name.
    name: String,
    /// The provider that serves it, or is to: its path, or its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    /// Its condition `Ready`.
    ready: &'static str,
    /// The reason of its condition `Brokered`.
    reason: String,
    /// The message of that condition.
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    /// When it was created (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
}

impl Row {
    /// The order, as the other commands take it, where it is not served as it should be.
    pub(crate) fn stuck(&self) -> Option<OrderQuery> {
        (self.reason != "Bound" || self.ready != ConditionStatus::True.as_str()).then(|| OrderQuery {
            resource: self.resource.clone(),
            cluster: self.consumer.clone(),
            namespace: Some(self.namespace.clone()).filter(|it| !it.is_empty()),
            name: self.name.clone(),
        })
    }
}

/// Prints all orders.
pub(super) async fn print(platform: &Platform, args: &StatusArgs) -> anyhow::Result<()> {
    let rows = rows(platform, args.resource.as_deref(), args.cluster.as_deref()).await?;
    match args.output {
        Output::Table if rows.is_empty() => eprintln!("No orders."),
        Output::Table => println!("{}", table(&rows).trim_fmt()),
        Output::Json => println!("{}", serde_json::to_string_pretty(&rows)?),
        Output::Yaml => print!("{}", serde_saphyr::to_string(&rows)?),
    }
    Ok(())
}

/// All orders at a glance, or those of one API, of one cluster, or both; sorted.
pub(crate) async fn rows(
    platform: &Platform,
    resource: Option<&str>,
    cluster: Option<&str>,
) -> anyhow::Result<Vec<Row>> {
    let (paths, providers, orders) =
        tokio::try_join!(paths(platform), providers(platform), orders(platform, resource))?;
    let called = |id: &str| paths.get(id).cloned().unwrap_or_else(|| id.to_owned());
    let mut rows: Vec<Row> = orders
        .iter()
        .map(|(api, order)| row(api, order, &providers, &called))
        .filter(|(id, row)| cluster.is_none_or(|asked| asked == id || asked == row.consumer))
        .map(|(_, row)| row)
        .collect();
    rows.sort();
    Ok(rows)
}

/// The clusters that serve orders, or are to, by the orders' uids.
async fn providers(platform: &Platform) -> anyhow::Result<BTreeMap<String, String>> {
    let serving = |it: Assignment| Some((it.spec.order.uid.clone(), server_of(&it)?.to_owned()));
    Ok(assignments(platform).await?.into_iter().filter_map(serving).collect())
}

/// An order at a glance, and the id of its consumer's cluster.
fn row(
    api: &str,
    order: &DynamicObject,
    providers: &BTreeMap<String, String>,
    called: &dyn Fn(&str) -> String,
) -> (String, Row) {
    let cluster = order.annotations().get(CLUSTER_ANNOTATION).cloned().unwrap_or_default();
    let conditions = order.data.pointer("/status/conditions").and_then(Value::as_array);
    let condition = |kind: &str| {
        conditions.into_iter().flatten().filter_map(Condition::from_value).find(|it| it.kind == kind)
    };
    let brokered = condition("Brokered");
    let row = Row {
        consumer: called(&cluster),
        namespace: order.namespace().unwrap_or_default(),
        resource: api.to_owned(),
        name: order.name_any(),
        provider: order.uid().and_then(|uid| providers.get(&uid)).map(|id| called(id)),
        ready: condition("Ready").map_or(ConditionStatus::Unknown, |it| it.status).as_str(),
        reason: brokered.as_ref().map(|it| it.reason.clone()).unwrap_or_default(),
        message: brokered.map(|it| it.message).unwrap_or_default(),
        created_at: order.creation_timestamp().map(|at| at.0.to_string()),
    };
    (cluster, row)
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["CONSUMER", "NAMESPACE", "RESOURCE", "NAME", "PROVIDER", "READY", "REASON", "AGE"]);
    for row in rows {
        let created = row.created_at.as_deref().and_then(|at| at.parse::<Timestamp>().ok());
        table.add_row([
            row.consumer.as_str(),
            &row.namespace,
            &row.resource,
            &row.name,
            row.provider.as_deref().unwrap_or_default(),
            row.ready,
            &row.reason,
            &created.map(age_of).unwrap_or_default(),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 3));
    }
    table
}
