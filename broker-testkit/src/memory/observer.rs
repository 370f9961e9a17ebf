//! Observing: everything of one order, as it is in the map.

use std::collections::BTreeMap;
use std::sync::Arc;

use broker_core::order::{CopyRef, CopyView, LastWord, OrderIdentity, Provided, Silence};
use broker_core::port::{Observed, OrderAddress, OrderObserver, PortError};
use broker_core::resource::{Object, ObjectRef, marker};
use broker_core::translate::references;

use super::{MemoryFleet, State};

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
                None => assignment.order.key == address.key,
            })
            .cloned();
        let identity = match (&order, &assignment) {
            (Some(order), _) => OrderIdentity::of(order, &state.policy.gvr, &address.key.cluster),
            (None, Some(assignment)) => assignment.order.clone(),
            (None, None) => return Ok(None),
        };
        let mut migrations: Vec<_> =
            state.migrations.values().filter(|migration| migration.order == identity).cloned().collect();
        migrations.sort_by_key(|migration| (migration.started_at, migration.name.clone()));
        let mut copies = BTreeMap::new();
        let mut unreachable = BTreeMap::new();
        let mut provided = BTreeMap::new();
        let mut mirrored = Vec::new();
        if let Some(assignment) = &assignment {
            for copy in assignment.named() {
                let view = state.view(copy);
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
            mirrored = state.mirrored(&identity, &assignment.name);
        }
        Ok(Some(Observed {
            identity,
            policy: Arc::clone(&state.policy),
            order,
            assignment,
            migrations,
            copies,
            unreachable,
            provided,
            mirrored,
        }))
    }
}

impl State {
    fn view(&self, copy: &CopyRef) -> CopyView {
        if self.gone.contains(&copy.key.cluster) {
            return CopyView::Gone;
        }
        if self.unreachable.contains_key(&copy.key.cluster) {
            return CopyView::Unknown;
        }
        self.objects
            .get(&copy.object_ref())
            .map_or(CopyView::Absent, |object| CopyView::Present(Arc::clone(object)))
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
                    && object.label(marker::ORDER_LABEL) == Some(assignment)
            })
            .map(|(_, object)| Arc::clone(object))
            .collect()
    }
}
