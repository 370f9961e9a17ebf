//! The platform's word on who may offer an API, and how loudly.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::offer::{Offer, Scheduling};
use crate::resource::{ClusterName, Gvr};

/// One entry of `BrokeredAPI.spec.providers`, aliases and paths already resolved to cluster names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderRule {
    /// The provider's cluster; `None` (`*`) is every cluster that has no entry of its own.
    pub cluster: Option<ClusterName>,
    /// What people call the provider.
    pub alias: Option<String>,
    /// The platform's word on taking and keeping orders; the stricter of it and the provider's own counts.
    pub scheduling: Option<Scheduling>,
    /// The highest priority this provider may claim.
    pub max_priority: Option<i32>,
    /// The greatest weight this provider may claim; below 1 counts as 1.
    pub max_weight: Option<u32>,
}

/// What the platform says about one brokered API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiPolicy {
    /// Who may offer it. Empty means every provider that can bind the platform's exports.
    pub providers: Vec<ProviderRule>,
}

impl ApiPolicy {
    /// The rule for a provider: its own, else the one for `*`; the first of several. `None` where it may not offer.
    fn rule(&self, provider: &ClusterName) -> Option<ProviderRule> {
        if self.providers.is_empty() {
            return Some(ProviderRule::default());
        }
        let own = self.providers.iter().find(|rule| rule.cluster.as_ref() == Some(provider));
        own.or_else(|| self.providers.iter().find(|rule| rule.cluster.is_none())).cloned()
    }
}

/// The brokered APIs and the platform's policy on each. An API that is not in here is not brokered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policies(BTreeMap<Gvr, ApiPolicy>);

impl Policies {
    /// These APIs are brokered, and every provider may offer them.
    pub fn open(apis: impl IntoIterator<Item = Gvr>) -> Self {
        apis.into_iter().map(|api| (api, ApiPolicy::default())).collect()
    }

    /// The brokered APIs, in order.
    pub fn apis(&self) -> impl Iterator<Item = &Gvr> {
        self.0.keys()
    }

    /// What people call a provider, in whatever API.
    pub fn aliases<'a>(&'a self, provider: &'a ClusterName) -> impl Iterator<Item = String> + 'a {
        let rules = self.0.values().flat_map(|policy| &policy.providers);
        rules.filter(|rule| rule.cluster.as_ref() == Some(provider)).filter_map(|rule| rule.alias.clone())
    }

    /// On which terms an offer of this API is considered; `None` where the platform does not allow it.
    pub fn terms(&self, api: &Gvr, offer: &Offer) -> Option<Terms> {
        let rule = self.0.get(api)?.rule(&offer.id().cluster)?;
        let capped = rule.max_priority.map_or(offer.priority(), |max| max.min(offer.priority()));
        let weight = rule.max_weight.map_or(offer.weight(), |max| max.max(1).min(offer.weight()));
        Some(Terms {
            alias: rule.alias,
            priority: capped,
            weight,
            scheduling: rule.scheduling.unwrap_or_default().max(offer.scheduling()),
        })
    }
}

impl FromIterator<(Gvr, ApiPolicy)> for Policies {
    fn from_iter<T: IntoIterator<Item = (Gvr, ApiPolicy)>>(policies: T) -> Self {
        Self(policies.into_iter().collect())
    }
}

/// An offer's own wishes, as far as the platform grants them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What the platform calls the provider.
    pub alias: Option<String>,
    /// The priority that counts.
    pub priority: i32,
    /// The weight that counts, at least 1.
    pub weight: u32,
    /// The stricter of the platform's and the provider's word.
    pub scheduling: Scheduling,
}
