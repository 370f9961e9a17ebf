//! Routes orders to offers with `broker-core` alone: no cluster, no runtime, nothing to wait for.

use std::error::Error;
use std::sync::Arc;

use broker_core::matching::{IndexMatcher, Matcher, OfferSet, Offered, OrderFacts, Policies};
use broker_core::offer::OfferId;
use broker_core::resource::{Gvr, Object};
use broker_core::selection::DecidedBy;
use serde_json::{Value, json};

/// Who offers what, in the words of an AcceptAPI's `spec`.
fn offers() -> [(&'static str, Value); 4] {
    let region = |prefix: &str| json!({"key": "metadata.labels.region", "prefix": prefix});
    let engine = json!({"key": "engine", "valueIn": ["postgres", "mysql"]});
    let storage = json!({"key": "storage", "boundary": {"min": "10Gi", "max": "1Ti"}});
    let databases = json!({"resource": "databases"});
    [
        ("eu-large", json!({"gvr": databases, "cost": "2", "filters": [region("eu-"), engine, storage]})),
        ("eu-small", json!({"gvr": databases, "cost": "1.5", "filters": [region("eu-"), engine]})),
        ("us", json!({"gvr": databases, "filters": [region("us-"), engine, storage]})),
        ("typo", json!({"gvr": databases, "filters": [{"key": "storage", "boundary": {"min": "ten"}}]})),
    ]
}

fn order(name: &str, region: &str, engine: &str) -> Value {
    json!({
        "metadata": {"name": name, "labels": {"region": region}},
        "spec": {"engine": engine, "storage": "100Gi"},
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let api: Gvr = "example.com/v1alpha1/databases".parse()?;
    let read = |(provider, spec)| Offered::parse(OfferId::new(provider, "", "databases"), &spec);
    let offers = offers().map(read).map(|offered| offered.serving([api.clone()]));
    let offers = Arc::new(OfferSet::new(&Policies::open([api.clone()]), offers));
    for offer in offers.listings() {
        println!("{}: {}", offer.id().cluster, offer.availability().message);
    }

    let matcher: Box<dyn Matcher> = Box::new(IndexMatcher::new(offers));
    let [eu, us, on_mars] = ["eu-central-1", "us-east-1", "mars-1"];
    for order in [order("a", eu, "mysql"), order("b", us, "postgres"), order("c", on_mars, "postgres")] {
        let order = Object::try_from(order)?;
        let routing = matcher.match_order(&OrderFacts::new(&order, &api, order.name()));
        println!();
        match routing.best() {
            Some(best) => {
                let decided_by = routing.explanation.decided_by.map_or("", DecidedBy::as_str);
                println!("{} -> {} by {decided_by}", order.name(), best.provider());
            }
            None => println!("{} -> nobody: {}", order.name(), routing.consumer_message),
        }
        for candidate in &routing.explanation.nearest {
            println!("  {}: {:?}: {}", candidate.offer.cluster, candidate.verdict, candidate.message);
        }
    }
    Ok(())
}
