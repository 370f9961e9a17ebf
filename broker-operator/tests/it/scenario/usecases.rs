//! The use cases of the overview, played with the files of `examples/routing`.

use kube::ResourceExt;
use serde_json::json;

use crate::market::Market;

/// A file of the example.
macro_rules! file {
    ($path:literal) => {
        include_str!(concat!("../../../../examples/routing/", $path))
    };
}

pub(crate) async fn a_region_decides_where_the_data_lives(market: &Market) {
    market.offer("eu", file!("region/eu.yaml")).await;
    market.offer("us", file!("region/us.yaml")).await;
    market.offer("on-premises", file!("region/on-premises.yaml")).await;
    market.order(file!("region/orders.yaml")).await;
    for (order, provider) in
        [("customer-a-db", "eu"), ("customer-b-db", "us"), ("customer-c-db", "on-premises")]
    {
        market.until_served("Database", order, provider).await;
    }
    for provider in ["eu", "us", "on-premises"] {
        let copies = market.copies(provider, "Database").await;
        assert_eq!(copies.len(), 1, "at {provider}");
        assert_eq!(copies[0].data["spec"], json!({"engine": "postgres", "storage": "100Gi"}));
        // What the order was routed by is its consumer's, and not copied unless the platform says so.
        assert_eq!(copies[0].labels().get("region"), None);
    }
}

pub(crate) async fn production_is_certified_by_who_is_paid_for_it(market: &Market) {
    // These offers name the resource alone, without group and version.
    market.offer("letsencrypt", file!("environment/letsencrypt.yaml")).await;
    market.offer("enterprise", file!("environment/enterprise.yaml")).await;
    market.order(file!("environment/orders.yaml")).await;
    for (order, authority) in
        [("shop-dev", "letsencrypt"), ("shop-staging", "letsencrypt"), ("shop", "enterprise")]
    {
        market.until_served("Certificate", order, authority).await;
    }

    // What is promoted to production is certified anew by the other authority; its generation stays.
    let promoted = json!({"metadata": {"labels": {"environment": "production"}}});
    market.change("Certificate", "shop-staging", promoted).await;
    let order = market.until_served("Certificate", "shop-staging", "enterprise").await;
    assert_eq!(order.metadata.generation, Some(1));
    market.until_copies("letsencrypt", "Certificate", 1).await;
}

pub(crate) async fn the_cheaper_offer_is_taken_and_nothing_placed_moves_for_a_bargain(market: &Market) {
    market.offer("eu", file!("cost/eu.yaml")).await;
    market.offer("us", file!("cost/us.yaml")).await;
    market.order(file!("cost/first.yaml")).await;
    market.until_served("Database", "reports-db", "us").await;
    let placed = market.copies("us", "Database").await;

    market.offer("on-premises", file!("cost/on-premises.yaml")).await;
    market.order(file!("cost/second.yaml")).await;
    market.until_served("Database", "archive-db", "on-premises").await;
    let verdicts: Vec<(String, String)> = market
        .candidates("archive-db")
        .await
        .into_iter()
        .map(|candidate| (candidate.verdict, candidate.offer.name))
        .collect();
    let expected =
        [("Chosen", "on-premises-databases"), ("Feasible", "us-databases"), ("Feasible", "eu-databases")];
    assert_eq!(verdicts, expected.map(|(verdict, offer)| (verdict.to_owned(), offer.to_owned())));

    // What is placed stays, even when it is decided again.
    market.change("Database", "reports-db", json!({"spec": {"storage": "60Gi"}})).await;
    market.until_served("Database", "reports-db", "us").await;
    let kept = market.copies("us", "Database").await;
    assert_eq!(kept.iter().map(ResourceExt::uid).collect::<Vec<_>>(), [placed[0].uid()]);
    assert_eq!(kept[0].data["spec"]["storage"], "60Gi");

    // Priority comes before cost.
    let offers = market.objects("eu", "AcceptAPI").unwrap();
    let first = kube::api::Patch::Merge(json!({"spec": {"priority": 10}}));
    let offer = offers.patch("eu-databases", &kube::api::PatchParams::default(), &first).await.unwrap();
    market.until_available("eu", &offer).await.unwrap();
    market.order(file!("cost/third.yaml")).await;
    market.until_served("Database", "ledger-db", "eu").await;
}

pub(crate) async fn the_longest_suffix_wins(market: &Market) {
    market.offer("internal-ca", file!("hybrid/internal-ca.yaml")).await;
    market.offer("letsencrypt", file!("hybrid/letsencrypt.yaml")).await;
    market.offer("enterprise", file!("hybrid/enterprise.yaml")).await;
    market.order(file!("hybrid/orders.yaml")).await;
    for (order, authority) in [("my-app-cert", "internal-ca"), ("shop", "letsencrypt"), ("www", "enterprise")]
    {
        market.until_served("Certificate", order, authority).await;
    }
    // The shorter suffix fits as well, and is second.
    let candidates = market.candidates("www").await;
    let verdicts: Vec<&str> = candidates.iter().map(|candidate| candidate.verdict.as_str()).collect();
    assert_eq!(verdicts[..2], ["Chosen", "Feasible"], "{candidates:?}");
    assert_eq!(candidates[1].offer.name, "public-certificates");

    // The overview's one field: the provider changes.
    market.change("Certificate", "my-app-cert", json!({"spec": {"fqdn": "app.corp.com"}})).await;
    market.until_served("Certificate", "my-app-cert", "letsencrypt").await;
}

pub(crate) async fn a_machine_goes_where_its_provider_region_and_size_fit(market: &Market) {
    market.offer("eu", file!("machines/eu.yaml")).await;
    market.offer("us", file!("machines/us.yaml")).await;
    market.offer("on-premises", file!("machines/on-premises.yaml")).await;
    market.order(file!("machines/order.yaml")).await;
    market.order(file!("machines/more.yaml")).await;
    // On premises is cheaper, but not aws; without a provider named, cost decides; then size.
    market.until_served("VirtualMachine", "web-server", "eu").await;
    market.until_served("VirtualMachine", "batch", "on-premises").await;
    market.until_served("VirtualMachine", "render", "eu").await;
    let (_, message) = market.until_told("VirtualMachine", "analytics", "NoMatchingOffer").await;
    for part in ["spec.memory", "128Gi", "64Gi"] {
        assert!(message.contains(part), "{part} in {message}");
    }
    for secret in ["aws-eu", "vmware", "0.05", "0.20"] {
        assert!(!message.contains(secret), "{secret} in {message}");
    }
}

pub(crate) async fn an_engine_and_a_size_choose_the_database(market: &Market) {
    market.offer("eu", file!("engines/eu.yaml")).await;
    market.offer("us", file!("engines/us.yaml")).await;
    market.order(file!("region/orders.yaml")).await;
    market.order(file!("engines/orders.yaml")).await;
    // 100Gi and 10Gi lie between 10 and 1000, which count in Gi; both ends are included.
    market.until_served("Database", "customer-a-db", "eu").await;
    market.until_served("Database", "orders-db", "eu").await;
    market.until_served("Database", "sessions-db", "us").await;
    // Copies go to the offer's own namespace.
    assert_eq!(market.copies("eu", "Database").await.len(), 0);
    let copies = market.in_namespace("eu", "Database", "provider-workspace").unwrap();
    let engines: Vec<String> = copies
        .list(&kube::api::ListParams::default())
        .await
        .unwrap()
        .iter()
        .map(|copy| copy.data["spec"]["engine"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(engines.iter().filter(|engine| *engine == "postgres").count(), 3);
    assert_eq!(engines.iter().filter(|engine| *engine == "mysql").count(), 1);

    let (_, message) = market.until_told("Database", "warehouse-db", "NoMatchingOffer").await;
    for part in ["spec.storage", "2Ti", "1000"] {
        assert!(message.contains(part), "{part} in {message}");
    }
    market.offer("on-premises", file!("engines/on-premises.yaml")).await;
    market.until_served("Database", "warehouse-db", "on-premises").await;
}

pub(crate) async fn a_changed_label_moves_what_holds_no_data_and_nothing_else(market: &Market) {
    market.offer("eu", file!("region/eu.yaml")).await;
    market.offer("us", file!("region/us.yaml")).await;
    market.offer("eu", file!("machines/eu.yaml")).await;
    market.offer("us", file!("machines/us.yaml")).await;
    market.order(file!("region/orders.yaml")).await;
    market.order(file!("machines/order.yaml")).await;
    market.until_served("VirtualMachine", "web-server", "eu").await;
    market.until_served("Database", "customer-a-db", "eu").await;
    let placed = market.copies("eu", "Database").await;

    let emigrate = json!({"metadata": {"labels": {"region": "us-east-1"}}});
    market.change("VirtualMachine", "web-server", emigrate.clone()).await;
    market.change("Database", "customer-a-db", emigrate).await;
    market.until_served("VirtualMachine", "web-server", "us").await;
    market.until_copies("eu", "VirtualMachine", 0).await;

    // The database keeps serving where it is, and says why.
    let (order, message) = market.until_told("Database", "customer-a-db", "NoPlaybook").await;
    assert_eq!(broker_operator::demo::market::served_by(&order), Some("eu"), "{message}");
    assert!(crate::look::condition(&order, "Ready").unwrap()["status"] == "True");
    let kept = market.copies("eu", "Database").await;
    assert_eq!(kept.iter().map(ResourceExt::uid).collect::<Vec<_>>(), [placed[0].uid()]);

    market
        .change("Database", "customer-a-db", json!({"metadata": {"labels": {"region": "eu-west-1"}}}))
        .await;
    market.until_served("Database", "customer-a-db", "eu").await;
}

pub(crate) async fn an_order_nobody_takes_says_what_would_do_and_is_routed_when_an_offer_comes(
    market: &Market,
) {
    market.offer("us", file!("region/us.yaml")).await;
    market.order(file!("region/orders.yaml")).await;
    market.until_served("Database", "customer-b-db", "us").await;
    let (order, message) = market.until_told("Database", "customer-a-db", "NoMatchingOffer").await;
    for part in ["metadata.labels.region", "eu-central-1", "us-"] {
        assert!(message.contains(part), "{part} in {message}");
    }
    assert!(!message.contains("us-databases"), "{message}");
    // Where the field is missing altogether, that is said.
    let (_, message) = market.until_told("Database", "customer-c-db", "NoMatchingOffer").await;
    assert!(message.contains("metadata.labels.region"), "{message}");

    market.offer("eu", file!("region/eu.yaml")).await;
    let served = market.until_served("Database", "customer-a-db", "eu").await;
    assert_eq!(served.uid(), order.uid());
    assert_eq!(served.metadata.generation, order.metadata.generation);
}
