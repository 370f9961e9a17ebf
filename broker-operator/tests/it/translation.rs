//! Orders that become objects of a provider's own kind: a `Database` is an `AzureDatabase` with one provider and a
//! `Database` with the other, and moves between the two.

use broker_kcp::api::v1alpha1::{Assignment, BrokeredApi, MigrationConfiguration};
use broker_operator::demo::market::CONSUMER;
use broker_testkit::wait::{until, until_all};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::watcher;
use kube::{Api, ResourceExt as _};
use serde_json::json;

use crate::actors::DEADLINE;
use crate::look;
use crate::market::Market;
use crate::server::Server;

const DATABASES: &str = include_str!("../../../examples/routing/databases.yaml");
const AZURE_EXPORT: &str = "azuredatabases.azure.example.com";

/// The provider's own kind: another group, other fields.
fn azure_databases() -> String {
    DATABASES
        .replace("databases.example.com", AZURE_EXPORT)
        .replace("group: example.com", "group: azure.example.com")
        .replace("kind: Database", "kind: AzureDatabase")
        .replace("listKind: DatabaseList", "listKind: AzureDatabaseList")
        .replace("plural: databases", "plural: azuredatabases")
        .replace("singular: database", "singular: azuredatabase")
        .replace("shortNames: [db]", "shortNames: [azdb]")
        .replace("required: [engine]", "required: [sku]")
        .replace("                engine:", "                sku:")
        .replace("                storage:", "                size:")
        .replace(
            "                host:",
            "                quiesced:\n                  type: boolean\n                host:",
        )
}

fn azure_offer(sku: &str) -> String {
    format!(
        r#"
apiVersion: broker.platform-mesh.io/v1alpha1
kind: AcceptAPI
metadata: {{name: azure-databases, namespace: default}}
spec:
  gvr: {{group: example.com, version: v1alpha1, resource: databases}}
  filters: [{{key: engine, valueIn: [postgres]}}]
  translation:
    gvk: {{group: azure.example.com, version: v1alpha1, kind: AzureDatabase}}
    template:
      metadata: {{annotations: {{managed-as: "${{copy.metadata.name}}"}}}}
      spec: {{sku: "{sku}", size: "${{self.spec.storage}}"}}
    status:
      zone: ${{copy.status.zone}}
      host: ${{copy.status.host}}
      conditions: ${{copy.status.conditions}}
      relatedResources:
        credentials:
          name: ${{copy.status.relatedResources.connection.name}}
          gvk: {{group: "", version: v1, kind: Secret}}
"#
    )
}

const PLAIN_OFFER: &str = r"
apiVersion: broker.platform-mesh.io/v1alpha1
kind: AcceptAPI
metadata: {name: databases, namespace: default}
spec:
  gvr: {group: example.com, version: v1alpha1, resource: databases}
  filters: [{key: engine, valueIn: [mysql]}]
";

/// What asks a provider to take no more writes.
const FENCE: &str = "broker.platform-mesh.io/quiesce";

const ORDER: &str = r"
apiVersion: example.com/v1alpha1
kind: Database
metadata: {name: shop-db, namespace: default}
spec: {engine: postgres, storage: 50Gi}
";

async fn an_order_becomes_an_object_of_the_providers_own_kind_and_moves_between_kinds(server: Server) {
    let azure = azure_databases();
    let market = Market::open(server, &[DATABASES, &azure], &["azure", "plain"]).await;
    let apis: Api<BrokeredApi> = Api::all(market.stage().client("platform").unwrap());

    // Before the platform says so, nobody may make copies of that kind.
    market.offer("plain", PLAIN_OFFER).await;
    market.file("azure", &azure_offer("GP_${self.spec.engine}")).await;
    let offers = market.in_namespace("azure", "AcceptAPI", "default").unwrap();
    let refused = |offer: Option<&kube::api::DynamicObject>| {
        offer.is_some_and(|offer| {
            offer.data.pointer("/status/conditions/0/reason").is_some_and(|reason| reason == "APINotServed")
        })
    };
    until(&offers, "azure-databases", "the offer to be refused", DEADLINE, refused).await.unwrap();
    let may = json!({"spec": {"moves": "Free", "copyExports": [AZURE_EXPORT]}});
    apis.patch("databases.example.com", &PatchParams::default(), &Patch::Merge(may)).await.unwrap();
    // The kind is nothing that anybody orders.
    apis.delete(AZURE_EXPORT, &DeleteParams::default()).await.unwrap();
    market.offer("azure", &azure_offer("GP_${self.spec.engine}")).await;

    market.order(ORDER).await;
    market.until_served("Database", "shop-db", "azure").await;
    let copies = market.copies("azure", "AzureDatabase").await;
    assert_eq!(copies.len(), 1);
    assert_eq!(copies[0].data["spec"], json!({"sku": "GP_postgres", "size": "50Gi"}));
    assert_eq!(copies[0].annotations()["managed-as"], copies[0].name_any());
    assert!(market.copies("azure", "Database").await.is_empty());
    let assignments: Api<Assignment> = market.stage().assignments().unwrap();
    let recorded = assignments.list(&ListParams::default()).await.unwrap().items.remove(0).spec;
    assert_eq!(recorded.copies[0].gvk.kind, "AzureDatabase");

    // A change goes down, and is told of as the order's own generation.
    market.change("Database", "shop-db", json!({"spec": {"storage": "60Gi"}})).await;
    let order = market.until_served("Database", "shop-db", "azure").await;
    assert_eq!(order.data["status"]["observedGeneration"], json!(order.metadata.generation.unwrap()));
    assert_eq!(market.copies("azure", "AzureDatabase").await[0].data["spec"]["size"], "60Gi");

    // What the provider hands over anew reaches the consumer.
    let at_provider: Api<Secret> = Api::default_namespaced(market.client("azure").unwrap().clone());
    let rotated = json!({"stringData": {"password": "rotated"}, "data": {"password": "cm90YXRlZA=="}});
    let name = format!("{}-connection", copies[0].name_any());
    at_provider.patch(&name, &PatchParams::default(), &Patch::Merge(rotated)).await.unwrap();
    let at_consumer: Api<Secret> = Api::default_namespaced(market.client(CONSUMER).unwrap().clone());
    let rotated =
        |secret: Option<&Secret>| secret.is_some_and(|secret| look::entry(secret, "password") == "rotated");
    until(&at_consumer, "shop-db-credentials", "the new password", DEADLINE, rotated).await.unwrap();

    // To a provider of the orders' own kind, and back.
    market.change("Database", "shop-db", json!({"spec": {"engine": "mysql"}})).await;
    market.until_served("Database", "shop-db", "plain").await;
    market.until_copies("azure", "AzureDatabase", 0).await;
    assert_eq!(market.copies("plain", "Database").await.len(), 1);
    market.change("Database", "shop-db", json!({"spec": {"engine": "postgres"}})).await;
    market.until_served("Database", "shop-db", "azure").await;
    market.until_copies("plain", "Database", 0).await;

    // What cannot be made of the order is told by its expression, and what serves stays.
    market.offer("azure", &azure_offer("${self.spec.tier}")).await;
    let (_, told) = market.until_told("Database", "shop-db", "NotTranslated").await;
    assert!(
        told.contains("template.spec.sku: ${self.spec.tier} has no value: `tier` is not there"),
        "{told}"
    );
    assert_eq!(market.copies("azure", "AzureDatabase").await[0].data["spec"]["sku"], "GP_postgres");
    market.offer("azure", &azure_offer("HS_${self.spec.engine}")).await;
    let again = |found: &[kube::api::DynamicObject]| {
        found.iter().any(|copy| copy.data["spec"]["sku"] == "HS_postgres")
    };
    let objects = market.objects("azure", "AzureDatabase").unwrap();
    until_all(&objects, watcher::Config::default(), "the new template", DEADLINE, again).await.unwrap();

    // What holds data moves between kinds by a playbook, behind a fence. Both look at what the provider itself says.
    let holds_data = json!({"spec": {"moves": "PlaybookOnly", "fence": "Required"}});
    apis.patch("databases.example.com", &PatchParams::default(), &Patch::Merge(holds_data)).await.unwrap();
    let playbooks: Api<MigrationConfiguration> = Api::all(market.stage().client("platform").unwrap());
    let kind = |group: &str, kind: &str| json!({"group": group, "version": "v1alpha1", "kind": kind});
    // `connection` is the provider's own name for what the order knows as `credentials`; `quiesced` has no translation.
    let own = ["from.status.relatedResources.connection.name != ''", "from.spec.sku == 'HS_postgres'"];
    let playbook = json!({
        "apiVersion": "broker.platform-mesh.io/v1alpha1", "kind": "MigrationConfiguration",
        "metadata": {"name": "databases-from-azure"},
        "spec": {
            "from": kind("azure.example.com", "AzureDatabase"), "to": kind("example.com", "Database"),
            "stages": [
                {"name": "copy", "phase": "Initial", "successConditions": own},
                {"name": "catch-up", "phase": "Cutover", "successConditions": ["from.status.quiesced"]},
            ],
        },
    });
    playbooks.create(&PostParams::default(), &serde_json::from_value(playbook).unwrap()).await.unwrap();
    market.change("Database", "shop-db", json!({"spec": {"engine": "mysql"}})).await;
    let fenced =
        |found: &[kube::api::DynamicObject]| found.iter().any(|copy| copy.annotations().contains_key(FENCE));
    let found =
        until_all(&objects, watcher::Config::default(), "a fence on the old copy", DEADLINE, fenced).await;
    let answer = Patch::Merge(json!({"status": {"quiesced": true}}));
    let name = found.unwrap()[0].name_any();
    objects.patch_status(&name, &PatchParams::default(), &answer).await.unwrap();
    market.until_served("Database", "shop-db", "plain").await;
    market.until_copies("azure", "AzureDatabase", 0).await;
    let migrations = market.stage().migrations().unwrap().list(&ListParams::default()).await.unwrap().items;
    let last = migrations
        .iter()
        .filter_map(|it| it.status.as_ref()?.receipt.as_ref())
        .find(|it| it.fence_millis.is_some());
    assert_eq!(last.unwrap().loss, None);

    market.objects(CONSUMER, "Database").unwrap().delete("shop-db", &DeleteParams::default()).await.unwrap();
    market.until_copies("plain", "Database", 0).await;
    let all = watcher::Config::default();
    until_all(&assignments, all, "no Assignments", DEADLINE, <[Assignment]>::is_empty).await.unwrap();
    market.close().await;
}

mod embedded {
    #[tokio::test(flavor = "multi_thread")]
    async fn an_order_becomes_an_object_of_the_providers_own_kind_and_moves_between_kinds() {
        crate::prepare();
        let server = crate::server::Server::embedded().await;
        super::an_order_becomes_an_object_of_the_providers_own_kind_and_moves_between_kinds(server).await;
    }
}

mod kcp {
    #[tokio::test(flavor = "multi_thread")]
    async fn an_order_becomes_an_object_of_the_providers_own_kind_and_moves_between_kinds() {
        crate::prepare();
        let server = crate::server::Server::kcp().await;
        super::an_order_becomes_an_object_of_the_providers_own_kind_and_moves_between_kinds(server).await;
    }
}
