//! The Event that tells a consumer what became of an order.

use broker_core::order::{OrderIdentity, Severity};
use broker_core::resource::{Object, marker};
use broker_core::time::Timestamp;
use broker_core::translate::fingerprint;
use serde_json::json;

use crate::kcp::Resource;

/// The object to create.
pub(super) fn event(
    order: &OrderIdentity,
    kind: &Resource,
    severity: Severity,
    reason: &str,
    message: &str,
    now: Timestamp,
) -> Object {
    let namespace = if order.key.namespace.is_empty() { "default" } else { &order.key.namespace };
    // Named by content and second: a broker that starts again does not tell the same thing twice in one breath.
    let print = fingerprint(&json!([order.uid, reason, message, now.to_rfc3339()]));
    let name = format!("{}.{}", order.key.name, print.chars().take(16).collect::<String>());
    let mut event = Object::named(&Resource::events().gvk(), namespace, &name);
    let fields = [
        (
            "involvedObject",
            json!({
                "apiVersion": kind.gvr.api_version(), "kind": kind.kind,
                "namespace": order.key.namespace, "name": order.key.name, "uid": order.uid,
            }),
        ),
        ("type", severity.as_str().into()),
        ("reason", reason.into()),
        ("message", message.into()),
        ("source", json!({ "component": marker::MANAGER })),
        ("reportingComponent", marker::MANAGER.into()),
        ("firstTimestamp", now.to_rfc3339().into()),
        ("lastTimestamp", now.to_rfc3339().into()),
        ("count", 1.into()),
    ];
    for (field, value) in fields {
        event.set(&[field], value);
    }
    event
}
