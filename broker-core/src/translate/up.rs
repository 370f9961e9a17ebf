//! From a copy's status to the order's.

use serde_json::{Map, Value, json};

use super::related::Handed;
use crate::resource::{Condition, ConditionStatus, Object, marker};
use crate::sabotage::{self, Bug};

/// Type of the broker's own condition on orders.
pub(crate) const BROKERED: &str = "Brokered";

/// What the broker says about an order in its own condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Whether the order is served as it asks to be.
    pub status: ConditionStatus,
    /// `PascalCase` reason.
    pub reason: &'static str,
    /// Text for the consumer: its own fields and values, never other parties.
    pub message: String,
}

/// What the order's status is made from.
#[derive(Clone, Copy, Debug)]
pub struct OrderStatus<'a> {
    /// The order as it is.
    pub order: &'a Object,
    /// The copy that the consumer sees, if there is one to see.
    pub copy: Option<&'a Object>,
    /// What the copy hands over, where it was handed over already.
    pub handed: Option<&'a Handed>,
    /// The broker's own word.
    pub told: &'a Told,
    /// Now, as RFC 3339, for a transition of the broker's own condition.
    pub now: &'a str,
}

/// What the status of an order must be: the copy's, every generation translated, with the broker's own condition.
///
/// Where no copy can be seen the last status stays, with nothing but the broker's condition changed.
pub fn desired_status(input: OrderStatus<'_>) -> Value {
    let mut status = match input.copy {
        Some(copy) => translated(copy, input.order),
        None => match input.order.get(&["status"]) {
            Some(Value::Object(status)) => status.clone(),
            _ => Map::new(),
        },
    };
    match input.handed {
        Some(handed) => {
            // What is not seen at the provider for a moment stays with the consumer, and stays named.
            let before = input.order.get(&["status", "relatedResources"]);
            let awaited = handed.refused.iter().filter(|(_, refusal)| refusal.is_pending());
            let kept = awaited.filter_map(|(key, _)| Some((key.clone(), before?.get(key)?.clone())));
            let related: Map<String, Value> = handed
                .wanted
                .iter()
                .map(|(key, (target, _))| {
                    let gvk = &target.gvk;
                    (
                        key.clone(),
                        json!({
                            "namespace": target.key.namespace,
                            "name": target.key.name,
                            "gvk": { "group": gvk.group, "version": gvk.version, "kind": gvk.kind },
                        }),
                    )
                })
                .chain(kept)
                .collect();
            if related.is_empty() {
                status.remove("relatedResources");
            } else {
                status.insert("relatedResources".to_owned(), related.into());
            }
        }
        // The provider's names mean nothing to the consumer.
        None if input.copy.is_some() => {
            status.remove("relatedResources");
        }
        None => {}
    }
    let mut conditions: Vec<Value> = match status.remove("conditions") {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    };
    conditions.retain(|condition| condition.get("type").and_then(Value::as_str) != Some(BROKERED));
    conditions.push(brokered(&input));
    status.insert("conditions".to_owned(), conditions.into());
    Value::Object(status)
}

fn brokered(input: &OrderStatus<'_>) -> Value {
    let told = input.told;
    let since = input
        .order
        .get(&["status", "conditions"])
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find(|entry| {
            Condition::from_value(entry)
                .is_some_and(|there| there.kind == BROKERED && there.status == told.status)
        })
        .and_then(|entry| entry.get("lastTransitionTime"))
        .filter(|_| !sabotage::is(Bug::StatusNeverTheSame))
        .cloned();
    json!({
        "type": BROKERED,
        "status": told.status.as_str(),
        "reason": told.reason,
        "message": told.message,
        "observedGeneration": input.order.generation(),
        "lastTransitionTime": since.unwrap_or_else(|| input.now.into()),
    })
}

/// The copy's status with every `observedGeneration`, on top and in conditions, in the order's own counting.
fn translated(copy: &Object, order: &Object) -> Map<String, Value> {
    let Some(Value::Object(status)) = copy.get(&["status"]) else { return Map::new() };
    let reflected: i64 = copy
        .annotation(marker::ORDER_GENERATION_ANNOTATION)
        .and_then(|text| text.parse::<i64>().ok())
        .unwrap_or_default()
        .min(order.generation());
    // The beginning of a deletion counts as a generation, and changes no spec.
    let current = copy.generation() - i64::from(copy.is_deleting());
    let translate = |slot: &mut Value, before: Option<i64>| {
        if let Some(observed) = slot.as_i64() {
            // What the provider says of an older spec, it said before: that was translated when the spec was in force.
            // Where it is not known, it is at best what the order was one generation earlier.
            let earlier = before.filter(|before| *before < reflected).unwrap_or((reflected - 1).max(0));
            *slot = if observed >= current { reflected } else { earlier }.into();
        }
    };
    let mut status = status.clone();
    if let Some(slot) = status.get_mut("observedGeneration") {
        translate(slot, order.get(&["status", "observedGeneration"]).and_then(Value::as_i64));
    }
    if let Some(Value::Array(conditions)) = status.get_mut("conditions") {
        for entry in conditions {
            let kind = entry.get("type").and_then(Value::as_str).unwrap_or_default();
            let before = order.condition(kind).and_then(|condition| condition.observed_generation);
            if let Some(slot) = entry.get_mut("observedGeneration") {
                translate(slot, before);
            }
        }
    }
    status
}
