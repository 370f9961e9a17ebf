//! Reading what the objects say: conditions, generations, names.

use broker_kcp::api::v1alpha1::AcceptApi;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::Value;

/// The condition of this type.
pub(crate) fn condition<'a>(object: &'a DynamicObject, type_: &str) -> Option<&'a Value> {
    let conditions = object.data.pointer("/status/conditions")?.as_array()?;
    conditions.iter().find(|condition| condition["type"] == type_)
}

/// Whether the condition of this type has this status and reason.
pub(crate) fn says(object: &DynamicObject, type_: &str, status: &str, reason: &str) -> bool {
    condition(object, type_)
        .is_some_and(|condition| condition["status"] == status && condition["reason"] == reason)
}

/// The broker's own reason on an order; empty before it has one.
pub(crate) fn brokered(order: &DynamicObject) -> &str {
    condition(order, "Brokered").and_then(|condition| condition["reason"].as_str()).unwrap_or_default()
}

/// The message of the broker's own condition.
pub(crate) fn brokered_message(order: &DynamicObject) -> &str {
    condition(order, "Brokered").and_then(|condition| condition["message"].as_str()).unwrap_or_default()
}

/// Whether the order is served as it stands now, by the authority of this name.
pub(crate) fn served_by(order: &DynamicObject, authority: &str) -> bool {
    let generation = order.metadata.generation.unwrap();
    let ready = condition(order, "Ready");
    order.data.pointer("/status/issuer").is_some_and(|issuer| issuer == authority)
        && order.data.pointer("/status/observedGeneration").is_some_and(|observed| *observed == generation)
        && ready.is_some_and(|ready| ready["status"] == "True" && ready["observedGeneration"] == generation)
        && says(order, "Brokered", "True", "Bound")
}

/// Whether the order's consumer could take it for ready, be it of an older generation.
pub(crate) fn looks_ready(order: &DynamicObject) -> bool {
    condition(order, "Ready").is_some_and(|ready| ready["status"] == "True")
        && order.data.pointer("/status/relatedResources/secret/name").is_some()
}

/// Who may tell from its name or labels whose it is? Nobody.
pub(crate) fn tells_nothing_of(copy: &DynamicObject, order: &str, consumer: &str) -> bool {
    let labels = copy.labels().values().chain(copy.annotations().values());
    let own = std::iter::once(copy.name_any());
    labels.cloned().chain(own).all(|text| !text.contains(order) && !text.contains(consumer))
}

/// A Secret's entry as text.
pub(crate) fn entry(secret: &Secret, key: &str) -> String {
    secret
        .data
        .as_ref()
        .and_then(|data| data.get(key))
        .map(|bytes| String::from_utf8_lossy(&bytes.0).into_owned())
        .unwrap_or_default()
}

/// Status, reason and message of an offer's availability.
pub(crate) fn available(offer: &AcceptApi) -> Option<(String, String, String)> {
    let status = offer.status.as_ref()?;
    let condition = status.conditions.iter().find(|condition| condition.type_ == "Available")?;
    let status = serde_json::to_value(condition.status).unwrap().as_str().unwrap().to_owned();
    Some((status, condition.reason.clone()?, condition.message.clone()?))
}
