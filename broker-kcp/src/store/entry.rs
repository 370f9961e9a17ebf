//! Objects as a table keeps them, and what changes.

use broker_core::resource::{Object, ObjectKey, Packed, Packer};

/// One object that is not what it was.
#[derive(Clone, Debug)]
pub struct Change {
    /// Which object.
    pub key: ObjectKey,
    /// What the table showed before.
    pub old: Option<Packed>,
    /// What it shows now.
    pub new: Option<Packed>,
}

/// An object as a table keeps it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub(super) packed: Packed,
    pub(super) version: u64,
}

impl Entry {
    /// Packs what is kept of an object: all but its managed fields.
    pub fn new(object: Object, packer: &Packer) -> Self {
        let version = number(object.resource_version());
        Self { packed: packer.pack(&stripped(object)), version }
    }
}

/// Managed fields are half of an object's size and nobody here reads them.
fn stripped(mut object: Object) -> Object {
    if let Some(metadata) = object.fields_mut().get_mut("metadata").and_then(serde_json::Value::as_object_mut)
    {
        metadata.remove("managedFields");
    }
    object
}

/// A version as a number; 0 where it is none.
pub(super) fn number(version: &str) -> u64 {
    version.parse().unwrap_or(0)
}
