//! What is known of clusters while a shard does not answer.

#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use std::collections::BTreeSet;
use std::sync::Arc;

use broker_core::order::LastWord;
use broker_core::resource::{ClusterName, Gvr, Object, ObjectKey, Packer};
use kube::Config;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::export::{CacheState, Export, Way};
use super::plan::ExportPlan;
use super::{Indexes, Observer, Topic, Turn};
use crate::KubeConnect;
use crate::kcp::{Connector, Resource};
use crate::store::{Change, Entry, Source};

struct Turns(mpsc::UnboundedSender<(Turn, BTreeSet<ClusterName>)>);

impl Observer for Turns {
    fn changed(&self, _: &Topic, _: &[Change]) {}

    fn synced(&self) {}

    fn turned(&self, turn: Turn, clusters: &BTreeSet<ClusterName>) {
        self.0.send((turn, clusters.clone())).ok();
    }
}

/// What is told of the caches of an export's orders and bindings.
fn states(export: &Export) -> Vec<CacheState> {
    export.cached().into_iter().map(|cached| cached.state).collect()
}

/// An export with one shard at which nobody listens, after that was noticed; and the shard's source.
async fn with_a_dead_shard() -> (Export, Source) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url =
        format!("http://{}/services/apiexport/x/certificates.example.com", listener.local_addr().unwrap());
    drop(listener);
    let certificates = Resource::namespaced(Gvr::new("example.com", "v1", "certificates"), "Certificate");
    let plan = ExportPlan {
        copies: BTreeSet::new(),
        urls: BTreeSet::from([url.clone()]),
        kinds: [("certificates.example.com".to_owned(), certificates)].into(),
        claims: BTreeSet::new(),
        members: None,
    };
    let indexes = Indexes { orders: &[], related: &[], assignments: &[], migrations: &[] };
    let export = Export::new("certificates.example.com", &plan, indexes);
    let (told, mut turns) = mpsc::unbounded_channel();
    let observer: Arc<dyn Observer> = Arc::new(Turns(told));
    assert!(!export.is_silent(&"provider".into()) && !export.has_silent_shard());
    let connector = Connector::new(Config::new(url.parse().unwrap()), Arc::new(KubeConnect));
    let way = Way { endpoint: connector.at(&url).unwrap(), revision: String::new(), member: None };
    export.engage(vec![way], &observer);
    assert!(!export.is_synced(), "nothing was read, and it may yet answer");
    assert_eq!(states(&export), [CacheState::Unread; 2]);
    assert_eq!(turns.recv().await.unwrap(), (Turn::Silent, BTreeSet::new()));
    (export, Source::new(url))
}

#[tokio::test(start_paused = true)]
async fn what_was_never_read_of_a_silent_shard_is_unknown_until_all_of_it_was() {
    let (export, source) = with_a_dead_shard().await;
    let provider = ClusterName::from("provider");
    assert!(export.is_synced(), "the others are not kept waiting");
    assert!(!export.is_silent(&provider), "it is not seen there");
    let silent = export.silence(&provider).unwrap();
    assert_eq!(silent.last_word, LastWord::Unread, "it may live there");

    assert_eq!(states(&export), [CacheState::Silent; 2]);

    // It comes back, kind by kind.
    let binding = json!({
        "metadata": {"name": "b", "resourceVersion": "1"},
        "spec": {"reference": {"export": {"name": "certificates.example.com"}}},
    });
    let key = ObjectKey::new("provider", "", "b");
    let bindings = export.bindings().unwrap();
    bindings.write().list(
        &source,
        "1",
        vec![(key, Entry::new(Object::try_from(binding).unwrap(), &Packer::default()))],
    );
    assert!(export.is_silent(&provider), "it is seen there");
    assert_eq!(export.silence(&provider).unwrap().last_word, LastWord::Unread, "a part is not all");
    assert_eq!(states(&export), [CacheState::Silent, CacheState::Filled]);

    let certificates = export.kinds().values().next().unwrap();
    export.followed(&certificates.gvr).unwrap().cache.write().list(&source, "1", Vec::new());
    let known = export.silence(&provider).unwrap();
    assert_eq!((known.last_word, known.since), (LastWord::Known, silent.since));
    assert_eq!(export.silence(&"elsewhere".into()), None, "all that lives there is known");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_whose_shard_is_no_longer_told_is_silent_since_then() {
    let (export, source) = with_a_dead_shard().await;
    let binding = json!({"metadata": {"name": "b", "resourceVersion": "1"}});
    let key = ObjectKey::new("provider", "", "b");
    export.bindings().unwrap().write().list(
        &source,
        "1",
        vec![(key, Entry::new(Object::try_from(binding).unwrap(), &Packer::default()))],
    );
    let (told, _turns) = mpsc::unbounded_channel();
    export.disengage(&Turns(told));
    let silent = export.silence(&"provider".into()).unwrap();
    assert_eq!(silent.last_word, LastWord::Unread);
    assert!(export.silence(&"elsewhere".into()).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_came_back_and_left_for_good_is_no_longer_waited_for() {
    let (export, source) = with_a_dead_shard().await;
    let provider = ClusterName::from("provider");
    let binding = json!({
        "metadata": {"name": "b", "resourceVersion": "1"},
        "spec": {"reference": {"export": {"name": "certificates.example.com"}}},
    });
    let key = ObjectKey::new("provider", "", "b");
    let bindings = export.bindings().unwrap();
    let listed =
        || vec![(key.clone(), Entry::new(Object::try_from(binding.clone()).unwrap(), &Packer::default()))];
    bindings.write().list(&source, "1", listed());
    let (told, _turns) = mpsc::unbounded_channel();
    export.disengage(&Turns(told));
    assert!(export.has_departed(&provider) && export.silence(&provider).is_some());
    // The slice tells of its shard again, and then it unbinds.
    bindings.write().list(&source, "2", listed());
    export.arrived([&provider].into_iter());
    bindings.write().list(&source, "3", Vec::new());
    assert!(!export.has_departed(&provider));
    assert_eq!(export.silence(&provider), None, "it is gone, and what it held is let go");
}
