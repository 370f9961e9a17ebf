//! What the oracle says of a run.

use std::time::Duration;

use broker_core::resource::marker;
use broker_operator::demo::stage::PLATFORM;
use broker_testkit::fault::{Harm, Plan};
use broker_testkit::simulation::history::{History, ObjectKey};
use broker_testkit::simulation::oracle::{Broken, Expected, Oracle, Party, Setting, wrote_at_rest};
use broker_testkit::simulation::zone;

use super::state::objects;
use super::template::Template;

/// How old what the broker knows may be while no message is held back: the worst weather, there and back, and then some.
const FRESH: Duration = Duration::from_secs(1);
/// And where a watch may be dead without a word, or a server away: until that is noticed and mended.
const BLIND: Duration = Duration::from_mins(4);

/// Who is who, and what is promised while this goes wrong.
pub(crate) fn setting(template: &Template, plan: &Plan) -> Setting {
    let market = template.market();
    let party = |name: &String| (template.clusters.get(name).unwrap().clone(), Party::default());
    let consumer = |name: &String| (party(name).0, Party { canaries: vec![format!("-{name}.")] });
    Setting {
        platform: template.clusters.get(PLATFORM).unwrap().clone(),
        consumers: market.consumers.iter().map(consumer).collect(),
        providers: market.providers.iter().map(party).collect(),
        apis: vec![template.goods.brokered()],
        broker: "operator-".to_owned(),
        lag: if plan.faults().any(|fault| blinds(fault.harm())) { BLIND } else { FRESH },
        ahead: plan.faults().map(|fault| ahead(fault.harm())).sum(),
    }
}

/// By how much a fault sets the broker's clock forward.
fn ahead(harm: Harm) -> Duration {
    if let Harm::Forward(span) = harm { span } else { Duration::ZERO }
}

/// Whether the broker may know less for a while.
fn blinds(harm: Harm) -> bool {
    !matches!(
        harm,
        Harm::CrashBefore
            | Harm::CrashAfter
            | Harm::Conflict
            | Harm::Lost
            | Harm::Failing(_)
            | Harm::FailingAfter(_)
    )
}

/// Every broken promise: on the way, in the end, and after it.
pub(crate) fn broken(setting: Setting, template: &Template, history: &History, rested: usize) -> Vec<Broken> {
    let mut oracle = Oracle::new(setting.clone());
    let mut found: Vec<Broken> = history.entries().iter().flat_map(|entry| oracle.observe(entry)).collect();
    found.extend(oracle.at_rest(&expected(template, history)));
    found.extend(wrote_at_rest(&setting, history, rested));
    found
}

/// Who is to serve each order that is left: the one whose zone it names. Nobody can where the consumer has a Secret of its
/// own in the way; how that ends is compared with the same story without faults.
fn expected(template: &Template, history: &History) -> Vec<Expected> {
    let market = template.market();
    let is_consumer =
        |cluster: &String| market.consumers.iter().any(|name| template.clusters.get(name) == Some(cluster));
    let objects = objects(history);
    let is_obstructed = |order: &ObjectKey| {
        let name = format!("{}-key", order.name);
        let secret = ObjectKey::new(&order.cluster, "", "secrets", &order.namespace, &name);
        objects.get(&secret).is_some_and(|secret| secret["metadata"]["labels"][marker::ORDER_LABEL].is_null())
    };
    objects
        .iter()
        .filter(|(order, _)| !is_obstructed(order))
        .filter(|(key, _)| key.resource == market.orders.gvr.resource && is_consumer(&key.cluster))
        .map(|(order, object)| {
            let wanted = object["spec"][&market.field].as_str().unwrap_or_default();
            let provider = market.providers.iter().find(|name| wanted.ends_with(&zone(name)));
            match provider.and_then(|name| template.clusters.get(name)) {
                Some(provider) => Expected::served(order.clone(), provider),
                None => Expected::nobody(order.clone()),
            }
        })
        .collect()
}
