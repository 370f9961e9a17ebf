//! Whether a broker works on the platform: it gives signs of life in the Lease.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::Api;
use kube::runtime::wait::await_condition;

use crate::election::LEASE;
use crate::platform::Platform;

/// How long a Lease is held that does not say for how long.
const USUAL: u64 = 15;

/// Who holds the Lease, if anybody does. One that was not given up is held if it is renewed within its time: clocks of
/// other machines are not believed.
pub(super) async fn holder(platform: &Platform) -> anyhow::Result<Option<String>> {
    let leases: Api<Lease> =
        Api::namespaced(platform.server.client(&platform.workspace)?, platform.lease_namespace());
    let Some(seen) = read(platform, &leases).await?.filter(is_held) else { return Ok(None) };
    let seconds = seen.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    let is_renewed =
        |lease: Option<&Lease>| lease.and_then(|lease| lease.spec.as_ref()).is_none_or(|now| *now != seen);
    let renewed = await_condition(leases.clone(), LEASE, is_renewed);
    let waited = tokio::time::timeout(Duration::from_secs(seconds.unwrap_or(USUAL)), renewed).await;
    if let Ok(Err(error)) = waited {
        return Err(anyhow::anyhow!(
            "the Lease {LEASE} in {} cannot be watched: {error}",
            platform.workspace
        ));
    }
    // It may have been given up just now.
    let now = read(platform, &leases).await?.filter(|now| is_held(now) && *now != seen);
    Ok(now.and_then(|now| now.holder_identity))
}

async fn read(platform: &Platform, leases: &Api<Lease>) -> anyhow::Result<Option<LeaseSpec>> {
    let found = leases.get_opt(LEASE).await;
    let found = found.map_err(|error| platform.failure("reading the Lease of the broker", error))?;
    Ok(found.and_then(|lease| lease.spec))
}

fn is_held(lease: &LeaseSpec) -> bool {
    lease.holder_identity.as_ref().is_some_and(|holder| !holder.is_empty())
}
