//! Sets of keys in indexes.

use std::collections::BTreeSet;

/// A set of keys, most of which have one member: an index over what is unique has as many sets as it has keys, and a tree
/// for one key has room for eleven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys<K> {
    members: Members<K>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Members<K> {
    None,
    One(K),
    /// More than one, or as many as are left of them.
    Many(BTreeSet<K>),
}

impl<K> Default for Keys<K> {
    fn default() -> Self {
        Self { members: Members::None }
    }
}

impl<K: Ord> Keys<K> {
    /// Takes a key in.
    pub fn insert(&mut self, key: K) {
        self.members = match std::mem::replace(&mut self.members, Members::None) {
            Members::None => Members::One(key),
            Members::One(known) if known == key => Members::One(known),
            Members::One(known) => Members::Many([known, key].into()),
            Members::Many(mut keys) => {
                keys.insert(key);
                Members::Many(keys)
            }
        };
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &K) {
        match &mut self.members {
            Members::One(known) if known == key => self.members = Members::None,
            Members::None | Members::One(_) => {}
            Members::Many(keys) => {
                keys.remove(key);
            }
        }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        match &self.members {
            Members::None => 0,
            Members::One(_) => 1,
            Members::Many(keys) => keys.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The keys, in order.
    pub fn iter(&self) -> impl Iterator<Item = &K> {
        let (one, many) = match &self.members {
            Members::None => (None, None),
            Members::One(key) => (Some(key), None),
            Members::Many(keys) => (None, Some(keys)),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_a_set(steps in prop::collection::vec((any::<bool>(), 0u8..4), 0..30)) {
            let (mut keys, mut plain) = (Keys::default(), BTreeSet::new());
            for (comes, key) in steps {
                if comes {
                    keys.insert(key);
                    plain.insert(key);
                } else {
                    keys.remove(&key);
                    plain.remove(&key);
                }
                prop_assert!(keys.iter().eq(&plain));
                prop_assert_eq!((keys.len(), keys.is_empty()), (plain.len(), plain.is_empty()));
            }
        }
    }
}
