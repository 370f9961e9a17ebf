//! Setting records right that were lost or restored, asked for by a person: reads the platform and the providers anew,
//! through the same virtual workspaces as the broker, and writes Assignments with its guards.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use broker_core::broker::PassError;
use broker_core::order::recovery::{Candidate, Undecided};
use broker_core::order::{Action, Assignment, Loss, OrderIdentity};
use broker_core::port::{MigrationExecutor as _, OrderAddress, OrderObserver as _, PortError};
use broker_core::resource::{ClusterName, Gvr, Object, ObjectKey, ObjectRef, marker};
use broker_core::translate::assignment_name;
use tokio::sync::watch;

use super::access::Access;
use super::execute::KcpMigrationExecutor;
use super::explain::{self, ExplainError, OrderQuery, api_named, cluster_named};
use super::indexes::{BY_COPY, object_text};
use super::market::{brokered_kinds, paths};
use super::observe::carries_our_mark;
use super::service::Service;
use crate::fleet::{Export, Followed};
use crate::kcp::Scope;

/// What a person asks for.
#[derive(Clone, Debug, Default)]
pub struct RecoverRequest {
    /// One order; `None` for all whose record is lost.
    pub order: Option<OrderQuery>,
    /// The copy that serves the order, by the word of whoever asks: its cluster by id or path, its namespace and name.
    pub picked: Option<ObjectKey>,
    /// Whether an order of which nothing is found is to be placed anew.
    pub place_again: bool,
    /// Whether nothing is to be written.
    pub dry_run: bool,
}

/// What was found out about one order, and done.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// Its API.
    pub api: Gvr,
    /// Where it is.
    pub order: ObjectKey,
    /// What is wrong with its record; `None` where nothing is.
    pub loss: Option<Loss>,
    /// The copies that may serve it.
    pub candidates: Vec<Candidate>,
    /// Copies of orders that are not there any more which were ordered with the same words: they may be its.
    pub similar: Vec<ObjectKey>,
    /// What was done, or with `dry_run` would be.
    pub step: Step,
}

/// What is done about an order.
#[derive(Clone, Debug)]
pub enum Step {
    /// Nothing: its record fits what is there.
    Nothing,
    /// The Assignment that was written.
    Adopted(Box<Assignment>),
    /// The Assignment, where there was one, and the finalizer were removed, so that the order is placed anew.
    PlacedAgain,
    /// Nothing: a person must decide.
    Undecided(Undecided),
    /// A write was refused; asking again is safe.
    Failed(String),
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Recoveries {
    /// The orders that were asked for, or those whose record is lost.
    pub orders: Vec<Recovered>,
    /// Copies that nobody has, by API: of orders that are not there any more, as far as can be told.
    pub unclaimed: BTreeMap<String, Vec<ObjectKey>>,
    /// The paths of clusters, as far as they are known.
    pub paths: BTreeMap<ClusterName, String>,
}

/// Recovers orders. Ends when all that the answer depends on was read; it is the caller's to lose patience.
pub async fn recover_once(
    platform: impl Into<Access>,
    request: &RecoverRequest,
) -> Result<Recoveries, ExplainError> {
    let (_leads, leading) = watch::channel(true);
    let service = explain::service(platform.into(), leading.clone())?;
    let fleet = service.fleet().clone();
    let routes = service.routes();
    let following = fleet.run(routes.clone());
    let recovery =
        Recovery { executor: KcpMigrationExecutor::new(fleet.clone(), leading), service: &service };
    let answer = async {
        while !has_read_everything(&service) {
            routes.progress.notified().await;
        }
        // What was taken in while it was read in part counts no more.
        service.driver().registry().invalidate();
        recovery.run(request).await
    };
    tokio::select! {
        answer = answer => answer,
        () = following => Err(ExplainError::NotSynced),
    }
}

struct Recovery<'s> {
    service: &'s Service,
    executor: KcpMigrationExecutor,
}

impl Recovery<'_> {
    async fn run(&self, request: &RecoverRequest) -> Result<Recoveries, ExplainError> {
        let by_path = paths(self.service.fleet());
        let orders = match &request.order {
            Some(query) => vec![self.order(query, &by_path)?],
            None => self.all_orders(),
        };
        let mut request = request.clone();
        if let Some(picked) = &mut request.picked
            && let Some(cluster) = by_path.get(picked.cluster.as_str())
        {
            picked.cluster = cluster.clone();
        }
        let plan = self.service.fleet().plan();
        let kinds: BTreeSet<&String> = plan.apis.keys().chain(plan.copies.keys()).collect();
        let unclaimed: BTreeMap<String, BTreeMap<ObjectKey, Arc<Object>>> =
            kinds.into_iter().map(|kind| (kind.clone(), self.unclaimed(kind))).collect();
        let none = BTreeMap::new();
        let mut recovered = Vec::new();
        for address in orders {
            let others = unclaimed.get(&address.gvr.group_resource()).unwrap_or(&none);
            let one = match self.recover(&address, &request, others).await {
                Ok(one) => one,
                // Of many, one that cannot be told about does not keep the others from being recovered.
                Err(error) if request.order.is_none() => {
                    Recovered { step: Step::Failed(error.to_string()), ..nothing(&address) }
                }
                Err(error) => return Err(error),
            };
            if !matches!(one.step, Step::Nothing) || request.order.is_some() {
                recovered.push(one);
            }
        }
        let adopted: BTreeSet<ObjectKey> = recovered.iter().flat_map(taken).collect();
        let left = |copies: BTreeMap<ObjectKey, Arc<Object>>| {
            copies.into_keys().filter(|key| !adopted.contains(key)).collect::<Vec<_>>()
        };
        Ok(Recoveries {
            orders: recovered,
            unclaimed: unclaimed
                .into_iter()
                .map(|(api, copies)| (api, left(copies)))
                .filter(|(_, copies)| !copies.is_empty())
                .collect(),
            paths: by_path.into_iter().map(|(path, cluster)| (cluster, path)).collect(),
        })
    }

    fn order(
        &self,
        query: &OrderQuery,
        paths: &BTreeMap<String, ClusterName>,
    ) -> Result<OrderAddress, ExplainError> {
        let fleet = self.service.fleet();
        let (api, resource) = api_named(fleet, &query.resource)?;
        let cluster = cluster_named(fleet, &api, paths, &query.cluster)?;
        let namespace = match resource.scope {
            Scope::Cluster => "",
            Scope::Namespaced => query.namespace.as_deref().unwrap_or("default"),
        };
        let key = ObjectKey::new(cluster, namespace, &query.name);
        let is_there = self.of_api(&api).is_some_and(|(_, followed)| {
            followed.cache.get(&key).is_some_and(|found| !carries_our_mark(&found))
        });
        if !is_there {
            return Err(ExplainError::UnknownOrder { api, order: key });
        }
        Ok(OrderAddress { gvr: resource.gvr, key, uid: None })
    }

    fn all_orders(&self) -> Vec<OrderAddress> {
        let kinds = brokered_kinds(self.service.fleet());
        let mut addresses = Vec::new();
        for (api, resource) in kinds {
            let Some((_, followed)) = self.of_api(&api) else { continue };
            let keys: Vec<ObjectKey> = followed
                .cache
                .read()
                .iter()
                .filter(|(_, object)| !carries_our_mark(object) && !object.is_deleting())
                .map(|(key, _)| key.clone())
                .collect();
            addresses.extend(keys.into_iter().map(|key| OrderAddress {
                gvr: resource.gvr.clone(),
                key,
                uid: None,
            }));
        }
        addresses
    }

    fn of_api(&self, api: &str) -> Option<(Arc<Export>, Followed)> {
        let fleet = self.service.fleet();
        let export = fleet.export_of(api)?;
        let followed = export.kinds().get(api).and_then(|kind| export.followed(&kind.gvr)).cloned()?;
        Some((export, followed))
    }

    async fn recover(
        &self,
        address: &OrderAddress,
        request: &RecoverRequest,
        others: &BTreeMap<ObjectKey, Arc<Object>>,
    ) -> Result<Recovered, ExplainError> {
        let api = address.gvr.group_resource();
        let driver = self.service.driver();
        let found =
            driver.recovery(address, request.picked.as_ref(), others).map_err(|error| failed(&error))?;
        let mut recovered = nothing(address);
        let Some(found) = found else { return Ok(recovered) };
        recovered.loss = Some(found.loss);
        recovered.candidates = found.candidates;
        recovered.step = match found.outcome {
            Ok(record) => self.adopt(record, request.dry_run).await,
            Err(Undecided::NothingFound) => {
                recovered.similar = self.similar(&api, &address.key, others);
                let silent = self.of_api(&api).is_some_and(|(export, _)| export.has_silent_shard());
                if silent {
                    Step::Undecided(Undecided::Unreachable(BTreeSet::new()))
                } else if request.place_again {
                    self.place_again(address, request.dry_run).await
                } else {
                    Step::Undecided(Undecided::NothingFound)
                }
            }
            Err(why) => Step::Undecided(why),
        };
        Ok(recovered)
    }

    async fn adopt(&self, record: Assignment, dry_run: bool) -> Step {
        let action = if record.uid.is_empty() {
            Action::CreateAssignment(record.clone())
        } else {
            Action::UpdateAssignment(record.clone())
        };
        match if dry_run { Ok(()) } else { self.write(&action).await } {
            Ok(()) => Step::Adopted(Box::new(record)),
            Err(error) => Step::Failed(error.to_string()),
        }
    }

    /// Takes away what keeps an order from being placed: a record that names nothing, and our finalizer.
    async fn place_again(&self, address: &OrderAddress, dry_run: bool) -> Step {
        let observed = match self.service.driver().observer().observe(address) {
            Ok(Some(observed)) => observed,
            Ok(None) => return Step::Nothing,
            Err(error) => return Step::Failed(error.to_string()),
        };
        let mut actions = Vec::new();
        if let Some(record) = &observed.assignment {
            actions.push(Action::DeleteAssignment { name: record.name.clone(), uid: record.uid.clone() });
        }
        if let Some(order) = &observed.order {
            actions.push(Action::RemoveFinalizer {
                order: ObjectRef { gvk: observed.policy.gvk(), key: address.key.clone() },
                resource_version: order.resource_version().to_owned(),
            });
        }
        for action in actions.iter().filter(|_| !dry_run) {
            if let Err(error) = self.write(action).await {
                return Step::Failed(error.to_string());
            }
        }
        Step::PlacedAgain
    }

    async fn write(&self, action: &Action) -> Result<(), PortError> {
        self.executor.execute(action).await.map(drop)
    }

    /// Objects that carry our mark, that no Assignment names, and that no order that is there can claim: whoever
    /// ordered them, it is none of those who would notice.
    fn unclaimed(&self, api: &str) -> BTreeMap<ObjectKey, Arc<Object>> {
        let Some((_, followed)) = self.of_api(api) else { return BTreeMap::new() };
        let assignments = &self.service.fleet().platform().assignments;
        let table = followed.cache.read();
        let plan = self.service.fleet().plan();
        let others = plan.copies.get(api).into_iter().flat_map(|copies| copies.apis.iter());
        let mut claims = BTreeSet::new();
        for (_, orders) in others.filter(|other| *other != api).filter_map(|other| self.of_api(other)) {
            let table = orders.cache.read();
            claims.extend(claims_of(table.iter(), &orders.resource.gvr));
        }
        claims.extend(claims_of(table.iter(), &followed.resource.gvr));
        table
            .iter()
            .filter(|(key, object)| {
                let mark = object.label(marker::ORDER_LABEL);
                mark.is_some_and(|mark| !claims.contains(mark))
                    && object.annotation(marker::RETAINED_ANNOTATION).is_none()
                    && !object.is_deleting()
                    && assignments.read().count(BY_COPY, &object_text(api, key)) == 0
            })
            .map(|(key, object)| (key.clone(), object))
            .collect()
    }

    /// Those of them that ask for what the order asks for.
    fn similar(
        &self,
        api: &str,
        order: &ObjectKey,
        unclaimed: &BTreeMap<ObjectKey, Arc<Object>>,
    ) -> Vec<ObjectKey> {
        let Some(order) = self.of_api(api).and_then(|(_, followed)| followed.cache.get(order)) else {
            return Vec::new();
        };
        let spec = order.get(&["spec"]);
        unclaimed
            .iter()
            .filter(|(_, object)| object.get(&["spec"]) == spec)
            .map(|(key, _)| key.clone())
            .collect()
    }
}

/// Whether all of the platform, its offers and its orders was read.
pub(super) fn has_read_everything(service: &Service) -> bool {
    let fleet = service.fleet();
    fleet.platform_is_synced()
        && fleet.is_planned()
        && fleet.offers().is_some_and(|export| export.is_synced())
        && fleet.plan().apis.keys().all(|api| fleet.is_synced(api))
}

/// The marks that the copies of these orders carry.
fn claims_of<'o>(objects: impl Iterator<Item = (&'o ObjectKey, Arc<Object>)>, gvr: &Gvr) -> BTreeSet<String> {
    objects
        .filter(|(_, object)| !carries_our_mark(object))
        .map(|(key, order)| assignment_name(&OrderIdentity::of(&order, gvr, &key.cluster)))
        .collect()
}

fn failed(error: &PassError) -> ExplainError {
    ExplainError::Unavailable(error.to_string())
}

/// Nothing is wrong with an order, and nothing done.
fn nothing(address: &OrderAddress) -> Recovered {
    Recovered {
        api: address.gvr.clone(),
        order: address.key.clone(),
        loss: None,
        candidates: Vec::new(),
        similar: Vec::new(),
        step: Step::Nothing,
    }
}

/// The copies that a record names by now.
fn taken(recovered: &Recovered) -> Vec<ObjectKey> {
    match &recovered.step {
        Step::Adopted(record) => record.named().map(|copy| copy.key.clone()).collect(),
        Step::Nothing | Step::PlacedAgain | Step::Undecided(_) | Step::Failed(_) => Vec::new(),
    }
}
