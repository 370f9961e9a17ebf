//! What the oracle must be told before it can judge.

use std::collections::BTreeMap;
use std::time::Duration;

use broker_kcp::api::v1alpha1::Moves;
use serde::{Deserialize, Serialize};

/// Who is who in a history, and what was promised to whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The platform's cluster.
    pub platform: String,
    /// The consumers by the ids of their clusters. A cluster may also be a provider's.
    pub consumers: BTreeMap<String, Party>,
    /// The providers by the ids of their clusters.
    pub providers: BTreeMap<String, Party>,
    /// What is brokered.
    pub apis: Vec<Brokered>,
    /// A client whose name begins with this is the broker: `broker` stands for `broker-1` and `broker-2` too.
    pub broker: String,
    /// How old the broker's knowledge may be when a write of its arrives.
    ///
    /// Nobody can look into one cluster and write to another at the same instant. What was true so long ago still
    /// excuses a write; zero demands that it is true at the very instant. Where faults delay requests or watches, this
    /// is the longest such delay.
    pub lag: Duration,
    /// By how much the broker's clock may jump forward in all: a grace period may end so much too early, and nothing else
    /// may go by it.
    pub ahead: Duration,
}

/// One consumer or provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// Texts that no other party's objects may ever hold. A consumer's may be in the copies of its own orders.
    pub canaries: Vec<String>,
}

impl Party {
    /// A party with these canaries.
    pub fn with<const N: usize>(canaries: [&str; N]) -> Self {
        Self { canaries: canaries.map(str::to_owned).to_vec() }
    }
}

/// One brokered API. Its copies are ready by the conventions that providers are told: a `spec.ready` of its own is not
/// understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brokered {
    /// Its group.
    pub group: String,
    /// Its plural resource name.
    pub resource: String,
    /// Its kind.
    pub kind: String,
    /// Whether its objects may move without a playbook.
    pub moves: Moves,
    /// How long an old copy stays after the consumer holds what the new one provides.
    pub grace: Duration,
    /// Whether its providers hand over Secrets or `ConfigMaps`: then a served order has one.
    pub hands_over: bool,
    /// Kinds that offers translate its orders into, as group and plural resource name. Where there are any, specs and
    /// statuses of orders and copies are not compared.
    pub translated: Vec<(String, String)>,
}

impl Brokered {
    /// The `certificates.example.com` of the examples: `Free`, handing over a Secret.
    pub fn certificates(grace: Duration) -> Self {
        Self {
            group: "example.com".to_owned(),
            resource: "certificates".to_owned(),
            kind: "Certificate".to_owned(),
            moves: Moves::Free,
            grace,
            hands_over: true,
            translated: Vec::new(),
        }
    }

    fn has_copies_of(&self, group: &str, resource: &str) -> bool {
        let translated = || self.translated.iter().any(|(g, r)| g == group && r == resource);
        (self.group == group && self.resource == resource) || translated()
    }
}

impl Setting {
    /// Whether this client is the broker.
    pub(super) fn is_broker(&self, client: Option<&str>) -> bool {
        client.is_some_and(|name| name.starts_with(&self.broker))
    }

    /// The API whose orders are of that resource.
    pub(super) fn api(&self, group: &str, resource: &str) -> Option<&Brokered> {
        self.apis.iter().find(|api| api.group == group && api.resource == resource)
    }

    /// Whether copies may be of that resource.
    pub(super) fn has_copies_of(&self, group: &str, resource: &str) -> bool {
        self.apis.iter().any(|api| api.has_copies_of(group, resource))
    }
}
