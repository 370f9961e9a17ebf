//! Pieces of schema that several kinds share: rules the server checks, and list types.

use serde_json::{Value, json};

/// Longest expression accepted anywhere, in bytes: the bound of `broker-core`'s evaluator.
pub(super) const MAX_EXPRESSION: u32 = 1024;

/// One entry of `x-kubernetes-validations`.
pub(super) fn rule(rule: &str, message: &str) -> Value {
    json!({ "rule": rule, "message": message })
}
