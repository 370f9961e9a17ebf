//! All that the broker knows of one order, and what it would do next, asked from outside: from caches alone. Writes
//! nothing.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use broker_core::matching::Routing;
use broker_core::order::Decision;
use broker_core::port::{Observed, OrderObserver as _};
use broker_core::resource::ClusterName;
use broker_core::time::Timestamp;

use super::access::Access;
use super::explain::{ExplainError, OrderQuery, ask_each, ask_once, refused};
use super::market::paths;
use super::service::Service;

/// How one order stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Everything that was observed of it.
    pub observed: Observed,
    /// What would be done next, and why. Nothing, where the broker did all that it can.
    pub next: Decision,
    /// Which offer should serve it; `None` where the order is gone.
    pub routing: Option<Routing>,
    /// The paths of clusters, as far as they are known.
    pub paths: BTreeMap<ClusterName, String>,
    /// When this was so.
    pub now: Timestamp,
}

impl Service {
    /// How one order stands. What the driver remembers of writes that were refused does not count.
    ///
    /// # Errors
    /// Where there is no such order, or not everything was read yet.
    pub fn standing(&self, query: &OrderQuery) -> Result<Standing, ExplainError> {
        let (api, address) = self.address(query)?;
        let unavailable = |error: &dyn std::fmt::Display| ExplainError::Unavailable(error.to_string());
        let unknown = || ExplainError::UnknownOrder { api: api.clone(), order: address.key.clone() };
        let driver = self.driver();
        let observed = driver.observer().observe(&address).map_err(|error| unavailable(&error))?;
        let observed = observed.ok_or_else(unknown)?;
        let next = driver.foresee(&address, |_| {}).map_err(|error| refused(&error))?.ok_or_else(unknown)?;
        let routing = driver.explain(&address).map_err(|error| refused(&error))?;
        let paths = paths(self.fleet()).into_iter().map(|(path, cluster)| (cluster, path)).collect();
        Ok(Standing { observed, next, routing, paths, now: self.fleet().now() })
    }
}

/// How one order stands, by reading the platform anew, as the broker of this configuration would see it. Writes nothing.
///
/// Ends when all that the answer depends on was read; it is the caller's to lose patience.
pub async fn standing_once(
    platform: impl Into<Access>,
    query: &OrderQuery,
) -> Result<Standing, ExplainError> {
    ask_once(platform.into(), |service| settled(service.standing(query))).await
}

/// The same again and again, whenever something changed, until `show` has seen enough.
pub async fn follow_standing(
    platform: impl Into<Access>,
    query: &OrderQuery,
    show: impl FnMut(Result<Standing, ExplainError>) -> ControlFlow<()>,
) -> Result<(), ExplainError> {
    ask_each(platform.into(), |service| settled(service.standing(query)), show).await
}

/// An answer, once everything was read.
fn settled(answer: Result<Standing, ExplainError>) -> Option<Result<Standing, ExplainError>> {
    match answer {
        Err(ExplainError::NotSynced) => None,
        answer => Some(answer),
    }
}
