//! Which objects of a kind are asked for.

/// Chooses objects of a kind; by default all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    labels: Option<String>,
    fields: Option<String>,
}

impl Selector {
    /// The objects that a label selector chooses, such as `app=web,!tier`.
    pub fn labels(selector: impl Into<String>) -> Self {
        Self { labels: Some(selector.into()), fields: None }
    }

    /// The object of this name, in whatever namespace.
    pub fn named(name: &str) -> Self {
        Self { labels: None, fields: Some(format!("metadata.name={name}")) }
    }

    /// As parameters of a request.
    pub(super) fn query(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let given = [("labelSelector", &self.labels), ("fieldSelector", &self.fields)];
        given.into_iter().filter_map(|(key, value)| Some((key, value.as_deref()?)))
    }
}
