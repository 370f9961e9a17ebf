//! What the servers disagreed about once: named, and played again.

use std::collections::BTreeMap;

use super::operation::{Operation, Sequence};

/// Every disagreement that was found between the embedded control plane and Kubernetes, as the sequences by which it
/// was noticed, each with a sentence that says what both do.
///
/// # Errors
/// The stored sequences cannot be read.
pub fn found() -> Result<Vec<(String, Sequence)>, serde_json::Error> {
    let found: BTreeMap<String, Vec<Operation>> = serde_json::from_str(include_str!("found.json"))?;
    Ok(found.into_iter().map(|(name, operations)| (name, Sequence { operations })).collect())
}
