//! Schemas of the kinds that are built in: core kinds, RBAC, Leases, Events, CRDs and kcp's.
//!
//! They say what server-side apply, strategic merge patches, pruning and `kubectl explain` need to know;
//! what the server demands beyond types (immutable fields, cross-field rules) is the server's.

mod core;
mod extensions;
mod kcp;
mod words;

use super::Schema;
use serde_json::{Value, json};
use std::sync::LazyLock;

/// A built-in kind: group, version, kind, and its schema.
type Row = (&'static str, &'static str, &'static str, Value);

static SCHEMAS: LazyLock<Vec<(&str, &str, &str, Schema)>> = LazyLock::new(|| {
    let native = core::rows().into_iter().chain(extensions::rows());
    let native = native
        .filter_map(read)
        .map(|(group, version, kind, schema)| (group, version, kind, schema.native(always_there(kind))));
    // kcp's own kinds are CRDs there.
    native.chain(kcp::rows().into_iter().filter_map(read)).collect()
});

/// The fields of a native kind that its Go type cannot leave out.
fn always_there(kind: &str) -> Value {
    match kind {
        "Lease" => json!({"spec": {}}),
        "Role" | "ClusterRole" => json!({"rules": null}),
        _ => Value::Null,
    }
}

fn read((group, version, kind, open_api): Row) -> Option<(&'static str, &'static str, &'static str, Schema)> {
    Some((group, version, kind, Schema::parse(&open_api).ok()?))
}

/// The schema of a built-in kind. `None` if it is not one of them.
pub fn builtin(group: &str, version: &str, kind: &str) -> Option<&'static Schema> {
    let wanted = (group, version, kind);
    SCHEMAS.iter().find(|(group, version, kind, _)| (*group, *version, *kind) == wanted).map(|row| &row.3)
}

#[cfg(test)]
pub(super) fn all_rows() -> Vec<Row> {
    core::rows().into_iter().chain(extensions::rows()).chain(kcp::rows()).collect()
}
