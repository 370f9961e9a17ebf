//! From what changed to what is written: the ports of `broker-core` on the fleet, and what drives them.
//!
//! ```text
//! watch ─▶ store ─▶ routes ─▶ queue ─▶ observe ─▶ decide (broker-core) ─▶ execute ─▶ server
//!            ▲                                                              │
//!            └──────────────── results of our own writes ──────────────────┘
//! ```
//! Everything is observed from caches: an order at rest costs no calls. Only [`execute`] and the two reporters of
//! status ([`offers`], [`brokered`]) write.

mod brokered;
mod conditions;
mod execute;
mod indexes;
mod observe;
mod offers;
mod orphans;
mod policy;
mod registry;
mod routes;
mod service;

pub use execute::KcpMigrationExecutor;
pub use indexes::INDEXES;
pub use observe::KcpOrderObserver;
pub use policy::{ApiProblem, Policies};
pub use registry::KcpProviderRegistry;
pub use routes::OrderKey;
pub use service::{Options, Service, Status, SystemClock};
