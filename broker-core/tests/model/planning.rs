//! What the broker decides in a state: the real decision about the world that the state stands for, and what the audit
//! says of it. Decided once for all states that look alike to the broker.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use broker_core::audit::audit;
use broker_core::migration::{Asked, Request};
use broker_core::offer::OfferId;
use broker_core::order::{
    Action, Chooser, Compute, CopyRef, CopyView, Decision, Fit, Helpers, LastWord, OrderIdentity, Placement,
    Provided, Silence, Traces, Unfit, World, decide,
};
use broker_core::resource::{ClusterName, Gvk, Object, ObjectKey, ObjectRef, marker};
use broker_core::sabotage;
use serde_json::json;

use super::setting::{Begin, Setting};
use super::state::{Copy, Link, NOW, State, Stores, ago};

/// The providers' clusters, in the order of [`State::links`].
pub(super) const CLUSTERS: [&str; 2] = ["old-provider", "new-provider"];
/// The uid of the order.
pub(super) const ORDER_UID: &str = "order-uid";
/// What no status, Event or record may ever say.
pub(super) const SECRET: &str = "swordfish";

/// What is decided in a state.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) actions: Vec<Action>,
    /// Whether it is looked at again after some time.
    pub(super) wakes: bool,
    pub(super) reason: &'static str,
    /// What the audit says against it.
    pub(super) unsound: Vec<String>,
    /// Whether it would tell somebody a secret.
    pub(super) leaks: bool,
}

/// Which order the model is about.
pub(super) fn identity(setting: &Setting) -> OrderIdentity {
    OrderIdentity {
        gvr: setting.policy.gvr.clone(),
        key: ObjectKey::new("consumer", "team", "db"),
        uid: ORDER_UID.to_owned(),
    }
}

/// Which of the clusters a copy lives in.
pub(super) fn cluster_of(key: &ObjectKey) -> usize {
    usize::from(key.cluster.as_str() == CLUSTERS[1])
}

/// The uid of a copy: no two have the same name.
pub(super) fn uid_of(key: &ObjectKey) -> String {
    format!("uid-{}", key.name)
}

/// The old provider takes orders of one size, the new one those of the other.
#[derive(Debug)]
struct TwoOffers<'s> {
    setting: &'s Setting,
    /// The offer that takes the order as it is, where not both do.
    takes: Option<usize>,
    links: [Link; 2],
}

impl TwoOffers<'_> {
    fn placement(&self, cluster: usize) -> Placement {
        Placement {
            offer: OfferId::new(CLUSTERS[cluster], "offers", "offer"),
            namespace: "copies".to_owned(),
            gvr: self.setting.policy.gvr.clone(),
            kind: self.setting.policy.kind.clone(),
        }
    }
}

impl Chooser for TwoOffers<'_> {
    fn fit(&self, offer: &OfferId) -> Fit {
        let cluster = usize::from(offer.cluster.as_str() == CLUSTERS[1]);
        match self.links[cluster] {
            Link::Gone => Fit::Withdrawn,
            _ if self.takes.is_some_and(|takes| takes != cluster) => Fit::Refused("another size".to_owned()),
            Link::Silent(_) => Fit::Unreachable,
            Link::Answers => Fit::Fits(self.placement(cluster)),
        }
    }

    fn best(&self, excluded: &BTreeSet<OfferId>) -> Option<Placement> {
        let takes = |cluster: &usize| {
            self.takes.is_none_or(|takes| takes == *cluster) && self.links[*cluster] == Link::Answers
        };
        let mut placements = (0..CLUSTERS.len()).filter(takes).map(|cluster| self.placement(cluster));
        placements.find(|placement| !excluded.contains(&placement.offer))
    }

    fn within(&self, provider: &ClusterName) -> Result<Placement, Unfit> {
        let cluster = usize::from(provider.as_str() == CLUSTERS[1]);
        match self.fit(&self.placement(cluster).offer) {
            Fit::Fits(placement) => Ok(placement),
            Fit::Refused(_) | Fit::Unreachable | Fit::Withdrawn => {
                Err(Unfit { reason: "NotFeasible", message: "it does not take it".to_owned() })
            }
        }
    }

    fn explain(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    fn refusal(&self) -> String {
        "nobody takes this size".to_owned()
    }
}

/// Which offer takes an order, by its size.
pub(super) fn taken_by(order: &Object) -> usize {
    usize::from(order.text(&["spec", "size"]) == Some("large"))
}

/// Decides in a state; `halted` says that no further move may begin.
pub(super) fn plan(setting: &Setting, stores: &Stores, state: &State, halted: bool) -> Plan {
    let decide_both = || {
        with_world(setting, stores, state, halted, |world| {
            let decision = decide(world);
            let unsound = audit(world, &decision).iter().map(ToString::to_string).collect();
            (decision, unsound)
        })
    };
    let (Decision { actions, report, wake }, unsound) = match setting.bug {
        Some(bug) => sabotage::with(bug, decide_both).0,
        None => decide_both(),
    };
    let leaks = actions.iter().any(|action| told(action).is_some_and(|text| text.contains(SECRET)));
    Plan { actions, wakes: wake.is_some(), reason: report.reason, unsound, leaks }
}

/// What a write tells anybody, beside the objects that are handed over.
fn told(action: &Action) -> Option<String> {
    match action {
        Action::ApplyStatus { status, .. } => Some(status.to_string()),
        Action::Tell { message, .. } => Some(message.clone()),
        Action::ApplyAssignmentStatus { status, .. } => Some(format!("{} {}", status.message, status.why)),
        Action::CreateMigration(record) | Action::UpdateMigration(record) => {
            Some(format!("{} {:?}", record.message, record.receipt))
        }
        Action::AnswerRequest { answer, .. } => Some(answer.message.clone()),
        Action::CreateCopy { object, .. } | Action::ApplyCopy { object, .. } => {
            Some(object.clone().into_value().to_string())
        }
        _ => None,
    }
}

/// What the provider of a copy hands over with it.
fn provided(setting: &Setting, key: &ObjectKey) -> (ObjectRef, Object) {
    let kind = Gvk::new("", "v1", "Secret");
    let name = format!("{}-key", key.name);
    let mut object = Object::named(&kind, &key.namespace, &name);
    object.set(&["data"], json!({ "of": uid_of(key), "password": SECRET }));
    object.set(&["metadata", "labels"], json!({ marker::MANAGED_LABEL: marker::MANAGED_VALUE }));
    let gvk = setting.policy.gvk();
    let owner =
        json!({ "apiVersion": gvk.api_version(), "kind": gvk.kind, "name": key.name, "uid": uid_of(key) });
    object.set(&["metadata", "ownerReferences"], json!([owner]));
    let key = ObjectKey::new(key.cluster.clone(), key.namespace.clone(), name);
    (ObjectRef { gvk: kind, key }, object)
}

/// A copy as its provider shows it.
fn shown(stores: &Stores, state: &State, copy: &Copy) -> Object {
    let key = stores.key(copy.key);
    let mut object = stores.object(copy.object).as_ref().clone();
    object.set(&["metadata", "uid"], uid_of(&key).into());
    object.set(&["metadata", "generation"], 1.into());
    object.set(&["metadata", "creationTimestamp"], ago(copy.age).to_rfc3339().into());
    if copy.fenced {
        object.set(&["metadata", "annotations", marker::QUIESCE_ANNOTATION], "true".into());
    }
    if copy.deleting {
        object.set(&["metadata", "deletionTimestamp"], NOW.to_rfc3339().into());
    }
    let ready = if copy.ready { "True" } else { "False" };
    object.set(
        &["status"],
        json!({
            "of": uid_of(&key),
            "quiesced": copy.quiesced,
            "word": state.word.as_str(),
            "conditions": [{ "type": "Ready", "status": ready, "reason": "Said", "message": "" }],
            "relatedResources": { "key": {
                "name": format!("{}-key", key.name), "gvk": { "group": "", "version": "v1", "kind": "Secret" },
            } },
        }),
    );
    object
}

/// What is there under a copy's key, as the broker sees it.
fn view(stores: &Stores, state: &State, key: &ObjectKey) -> CopyView {
    match state.links[cluster_of(key)] {
        Link::Gone => CopyView::Gone,
        Link::Silent(_) => CopyView::Unknown,
        Link::Answers => match state.copies.iter().find(|copy| *stores.key(copy.key) == *key) {
            Some(copy) => CopyView::Present(Arc::new(shown(stores, state, copy))),
            None => CopyView::Absent,
        },
    }
}

/// The world that a state stands for.
fn with_world<T>(
    setting: &Setting,
    stores: &Stores,
    state: &State,
    halted: bool,
    ask: impl FnOnce(&World<'_>) -> T,
) -> T {
    let order = state.order.map(|id| stores.object(id));
    let assignment = state.assignment.map(|id| stores.assignment(id));
    let named: Vec<CopyRef> = assignment.iter().flat_map(|it| it.named()).cloned().collect();
    let copies: BTreeMap<ObjectKey, CopyView> =
        named.iter().map(|copy| (copy.key.clone(), view(stores, state, &copy.key))).collect();
    let mut traces = Traces::default();
    for copy in &state.copies {
        let key = stores.key(copy.key);
        if !copies.contains_key(&*key) && state.links[cluster_of(&key)] == Link::Answers {
            traces.unnamed.insert(key.as_ref().clone(), Arc::new(shown(stores, state, copy)));
        }
    }
    let provided = state
        .copies
        .iter()
        .map(|copy| stores.key(copy.key))
        .filter(|key| state.links[cluster_of(key)] == Link::Answers)
        .map(|key| {
            let (target, object) = provided(setting, &key);
            (target, Provided::Present { object: Arc::new(object), shared: false })
        })
        .collect();
    let unreachable = CLUSTERS.iter().zip(state.links).filter_map(|(cluster, link)| match link {
        Link::Silent(ticks) => {
            Some((ClusterName::from(*cluster), Silence { since: ago(ticks), last_word: LastWord::Known }))
        }
        Link::Answers | Link::Gone => None,
    });
    // What was never handed out would move at once: an assignment is older here than anybody waits for its first copy.
    let handed_out = assignment.as_deref().is_some_and(|it| it.pointer.is_some());
    let takes = (setting.begin != Begin::Served || !handed_out)
        .then(|| order.as_deref().map(taken_by).unwrap_or_default());
    let chooser = TwoOffers { setting, takes, links: state.links };
    ask(&World {
        now: NOW,
        identity: identity(setting),
        policy: &setting.policy,
        order,
        assignment: assignment.as_deref().cloned(),
        migrations: state.migrations.iter().map(|id| stores.migration(*id).as_ref().clone()).collect(),
        requests: state.request.iter().map(|id| asked(&stores.request(*id))).collect(),
        copies,
        unreachable: unreachable.collect(),
        provided,
        mirrored: state.mirrored.iter().map(|id| stores.object(*id)).collect(),
        traces,
        playbooks: setting.playbooks.clone(),
        helpers: state.helpers.iter().map(|(id, going)| helpers(stores, *id, *going)).collect(),
        compute: Compute::Answers,
        halted: (halted || state.migrations.len() >= setting.moves)
            .then(|| "no further move begins".to_owned()),
        blocked: BTreeMap::new(),
        chooser: &chooser,
        settled: BTreeMap::new(),
    })
}

/// What a person asks for, with the provider that is meant.
fn asked(request: &Request) -> Asked {
    Asked { request: request.clone(), target: Ok(ClusterName::from(request.to.cluster.as_str())) }
}

fn helpers(stores: &Stores, id: super::state::Id, going: bool) -> (String, Helpers) {
    let set = stores.helpers(id);
    let mut namespace = set.namespace.clone();
    if going {
        namespace.set(&["metadata", "deletionTimestamp"], NOW.to_rfc3339().into());
    }
    let objects = set.objects.iter().map(|(key, object)| (key.clone(), Arc::new(object.clone()))).collect();
    (set.migration.clone(), Helpers { namespace: Some(Arc::new(namespace)), objects })
}
