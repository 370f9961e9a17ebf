//! The broker's records, and what people ask for, as the domain knows them and as the API server keeps them.
//!
//! Reading and writing are inverse to each other for everything a decision depends on: what a broker wrote, its
//! successor reads back. A record that cannot be read is an error that names the field, never a guess.

mod assignment;
mod migration;
mod request;
#[cfg(test)]
mod tests;

use broker_core::offer::OfferId;
use serde_json::{Value, json};

pub use assignment::{assignment_status, new_assignment, read_assignment, spec_of_assignment};
pub use migration::{KeptPlaybooks, adoption, migration_status, new_migration, read_migration, standing};
pub use request::{answer_status, is_request, read_request};

use crate::api::v1alpha1::OfferRef;

/// A record that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {name} cannot be read: {reason}")]
pub struct RecordError {
    kind: &'static str,
    name: String,
    reason: String,
}

fn offer_id(offer: &OfferRef) -> OfferId {
    OfferId::new(offer.cluster_name.as_str(), offer.namespace.clone().unwrap_or_default(), &offer.name)
}

fn offer_ref(offer: &OfferId) -> Value {
    let mut value = json!({ "clusterName": offer.cluster, "name": offer.name });
    if let (false, Some(map)) = (offer.namespace.is_empty(), value.as_object_mut()) {
        map.insert("namespace".into(), offer.namespace.clone().into());
    }
    value
}
