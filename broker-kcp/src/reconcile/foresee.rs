//! What would be done if something were so, asked from outside: if a person wanted one order moved, or if an offer or the
//! platform's word were another one. Decided by what the driver decides with, from caches alone; writes nothing.
//!
//! Only the next step of each order is told. What no order could do at the same time, such as more moves than may run, is
//! the caller's to say.

use std::collections::{BTreeMap, BTreeSet};

use broker_core::migration::{Asked, Controls, End, Migration, Request};
use broker_core::offer::OfferId;
use broker_core::order::{Action, Compute, Decision, is_fenced};
use broker_core::port::OrderAddress;
use broker_core::resource::{ClusterName, Gvr, Object, ObjectKey};

use super::access::Access;
use super::explain::{ExplainError, OrderQuery, ask_once, refused};
use super::requests::{Directory, providers};
use super::service::Service;
use crate::fleet::PLATFORM;
use crate::kcp::Scope;

/// The version of what is only supposed: newer than all that a server tells.
const SUPPOSED: &str = "18446744073709551615";
/// What an order says that must move, or be placed, and is not.
const BLOCKED: [&str; 10] = [
    "NoMatchingOffer",
    "NoPlaybook",
    "AmbiguousPlaybook",
    "FenceRequired",
    "NoComputeCluster",
    "MovesHalted",
    "MigrationDisabled",
    "MoveFailed",
    "ProviderUnreachable",
    "AssignmentLost",
];

/// A move that a person would ask for.
#[derive(Clone, Debug, Default)]
pub struct MoveQuery {
    /// The order.
    pub order: OrderQuery,
    /// The provider: an id, alias or path.
    pub to: String,
    /// Whether acknowledged writes may be lost.
    pub allow_loss: bool,
    /// Whether what serves now is taken for lost.
    pub skip_source: bool,
}

/// What is asked.
#[derive(Clone, Debug)]
pub enum Question {
    /// What a person's move would be.
    Move(MoveQuery),
    /// What these objects would change.
    Change(Vec<Supposed>),
}

/// An AcceptAPI or a BrokeredAPI as it is supposed to be.
#[derive(Clone, Debug)]
pub struct Supposed {
    /// The object; of one that is there the spec alone counts.
    pub object: Object,
    /// Whose AcceptAPI it is: an id, alias or path. Where nothing is said, its annotation `kcp.io/cluster` counts.
    pub provider: Option<String>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ForeseeError {
    /// There is no such order, or not everything was read.
    #[error(transparent)]
    Explain(#[from] ExplainError),
    /// It is an object of another kind.
    #[error("{kind} {name} says nothing of who gets which order: only AcceptAPIs and BrokeredAPIs do")]
    OtherKind {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
    },
    /// There is no such BrokeredAPI.
    #[error("there is no BrokeredAPI {name}; there are: {}", known.join(", "))]
    NotBrokered {
        /// Its name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// It cannot be told whose offer it is.
    #[error(
        "nobody who binds the export of offers is called `{asked}`: name the provider of AcceptAPI {name} by its path, alias or id"
    )]
    UnknownProvider {
        /// Its name.
        name: String,
        /// What was said.
        asked: String,
    },
    /// It would not be honoured.
    #[error("BrokeredAPI {name} would not be honoured: {problem}")]
    Problem {
        /// Its name.
        name: String,
        /// Why.
        problem: String,
    },
}

/// What would become of one order.
#[derive(Clone, Debug)]
pub struct Foreseen {
    /// Its API.
    pub api: Gvr,
    /// Where it is.
    pub order: ObjectKey,
    /// What would be done next.
    pub next: Next,
}

/// What would be done next about an order.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Nothing.
    Stays,
    /// It would be placed for the first time.
    Placed(OfferId),
    /// It would move: the record with which that begins, and whether writes are held up around the switch.
    Moves(Box<Migration>, bool),
    /// It ought to move, or to be placed, and would not.
    Waits {
        /// `PascalCase` reason.
        reason: String,
        /// For the platform's people.
        message: String,
    },
}

/// What would become of the orders that were asked for.
#[derive(Clone, Debug, Default)]
pub struct Foresight {
    /// The orders.
    pub orders: Vec<Foreseen>,
    /// What clusters are called.
    pub names: BTreeMap<ClusterName, String>,
    /// How many moves of an API may run at the same time, by `<resource>.<group>`.
    pub limits: BTreeMap<String, u32>,
}

impl Service {
    /// What would be done if a person asked for this move. Requests that are there already do not count.
    fn foresee_move(&self, query: &MoveQuery, compute: Compute) -> Result<Foresight, ForeseeError> {
        let (api, address) = self.address(&query.order)?;
        let fleet = self.fleet();
        let registry = self.driver().registry();
        let decision = self.driver().foresee(&address, |observed| {
            observed.compute = compute;
            let serving = observed.assignment.as_ref().and_then(|assignment| assignment.serving());
            let directory = Directory::of(fleet, registry);
            let from = serving.map(|copy| directory.called(&copy.key.cluster));
            let request = request(query, &address.key, from);
            observed.requests = vec![Asked::of(request, providers(registry, &directory))];
        });
        let decision = decision.map_err(|error| refused(&error))?;
        let Some(decision) = decision else {
            return Err(ExplainError::UnknownOrder { api, order: address.key }.into());
        };
        let next = match self.next(&api, &decision) {
            Next::Stays | Next::Placed(_) => Next::Waits {
                reason: decision.report.reason.to_owned(),
                message: decision.report.message.clone(),
            },
            next @ (Next::Moves(..) | Next::Waits { .. }) => next,
        };
        Ok(self.foresight(vec![Foreseen { api: address.gvr, order: address.key, next }]))
    }

    /// What would become of every order whose next step would be another one with these objects.
    fn foresee_change(&self, changes: &[Supposed], compute: Compute) -> Result<Foresight, ForeseeError> {
        let fleet = self.fleet();
        if !self.is_synced() || !fleet.plan().apis.keys().all(|api| fleet.is_synced(api)) {
            return Err(ExplainError::NotSynced.into());
        }
        let registry = self.driver().registry();
        let before = self.every_order(compute);
        for change in changes {
            self.suppose(change)?;
        }
        registry.invalidate();
        let policies = registry.policies();
        for name in changes.iter().map(|change| change.object.name()) {
            if let Some(problem) = policies.problems.get(name) {
                return Err(ForeseeError::Problem { name: name.to_owned(), problem: problem.to_string() });
            }
        }
        let is_news = |at: &(String, ObjectKey), next: &Next| {
            *next != Next::Stays && before.get(at).is_none_or(|(_, was)| !was.is_like(next))
        };
        let after = self.every_order(compute).into_iter().filter(|(at, (_, next))| is_news(at, next));
        Ok(self.foresight(after.map(|((_, order), (api, next))| Foreseen { api, order, next }).collect()))
    }

    /// Has the caches show an object as it is supposed to be.
    fn suppose(&self, change: &Supposed) -> Result<(), ForeseeError> {
        let (fleet, object) = (self.fleet(), &change.object);
        let name = object.name().to_owned();
        match object.gvk().kind.as_str() {
            "BrokeredAPI" => {
                let cache = &fleet.platform().brokered_apis;
                let key = ObjectKey::new(PLATFORM, "", &name);
                let Some(there) = cache.get(&key) else {
                    let known = cache.read().keys().map(|key| key.name.clone()).collect();
                    return Err(ForeseeError::NotBrokered { name, known });
                };
                cache.written(&fleet.platform_source(), key, supposed(Some(&there), object));
            }
            "AcceptAPI" => {
                let asked = change.provider.clone();
                let asked = asked.or_else(|| object.annotation("kcp.io/cluster").map(str::to_owned));
                let asked = asked.unwrap_or_default();
                let unknown = || ForeseeError::UnknownProvider { name: name.clone(), asked: asked.clone() };
                let export = fleet.offers().ok_or(ExplainError::NotSynced)?;
                let directory = Directory::of(fleet, self.driver().registry());
                let bound: BTreeSet<ClusterName> = match export.bindings() {
                    Some(bindings) => bindings.read().keys().map(|key| key.cluster.clone()).collect(),
                    None => BTreeSet::new(),
                };
                let cluster = bound
                    .into_iter()
                    .find(|cluster| directory.names(cluster).contains(&asked))
                    .ok_or_else(unknown)?;
                let kind = export.kinds().values().find(|kind| kind.kind == "AcceptAPI");
                let followed = kind.and_then(|kind| export.followed(&kind.gvr)).ok_or_else(unknown)?;
                let home = export.home(&cluster).ok_or_else(unknown)?;
                let mut key = object.key_in(&cluster);
                if key.namespace.is_empty() && followed.resource.scope == Scope::Namespaced {
                    "default".clone_into(&mut key.namespace);
                }
                let there = followed.cache.get(&key);
                followed.cache.written(&home.source, key, supposed(there.as_deref(), object));
            }
            kind => return Err(ForeseeError::OtherKind { kind: kind.to_owned(), name }),
        }
        Ok(())
    }

    /// The next step of every order that there is. Of a consumer that does not answer nothing is told.
    fn every_order(&self, compute: Compute) -> BTreeMap<(String, ObjectKey), (Gvr, Next)> {
        let fleet = self.fleet();
        let mut found = BTreeMap::new();
        for (api, export) in &fleet.plan().apis {
            let Some(export) = fleet.export(export) else { continue };
            let Some(followed) = export.kinds().get(api).and_then(|kind| export.followed(&kind.gvr)) else {
                continue;
            };
            let keys: Vec<ObjectKey> = followed.cache.read().keys().cloned().collect();
            for key in keys {
                let gvr = followed.resource.gvr.clone();
                let address = OrderAddress { gvr: gvr.clone(), key: key.clone(), uid: None };
                let decision = self.driver().foresee(&address, |observed| observed.compute = compute);
                if let Ok(Some(decision)) = decision {
                    found.insert((api.clone(), key), (gvr, self.next(api, &decision)));
                }
            }
        }
        found
    }

    fn next(&self, api: &str, decision: &Decision) -> Next {
        for action in &decision.actions {
            if let Action::AdoptMigration(record) | Action::CreateMigration(record) = action {
                let policies = self.driver().registry().policies();
                let fenced = policies.orders.get(api).is_some_and(|policy| is_fenced(policy, record));
                return Next::Moves(Box::new(record.clone()), fenced);
            }
            if let Action::CreateAssignment(assignment) = action {
                return Next::Placed(assignment.offer.clone());
            }
            if let Action::AnswerRequest { answer, .. } = action {
                return Next::Waits { reason: answer.reason.clone(), message: answer.message.clone() };
            }
        }
        let report = &decision.report;
        if BLOCKED.contains(&report.reason) {
            Next::Waits { reason: report.reason.to_owned(), message: report.message.clone() }
        } else {
            Next::Stays
        }
    }

    fn foresight(&self, orders: Vec<Foreseen>) -> Foresight {
        let (fleet, registry) = (self.fleet(), self.driver().registry());
        let mut clusters: BTreeSet<ClusterName> = BTreeSet::new();
        for foreseen in &orders {
            clusters.insert(foreseen.order.cluster.clone());
            match &foreseen.next {
                Next::Moves(record, _) => {
                    clusters.extend([record.from.cluster.clone(), record.to.cluster.clone()]);
                }
                Next::Placed(offer) => {
                    clusters.insert(offer.cluster.clone());
                }
                Next::Stays | Next::Waits { .. } => {}
            }
        }
        let directory = Directory::of(fleet, registry);
        let called = |cluster: ClusterName| {
            let name = directory.called(&cluster);
            (cluster, name)
        };
        let policies = registry.policies();
        let limits = policies.orders.iter();
        Foresight {
            orders,
            names: clusters.into_iter().map(called).collect(),
            limits: limits.map(|(api, policy)| (api.clone(), policy.limits.concurrent_moves)).collect(),
        }
    }
}

impl Next {
    /// Whether it is the same step to the same place.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Moves(one, _), Self::Moves(other, _)) => {
                one.from == other.from && one.to == other.to && one.playbook == other.playbook
            }
            (Self::Waits { reason, .. }, Self::Waits { reason: other, .. }) => reason == other,
            (one, other) => one == other,
        }
    }
}

/// What is there, with the spec of what is supposed.
fn supposed(there: Option<&Object>, object: &Object) -> Object {
    let mut supposed = there.unwrap_or(object).clone();
    supposed.set(&["spec"], object.get(&["spec"]).cloned().unwrap_or_default());
    supposed.set(&["metadata", "resourceVersion"], SUPPOSED.into());
    if there.is_none() {
        supposed.fields_mut().remove("status");
        supposed.set(&["metadata", "uid"], "supposed".into());
    }
    supposed
}

fn request(query: &MoveQuery, order: &ObjectKey, from: Option<String>) -> Request {
    let end = |cluster: &str| End {
        gvk: None,
        name: Some(order.name.clone()),
        namespace: Some(order.namespace.clone()),
        cluster: cluster.to_owned(),
    };
    Request {
        name: "plan".to_owned(),
        uid: String::new(),
        resource_version: String::new(),
        created_at: None,
        from: end(&from.unwrap_or_default()),
        to: end(&query.to),
        order: None,
        controls: Controls {
            allow_loss: query.allow_loss,
            skip_source: query.skip_source,
            ..Controls::default()
        },
        told: None,
    }
}

/// Answers by reading the platform anew, as the broker of this configuration would see it. Writes nothing.
///
/// Ends when all that the answer depends on was read; it is the caller's to lose patience. `compute` is what the broker
/// would find of the cluster for helper objects.
///
/// # Errors
/// Where what is asked about is not there, or cannot be.
pub async fn foresee_once(
    platform: impl Into<Access>,
    question: &Question,
    compute: Compute,
) -> Result<Foresight, ForeseeError> {
    ask_once(platform.into(), |service| {
        let answer = match question {
            Question::Move(query) => service.foresee_move(query, compute),
            Question::Change(changes) => service.foresee_change(changes, compute),
        };
        match answer {
            Err(ForeseeError::Explain(ExplainError::NotSynced)) => None,
            answer => Some(answer),
        }
    })
    .await
}
