//! Names derived by hash: stable, free of collisions between consumers, and silent about whose they are.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::order::OrderIdentity;
use crate::sabotage::{self, Bug};

/// The name of an order's assignment: `a-` and 128 bits of a hash of its identity.
///
/// Deterministic, so that two brokers that both believe to lead create the same name and one of them is refused.
pub fn assignment_name(order: &OrderIdentity) -> String {
    format!(
        "a-{}",
        hash(&[
            &order.gvr.group,
            &order.gvr.resource,
            order.key.cluster.as_str(),
            &order.key.namespace,
            &order.key.name,
            &order.uid,
        ])
    )
}

/// The name of the `serial`-th copy of an order: a DNS label of 34 characters, so that Jobs and labels made from it fit.
///
/// It depends on the order's uid, which providers never see, so they can neither read from it whose it is nor foretell it.
pub fn copy_name(order: &OrderIdentity, serial: u32) -> String {
    nth_copy(order, &assignment_name(order), serial)
}

/// The names of an order's first copies, with their serial numbers: by its name a copy is known again.
pub fn copy_serials(order: &OrderIdentity, last: u32) -> BTreeMap<String, u32> {
    let assignment = assignment_name(order);
    (1..=last).map(|serial| (nth_copy(order, &assignment, serial), serial)).collect()
}

fn nth_copy(order: &OrderIdentity, assignment: &str, serial: u32) -> String {
    if sabotage::is(Bug::EqualNamesMixedUp) {
        return format!("c-{}", hash(&["copy", &order.key.name, &serial.to_string()]));
    }
    format!("c-{}", hash(&["copy", assignment, &order.uid, &serial.to_string()]))
}

/// The name of the migration that makes the `serial`-th copy.
pub fn migration_name(assignment: &str, serial: u32) -> String {
    format!("{assignment}-{serial}")
}

/// The namespace of a migration's helper objects in the compute cluster: its own, and removed with it.
pub fn helper_namespace(migration: &str) -> String {
    format!("broker-{migration}")
}

/// The serial number of the copy that a migration of this assignment makes; `None` where it was named by somebody else.
pub fn migration_serial(assignment: &str, migration: &str) -> Option<u32> {
    migration.strip_prefix(assignment)?.strip_prefix('-')?.parse().ok()
}

/// 128 bits of SHA-256 over the parts, each preceded by its length, in hexadecimal.
fn hash(parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part.as_bytes());
    }
    super::fingerprint::hex(digest.finalize().iter().take(16))
}
