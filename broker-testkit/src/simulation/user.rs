//! A program that uses what its orders hand over: it counts what it was promised.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker_core::resource::{Object, marker};
use broker_kcp::kcp::feed::{Feed, News};
use broker_kcp::kcp::{ClusterApi, Resource, Selector};

use super::mover::store_named_by;
use super::stores::{Refusal, Row, Rows, Stores};

/// Reads and writes the stores of one consumer's orders, by what its Secrets say and by nothing else.
///
/// Before each write it reads everything, and finds exactly the rows that were acknowledged to it: one that is missing was
/// lost, one that it does not know is somebody else's.
#[derive(Clone, Debug)]
pub struct SimulatedUser {
    name: Arc<str>,
    api: ClusterApi,
    orders: Resource,
    stores: Stores,
    /// From one round of reads and writes to the next.
    pace: Duration,
    found: Arc<Mutex<Found>>,
}

/// What it knows and found.
#[derive(Debug, Default)]
struct Found {
    /// By namespace and name.
    orders: BTreeMap<Place, Object>,
    secrets: BTreeMap<Place, Object>,
    /// The rows that were acknowledged, by the name that all Secrets of one order carry.
    acknowledged: BTreeMap<String, Rows>,
    written: u64,
    /// What was amiss when it last looked, by order and store.
    amiss: BTreeMap<(String, String), Refusal>,
    problems: BTreeSet<String>,
}

type Place = (String, String);

fn place(object: &Object) -> Place {
    (object.namespace().to_owned(), object.name().to_owned())
}

impl SimulatedUser {
    /// One in a consumer's cluster.
    pub fn new(name: &str, api: ClusterApi, orders: Resource, stores: Stores, pace: Duration) -> Self {
        Self { name: name.into(), api, orders, stores, pace, found: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works until it is dropped.
    pub async fn work(self) {
        let orders = Feed::new(self.api.clone(), self.orders.clone(), Selector::default());
        let secrets = Feed::new(self.api.clone(), Resource::secrets(), Selector::default());
        let working = async {
            loop {
                tokio::time::sleep(self.pace).await;
                self.look();
            }
        };
        futures::future::join3(
            orders.follow(|news| take(&mut self.lock().orders, news)),
            secrets.follow(|news| take(&mut self.lock().secrets, news)),
            working,
        )
        .await;
    }

    /// Reads and writes once with each Secret.
    fn look(&self) {
        let mut found = self.lock();
        let found = &mut *found;
        let mut amiss = BTreeMap::new();
        for (at, secret) in &found.secrets {
            let (Some(order), Some(store)) = (secret.label(marker::ORDER_LABEL), store_named_by(secret))
            else {
                continue;
            };
            // Who deletes an order asks for nothing any more.
            let is_of = |of: &&Object| of.namespace() == at.0 && at.1 == format!("{}-key", of.name());
            let Some(live) = found.orders.values().find(is_of).filter(|order| !order.is_deleting()) else {
                continue;
            };
            let acknowledged = found.acknowledged.entry(order.to_owned()).or_default();
            let who = format!("{} with {}/{}", self.name, at.0, live.name());
            match self.stores.holds(&store, acknowledged) {
                None => {
                    // The first time it may be the news of another Secret that is still on its way.
                    let key = (order.to_owned(), store.clone());
                    if found.amiss.get(&key) == Some(&Refusal::Gone) {
                        found.problems.insert(format!("{who} finds nothing at {store}"));
                    }
                    amiss.insert(key, Refusal::Gone);
                    continue;
                }
                Some(true) => {}
                Some(false) => {
                    let rows = self.stores.rows(&store).unwrap_or_default();
                    if let Some((of, number)) = acknowledged.without(&rows).next() {
                        found.problems.insert(format!("{who} lost row {number} of {of}"));
                    }
                    if let Some((of, number)) = rows.without(acknowledged).next() {
                        let what = format!("{who} finds row {number} of {of}, which is not its own");
                        found.problems.insert(what);
                    }
                    // Told once; from here on it is counted from what is there.
                    *acknowledged = rows;
                }
            }
            found.written += 1;
            let row: Row = (Arc::clone(&self.name), found.written);
            match self.stores.write(&store, row.clone()) {
                Ok(()) => {
                    acknowledged.insert(row);
                }
                Err(refusal) => {
                    amiss.insert((order.to_owned(), store), refusal);
                }
            }
        }
        found.amiss = amiss;
    }

    /// What was wrong: rows that were lost, stores that were gone, and those that take no writes now that all is over.
    pub fn problems(&self) -> Vec<String> {
        self.look();
        let found = self.lock();
        let held = found.amiss.iter().map(|((order, store), refusal)| {
            format!("{} cannot write to {store} of {order} in the end: {refusal}", self.name)
        });
        found.problems.iter().cloned().chain(held).collect()
    }

    /// How many rows it was promised.
    pub fn acknowledged(&self) -> usize {
        self.lock().acknowledged.values().map(Rows::len).sum()
    }
}

fn take(objects: &mut BTreeMap<Place, Object>, news: News) {
    match news {
        News::Listed(listed, _) => {
            *objects = listed.into_iter().map(|object| (place(&object), object)).collect();
        }
        News::Applied(object) => {
            objects.insert(place(&object), object);
        }
        News::Deleted(object) => {
            objects.remove(&place(&object));
        }
        News::Reached(_) | News::Following | News::Failed { .. } => {}
    }
}
