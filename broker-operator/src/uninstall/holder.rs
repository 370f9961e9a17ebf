//! Whether a broker works on the platform: it gives signs of life in the Lease.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::runtime::wait::await_condition;

use crate::election::{LEASE, LEASE_NAMESPACE};
use crate::platform::Platform;

/// How long a Lease is held that does not say for how long.
const USUAL: u64 = 15;

/// Who holds the Lease, if anybody does. One that was not given up is held if it is renewed within its time: clocks of
/// other machines are not believed.
pub(super) async fn holder(platform: &Platform) -> anyhow::Result<Option<String>> {
    let leases: Api<Lease> = Api::namespaced(platform.server.client(&platform.workspace)?, LEASE_NAMESPACE);
    let found = leases.get_opt(LEASE).await;
    let found = found.map_err(|error| platform.failure("reading the Lease of the broker", error))?;
    let Some(spec) = found.and_then(|lease| lease.spec) else { return Ok(None) };
    if spec.holder_identity.as_deref().unwrap_or_default().is_empty() {
        return Ok(None);
    }
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    let is_renewed =
        |lease: Option<&Lease>| lease.and_then(|lease| lease.spec.as_ref()).is_none_or(|now| *now != spec);
    let renewed = await_condition(leases.clone(), LEASE, is_renewed);
    let waited = tokio::time::timeout(Duration::from_secs(seconds.unwrap_or(USUAL)), renewed).await;
    let Ok(seen) = waited else { return Ok(None) };
    let seen = seen.map_err(|error| anyhow::anyhow!("the Lease {LEASE} cannot be watched: {error}"))?;
    // It may have been given up just now, or taken over.
    let now = seen.and_then(|lease| lease.spec).and_then(|spec| spec.holder_identity);
    Ok(now.filter(|now| !now.is_empty()))
}
