//! Observing: everything of one order, as it is in the map.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use broker_core::matching::OfferSet;
use broker_core::migration::{Answer, Asked, Candidate, Request};
use broker_core::offer::{CopyKind, OfferId};
use broker_core::order::{
    Assignment, CopyRef, CopyView, Helpers, LastWord, OrderIdentity, Policy, Provided, Silence, Traces,
};
use broker_core::port::{Observed, OrderAddress, OrderObserver, PortError};
use broker_core::resource::{Gvk, Object, ObjectKey, ObjectRef, marker};
use broker_core::translate::{assignment_name, in_order_terms, references};

use super::{COMPUTE, MemoryFleet, State};

impl OrderObserver for MemoryFleet {
    fn observe(&self, address: &OrderAddress) -> Result<Option<Observed>, PortError> {
        let state = self.lock();
        let target = ObjectRef { gvk: state.policy.gvk(), key: address.key.clone() };
        let order = state.objects.get(&target).cloned();
        let order = order.filter(|order| address.uid.as_deref().is_none_or(|uid| uid == order.uid()));
        let assignment = state
            .assignments
            .values()
            .find(|assignment| match &order {
                Some(order) => assignment.order.key == address.key && assignment.order.uid == order.uid(),
                None => {
                    assignment.order.key == address.key
                        && address.uid.as_ref().is_none_or(|uid| *uid == assignment.order.uid)
                }
            })
            .cloned();
        let identity = match (&order, &assignment) {
            (Some(order), _) => OrderIdentity::of(order, &state.policy.gvr, &address.key.cluster),
            (None, Some(assignment)) => assignment.order.clone(),
            (None, None) => return Ok(None),
        };
        let mut migrations: Vec<_> =
            state.migrations.values().filter(|migration| migration.order == identity).cloned().collect();
        migrations.sort_by_key(|migration| migration.serial);
        let requests = state.requests_for(&identity);
        let mut copies = BTreeMap::new();
        let mut unreachable = BTreeMap::new();
        let mut provided = BTreeMap::new();
        let terms = Terms { offers: &state.offer_set(), policy: &state.policy, order: order.as_deref() };
        let traces = state.traces(&identity, &terms, &mut provided);
        let mut mirrored = state.mirrored(&identity, &assignment_name(&identity));
        for rival in traces.rivals.iter().filter(|_| order.is_some()) {
            let shares =
                |copy: &CopyRef| assignment.iter().flat_map(Assignment::named).any(|own| own.key == copy.key);
            if assignment.is_none() || rival.named().any(shares) {
                mirrored.extend(state.mirrored(&identity, &rival.name));
            }
        }
        if let Some(assignment) = &assignment {
            for copy in assignment.named() {
                let view = state.view(copy, &terms);
                if let CopyView::Present(object) = &view {
                    state.named_by(object, copy, &mut provided);
                }
                copies.insert(copy.key.clone(), view);
                if let Some(since) = state.unreachable.get(&copy.key.cluster) {
                    let unread = state.unread.contains(&copy.key.cluster);
                    let last_word = if unread { LastWord::Unread } else { LastWord::Known };
                    let silence = Silence { since: *since, last_word };
                    unreachable.insert(copy.key.cluster.clone(), silence);
                }
            }
        }
        let helpers = migrations
            .iter()
            .filter_map(|migration| Some((migration.name.clone(), state.helpers(&migration.name)?)))
            .collect();
        Ok(Some(Observed {
            identity,
            policy: Arc::clone(&state.policy),
            order,
            assignment,
            migrations,
            requests,
            copies,
            unreachable,
            provided,
            mirrored,
            traces,
            playbooks: state.playbooks.clone(),
            helpers,
            compute: state.compute,
        }))
    }
}

/// In whose terms copies are looked at.
struct Terms<'t> {
    offers: &'t OfferSet,
    policy: &'t Policy,
    order: Option<&'t Object>,
}

impl State {
    /// What people ask for one order, oldest first.
    fn requests_for(&self, identity: &OrderIdentity) -> Vec<Asked> {
        let mut requests: Vec<&Request> = self
            .requests
            .values()
            .filter(|request| self.resolve(request).is_ok_and(|order| order == *identity))
            .collect();
        requests.sort_by_key(|request| (request.created_at, &request.name));
        let providers = || {
            let clusters: BTreeSet<_> = self.offers.keys().map(|offer| offer.cluster.clone()).collect();
            clusters.into_iter().map(|cluster| {
                let name = cluster.to_string();
                (cluster, vec![name])
            })
        };
        requests.into_iter().map(|request| Asked::of(request.clone(), providers())).collect()
    }

    /// Which order a request is about.
    pub(super) fn resolve(&self, request: &Request) -> Result<OrderIdentity, Answer> {
        request.resolve(self.assignments.values().filter_map(|assignment| {
            let serving = assignment.serving()?;
            Some(Candidate {
                order: assignment.order.clone(),
                consumer: vec![assignment.order.key.cluster.to_string()],
                provider: vec![serving.key.cluster.to_string()],
                kinds: vec![self.policy.gvk(), serving.gvk()],
            })
        }))
    }

    /// What is there beside what the order's assignment names, and what such copies hand over.
    fn traces(
        &self,
        identity: &OrderIdentity,
        terms: &Terms<'_>,
        provided: &mut BTreeMap<ObjectRef, Provided>,
    ) -> Traces {
        let name = assignment_name(identity);
        let unnamed: BTreeMap<ObjectKey, (CopyRef, Arc<Object>)> = self
            .objects
            .iter()
            .filter(|(target, object)| {
                (target.gvk == self.policy.gvk() || self.copy_kind(&target.gvk).is_some())
                    && object.label(marker::ORDER_LABEL) == Some(name.as_str())
                    && object.annotation(marker::RETAINED_ANNOTATION).is_none()
                    && !self.unreachable.contains_key(&target.key.cluster)
                    && !self.gone.contains(&target.key.cluster)
                    && !self.is_named(&target.key)
            })
            .map(|(target, object)| {
                let at = self.unrecorded(target);
                let shown = in_order_terms(terms.offers, terms.policy, terms.order, &at, Arc::clone(object));
                (target.key.clone(), (at, shown))
            })
            .collect();
        let kinds = unnamed.values().filter(|(at, _)| !at.is_of(&self.policy));
        let kinds = kinds.map(|(at, _)| (at.key.clone(), (at.gvr.clone(), at.kind.clone()))).collect();
        let rivals: Vec<Assignment> = self
            .assignments
            .values()
            .filter(|other| other.order.key == identity.key && other.order.uid != identity.uid)
            .cloned()
            .collect();
        let mut rival_copies = BTreeMap::new();
        for copy in rivals.iter().flat_map(Assignment::named) {
            let view = self.view(copy, terms);
            if let CopyView::Present(object) = &view {
                self.named_by(object, copy, provided);
            }
            rival_copies.insert(copy.key.clone(), view);
        }
        for (at, object) in unnamed.values() {
            self.named_by(object, at, provided);
        }
        let unnamed = unnamed.into_iter().map(|(key, (_, object))| (key, object)).collect();
        let target = ObjectRef { gvk: self.policy.gvk(), key: identity.key.clone() };
        let successor = self.objects.get(&target).filter(|_| terms.order.is_none()).cloned();
        Traces { unnamed, kinds, rivals, rival_copies, successor }
    }

    /// Whether any assignment names this copy.
    pub(super) fn is_named(&self, key: &ObjectKey) -> bool {
        self.assignments.values().flat_map(Assignment::named).any(|copy| copy.key == *key)
    }

    /// What is there of a migration's helper objects.
    fn helpers(&self, migration: &str) -> Option<Helpers> {
        let mut helpers = Helpers::default();
        let of_it = self.objects.iter().filter(|(target, object)| {
            target.key.cluster.as_str() == COMPUTE && object.label(marker::MIGRATION_LABEL) == Some(migration)
        });
        for (_, object) in of_it {
            match object.annotation(marker::HELPER_ANNOTATION) {
                Some(key) => {
                    helpers.objects.insert(key.to_owned(), Arc::clone(object));
                }
                None => helpers.namespace = Some(Arc::clone(object)),
            }
        }
        (helpers.namespace.is_some() || !helpers.objects.is_empty()).then_some(helpers)
    }

    fn copy_kind(&self, gvk: &Gvk) -> Option<&CopyKind> {
        self.kinds.iter().find(|kind| kind.kind == gvk.kind && kind.gvr.group == gvk.group)
    }

    /// A copy that no record describes, as far as it matters for what it hands over.
    fn unrecorded(&self, target: &ObjectRef) -> CopyRef {
        let own = self.copy_kind(&target.gvk).map(|kind| kind.gvr.clone());
        CopyRef {
            offer: OfferId::from(target.key.clone()),
            gvr: own.unwrap_or_else(|| self.policy.gvr.clone()),
            kind: target.gvk.kind.clone(),
            key: target.key.clone(),
            uid: None,
            migration: None,
        }
    }

    fn view(&self, copy: &CopyRef, terms: &Terms<'_>) -> CopyView {
        if self.gone.contains(&copy.key.cluster) {
            return CopyView::Gone;
        }
        if self.unreachable.contains_key(&copy.key.cluster) {
            return CopyView::Unknown;
        }
        self.objects.get(&copy.object_ref()).map_or(CopyView::Absent, |object| {
            let object = Arc::clone(object);
            CopyView::Present(in_order_terms(terms.offers, terms.policy, terms.order, copy, object))
        })
    }

    fn named_by(&self, object: &Object, copy: &CopyRef, provided: &mut BTreeMap<ObjectRef, Provided>) {
        for reference in references(object, copy).into_values().flatten() {
            let visible = self
                .objects
                .get(&reference.target)
                .filter(|there| there.label(marker::MANAGED_LABEL) == Some(marker::MANAGED_VALUE));
            let view = visible.map_or(Provided::Missing, |there| Provided::Present {
                object: Arc::clone(there),
                shared: false,
            });
            provided.insert(reference.target, view);
        }
    }

    fn mirrored(&self, order: &OrderIdentity, assignment: &str) -> Vec<Arc<Object>> {
        self.objects
            .iter()
            .filter(|(target, object)| {
                target.key.cluster == order.key.cluster
                    && target.key.namespace == order.key.namespace
                    && target.gvk != self.policy.gvk()
                    && self.copy_kind(&target.gvk).is_none()
                    && object.label(marker::ORDER_LABEL) == Some(assignment)
            })
            .map(|(_, object)| Arc::clone(object))
            .collect()
    }
}
