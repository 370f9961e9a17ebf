//! Plays the use cases, and prints after each step who serves what was ordered.

use broker_operator::demo::DemoError;
use broker_operator::demo::market::{CONSUMER, Market, brokered, brokered_message, is_served, served_by};
use kube::ResourceExt as _;
use kube::api::DynamicObject;

use super::cases::{CASES, Case, Step};

/// Plays all of them.
pub(crate) async fn play(market: &Market) -> Result<(), DemoError> {
    for (index, case) in CASES.iter().enumerate() {
        if index > 0 {
            println!();
        }
        println!("{}", case.title);
        one(market, case).await?;
    }
    Ok(())
}

async fn one(market: &Market, case: &Case) -> Result<(), DemoError> {
    for (provider, offer) in case.offers {
        market.offer(provider, offer).await?;
    }
    let mut orders: Vec<String> = Vec::new();
    for (index, step) in case.steps.iter().enumerate() {
        let changed = match step {
            Step::Order(yaml) => {
                let new: Vec<String> =
                    market.apply(CONSUMER, yaml).await?.iter().map(DynamicObject::name_any).collect();
                orders.extend(new.clone());
                new
            }
            Step::Offer(provider, yaml) => {
                let waiting = waiting(market, case.kind, &orders).await?;
                market.offer(provider, yaml).await?;
                println!("  {provider} offers more");
                waiting
            }
        };
        // What waits now may be waiting for the next step, which is an offer.
        let may_wait = !matches!(step, Step::Offer(..)) || index + 1 < case.steps.len();
        for order in &changed {
            tell(market, case.kind, order, may_wait).await?;
        }
    }
    for step in case.steps.iter().rev() {
        match step {
            Step::Order(yaml) => market.remove(CONSUMER, yaml).await?,
            Step::Offer(provider, yaml) => market.remove(provider, yaml).await?,
        }
    }
    for (provider, offer) in case.offers {
        market.remove(provider, offer).await?;
    }
    Ok(())
}

/// The orders that nobody serves.
async fn waiting(market: &Market, kind: &str, orders: &[String]) -> Result<Vec<String>, DemoError> {
    let mut waiting = Vec::new();
    for order in orders {
        let found = market.until(kind, order, "it to be decided", is_decided).await?;
        if !is_served(&found) {
            waiting.push(order.clone());
        }
    }
    Ok(waiting)
}

/// Waits until an order is served, or until it waits where it may, and prints that.
async fn tell(market: &Market, kind: &str, order: &str, may_wait: bool) -> Result<(), DemoError> {
    let holds = |found: &DynamicObject| is_served(found) || (may_wait && is_decided(found));
    let found = market.until(kind, order, "it to be decided", holds).await?;
    match served_by(&found).filter(|_| is_served(&found)) {
        Some(provider) => println!("  {order} -> {provider}"),
        None => println!("  {order} waits: {}", brokered_message(&found)),
    }
    Ok(())
}

fn is_decided(order: &DynamicObject) -> bool {
    is_served(order) || brokered(order) == "NoMatchingOffer"
}
