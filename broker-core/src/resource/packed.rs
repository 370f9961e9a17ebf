//! Objects that are kept, in little memory.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use lz4_flex::block::{compress_with_dict, decompress_with_dict};
use serde_json::Map;

use super::Object;

/// An object as its JSON text, decoded for whoever looks at it.
///
/// A decoded object takes ten times the memory of its text: each of its maps is a tree node with room for eleven entries.
/// So what is kept for the case that somebody asks is kept packed; those who look at the same time share one decoded
/// object, and the last of them takes it away. Clones share the text. A [`Packer`] also compresses it.
///
/// Two are equal where their texts are, and so where their objects are.
#[derive(Clone)]
pub struct Packed {
    inner: Arc<Inner>,
}

struct Inner {
    /// The text, or what is left of it where much of it is in `common`.
    bytes: Box<[u8]>,
    /// How many bytes the text takes.
    size: usize,
    /// What the text is compressed against; a plain text has none.
    common: Option<Arc<[u8]>>,
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
        let fields: Map<_, _> = serde_json::from_slice(&self.inner.text()).unwrap_or_default();
        let object = Arc::new(Object::from_fields(fields));
        *decoded = Arc::downgrade(&object);
        object
    }

    /// How many bytes the text takes, uncompressed.
    pub fn size(&self) -> usize {
        self.inner.size
    }

    /// Whether both are one: not merely equal, but clones of each other.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    fn plain(text: &[u8], decoded: Weak<Object>) -> Self {
        // Copied to a place of its own size: shrunk where it is, it would leave a hole as large as itself.
        let inner =
            Inner { bytes: Box::from(text), size: text.len(), common: None, decoded: Mutex::new(decoded) };
        Self { inner: Arc::new(inner) }
    }

    /// Plain where compressing takes nothing away.
    fn compressed(text: &[u8], common: Arc<[u8]>) -> Self {
        let bytes = compress_with_dict(text, &common);
        if bytes.len() >= text.len() {
            return Self::plain(text, Weak::new());
        }
        let bytes = Box::from(bytes.as_slice());
        let inner = Inner { bytes, size: text.len(), common: Some(common), decoded: Mutex::default() };
        Self { inner: Arc::new(inner) }
    }
}

impl Inner {
    fn text(&self) -> Cow<'_, [u8]> {
        match &self.common {
            None => Cow::Borrowed(&self.bytes),
            // It was compressed against the same.
            Some(common) => {
                Cow::Owned(decompress_with_dict(&self.bytes, self.size, common).unwrap_or_default())
            }
        }
    }
}

/// A map of JSON values with texts as keys can always be written.
fn text_of(object: &Object) -> Vec<u8> {
    serde_json::to_vec(object.fields()).unwrap_or_default()
}

impl From<Object> for Packed {
    fn from(object: Object) -> Self {
        Self::plain(&text_of(&object), Weak::new())
    }
}

impl From<&Arc<Object>> for Packed {
    fn from(object: &Arc<Object>) -> Self {
        Self::plain(&text_of(object), Arc::downgrade(object))
    }
}

impl PartialEq for Packed {
    fn eq(&self, other: &Self) -> bool {
        self.is(other) || (self.inner.size == other.inner.size && self.inner.text() == other.inner.text())
    }
}

impl Eq for Packed {}

/// Its size only: it may be a Secret.
impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packed").field("size", &self.size()).finish_non_exhaustive()
    }
}

/// The longest dictionary. A few objects are enough to have what all objects of a kind have in common.
const MOST_COMMON: usize = 16 * 1024;

/// Packs many objects that are alike, such as all of one kind: what they have in common takes memory once, and each only
/// what is its own.
///
/// The dictionary is made of the first, the second, the fourth, the eighth … object that is packed, so that it follows what
/// there is, and there are few of them however many objects there are. Clones share it.
///
/// A dictionary lives as long as anything that was packed with it: so the text of an object may stay in memory for longer
/// than the object. It never shows outside.
#[derive(Clone, Default)]
pub struct Packer {
    state: Arc<Mutex<Common>>,
}

#[derive(Default)]
struct Common {
    text: Arc<[u8]>,
    packed: u64,
}

impl Packer {
    /// Packs an object.
    pub fn pack(&self, object: &Object) -> Packed {
        let text = text_of(object);
        let common = self.learn(&text);
        Packed::compressed(&text, common)
    }

    /// The dictionary for a text, which goes into the next one when it is its turn.
    fn learn(&self, text: &[u8]) -> Arc<[u8]> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let common = state.text.clone();
        state.packed = state.packed.saturating_add(1);
        if state.packed.is_power_of_two() {
            // The latest are nearest to what comes, and the longest-known are cut off.
            let all: Vec<u8> = common.iter().chain(text).copied().collect();
            state.text = Arc::from(all.split_at(all.len().saturating_sub(MOST_COMMON)).1);
        }
        common
    }
}

/// How much it was given: what it knows may be Secrets.
impl fmt::Debug for Packer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("Packer").field("packed", &state.packed).finish_non_exhaustive()
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

        #[test]
        fn what_is_packed_with_others_is_what_it_is_alone(specs in prop::collection::vec(values(), 1..40)) {
            let together = Packer::default();
            let objects = specs.into_iter().map(|spec| Object::try_from(json!({ "kind": "Thing", "spec": spec })).unwrap());
            let objects: Vec<Object> = objects.collect();
            let packed: Vec<Packed> = objects.iter().map(|object| together.pack(object)).collect();
            for (object, packed) in objects.iter().zip(&packed) {
                let unpacked = packed.object();
                prop_assert_eq!(unpacked.as_ref(), object);
                let alone = Packed::from(object.clone());
                prop_assert!(alone == *packed && together.pack(object) == *packed && alone.size() == packed.size());
            }
        }
    }

    /// A certificate's key is random; the rest of an object is like that of its neighbours.
    #[test]
    fn what_many_have_in_common_is_kept_once() {
        let together = Packer::default();
        let object = |index: u64| {
            let own: Vec<u64> =
                (0..8).map(|part| (index + part).wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
            let conditions = ["Ready", "Brokered", "Synced"].map(|kind| {
                json!({ "type": kind, "status": "True", "reason": "Bound", "message": "served by the only provider there is" })
            });
            Object::try_from(json!({ "kind": "Thing", "data": own, "status": { "conditions": conditions } }))
                .unwrap()
        };
        let packed: Vec<Packed> = (0..1000).map(|index| together.pack(&object(index))).collect();
        let plain: usize = packed.iter().map(Packed::size).sum();
        let kept: usize = packed.iter().map(|packed| packed.inner.bytes.len()).sum();
        let mut dictionaries: Vec<&Arc<[u8]>> =
            packed.iter().filter_map(|packed| packed.inner.common.as_ref()).collect();
        dictionaries.dedup_by(|one, other| Arc::ptr_eq(one, other));
        let common: usize = dictionaries.iter().map(|it| it.len()).sum();
        assert!(dictionaries.len() <= 11 && dictionaries.iter().all(|it| it.len() <= MOST_COMMON));
        assert!((kept + common) * 2 < plain, "{kept} of {plain} bytes, and {common}");
        assert!((0..1000).zip(&packed).all(|(index, packed)| *packed.object() == object(index)));
    }

    #[test]
    fn a_packer_shows_nothing_of_what_it_knows() {
        let together = Packer::default();
        let secret = Object::try_from(json!({ "kind": "Secret", "data": "hidden" })).unwrap();
        let packed = [together.pack(&secret), together.pack(&secret)];
        assert!(!format!("{together:?} {packed:?}").contains("hidden"));
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
