//! Which brokered API an offer is about.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::resource::Gvr;

/// A resource, and optionally its group and version: what is left out matches any.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ApiPattern {
    /// API group; `Some("")` is the core group, `None` any group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// API version; `None` is any version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Resource, the plural.
    pub resource: String,
}

impl ApiPattern {
    /// Whether the API is one that the pattern names.
    pub fn matches(&self, api: &Gvr) -> bool {
        self.resource == api.resource
            && self.group.as_ref().is_none_or(|group| *group == api.group)
            && self.version.as_ref().is_none_or(|version| *version == api.version)
    }

    /// Which of the brokered APIs the pattern means.
    ///
    /// Several versions of one API are that API, not several: it is ambiguous only where different groups fit.
    pub fn resolve<'a>(&self, apis: impl IntoIterator<Item = &'a Gvr>) -> Resolution<'a> {
        let mut fitting: BTreeMap<String, &'a Gvr> = BTreeMap::new();
        for api in apis.into_iter().filter(|api| self.matches(api)) {
            let known = fitting.entry(api.group_resource()).or_insert(api);
            *known = api.max(*known);
        }
        let mut found = fitting.values().copied();
        match (found.next(), fitting.len()) {
            (Some(api), 1) => Resolution::One(api),
            (Some(_), _) => Resolution::Several(fitting.into_values().collect()),
            (None, _) => Resolution::None,
        }
    }
}

/// `example.com/v1alpha1/certificates`, with `*` for what is left out.
impl fmt::Display for ApiPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.as_deref() != Some("") {
            write!(f, "{}/", self.group.as_deref().unwrap_or("*"))?;
        }
        write!(f, "{}/{}", self.version.as_deref().unwrap_or("*"), self.resource)
    }
}

/// Which brokered API a pattern means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution<'a> {
    /// No brokered API.
    None,
    /// Exactly this one.
    One(&'a Gvr),
    /// Several, in order: the provider has to say which.
    Several(Vec<&'a Gvr>),
}
