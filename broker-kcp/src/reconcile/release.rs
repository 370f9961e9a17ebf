//! Letting go of everything, asked for by a person who takes the broker away: our finalizers on orders, and the fences
//! of what serves them. Copies, what was handed over, and the records stay.
//!
//! It reads the platform and the providers anew, through the same virtual workspaces as the broker, and writes with its
//! guards. It does not know whether a broker runs, which would take the orders up again.

use std::collections::{BTreeMap, BTreeSet};

use broker_core::order::{Action, Assignment, CopyRef, CopyView};
use broker_core::port::{MigrationExecutor as _, Observed, OrderAddress, OrderObserver as _};
use broker_core::resource::{ClusterName, Gvr, Object, ObjectKey, ObjectRef, marker};
use futures::StreamExt as _;
use tokio::sync::watch;

use super::access::Access;
use super::execute::KcpMigrationExecutor;
use super::explain::{self, ExplainError};
use super::market::{brokered_kinds, paths};
use super::recover::has_read_everything;
use super::service::Service;
use crate::kcp::Resource;
use crate::record::read_assignment;

/// Orders that are let go of at once; the executor has a limit of its own.
const AT_ONCE: usize = 16;

/// What a person asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReleaseRequest {
    /// Whether nothing is to be written.
    pub dry_run: bool,
    /// Whether orders are let go of although moves are under way, which then stay where they are.
    pub in_the_middle_of_moves: bool,
}

/// What was let go of, and what stays.
#[derive(Clone, Debug, Default)]
pub struct Releases {
    /// The orders that hold our finalizer, or held it.
    pub orders: Vec<Released>,
    /// The moves under way. With any, nothing is written, unless that is asked for.
    pub moves: BTreeSet<String>,
    /// Assignments and Migrations that stay.
    pub records: usize,
    /// The APIs, as `<resource>.<group>`, of which there are records and that are not brokered at present: their orders
    /// were not looked at.
    pub unseen: BTreeSet<String>,
    /// The paths of clusters, as far as they are known.
    pub paths: BTreeMap<ClusterName, String>,
}

/// One order.
#[derive(Clone, Debug)]
pub struct Released {
    /// Its API.
    pub api: Gvr,
    /// Where it is.
    pub order: ObjectKey,
    /// Whether it is being deleted: then it goes with its finalizer, and what is left of it stays.
    pub deleting: bool,
    /// The copies that stay, by what their Assignment says.
    pub copies: Vec<ObjectKey>,
    /// How many objects that were handed over stay, as long as the order does.
    pub handed_over: usize,
    /// The copies whose providers were asked to take no more writes.
    pub fences: Vec<Fenced>,
    /// Why it could not be let go of; asking again is safe.
    pub failure: Option<String>,
}

/// A fence that is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fenced {
    /// The copy.
    pub copy: ObjectKey,
    /// Whether it is lifted: it is where the copy serves. On what was left, or is not switched to, writes would be lost.
    pub lifted: bool,
}

/// Lets go of all orders. Ends when everything was read; it is the caller's to lose patience.
pub async fn release_once(
    platform: impl Into<Access>,
    request: ReleaseRequest,
) -> Result<Releases, ExplainError> {
    let (_leads, leading) = watch::channel(true);
    let service = explain::service(platform.into(), leading.clone())?;
    let fleet = service.fleet().clone();
    let routes = service.routes();
    let following = fleet.run(routes.clone());
    let executor = KcpMigrationExecutor::new(fleet.clone(), leading);
    let release = Release { service: &service, executor };
    let answer = async {
        while !has_read_everything(&service) {
            routes.progress.notified().await;
        }
        release.run(request).await
    };
    tokio::select! {
        answer = answer => Ok(answer),
        () = following => Err(ExplainError::NotSynced),
    }
}

struct Release<'s> {
    service: &'s Service,
    executor: KcpMigrationExecutor,
}

/// An order that holds our finalizer, and what is known of it.
struct Held {
    resource: Resource,
    key: ObjectKey,
    version: String,
    observed: Option<Observed>,
    released: Released,
}

impl Release<'_> {
    async fn run(&self, request: ReleaseRequest) -> Releases {
        let fleet = self.service.fleet();
        let held = self.held();
        let moves: BTreeSet<String> = held
            .iter()
            .filter_map(|order| order.observed.as_ref())
            .flat_map(|observed| &observed.migrations)
            .filter(|migration| !migration.state().is_final())
            .map(|migration| migration.name.clone())
            .collect();
        let writes = !request.dry_run && (moves.is_empty() || request.in_the_middle_of_moves);
        let orders = futures::stream::iter(held)
            .map(|order| self.release(order, writes))
            .buffered(AT_ONCE)
            .collect()
            .await;
        let platform = fleet.platform();
        let assignments = platform.assignments.read();
        let kinds = brokered_kinds(fleet);
        let unseen = assignments
            .iter()
            .filter_map(|(_, object)| read_assignment(&object).ok())
            .map(|record| record.order.gvr.group_resource())
            .filter(|api| !kinds.contains_key(api))
            .collect();
        Releases {
            orders,
            moves,
            records: assignments.len() + platform.migrations.read().len(),
            unseen,
            paths: paths(fleet).into_iter().map(|(path, cluster)| (cluster, path)).collect(),
        }
    }

    /// Everything that holds our finalizer, whatever else it carries.
    fn held(&self) -> Vec<Held> {
        let fleet = self.service.fleet();
        let mut held = Vec::new();
        for (api, resource) in brokered_kinds(fleet) {
            let followed = fleet.export_of(&api).and_then(|export| export.followed(&resource.gvr).cloned());
            let Some(followed) = followed else { continue };
            let orders: Vec<_> = followed
                .cache
                .read()
                .iter()
                .filter(|(_, object)| object.finalizers().any(|name| name == marker::ORDER_FINALIZER))
                .map(|(key, object)| (key.clone(), object))
                .collect();
            held.extend(orders.into_iter().map(|(key, object)| self.look(&resource, key, &object)));
        }
        held
    }

    fn look(&self, resource: &Resource, key: ObjectKey, order: &Object) -> Held {
        let address = OrderAddress { gvr: resource.gvr.clone(), key: key.clone(), uid: None };
        // A record that cannot be read keeps no order from being let go of.
        let observed = self.service.driver().observer().observe(&address).ok().flatten();
        let named = observed.iter().filter_map(|observed| observed.assignment.as_ref());
        let released = Released {
            api: resource.gvr.clone(),
            order: key.clone(),
            deleting: order.is_deleting(),
            copies: named.flat_map(Assignment::named).map(|copy| copy.key.clone()).collect(),
            handed_over: observed.as_ref().map_or(0, |observed| observed.mirrored.len()),
            fences: observed.as_ref().map(fences).unwrap_or_default(),
            failure: None,
        };
        let version = order.resource_version().to_owned();
        Held { resource: resource.clone(), key, version, observed, released }
    }

    /// The fence first: once the finalizer is gone, nothing tells that there was one to lift.
    async fn release(&self, held: Held, writes: bool) -> Released {
        let Held { resource, key, version, observed, mut released } = held;
        let fence = observed.as_ref().and_then(lifting);
        let order = ObjectRef { gvk: resource.gvk(), key };
        let actions = fence.into_iter().chain([Action::RemoveFinalizer { order, resource_version: version }]);
        for action in actions.filter(|_| writes) {
            if let Err(error) = self.executor.execute(&action).await {
                released.failure = Some(error.to_string());
                break;
            }
        }
        released
    }
}

/// The copy that serves an order, where its fence is up.
fn serving_and_fenced(observed: &Observed) -> Option<(&CopyRef, &Object)> {
    let copy = observed.assignment.as_ref()?.serving()?;
    let CopyView::Present(live) = observed.copies.get(&copy.key)? else { return None };
    (copy.uid.as_deref() == Some(live.uid()) && is_fenced(live)).then_some((copy, live.as_ref()))
}

fn lifting(observed: &Observed) -> Option<Action> {
    let (copy, live) = serving_and_fenced(observed)?;
    Some(Action::Fence { copy: copy.clone(), uid: live.uid().to_owned(), raised: false })
}

fn fences(observed: &Observed) -> Vec<Fenced> {
    let serving = serving_and_fenced(observed).map(|(copy, _)| &copy.key);
    let fenced = |(key, view): (&ObjectKey, &CopyView)| {
        let CopyView::Present(live) = view else { return None };
        is_fenced(live).then(|| Fenced { copy: key.clone(), lifted: serving == Some(key) })
    };
    observed.copies.iter().filter_map(fenced).collect()
}

fn is_fenced(copy: &Object) -> bool {
    copy.annotation(marker::QUIESCE_ANNOTATION) == Some("true")
}
