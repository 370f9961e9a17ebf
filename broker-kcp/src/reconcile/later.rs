//! The word on what people of the platform write: of a playbook whether it can be followed, of a move that is asked for
//! which order is meant. Nothing a person writes is ignored silently.

use broker_core::resource::{Gvr, marker};

use super::playbooks::{self, KcpPlaybooks};
use super::registry::KcpProviderRegistry;
use super::requests;
use super::routes::OrderKey;
use crate::fleet::Fleet;
use crate::kcp::{ApiError, Resource};
use crate::store::Cache;

/// A kind whose objects people write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Asking {
    /// A playbook.
    Configuration,
    /// A move.
    Migration,
}

impl Asking {
    /// Every such kind.
    pub(super) const ALL: [Self; 2] = [Self::Configuration, Self::Migration];

    /// Where its objects are seen.
    pub(super) fn cache(self, fleet: &Fleet) -> Cache {
        match self {
            Self::Configuration => fleet.platform().configurations.clone(),
            Self::Migration => fleet.platform().migrations.clone(),
        }
    }

    fn resource(self) -> Resource {
        let (plural, kind) = match self {
            Self::Configuration => ("migrationconfigurations", "MigrationConfiguration"),
            Self::Migration => ("migrations", "Migration"),
        };
        Resource::cluster_scoped(Gvr::new(marker::GROUP, marker::VERSION, plural), kind)
    }
}

/// Brings the word on one object up to date; gives back the order that has to be looked at for it.
pub(super) async fn report(
    fleet: &Fleet,
    registry: &KcpProviderRegistry,
    playbooks: &KcpPlaybooks,
    asking: Asking,
    name: &str,
) -> Result<Option<OrderKey>, ApiError> {
    match asking {
        Asking::Configuration => {
            playbooks::report(fleet, playbooks, &asking.resource(), name).await.map(|()| None)
        }
        Asking::Migration => requests::look(fleet, registry, &asking.resource(), name).await,
    }
}
