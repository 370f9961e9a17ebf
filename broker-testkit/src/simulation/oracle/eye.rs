//! The consumer's own point of view.
//!
//! A consumer sees its orders, its Secrets and `ConfigMaps`, and nothing else. It cannot tell who broke what; but whoever
//! tells it about a write knows who wrote. Only what the broker did is held against the broker: a consumer that deletes
//! its own Secret, or a provider that deletes what it provided, is waited for until all is well again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::invariant::DOWNTIME;
use super::reading;
use super::world::is_related;
use super::{Broken, Brokered};
use crate::simulation::history::{ChangeKind, ObjectKey, Write};

/// What somebody who can look into the providers' clusters would tell a consumer.
pub trait Providers {
    /// Whether a Secret or `ConfigMap` of this content still works.
    fn works(&self, object: &Value) -> bool;

    /// Whether whoever serves the order of this uid hands over anything at all.
    fn hands_over(&self, order: &str) -> bool;
}

/// Watches one consumer's cluster.
#[derive(Debug)]
pub struct ConsumerEye {
    cluster: String,
    apis: Vec<Brokered>,
    orders: BTreeMap<ObjectKey, Watched>,
    related: BTreeMap<ObjectKey, Arc<Value>>,
}

#[derive(Debug)]
struct Watched {
    object: Arc<Value>,
    /// Whether it was ever Ready with something in hand that works.
    served: bool,
    /// Whether something is amiss that is already told, or nobody's fault.
    excused: bool,
}

impl ConsumerEye {
    /// An eye on the cluster of this id.
    pub fn new(cluster: &str, apis: &[Brokered]) -> Self {
        Self {
            cluster: cluster.to_owned(),
            apis: apis.to_vec(),
            orders: BTreeMap::new(),
            related: BTreeMap::new(),
        }
    }

    /// Something is written; `by_broker` tells whether the broker did.
    pub fn observe(
        &mut self,
        at: Duration,
        write: &Write,
        by_broker: bool,
        providers: &dyn Providers,
    ) -> Vec<Broken> {
        let key = &write.key;
        if key.cluster != self.cluster {
            return Vec::new();
        }
        let gone = write.kind == ChangeKind::Deleted;
        if is_related(key) {
            if gone {
                self.related.remove(key);
            } else {
                self.related.insert(key.clone(), Arc::clone(&write.object));
            }
            let naming = self.orders.iter().filter(|(order, _)| order.namespace == key.namespace);
            let naming: Vec<ObjectKey> = naming.map(|(order, _)| order.clone()).collect();
            return naming.iter().filter_map(|order| self.look(order, at, by_broker, providers)).collect();
        }
        if !self.apis.iter().any(|api| key.is(&api.group, &api.resource)) {
            return Vec::new();
        }
        if gone || reading::is_terminating(&write.object) {
            self.orders.remove(key);
            return Vec::new();
        }
        let watched = self.orders.entry(key.clone()).or_insert_with(|| Watched {
            object: Arc::clone(&write.object),
            served: false,
            excused: false,
        });
        if reading::uid(&watched.object) != reading::uid(&write.object) {
            (watched.served, watched.excused) = (false, false);
        }
        watched.object = Arc::clone(&write.object);
        self.look(key, at, by_broker, providers).into_iter().collect()
    }

    /// Looks at the order again, since something happened at who serves it.
    pub fn look(
        &mut self,
        order: &ObjectKey,
        at: Duration,
        by_broker: bool,
        providers: &dyn Providers,
    ) -> Option<Broken> {
        let watched = self.orders.get(order)?;
        let api = self.apis.iter().find(|api| order.is(&api.group, &api.resource))?;
        let sight = if api.hands_over { self.sight(watched, providers) } else { Sight::Well };
        let ready = reading::says_ready(&watched.object).is_some();
        let watched = self.orders.get_mut(order)?;
        match sight {
            Sight::Well => {
                watched.excused = false;
                watched.served |= ready;
                None
            }
            Sight::NothingToHandOver => {
                watched.excused = true;
                None
            }
            Sight::Amiss(amiss) if watched.served && !watched.excused => {
                watched.excused = true;
                let what = format!("{order} was served, and now {amiss}");
                by_broker.then_some(Broken { invariant: DOWNTIME.id, at, what })
            }
            Sight::Amiss(_) => None,
        }
    }

    fn sight(&self, watched: &Watched, providers: &dyn Providers) -> Sight {
        let named = reading::related(&watched.object);
        if named.is_empty() {
            let promised = providers.hands_over(reading::uid(&watched.object));
            let amiss = || Sight::Amiss("its status names nothing that was handed over".to_owned());
            return if promised { amiss() } else { Sight::NothingToHandOver };
        }
        let amiss = named.into_values().find_map(|related| {
            let key =
                ObjectKey::new(&self.cluster, "", &related.resource(), &related.namespace, &related.name);
            match self.related.get(&key) {
                None => Some(format!("{key} is not there")),
                Some(object) if reading::content(object).is_none() => Some(format!("{key} is empty")),
                Some(object) if reading::is_terminating(object) => Some(format!("{key} is being deleted")),
                Some(object) if !providers.works(object) => Some(format!("{key} holds what works no more")),
                Some(_) => None,
            }
        });
        amiss.map_or(Sight::Well, Sight::Amiss)
    }
}

/// What a consumer finds.
#[derive(Debug)]
enum Sight {
    /// Everything that its order's status names is there and works.
    Well,
    /// Nothing is named, and whoever serves has nothing to hand over.
    NothingToHandOver,
    /// What it would stumble over.
    Amiss(String),
}
