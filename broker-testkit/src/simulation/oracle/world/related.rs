//! Secrets and `ConfigMaps`: what copies provide, and what consumers hold of it.

use std::collections::BTreeSet;

use broker_core::resource::marker;

use super::{Copy, Order, Seen, Uid, World};
use crate::simulation::history::ObjectKey;
use crate::simulation::oracle::Setting;
use crate::simulation::oracle::reading;

impl World {
    pub(super) fn apply_to_related(&mut self, setting: &Setting, seen: Seen<'_>) {
        let key = seen.key();
        if setting.providers.contains_key(&key.cluster) {
            self.note_content(key);
        }
        if !setting.consumers.contains_key(&key.cluster) {
            return;
        }
        let object = seen.object();
        let orders: Vec<Uid> = self
            .order_of_mirror(seen)
            .into_iter()
            .chain(
                self.orders
                    .values()
                    .filter(|order| order.mirrors.contains(key))
                    .map(|order| order.uid.clone()),
            )
            .collect();
        let content = reading::content(object);
        for uid in orders {
            let Some(order) = self.orders.get_mut(&uid) else { continue };
            if seen.is_gone() {
                order.mirrors.remove(key);
                continue;
            }
            if seen.broker {
                order.mirrors.insert(key.clone());
                order.mirrored.insert(key.clone(), content.clone().unwrap_or_default());
                order.served = true;
                for copy in order.copies.clone() {
                    if let Some(copy) = self.copies.get_mut(&copy)
                        && content.as_ref().is_some_and(|content| copy.contents.contains(content))
                    {
                        copy.served = true;
                    }
                }
            }
            self.note_hand_over(&uid, seen.at);
        }
    }

    /// The order that an object in a consumer's cluster is made for, as it says itself.
    pub(in super::super) fn order_of_mirror(&self, seen: Seen<'_>) -> Option<Uid> {
        let name = reading::label(seen.object(), marker::ORDER_LABEL)?;
        self.order_of_record.get(name).cloned()
    }

    /// Notices what a copy names now, and what that holds.
    pub(super) fn note_handed(&mut self, uid: &str) {
        let Some(copy) = self.copies.get(uid) else { return };
        let cluster = copy.key.cluster.clone();
        let keys: Vec<ObjectKey> = reading::related(&copy.object)
            .into_values()
            // Only from the copy's own namespace.
            .filter(|related| related.namespace == copy.key.namespace)
            .map(|related| {
                ObjectKey::new(&cluster, "", &related.resource(), &related.namespace, &related.name)
            })
            .collect();
        for key in keys {
            self.handing.entry(key.clone()).or_default().insert(uid.to_owned());
            self.note_content(&key);
        }
    }

    /// Attributes the content of a Secret or `ConfigMap` to the copies it belongs to.
    fn note_content(&mut self, key: &ObjectKey) {
        let Some(object) = self.objects.get(key) else { return };
        let Some(content) = reading::content(object) else { return };
        let owning: BTreeSet<Uid> =
            reading::owners(object).filter(|uid| self.copies.contains_key(*uid)).map(str::to_owned).collect();
        // What one copy owns is never another one's, whatever that one says.
        let copies =
            if owning.is_empty() { self.handing.get(key).cloned().unwrap_or_default() } else { owning };
        for uid in copies {
            if let Some(copy) = self.copies.get_mut(&uid) {
                copy.contents.insert(content.clone());
                self.origins.entry(content.clone()).or_default().insert(uid);
            }
        }
    }

    /// The copies that ever provided this content.
    pub(in super::super) fn origins(&self, content: &str) -> impl Iterator<Item = &Copy> {
        self.origins.get(content).into_iter().flatten().filter_map(|uid| self.copies.get(uid))
    }

    /// Whether what is held here still works: a copy that provided it is there to stay.
    pub(in super::super) fn works(&self, content: &str) -> bool {
        self.origins(content).any(Copy::lives)
    }

    /// Whether the copy that serves this order names anything to hand over that is there.
    pub(in super::super) fn promises(&self, order: &Order) -> bool {
        self.pointed(order).filter(|copy| copy.exists).is_some_and(|copy| {
            let here = |related: reading::Related| {
                let key = ObjectKey::new(
                    &copy.key.cluster,
                    "",
                    &related.resource(),
                    &related.namespace,
                    &related.name,
                );
                related.namespace == copy.key.namespace && self.objects.contains_key(&key)
            };
            reading::related(&copy.object).into_values().any(here)
        })
    }

    /// The orders whose consumers may notice what is written in a provider's cluster.
    pub(in super::super) fn concerned(&self, seen: Seen<'_>) -> BTreeSet<Uid> {
        let named = self.handing.get(seen.key()).into_iter().flatten().map(String::as_str);
        let owned = reading::owners(seen.object());
        let copies = named.chain(owned).chain([reading::uid(seen.object())]);
        copies.filter_map(|uid| self.copies.get(uid)?.order.clone()).collect()
    }
}
