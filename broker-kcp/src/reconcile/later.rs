//! Says, on the objects themselves, what this version does not do yet: nothing a person writes is ignored silently.
//!
//! Migrations that a person asks for have no effect so far. Of a playbook it is told whether it can be followed.

use broker_core::resource::{Gvr, Object, ObjectKey, marker};
use serde_json::{Value, json};

use super::conditions::{Wanted, entry, says};
use super::playbooks::{self, KcpPlaybooks};
use crate::fleet::{Fleet, PLATFORM};
use crate::kcp::{ApiError, Resource};
use crate::record::read_migration;
use crate::store::Cache;

/// A kind whose objects may ask for something that is not done yet.
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

    /// Whether an object asks for what is not done.
    fn is_in_vain(self, object: &Object) -> bool {
        self == Self::Migration && matches!(read_migration(object), Ok(None))
    }
}

/// What is said of a Migration that a person made.
const BY_A_PERSON: &str =
    "only migrations that the broker makes are carried out yet; change the order, or the offers, to move it";

/// Brings the word on one object up to date.
pub(super) async fn report(
    fleet: &Fleet,
    playbooks: &KcpPlaybooks,
    asking: Asking,
    name: &str,
) -> Result<(), ApiError> {
    if asking == Asking::Configuration {
        return playbooks::report(fleet, playbooks, &asking.resource(), name).await;
    }
    let cache = asking.cache(fleet);
    let key = ObjectKey::new(PLATFORM, "", name);
    let Some(object) = cache.get(&key).filter(|object| !object.is_deleting()) else { return Ok(()) };
    let there: Vec<Value> =
        object.get(&["status", "conditions"]).and_then(Value::as_array).cloned().unwrap_or_default();
    let is_of = |condition: &Value, kind: &str| condition.get("type").and_then(Value::as_str) == Some(kind);
    let mut conditions = there.clone();
    if !asking.is_in_vain(&object) {
        return Ok(());
    }
    let kind = "Ready";
    let wanted = Wanted { kind, status: "False", reason: "NotSupported", message: BY_A_PERSON };
    let said = entry(&wanted, &object, fleet.now());
    if there.iter().any(|condition| says(Some(condition), &said)) {
        return Ok(());
    }
    conditions.retain(|condition| !is_of(condition, kind));
    conditions.push(said);
    let patch = json!({
        "metadata": { "uid": object.uid(), "resourceVersion": object.resource_version() },
        "status": { "conditions": conditions },
    });
    let written =
        fleet.platform_api().merge_status(&asking.resource(), "", name, &patch, marker::MANAGER).await?;
    cache.written(&fleet.platform_source(), key, written);
    Ok(())
}
