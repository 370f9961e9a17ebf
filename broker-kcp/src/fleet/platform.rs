//! What the platform's own cluster holds.

use broker_core::resource::{Gvr, marker};

use super::topic::Topic;
use super::{Indexes, presence};
use crate::kcp::Resource;
use crate::store::Cache;

/// The platform's own records and what kcp tells there about exports.
#[derive(Clone, Debug)]
pub struct Platform {
    /// What is brokered.
    pub brokered_apis: Cache,
    /// Who serves whom.
    pub assignments: Cache,
    /// Every move.
    pub migrations: Cache,
    /// The playbooks.
    pub configurations: Cache,
    pub(crate) exports: Cache,
    pub(crate) slices: Cache,
    pub(crate) schemas: Cache,
}

impl Platform {
    pub(super) fn new(indexes: Indexes) -> Self {
        Self {
            brokered_apis: Cache::new(&[]),
            assignments: Cache::new(indexes.assignments),
            migrations: Cache::new(indexes.migrations),
            configurations: Cache::new(&[]),
            exports: Cache::new(&[]),
            slices: Cache::new(&[]),
            schemas: Cache::new(&[]),
        }
    }

    /// What is followed of it.
    pub(super) fn kinds(&self, on_plain_kubernetes: bool) -> Vec<(Topic, Resource, Cache)> {
        let own = |plural: &str, kind: &str| {
            Resource::cluster_scoped(Gvr::new(marker::GROUP, marker::VERSION, plural), kind)
        };
        let kcp = |version: &str, plural: &str, kind: &str| {
            Resource::cluster_scoped(Gvr::new("apis.kcp.io", version, plural), kind)
        };
        let mut kinds = vec![
            (Topic::BrokeredApis, own("brokeredapis", "BrokeredAPI"), self.brokered_apis.clone()),
            (Topic::Assignments, own("assignments", "Assignment"), self.assignments.clone()),
            (Topic::Migrations, own("migrations", "Migration"), self.migrations.clone()),
            (
                Topic::Configurations,
                own("migrationconfigurations", "MigrationConfiguration"),
                self.configurations.clone(),
            ),
        ];
        if on_plain_kubernetes {
            kinds.push((Topic::Schemas, presence::definitions(), self.schemas.clone()));
            return kinds;
        }
        kinds.extend([
            (Topic::Exports, kcp("v1alpha2", "apiexports", "APIExport"), self.exports.clone()),
            (
                Topic::Slices,
                kcp("v1alpha1", "apiexportendpointslices", "APIExportEndpointSlice"),
                self.slices.clone(),
            ),
            (
                Topic::Schemas,
                kcp("v1alpha1", "apiresourceschemas", "APIResourceSchema"),
                self.schemas.clone(),
            ),
        ]);
        kinds
    }
}
