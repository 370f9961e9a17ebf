//! From what changed to what is written: the ports of `broker-core` on the fleet, and what drives them.
//!
//! ```text
//! watch ─▶ store ─▶ routes ─▶ queue ─▶ observe ─▶ decide (broker-core) ─▶ execute ─▶ server
//!            ▲                                                              │
//!            └──────────────── results of our own writes ──────────────────┘
//! ```
//! Everything is observed from caches: an order at rest costs no calls. Besides the executor only the reporters of
//! status and the removal of orphans write.

mod absence;
mod access;
mod around;
mod books;
mod brokered;
mod census;
mod conditions;
mod event;
mod execute;
mod explain;
mod foresee;
mod forgotten;
mod indexes;
mod latency;
mod later;
mod lost;
mod market;
mod mentions;
mod observe;
mod offers;
mod orphans;
mod playbooks;
mod policy;
mod reachability;
mod recover;
mod registry;
mod release;
mod requests;
mod routes;
mod scrape;
mod service;
mod standing;
mod target;
#[cfg(test)]
mod tests;

pub use access::Access;
pub use around::{AsUsual, Execute, Usual};
pub use execute::KcpMigrationExecutor;
pub use explain::{ExplainError, Explained, OrderQuery, explain_once};
pub use foresee::{ForeseeError, Foreseen, Foresight, MoveQuery, Next, Question, Supposed, foresee_once};
pub use indexes::INDEXES;
pub use observe::KcpOrderObserver;
pub use playbooks::KcpPlaybooks;
pub use policy::{ApiProblem, Policies};
pub use recover::{RecoverRequest, Recovered, Recoveries, Step, recover_once};
pub use registry::KcpProviderRegistry;
pub use release::{Fenced, ReleaseRequest, Released, Releases, release_once};
pub use routes::OrderKey;
pub use service::{Options, QueueReport, Readiness, Service, Status};
pub use standing::{Standing, follow_standing, standing_once};
