//! Says of what has no meaning yet that it has none, so that nobody waits for it.

use broker_core::port::Clock;
use broker_core::resource::{Gvr, Object, ObjectKey, marker};
use serde_json::json;

use super::conditions::{Wanted, entry, says};
use super::service::SystemClock;
use crate::fleet::{Fleet, PLATFORM};
use crate::kcp::{ApiError, Resource};

/// A kind of record that people write and that is not acted upon yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Unsupported {
    /// A Migration that the broker did not make.
    Migration,
    /// Any playbook.
    Configuration,
}

impl Unsupported {
    const fn message(self) -> &'static str {
        match self {
            Self::Migration => {
                "moves started by people are not supported yet: nothing is moved by this object"
            }
            Self::Configuration => {
                "playbooks are not supported yet: orders whose objects hold data do not move"
            }
        }
    }
}

/// Says it in the status of one record.
pub(super) async fn report(fleet: &Fleet, what: Unsupported, name: &str) -> Result<(), ApiError> {
    let platform = fleet.platform();
    let (cache, plural, kind) = match what {
        Unsupported::Migration => (&platform.migrations, "migrations", "Migration"),
        Unsupported::Configuration => {
            (&platform.configurations, "migrationconfigurations", "MigrationConfiguration")
        }
    };
    let key = ObjectKey::new(PLATFORM, "", name);
    let Some(object) = cache.get(&key).filter(|object| !object.is_deleting()) else { return Ok(()) };
    let wanted = Wanted { kind: "Ready", status: "False", reason: "NotSupported", message: what.message() };
    let status = json!({ "conditions": [entry(&wanted, &object, SystemClock.now())] });
    if says(object.get(&["status"]), &status) {
        return Ok(());
    }
    let resource = Resource::cluster_scoped(Gvr::new(marker::GROUP, marker::VERSION, plural), kind);
    let mut patch = Object::named(&resource.gvk(), "", name);
    patch.set(&["metadata", "uid"], object.uid().into());
    patch.set(&["status"], status);
    let written = fleet.platform_api().apply_status(&resource, &patch, marker::MANAGER).await?;
    cache.written(&fleet.platform_source(), key, written);
    tracing::warn!(kind, name, "{}", what.message());
    Ok(())
}
