//! What copies of providers' own kinds hand over: their status says it only in the terms of their orders, so that no index
//! over their objects can know it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use broker_core::resource::ObjectKey;

/// A copy: its kind as `<resource>.<group>`, and where it is.
type At = (String, ObjectKey);

/// Which copies name which objects, as they were observed last. Clones share the same.
///
/// A copy is observed after every change of it, and what it names is looked for then; so nothing is missed that only
/// came to be named.
#[derive(Clone, Debug, Default)]
pub(super) struct Mentions {
    shared: Arc<Mutex<Tables>>,
}

#[derive(Debug, Default)]
struct Tables {
    named: BTreeMap<At, BTreeSet<String>>,
    naming: BTreeMap<String, BTreeSet<At>>,
}

impl Mentions {
    /// A copy names these objects, by their texts, and no others.
    pub(super) fn note(&self, kind: &str, copy: &ObjectKey, texts: BTreeSet<String>) {
        let mut tables = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let at = (kind.to_owned(), copy.clone());
        let before = tables.named.remove(&at).unwrap_or_default();
        for text in before.difference(&texts) {
            if let Some(naming) = tables.naming.get_mut(text) {
                naming.remove(&at);
                if naming.is_empty() {
                    tables.naming.remove(text);
                }
            }
        }
        for text in texts.difference(&before) {
            tables.naming.entry(text.clone()).or_default().insert(at.clone());
        }
        if !texts.is_empty() {
            tables.named.insert(at, texts);
        }
    }

    /// The copies that name an object.
    pub(super) fn naming(&self, text: &str) -> Vec<At> {
        let tables = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        tables.naming.get(text).into_iter().flatten().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_longer_named_is_forgotten() {
        let (mentions, one, two) =
            (Mentions::default(), ObjectKey::new("p", "n", "1"), ObjectKey::new("p", "n", "2"));
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        mentions.note("a", &one, texts(&["x", "y"]));
        mentions.note("a", &two, texts(&["y"]));
        assert_eq!(mentions.naming("y").len(), 2);
        mentions.note("a", &one, texts(&["x"]));
        assert_eq!(mentions.naming("y"), [("a".to_owned(), two.clone())]);
        mentions.note("a", &one, texts(&[]));
        mentions.note("a", &two, texts(&[]));
        assert!(mentions.naming("x").is_empty() && mentions.naming("y").is_empty());
        assert!(mentions.shared.lock().unwrap().named.is_empty());
    }
}
