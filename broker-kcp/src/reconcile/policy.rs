//! From BrokeredAPI objects to the domain's policies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use broker_core::expression::Expression;
use broker_core::matching::{self, ApiPolicy, ProviderRule};
use broker_core::migration::Limits;
use broker_core::offer::Scheduling;
use broker_core::order::{Failover, Fence, Glob, Moves, Policy};
use broker_core::resource::{ClusterName, Gvk, Object};
use serde_json::Value;

use crate::api::v1alpha1 as api;
use crate::kcp::Resource;

/// Why a BrokeredAPI cannot be honoured as written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiProblem {
    /// A stable word for conditions.
    pub reason: &'static str,
    /// For people: the field, the value and what would be accepted.
    pub message: String,
}

impl ApiProblem {
    fn invalid(message: impl Into<String>) -> Self {
        Self { reason: "InvalidSpec", message: message.into() }
    }
}

/// The policies of all brokered APIs, as far as they can be honoured.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    /// How orders of an API are treated, by `<resource>.<group>`.
    pub orders: BTreeMap<String, Arc<Policy>>,
    /// Who may offer what.
    pub offers: matching::Policies,
    /// What is wrong, by `<resource>.<group>`.
    pub problems: BTreeMap<String, ApiProblem>,
}

impl Policies {
    /// Reads all BrokeredAPIs; `kinds` are those that are served, `resolve` turns what people call a cluster into its
    /// name.
    pub fn read<'o>(
        objects: impl Iterator<Item = &'o Arc<Object>>,
        kinds: &BTreeMap<String, Resource>,
        migrations_enabled: bool,
        resolve: impl Fn(&str) -> ClusterName,
    ) -> Self {
        let mut policies = Self::default();
        let mut offers = Vec::new();
        for object in objects {
            let name = object.name();
            let Some(kind) = kinds.get(name) else { continue };
            match read(object, kind, migrations_enabled, &resolve) {
                Ok((policy, rules)) => {
                    offers.push((kind.gvr.clone(), rules));
                    policies.orders.insert(name.to_owned(), Arc::new(policy));
                }
                Err(problem) => {
                    policies.problems.insert(name.to_owned(), problem);
                }
            }
        }
        policies.offers = offers.into_iter().collect();
        policies
    }
}

fn read(
    object: &Object,
    kind: &Resource,
    migrations_enabled: bool,
    resolve: &impl Fn(&str) -> ClusterName,
) -> Result<(Policy, ApiPolicy), ApiProblem> {
    let spec = object.get(&["spec"]).cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    let spec: api::BrokeredApiSpec =
        serde_json::from_value(spec).map_err(|error| ApiProblem::invalid(format!("spec: {error}")))?;
    let mut policy = Policy::new(kind.gvr.clone(), &kind.kind);
    policy.moves = match spec.moves {
        api::Moves::Free => Moves::Free,
        api::Moves::PlaybookOnly => Moves::PlaybookOnly,
    };
    policy.failover = Some(match spec.effective_failover() {
        api::Failover::Automatic => Failover::Automatic,
        api::Failover::Manual => Failover::Manual,
    });
    policy.fence = Some(match spec.effective_fence() {
        api::Fence::Required => Fence::Required,
        api::Fence::BestEffort => Fence::BestEffort,
    });
    policy.limits = limits(&spec.limits);
    policy.failover_after = duration("spec.failoverAfter", &spec.failover_after)?;
    policy.migrations_enabled = migrations_enabled;
    policy.grace_period = duration("spec.gracePeriod", &spec.grace_period)?;
    policy.ready_timeout = duration("spec.readyTimeout", &spec.ready_timeout)?;
    policy.ready = match &spec.ready {
        Some(text) => Some(
            Expression::compile(text)
                .map_err(|error| ApiProblem::invalid(format!("spec.ready {text:?}: {error}")))?,
        ),
        None => None,
    };
    policy.related_kinds = spec
        .related_kinds
        .iter()
        .map(|kind| match kind {
            api::RelatedKind::Secret => Gvk::new("", "v1", "Secret"),
            api::RelatedKind::ConfigMap => Gvk::new("", "v1", "ConfigMap"),
        })
        .collect();
    policy.copy_labels = spec.copy_labels.iter().map(Glob::new).collect();
    policy.copy_annotations = spec.copy_annotations.iter().map(Glob::new).collect();
    policy.related_name.clone_from(&spec.related_name);
    let providers = spec.providers.iter().map(|provider| rule(provider, resolve)).collect();
    Ok((policy, ApiPolicy { providers }))
}

/// The schema allows for no negative number.
fn limits(spec: &api::Limits) -> Limits {
    let number = |limit: i32| u32::try_from(limit).unwrap_or_default();
    Limits {
        concurrent_moves: number(spec.concurrent_moves),
        halt_after_failures: number(spec.halt_after_failures),
    }
}

fn duration(field: &str, value: &api::GoDuration) -> Result<Duration, ApiProblem> {
    value.parse().map_err(|error| ApiProblem::invalid(format!("{field}: {error}")))
}

fn rule(provider: &api::ProviderPolicy, resolve: &impl Fn(&str) -> ClusterName) -> ProviderRule {
    ProviderRule {
        cluster: (provider.cluster != "*").then(|| resolve(&provider.cluster)),
        alias: provider.alias.clone(),
        scheduling: provider.scheduling.map(|scheduling| match scheduling {
            api::Scheduling::Active => Scheduling::Active,
            api::Scheduling::Cordoned => Scheduling::Cordoned,
            api::Scheduling::Draining => Scheduling::Draining,
        }),
        max_priority: provider.max_priority,
        max_weight: provider.max_weight.and_then(|weight| u32::try_from(weight).ok()),
    }
}
