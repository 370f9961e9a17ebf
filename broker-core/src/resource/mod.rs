//! Names, kinds, keys and unstructured objects: the vocabulary every other module speaks.
//!
//! Nothing here decides anything. Objects are plain JSON with the shape of a Kubernetes object; the types keep the
//! promises that a bare [`serde_json::Value`] cannot: that a key always carries its cluster, and that printing an
//! object for debugging never shows what is inside it.

mod keys;
pub mod marker;
mod name;
mod object;
mod packed;
mod path;

pub use keys::Keys;
pub use name::{ClusterName, Gvk, Gvr, ObjectKey, ObjectRef, ParseGvrError};
pub use object::{Condition, ConditionStatus, NotAnObject, Object};
pub use packed::{Packed, Packer};
pub use path::{FieldPath, Lookup, MAX_PATH, MAX_SEGMENTS, ParsePathError};
