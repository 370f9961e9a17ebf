//! What is checked: how the orders of the API are treated, the playbook, what people may do, and a known bug.

use std::fmt;
use std::sync::Arc;

use broker_core::order::{Fence, Moves, Policy};
use broker_core::playbook::{Playbook, Playbooks};
use broker_core::resource::Gvr;
use broker_core::sabotage::Bug;
use serde_json::json;

use super::event::Event;
use super::state::TICK;

/// The stages of the playbook, in the order in which they run. Each waits for its word.
pub(super) const STAGES: [&str; 4] = ["copy", "catch-up", "compare", "finalize"];
/// The stage of the way back.
pub(super) const BACK: &str = "bring-back";

/// How a move goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Readiness is all.
    Free,
    /// By a playbook.
    Staged { back: bool, approval: bool },
}

/// Where the model begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// With an order that was never placed.
    Placement,
    /// With an order that has to leave the copy that serves it.
    Move,
    /// With an order that is served, and that both providers take as it is.
    Served,
}

/// What a person asks for: always the provider that does not serve the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Ask {
    Move,
    /// Without what serves it.
    SkipSource,
}

/// A setting to check.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) begin: Begin,
    /// How many moves may be recorded: then no further one begins.
    pub(super) moves: usize,
    /// What a person may ask for, once.
    pub(super) ask: Option<Ask>,
    /// How many disturbances there are.
    pub(super) budget: u8,
    pub(super) bug: Option<Bug>,
    /// A disturbance that may happen at any time without being counted.
    pub(super) freely: Option<Event>,
    pub(super) policy: Policy,
    pub(super) playbook: Option<Arc<Playbook>>,
    pub(super) playbooks: Arc<Playbooks>,
}

impl Setting {
    pub(super) fn new(name: &'static str, way: Way, fence: Fence) -> Self {
        let mut policy = Policy::new(Gvr::new("example.com", "v1alpha1", "databases"), "Database");
        policy.moves = if way == Way::Free { Moves::Free } else { Moves::PlaybookOnly };
        policy.fence = Some(fence);
        policy.grace_period = TICK;
        policy.ready_timeout = TICK;
        policy.failover_after = TICK;
        let playbook = match way {
            Way::Free => None,
            Way::Staged { back, approval } => Some(playbook(back, approval)),
        };
        let playbooks = Arc::new(Playbooks::new(playbook.clone()));
        Self {
            name,
            begin: Begin::Move,
            moves: 1,
            ask: None,
            budget: 0,
            bug: None,
            freely: None,
            policy,
            playbook: playbook.map(Arc::new),
            playbooks,
        }
    }

    pub(super) fn begin(self, begin: Begin) -> Self {
        Self { begin, ..self }
    }

    pub(super) fn moves(self, moves: usize) -> Self {
        Self { moves, ..self }
    }

    /// Nothing moves but by a person's word.
    pub(super) fn ask(self, ask: Ask) -> Self {
        Self { begin: Begin::Served, ask: Some(ask), ..self }
    }

    pub(super) fn budget(self, budget: u8) -> Self {
        Self { budget, ..self }
    }

    pub(super) fn freely(self, event: Option<Event>) -> Self {
        Self { freely: event, ..self }
    }

    pub(super) fn bug(self, bug: Bug) -> Self {
        Self { bug: Some(bug), ..self }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} disturbances", self.name, self.budget)
    }
}

fn playbook(back: bool, approval: bool) -> Playbook {
    let kind = json!({ "group": "example.com", "version": "v1alpha1", "kind": "Database" });
    let stage = |name: &str, phase: &str| {
        json!({
            "name": name, "phase": phase, "timeout": "30s",
            "successConditions": ["status.word == 'done'"], "failureConditions": ["status.word == 'failed'"],
        })
    };
    let mut stages = [
        stage(STAGES[0], "Initial"),
        stage(STAGES[1], "Cutover"),
        stage(STAGES[2], "Verify"),
        stage(STAGES[3], "Finalize"),
    ];
    stages[0]["preconditions"] = json!(["status.word != 'nothing'"]);
    stages[0]["templates"] = json!({ "mover": {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "move" }, "spec": {},
    } });
    if approval {
        stages[2]["approval"] = json!("Required");
    }
    let rollback = if back {
        let mut stage = stage(BACK, "Verify");
        stage.as_object_mut().expect("an object").remove("phase");
        json!([stage])
    } else {
        json!([])
    };
    let spec = json!({ "from": kind, "to": kind, "stages": stages, "rollback": rollback });
    Playbook::parse_json("databases", &spec).unwrap_or_else(|faults| panic!("{faults:#?}"))
}
