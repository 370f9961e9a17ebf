//! Objects that are kept, in little memory.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde_json::Map;

use super::Object;

/// An object as its JSON text, decoded for whoever looks at it.
///
/// A decoded object takes ten times the memory of its text: each of its maps is a tree node with room for eleven entries.
/// So what is kept for the case that somebody asks is kept packed; those who look at the same time share one decoded
/// object, and the last of them takes it away. Clones share the text.
///
/// Two are equal where their texts are, and so where their objects are.
#[derive(Clone)]
pub struct Packed {
    inner: Arc<Inner>,
}

struct Inner {
    text: Box<[u8]>,
    /// The decoded object, while anybody holds it.
    decoded: Mutex<Weak<Object>>,
}

impl Packed {
    /// The object, shared with whoever holds it decoded.
    pub fn object(&self) -> Arc<Object> {
        // Nothing panics while it is held; and what is in it only saves decoding.
        let mut decoded = self.inner.decoded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(object) = decoded.upgrade() {
            return object;
        }
        // The text was written from such a map.
        let fields: Map<_, _> = serde_json::from_slice(&self.inner.text).unwrap_or_default();
        let object = Arc::new(Object::from_fields(fields));
        *decoded = Arc::downgrade(&object);
        object
    }

    /// How many bytes the text takes.
    pub fn size(&self) -> usize {
        self.inner.text.len()
    }

    /// Whether both are one: not merely equal, but clones of each other.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    fn of(object: &Object, decoded: Weak<Object>) -> Self {
        // A map of JSON values with texts as keys can always be written.
        let text = serde_json::to_vec(object.fields()).unwrap_or_default();
        // Copied to a place of its own size: shrunk where it is, it would leave a hole as large as itself.
        let text = Box::from(text.as_slice());
        Self { inner: Arc::new(Inner { text, decoded: Mutex::new(decoded) }) }
    }
}

impl From<Object> for Packed {
    fn from(object: Object) -> Self {
        Self::of(&object, Weak::new())
    }
}

impl From<&Arc<Object>> for Packed {
    fn from(object: &Arc<Object>) -> Self {
        Self::of(object, Arc::downgrade(object))
    }
}

impl PartialEq for Packed {
    fn eq(&self, other: &Self) -> bool {
        self.is(other) || self.inner.text == other.inner.text
    }
}

impl Eq for Packed {}

/// Its size only: it may be a Secret.
impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packed").field("size", &self.size()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn values() -> impl Strategy<Value = Value> {
        let leaves = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaves.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_unpacked_is_what_was_packed(spec in values()) {
            let object = Object::try_from(json!({ "kind": "Thing", "spec": spec })).unwrap();
            let packed = Packed::from(object.clone());
            let unpacked = packed.object();
            prop_assert_eq!(unpacked.as_ref(), &object);
            prop_assert_eq!(&Packed::from(unpacked.as_ref().clone()), &packed);
        }
    }

    #[test]
    fn those_who_look_at_the_same_time_share_one_object_and_nobody_else_holds_it() {
        let packed = Packed::from(Object::try_from(json!({ "kind": "Secret", "data": "hidden" })).unwrap());
        let (one, other) = (packed.object(), packed.clone().object());
        assert!(Arc::ptr_eq(&one, &other));
        assert_eq!(Arc::strong_count(&one), 2);
        assert!(!format!("{packed:?}").contains("hidden"));
        let again = Packed::from(&one);
        assert!(Arc::ptr_eq(&one, &again.object()) && again == packed && !again.is(&packed));
    }
}
