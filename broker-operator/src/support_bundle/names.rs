//! What consumers and their things are called in a bundle: `order-3` instead of the order's name, the same everywhere, so
//! that what belongs together can be seen. Nothing about a name follows from what it is replaced by.

use std::collections::BTreeMap;

/// Names and what they are replaced by.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    known: BTreeMap<String, String>,
    counts: BTreeMap<&'static str, usize>,
    keep: bool,
}

/// Names that many have, and that tell nothing.
const COMMON: [&str; 2] = ["", "default"];

impl Names {
    /// Replaces nothing.
    pub(super) fn kept() -> Self {
        Self { keep: true, ..Self::default() }
    }

    /// This is the name of a `kind`, such as `order`; what it is replaced by from now on.
    pub(super) fn learn(&mut self, kind: &'static str, name: &str) -> String {
        if self.keep || COMMON.contains(&name) {
            return name.to_owned();
        }
        if let Some(known) = self.known.get(name) {
            return known.clone();
        }
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        let replacement = format!("{kind}-{count}");
        self.known.insert(name.to_owned(), replacement.clone());
        replacement
    }

    /// Another name of the same.
    pub(super) fn learn_also(&mut self, other: &str, kind: &'static str, name: &str) {
        if self.keep || COMMON.contains(&other) {
            return;
        }
        let replacement = self.learn(kind, name);
        self.known.entry(other.to_owned()).or_insert(replacement);
    }

    /// A text with every name in it replaced, where it stands as a word.
    pub(super) fn replace(&self, text: &str) -> String {
        if self.known.is_empty() {
            return text.to_owned();
        }
        let part_of_name = |one: char| one.is_ascii_alphanumeric() || matches!(one, '-' | '.' | ':' | '_');
        let mut replaced = String::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let word_at = rest.find(part_of_name).unwrap_or(rest.len());
            let (between, from_word) = rest.split_at(word_at);
            replaced.push_str(between);
            let end = from_word.find(|one| !part_of_name(one)).unwrap_or(from_word.len());
            let (word, after) = from_word.split_at(end);
            let name = word.trim_end_matches(['.', ':']);
            match self.known.get(name) {
                Some(replacement) => {
                    replaced.push_str(replacement);
                    replaced.push_str(word.get(name.len()..).unwrap_or_default());
                }
                None => replaced.push_str(word),
            }
            rest = after;
        }
        replaced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_replaced_by_the_same_wherever_it_stands() {
        let mut names = Names::default();
        assert_eq!(names.learn("order", "my-app-cert"), "order-1");
        names.learn("order", "other");
        names.learn("consumer", "1abc");
        names.learn_also("root:acme", "consumer", "1abc");
        assert_eq!(
            names.replace("certificates.example.com/my-app-cert in namespace default of root:acme: waits"),
            "certificates.example.com/order-1 in namespace default of consumer-1: waits"
        );
        assert_eq!(names.replace("1abc/default/other."), "consumer-1/default/order-2.");
        assert_eq!(names.replace("another my-app-cert-2"), "another my-app-cert-2");
        assert_eq!(names.learn("namespace", "default"), "default");
    }

    #[test]
    fn kept_names_are_not_replaced() {
        let mut names = Names::kept();
        assert_eq!(names.learn("order", "my-app-cert"), "my-app-cert");
        assert_eq!(names.replace("my-app-cert"), "my-app-cert");
    }
}
