//! The custom resources of `broker.platform-mesh.io/v1alpha1`.
//!
//! Types hold what was written and refuse little: what can be refused is refused by the server,
//! through the bounds and rules of the generated schema. Every status field is optional, so that
//! objects in files, with half a status or none, read like those of a server.

#![expect(
    clippy::duplicated_attributes,
    reason = "each printcolumn has a type_ of its own; the lint takes them for one attribute"
)]

mod accept_api;
mod assignment;
mod brokered_api;
mod condition;
mod duration;
mod migration;
mod migration_configuration;
mod reference;
mod rules;
mod template;

pub use accept_api::{
    AcceptApi, AcceptApiSpec, AcceptApiStatus, Boundary, Capacity, Filter, IntOrText, OfferGvr, Scheduling,
    Translation,
};
pub use assignment::{
    Assignment, AssignmentPhase, AssignmentSpec, AssignmentStatus, Candidate, CopyRef, OfferRef, OrderRef,
};
pub use brokered_api::{
    BrokeredApi, BrokeredApiSpec, BrokeredApiStatus, Failover, Fence, Limits, Moves, OrderCounts,
    ProviderPolicy, RelatedKind,
};
pub use condition::{Condition, ConditionStatus};
pub use duration::{GoDuration, ParseDurationError};
pub use migration::{
    Migration, MigrationEnd, MigrationOrder, MigrationSpec, MigrationState, MigrationStatus, Progress,
    Receipt,
};
pub use migration_configuration::{
    Approval, MigrationBudget, MigrationConfiguration, MigrationConfigurationSpec,
    MigrationConfigurationStatus, Stage, StagePhase, StageResolution,
};
pub use reference::{Gvk, Gvr};
pub use template::Template;

/// The API group of every kind here.
pub const GROUP: &str = "broker.platform-mesh.io";

/// The version of every kind here.
pub const VERSION: &str = "v1alpha1";

#[cfg(test)]
mod tests;
