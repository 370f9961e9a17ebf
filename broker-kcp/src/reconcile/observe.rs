//! Everything known of one order, from caches alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use broker_core::matching::OfferSet;
use broker_core::migration::Migration;
use broker_core::offer::OfferId;
use broker_core::order::{
    Assignment, Compute, CopyRef, CopyView, OrderIdentity, Policy, Provided, Silence, Traces,
};
use broker_core::port::{
    Observed, OrderAddress, OrderObserver, PortError, PortErrorKind, ProviderRegistry as _,
};
use broker_core::resource::{ClusterName, Object, ObjectKey, ObjectRef, marker};
use broker_core::translate::{assignment_name, in_order_terms, references};

use super::indexes::{BY_COPY, BY_MARK, BY_ORDER, BY_RELATED, object_text, related_text};
use super::latency::Latencies;
use super::mentions::Mentions;
use super::playbooks::{KcpPlaybooks, NamedPlaybooks};
use super::registry::KcpProviderRegistry;
use super::requests;
use super::routes::OrderKey;
use crate::fleet::{ComputeCluster, Export, Fleet, Followed, KindOfCopies, PLATFORM};
use crate::kcp::{Resource, Scope};
use crate::record::read_assignment;

/// Observes orders from the caches of a fleet.
#[derive(Clone, Debug)]
pub struct KcpOrderObserver {
    fleet: Fleet,
    registry: KcpProviderRegistry,
    playbooks: KcpPlaybooks,
    mentions: Mentions,
    latencies: Option<Arc<Latencies>>,
}

impl KcpOrderObserver {
    /// An observer of the orders of a fleet.
    pub fn new(fleet: Fleet, registry: KcpProviderRegistry, playbooks: KcpPlaybooks) -> Self {
        Self { fleet, registry, playbooks, mentions: Mentions::default(), latencies: None }
    }

    /// What copies said before a look is measured until it is told.
    pub(super) fn measured_by(self, latencies: Arc<Latencies>) -> Self {
        Self { latencies: Some(latencies), ..self }
    }

    /// What copies of other kinds than their orders' hand over, as they were observed last.
    pub(super) fn mentions(&self) -> Mentions {
        self.mentions.clone()
    }

    /// The assignment that names this object as one of its copies, whatever labels it carries.
    pub fn owner_of_copy(&self, api: &str, key: &ObjectKey) -> Option<Arc<Object>> {
        let mut found = self.fleet.platform().assignments.find(BY_COPY, &object_text(api, key));
        found.next().map(|(_, assignment)| assignment)
    }

    fn assignment(&self, name: &str) -> Result<Option<Assignment>, PortError> {
        let key = ObjectKey::new(PLATFORM, "", name);
        self.fleet
            .platform()
            .assignments
            .get(&key)
            .map(|object| read_assignment(&object).map_err(|error| unreadable(&error.to_string())))
            .transpose()
    }

    fn migrations(&self, assignment: &str) -> Result<Vec<Migration>, PortError> {
        let found = self.fleet.platform().migrations.find(BY_MARK, assignment);
        let mut migrations = Vec::new();
        for (_, object) in found {
            let migration = self
                .fleet
                .kept_playbooks()
                .read_migration(&object)
                .map_err(|error| unreadable(&error.to_string()))?;
            migrations.extend(migration);
        }
        migrations.sort_by_key(|migration| migration.serial);
        Ok(migrations)
    }

    fn copy(&self, copy: &CopyRef) -> CopyView {
        let Some(export) = self.fleet.export_of(&copy.gvr.group_resource()) else {
            return CopyView::Unknown;
        };
        // Another version of the same resource is the same object.
        let followed = export
            .kinds()
            .get(&copy.gvr.group_resource())
            .and_then(|resource| export.followed(&resource.gvr));
        let Some(followed) = followed else { return CopyView::Unknown };
        if self.fleet.silence(&export, &copy.key.cluster).is_some() {
            return CopyView::Unknown;
        }
        if let Some(object) = followed.cache.get(&copy.key) {
            return CopyView::Present(object);
        }
        if !export.is_synced() || !export.is_served() || export.has_departed(&copy.key.cluster) {
            CopyView::Unknown
        } else if export.is_bound(&copy.key.cluster) {
            CopyView::Absent
        } else {
            CopyView::Gone
        }
    }

    /// Which of the clusters of these copies do not answer, and since when by the clock that decisions are made with.
    fn unreachable<'c>(&self, copies: impl Iterator<Item = &'c CopyRef>) -> BTreeMap<ClusterName, Silence> {
        copies
            .filter_map(|copy| {
                let cluster = &copy.key.cluster;
                let silent =
                    self.fleet.silence(&*self.fleet.export_of(&copy.gvr.group_resource())?, cluster)?;
                let since = self.fleet.now().before(silent.since.elapsed());
                Some((cluster.clone(), Silence { since, last_word: silent.last_word }))
            })
            .collect()
    }

    /// What these copies name; it is shared where the status of an object that is none of `own` names it too.
    fn provided<'c>(
        &self,
        copies: impl Iterator<Item = (&'c CopyRef, &'c Object)>,
        own: &BTreeSet<&ObjectKey>,
    ) -> BTreeMap<ObjectRef, Provided> {
        let mut provided = BTreeMap::new();
        for (copy, live) in copies {
            let Some(export) = self.fleet.export_of(&copy.gvr.group_resource()) else { continue };
            let export = export.as_ref();
            for reference in references(live, copy).into_values().flatten() {
                let target = reference.target;
                let Some(followed) = related_kinds(export).find(|followed| {
                    followed.resource.kind == target.gvk.kind
                        && followed.resource.gvr.group == target.gvk.group
                }) else {
                    continue;
                };
                let view = match followed.cache.get(&target.key) {
                    Some(object) => Provided::Present {
                        object,
                        shared: self.is_shared(export, own, &target.gvk.kind, &target.key),
                    },
                    None => Provided::Missing,
                };
                provided.insert(ObjectRef { gvk: followed.resource.gvk(), key: target.key }, view);
            }
        }
        provided
    }

    /// Whether the status of any object but the order's own copies names the object too.
    fn is_shared(&self, export: &Export, own: &BTreeSet<&ObjectKey>, kind: &str, key: &ObjectKey) -> bool {
        let text = related_text(kind, key);
        let mentioned = self.mentions.naming(&text).iter().any(|(_, at)| !own.contains(at));
        mentioned
            || export
                .kinds()
                .values()
                .filter_map(|resource| export.followed(&resource.gvr))
                .any(|followed| followed.cache.read().keys_of(BY_RELATED, &text).any(|at| !own.contains(at)))
    }
}

impl OrderObserver for KcpOrderObserver {
    fn observe(&self, address: &OrderAddress) -> Result<Option<Observed>, PortError> {
        let api = address.gvr.group_resource();
        // Each round of a pass looks anew, and tells what was said before.
        if let Some(latencies) = &self.latencies {
            latencies.look(&OrderKey { api: api.clone(), key: address.key.clone() });
        }
        let unavailable = |message: &str| {
            PortError::new(PortErrorKind::Unavailable, format!("observe {} {}", api, address.key), message)
        };
        if !self.fleet.is_synced(&api) {
            return Err(unavailable("not everything was read yet"));
        }
        let plan = self.fleet.plan();
        let export = plan.apis.get(&api).and_then(|export| self.fleet.export(export));
        let export = export.ok_or_else(|| unavailable("the API is not brokered"))?;
        let Some(policy) = self.registry.policies().orders.get(&api).cloned() else {
            return Err(unavailable("the BrokeredAPI cannot be honoured as written"));
        };
        let followed = export.followed(&policy.gvr).ok_or_else(|| unavailable("the API is not followed"))?;
        let order = followed
            .cache
            .get(&address.key)
            .filter(|order| address.uid.as_deref().is_none_or(|uid| uid == order.uid()))
            .filter(|order| !carries_our_mark(order))
            .filter(|_| self.owner_of_copy(&api, &address.key).is_none());
        let identity = match (&order, &address.uid) {
            (Some(order), _) => OrderIdentity::of(order, &policy.gvr, &address.key.cluster),
            (None, Some(uid)) => {
                OrderIdentity { gvr: policy.gvr.clone(), key: address.key.clone(), uid: uid.clone() }
            }
            (None, None) => return Ok(None),
        };
        if export.silence(&address.key.cluster).is_some() {
            return Err(unavailable("the consumer's cluster does not answer at the moment"));
        }
        if order.is_none() && (!export.is_served() || export.has_departed(&address.key.cluster)) {
            return Err(unavailable("the shard of the consumer's cluster is not reached at the moment"));
        }
        let name = assignment_name(&identity);
        let assignment = self.assignment(&name)?;
        let migrations = self.migrations(&name)?;
        if order.is_none() && assignment.is_none() && migrations.is_empty() {
            return Ok(None);
        }
        let requests = match &assignment {
            Some(_) => requests::of_order(&self.fleet, &self.registry, &identity),
            None => Vec::new(),
        };
        let terms = Terms { offers: self.registry.offers(), policy: &policy, order: order.as_deref() };
        let copies: BTreeMap<ObjectKey, CopyView> = assignment
            .iter()
            .flat_map(Assignment::named)
            .map(|copy| (copy.key.clone(), self.shown(copy, &terms)))
            .collect();
        let unreachable = self.unreachable(assignment.iter().flat_map(Assignment::named));
        let kinds = self.fleet.kinds_of_copies(&api);
        let kinds = kinds.ok_or_else(|| unavailable("not every kind of its copies is followed"))?;
        let traces = self.traces(&kinds, followed, &terms, &identity, &name)?;
        let provided = self.all_provided(assignment.as_ref(), &copies, &traces, &policy);
        let shares = |rival: &&Assignment| {
            let named = |copy: &CopyRef| rival.named().any(|other| other.key == copy.key);
            order.is_some() && assignment.as_ref().is_none_or(|own| own.named().any(named))
        };
        let marks: Vec<&String> = std::iter::once(&name)
            .chain(traces.rivals.iter().filter(shares).map(|rival| &rival.name))
            .collect();
        let mirrored = related_kinds(&export)
            .flat_map(|followed| marks.iter().flat_map(|mark| followed.cache.find(BY_MARK, mark)))
            .filter(|(key, _)| key.cluster == identity.key.cluster && key.namespace == identity.key.namespace)
            .map(|(_, object)| object)
            .collect();
        let helpers = self.fleet.compute().map_or_else(BTreeMap::new, |compute| {
            let of =
                |migration: &Migration| Some((migration.name.clone(), compute.helpers(&migration.name)?));
            migrations.iter().filter_map(of).collect()
        });
        Ok(Some(Observed {
            identity,
            policy,
            order,
            assignment,
            migrations,
            requests,
            copies,
            unreachable,
            provided,
            mirrored,
            traces,
            playbooks: Arc::new(NamedPlaybooks {
                playbooks: self.playbooks.current(),
                fleet: self.fleet.clone(),
                registry: self.registry.clone(),
            }),
            helpers,
            compute: self.fleet.compute().map_or(Compute::Missing, ComputeCluster::state),
        }))
    }
}

/// In whose terms copies are looked at.
struct Terms<'t> {
    offers: Arc<OfferSet>,
    policy: &'t Policy,
    order: Option<&'t Object>,
}

impl Terms<'_> {
    fn show(&self, at: &CopyRef, copy: Arc<Object>) -> Arc<Object> {
        in_order_terms(&self.offers, self.policy, self.order, at, copy)
    }
}

impl KcpOrderObserver {
    /// A copy in the terms of its order; what it names there is noted.
    fn shown(&self, copy: &CopyRef, terms: &Terms<'_>) -> CopyView {
        let view = self.copy(copy);
        if copy.is_of(terms.policy) {
            return view;
        }
        let shown = match view {
            CopyView::Present(live) => CopyView::Present(terms.show(copy, live)),
            CopyView::Absent | CopyView::Unknown | CopyView::Gone => view,
        };
        let named = match &shown {
            CopyView::Present(live) => references(live, copy)
                .into_values()
                .flatten()
                .map(|reference| related_text(&reference.target.gvk.kind, &reference.target.key))
                .collect(),
            CopyView::Absent | CopyView::Gone => BTreeSet::new(),
            CopyView::Unknown => return shown,
        };
        self.mentions.note(&copy.gvr.group_resource(), &copy.key, named);
        shown
    }

    /// What of an order is there beside what its assignment names.
    fn traces(
        &self,
        kinds: &[KindOfCopies],
        followed: &Followed,
        terms: &Terms<'_>,
        identity: &OrderIdentity,
        name: &str,
    ) -> Result<Traces, PortError> {
        let policy = terms.policy;
        let api = policy.gvr.group_resource();
        let mut traces = Traces::default();
        for kind in kinds {
            for (key, object) in kind.followed.cache.find(BY_MARK, name) {
                let retained = object.annotation(marker::RETAINED_ANNOTATION).is_some();
                // What a cluster holds that does not answer is not known.
                let silent = kind.export.silence(&key.cluster).is_some();
                if retained || silent || self.owner_of_copy(&kind.name, &key).is_some() {
                    continue;
                }
                let resource = &kind.followed.resource;
                let at = unrecorded(resource, &key, &object);
                let object = terms.show(&at, object);
                if !at.is_of(policy) {
                    traces.kinds.insert(key.clone(), (resource.gvr.clone(), resource.kind.clone()));
                }
                traces.unnamed.insert(key, object);
            }
        }
        let namesakes = self.fleet.platform().assignments.find(BY_ORDER, &object_text(&api, &identity.key));
        for (_, record) in namesakes {
            if record.text(&["spec", "order", "uid"]) != Some(&identity.uid) {
                let rival = read_assignment(&record).map_err(|error| unreadable(&error.to_string()))?;
                traces
                    .rival_copies
                    .extend(rival.named().map(|copy| (copy.key.clone(), self.shown(copy, terms))));
                traces.rivals.push(rival);
            }
        }
        if terms.order.is_none() {
            traces.successor =
                followed.cache.get(&identity.key).filter(|successor| successor.uid() != identity.uid);
        }
        Ok(traces)
    }

    /// What the order's copies name, and what those do that may be its copies.
    fn all_provided(
        &self,
        assignment: Option<&Assignment>,
        copies: &BTreeMap<ObjectKey, CopyView>,
        traces: &Traces,
        policy: &Policy,
    ) -> BTreeMap<ObjectRef, Provided> {
        let unnamed: Vec<(CopyRef, Arc<Object>)> = traces
            .unnamed
            .iter()
            .map(|(key, object)| {
                let own = || (policy.gvr.clone(), policy.kind.clone());
                let (gvr, kind) = traces.kinds.get(key).cloned().unwrap_or_else(own);
                (unrecorded(&Resource { gvr, kind, scope: Scope::Namespaced }, key, object), object.clone())
            })
            .collect();
        let rivals = traces.rivals.iter().flat_map(|rival| &rival.copies);
        let named = assignment.iter().flat_map(|assignment| &assignment.copies);
        let present =
            |copy: &'_ CopyRef| match copies.get(&copy.key).or_else(|| traces.rival_copies.get(&copy.key)) {
                Some(CopyView::Present(live)) => Some(live.clone()),
                Some(CopyView::Absent | CopyView::Unknown | CopyView::Gone) | None => None,
            };
        let recorded: Vec<(CopyRef, Arc<Object>)> =
            named.chain(rivals).filter_map(|copy| Some((copy.clone(), present(copy)?))).collect();
        let own: BTreeSet<&ObjectKey> = assignment
            .iter()
            .flat_map(|assignment| assignment.named())
            .chain(traces.rivals.iter().flat_map(Assignment::named))
            .map(|copy| &copy.key)
            .chain(traces.unnamed.keys())
            .collect();
        let all = recorded.iter().chain(&unnamed).map(|(copy, live)| (copy, live.as_ref()));
        self.provided(all, &own)
    }
}

/// A copy that no record describes, as far as it matters for what it hands over.
fn unrecorded(resource: &Resource, key: &ObjectKey, object: &Object) -> CopyRef {
    CopyRef {
        offer: OfferId::from(key.clone()),
        gvr: resource.gvr.clone(),
        kind: resource.kind.clone(),
        key: key.clone(),
        uid: Some(object.uid().to_owned()),
        migration: None,
    }
}

/// Whether an object says of itself that it is, or was, a copy. Never proof that it is one; enough not to broker it.
pub(super) fn carries_our_mark(object: &Object) -> bool {
    object.label(marker::ORDER_LABEL).is_some() || object.annotation(marker::RETAINED_ANNOTATION).is_some()
}

/// What is followed of the kinds that providers may hand over.
pub(super) fn related_kinds(export: &Export) -> impl Iterator<Item = &Followed> {
    [Resource::secrets(), Resource::config_maps()]
        .into_iter()
        .filter_map(|resource| export.followed(&resource.gvr))
}

fn unreadable(message: &str) -> PortError {
    PortError::new(PortErrorKind::Invalid, "read the records", message)
}
