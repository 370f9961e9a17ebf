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
use crate::platform::{ListOutput, Platform, age_of};
use crate::survey::{assignments_as, orders_as, paths, server_of};

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
    /// The offer that serves it, or is to, in the provider's cluster: `<namespace>/<name>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    offer: Option<String>,
    /// The copy whose status the consumer sees, in the provider's cluster: `<namespace>/<name>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    copy: Option<String>,
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
        ListOutput::Table | ListOutput::Wide if rows.is_empty() => eprintln!("No orders."),
        ListOutput::Table | ListOutput::Wide => println!("{}", table(&rows, args.output).trim_fmt()),
        ListOutput::Json => println!("{}", serde_json::to_string_pretty(&rows)?),
        ListOutput::Yaml => print!("{}", serde_saphyr::to_string(&rows)?),
    }
    Ok(())
}

/// All orders at a glance, or those of one API, of one cluster, or both; sorted.
pub(crate) async fn rows(
    platform: &Platform,
    resource: Option<&str>,
    cluster: Option<&str>,
) -> anyhow::Result<Vec<Row>> {
    let (paths, records, orders) =
        tokio::try_join!(paths(platform), records(platform), orders_as(platform, resource, order))?;
    let called = |id: &str| paths.get(id).cloned().unwrap_or_else(|| id.to_owned());
    let rows = orders.into_iter().map(|order| (order.cluster.clone(), row(order, &records, &called)));
    let asked = |id: &str, row: &Row| cluster.is_none_or(|asked| asked == id || asked == row.consumer);
    let mut rows: Vec<Row> = rows.filter(|(id, row)| asked(id, row)).map(|(_, row)| row).collect();
    rows.sort();
    Ok(rows)
}

/// What the overview tells of a record: nothing else of thousands is kept.
#[derive(Debug)]
struct Record {
    provider: Option<String>,
    offer: Option<String>,
    copy: Option<String>,
}

/// The records of orders, by the orders' uids.
async fn records(platform: &Platform) -> anyhow::Result<BTreeMap<String, Record>> {
    Ok(assignments_as(platform, record).await?.into_iter().collect())
}

#[expect(clippy::needless_pass_by_value, reason = "nothing of it is kept")]
fn record(assignment: Assignment) -> (String, Record) {
    let within = |namespace: Option<&str>, name: &str| {
        namespace.map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}"))
    };
    let spec = &assignment.spec;
    let record = Record {
        provider: server_of(&assignment).map(str::to_owned),
        offer: spec.offer.as_ref().map(|offer| within(offer.namespace.as_deref(), &offer.name)),
        copy: spec.pointer.as_ref().map(|copy| within(copy.namespace.as_deref(), &copy.name)),
    };
    (spec.order.uid.clone(), record)
}

/// What the overview tells of an order itself, and what leads to its record.
#[derive(Debug)]
struct Order {
    uid: String,
    cluster: String,
    api: String,
    namespace: String,
    name: String,
    ready: &'static str,
    brokered: Option<Condition>,
    created_at: Option<String>,
}

#[expect(clippy::needless_pass_by_value, reason = "nothing of it is kept")]
fn order(api: &str, order: DynamicObject) -> Order {
    let conditions = order.data.pointer("/status/conditions").and_then(Value::as_array);
    let condition = |kind: &str| {
        conditions.into_iter().flatten().filter_map(Condition::from_value).find(|it| it.kind == kind)
    };
    Order {
        uid: order.uid().unwrap_or_default(),
        cluster: order.annotations().get(CLUSTER_ANNOTATION).cloned().unwrap_or_default(),
        api: api.to_owned(),
        namespace: order.namespace().unwrap_or_default(),
        name: order.name_any(),
        ready: condition("Ready").map_or(ConditionStatus::Unknown, |it| it.status).as_str(),
        brokered: condition("Brokered"),
        created_at: order.creation_timestamp().map(|at| at.0.to_string()),
    }
}

/// An order at a glance.
fn row(order: Order, records: &BTreeMap<String, Record>, called: &dyn Fn(&str) -> String) -> Row {
    let record = records.get(&order.uid);
    let (reason, message) = order.brokered.map(|it| (it.reason, it.message)).unwrap_or_default();
    Row {
        consumer: called(&order.cluster),
        namespace: order.namespace,
        resource: order.api,
        name: order.name,
        provider: record.and_then(|it| it.provider.as_deref()).map(called),
        offer: record.and_then(|it| it.offer.clone()),
        copy: record.and_then(|it| it.copy.clone()),
        ready: order.ready,
        reason,
        message,
        created_at: order.created_at,
    }
}

fn table(rows: &[Row], output: ListOutput) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(output.columns(
        ["CONSUMER", "NAMESPACE", "RESOURCE", "NAME", "PROVIDER", "READY", "REASON", "AGE"],
        ["OFFER", "COPY", "MESSAGE"],
    ));
    for row in rows {
        let created = row.created_at.as_deref().and_then(|at| at.parse::<Timestamp>().ok());
        let age = created.map(age_of).unwrap_or_default();
        let usual = [
            row.consumer.as_str(),
            &row.namespace,
            &row.resource,
            &row.name,
            row.provider.as_deref().unwrap_or_default(),
            row.ready,
            &row.reason,
            &age,
        ];
        let more =
            [row.offer.as_deref().unwrap_or_default(), row.copy.as_deref().unwrap_or_default(), &row.message];
        table.add_row(output.columns(usual, more));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 3));
    }
    table
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use serde_json::json;

    use super::*;

    #[test]
    fn an_order_has_the_offer_and_the_copy_of_its_record() {
        let ordered = json!({
            "apiVersion": "example.com/v1alpha1", "kind": "Certificate",
            "metadata": {
                "name": "my-app-cert", "namespace": "default", "uid": "u",
                "annotations": {CLUSTER_ANNOTATION: "2hkd"},
            },
        });
        let gvk = json!({"group": "example.com", "version": "v1alpha1", "kind": "Certificate"});
        let assignment = json!({
            "apiVersion": "broker.platform-mesh.io/v1alpha1", "kind": "Assignment", "metadata": {"name": "a-1"},
            "spec": {
                "order": {
                    "clusterName": "2hkd", "uid": "u", "namespace": "default", "name": "my-app-cert",
                    "gvr": {"group": "example.com", "version": "v1alpha1", "resource": "certificates"},
                },
                "offer": {"clusterName": "9xyz", "namespace": "default", "name": "internal"},
                "pointer": {"clusterName": "9xyz", "gvk": gvk, "namespace": "default", "name": "c-1"},
            },
        });
        let records = BTreeMap::from([record(serde_json::from_value(assignment).unwrap())]);
        let order = order("certificates.example.com", serde_json::from_value(ordered).unwrap());
        let row = row(order, &records, &|id| format!("root:{id}"));
        assert_eq!(row.provider.as_deref(), Some("root:9xyz"));
        let wide = table(&[row], ListOutput::Wide).to_string();
        let line: Vec<&str> = wide.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(line[line.len() - 2..], ["default/internal", "default/c-1"]);
    }
}
