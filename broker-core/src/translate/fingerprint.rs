//! Whether something must be written, told from what is there.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Annotation on applied objects: the fingerprint of what was applied.
///
/// A field that is no longer wanted cannot be seen in what is wanted; the fingerprint shows that it once was.
pub const FINGERPRINT_ANNOTATION: &str = "broker.platform-mesh.io/applied";

/// 128 bits of SHA-256 over the canonical JSON (keys sorted), in hexadecimal.
pub fn fingerprint(value: &Value) -> String {
    // `serde_json::Map` is a sorted map here, so equal values have equal texts.
    hex(Sha256::digest(value.to_string().as_bytes()).iter().take(16))
}

pub(super) fn hex<'b>(bytes: impl Iterator<Item = &'b u8>) -> String {
    use std::fmt::Write as _;
    bytes.fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether `live` has everything that `wanted` asks for: maps field by field, all else equal.
pub fn covers(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => {
            wanted.iter().all(|(key, value)| live.get(key).is_some_and(|there| covers(there, value)))
        }
        (live, wanted) => live == wanted,
    }
}
