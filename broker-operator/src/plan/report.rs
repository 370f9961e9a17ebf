//! What would be, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use broker_core::migration::Migration;
use broker_core::offer::OfferId;
use broker_core::playbook::{Playbook, Stage};
use broker_core::resource::ClusterName;
use broker_kcp::reconcile::{Foreseen, Foresight, Next};
use comfy_table::{Table, presets};
use serde::Serialize;

/// What would become of the orders.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The orders that would not stay as they are.
    pub orders: Vec<Planned>,
    /// How many moves of an API may run at the same time.
    pub concurrent_moves: BTreeMap<String, u32>,
}

/// What would become of one order.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// Its API, `<resource>.<group>`.
    pub api: String,
    /// Its consumer.
    pub cluster: String,
    /// Its namespace; empty where it has none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `Stays`, `Placed`, `Moves`, or why it would be held up.
    pub outcome: String,
    /// What is told about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The provider that it would leave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The offer that would serve it, with its provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The playbook that it would follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub playbook: Option<PlannedPlaybook>,
    /// Whether writes would be held up around the switch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fenced: Option<bool>,
}

/// A playbook that would be followed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedPlaybook {
    /// Its name.
    pub name: String,
    /// Why it, and no other.
    pub why: String,
    /// Its stages, in the order in which they run.
    pub stages: Vec<PlannedStage>,
}

/// A stage that would run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedStage {
    /// Its name.
    pub name: String,
    /// When it runs.
    pub phase: &'static str,
    /// The helper objects that it makes, as `Kind name`.
    pub makes: Vec<String>,
    /// What it waits for.
    pub waits_for: Vec<String>,
    /// Whether a person must let it pass.
    pub approval: bool,
}

impl Report {
    /// What was foreseen.
    pub fn new(foresight: &Foresight) -> Self {
        let orders: Vec<Planned> =
            foresight.orders.iter().map(|foreseen| Planned::new(foreseen, &foresight.names)).collect();
        let is_moved = |api: &String| orders.iter().any(|order| order.outcome == MOVES && order.api == *api);
        let limits = foresight.limits.iter().filter(|(api, _)| is_moved(api));
        let concurrent_moves = limits.map(|(api, limit)| (api.clone(), *limit)).collect();
        Self { orders, concurrent_moves }
    }

    /// Whether an order would not go where it must, or is wanted.
    pub fn is_held_up(&self) -> bool {
        self.orders.iter().any(Planned::is_held_up)
    }

    /// For people; ends with a line break.
    pub fn text(&self) -> String {
        match self.orders.as_slice() {
            [] => "No order would move.\n".to_owned(),
            [one] => one.text(),
            several => {
                let mut text = self.summary();
                let mut table = Table::new();
                table.load_style(presets::NOTHING);
                table.set_header(["ORDER", "FROM", "TO", "BY"]);
                for order in several {
                    let by = match (&order.playbook, &order.message) {
                        (Some(playbook), _) => playbook.name.clone(),
                        (None, Some(message)) if order.is_held_up() => {
                            format!("{}: {message}", order.outcome)
                        }
                        (None, _) => String::new(),
                    };
                    table.add_row([
                        order.place(),
                        order.from.clone().unwrap_or_default(),
                        order.to.clone().unwrap_or_default(),
                        by,
                    ]);
                }
                for column in table.column_iter_mut() {
                    column.set_padding((0, 3));
                }
                let _ = writeln!(text, "\n{}", table.trim_fmt());
                text
            }
        }
    }

    fn summary(&self) -> String {
        let count = |is: &dyn Fn(&&Planned) -> bool| self.orders.iter().filter(is).count();
        let mut text = format!(
            "{} orders would move, {} would be placed, {} would be held up.",
            count(&|order| order.outcome == MOVES),
            count(&|order| order.outcome == PLACED),
            count(&|order| order.is_held_up()),
        );
        for (api, limit) in &self.concurrent_moves {
            let _ = write!(text, " At most {limit} moves of {api} run at the same time.");
        }
        text.push('\n');
        text
    }
}

/// Outcomes; every other one is a reason for which an order would be held up.
const STAYS: &str = "Stays";
const PLACED: &str = "Placed";
const MOVES: &str = "Moves";

impl Planned {
    fn new(foreseen: &Foreseen, names: &BTreeMap<ClusterName, String>) -> Self {
        let called =
            |cluster: &ClusterName| names.get(cluster).cloned().unwrap_or_else(|| cluster.to_string());
        let offer = |offer: &OfferId| {
            let namespace =
                if offer.namespace.is_empty() { String::new() } else { format!("{}/", offer.namespace) };
            format!("{namespace}{} of {}", offer.name, called(&offer.cluster))
        };
        let key = &foreseen.order;
        let mut planned = Self {
            api: foreseen.api.group_resource(),
            cluster: called(&key.cluster),
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            outcome: STAYS.to_owned(),
            message: None,
            from: None,
            to: None,
            playbook: None,
            fenced: None,
        };
        match &foreseen.next {
            Next::Stays => {}
            Next::Placed(at) => {
                PLACED.clone_into(&mut planned.outcome);
                planned.to = Some(offer(at));
            }
            Next::Moves(record, fenced) => {
                MOVES.clone_into(&mut planned.outcome);
                planned.message = Some(record.message.clone());
                planned.from = Some(called(&record.from.cluster));
                planned.to = Some(offer(&record.to));
                planned.playbook = playbook(record);
                planned.fenced = Some(*fenced);
            }
            Next::Waits { reason, message } => {
                planned.outcome.clone_from(reason);
                planned.message = Some(message.clone());
            }
        }
        planned
    }

    fn is_held_up(&self) -> bool {
        !matches!(self.outcome.as_str(), STAYS | PLACED | MOVES)
    }

    fn place(&self) -> String {
        let namespace =
            if self.namespace.is_empty() { String::new() } else { format!("{}/", self.namespace) };
        format!("{}/{namespace}{} of {}", self.api, self.name, self.cluster)
    }

    fn text(&self) -> String {
        let mut text = format!("{}\n", self.place());
        let to = self.to.as_deref().unwrap_or_default();
        match self.outcome.as_str() {
            STAYS => text.push_str("It would stay where it is.\n"),
            PLACED => {
                let _ = writeln!(text, "It would be placed with {to}.");
            }
            MOVES => {
                let from = self.from.as_deref().unwrap_or_default();
                let _ = writeln!(text, "It would move from {from} to {to}.");
                self.how(&mut text);
            }
            reason => {
                let message = self.message.as_deref().unwrap_or_default();
                let _ = writeln!(text, "It would be held up: {reason}: {message}");
            }
        }
        text
    }

    fn how(&self, text: &mut String) {
        let Some(playbook) = &self.playbook else {
            text.push_str("No playbook: the replacement is made, and switched to when it is ready.\n");
            return;
        };
        let _ = writeln!(text, "By the playbook {}: {}.", playbook.name, playbook.why);
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["STAGE", "PHASE", "MAKES", "WAITS FOR"]);
        for stage in &playbook.stages {
            let mut waits = stage.waits_for.clone();
            if stage.approval {
                waits.push("a person's approval".to_owned());
            }
            let makes = stage.makes.join(", ");
            table.add_row([stage.name.clone(), stage.phase.to_owned(), makes, waits.join(", ")]);
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 3));
        }
        let _ = writeln!(text, "\n{}\n", table.trim_fmt());
        text.push_str(if self.fenced == Some(true) {
            "What serves now takes no more writes from the first Cutover stage on (status.quiesced).\n"
        } else {
            "No writes are held up: those that come during the move may be lost.\n"
        });
    }
}

fn playbook(record: &Migration) -> Option<PlannedPlaybook> {
    let playbook = record.playbook.as_deref()?;
    let mut stages: Vec<&Stage> = playbook.stages.iter().collect();
    stages.sort_by_key(|stage| stage.phase);
    Some(PlannedPlaybook {
        name: playbook.name.clone(),
        why: why(playbook),
        stages: stages.into_iter().map(stage).collect(),
    })
}

fn why(playbook: &Playbook) -> String {
    let kinds = format!("it is for {} to {}", playbook.from.kind, playbook.to.kind);
    match (playbook.from_providers.is_empty(), playbook.to_providers.is_empty()) {
        (true, true) => format!("{kinds}, and none is more specific"),
        (false, true) => format!("{kinds}, and names the provider that is left"),
        (true, false) => format!("{kinds}, and names the provider that is moved to"),
        (false, false) => format!("{kinds}, and names both providers"),
    }
}

fn stage(stage: &Stage) -> PlannedStage {
    let makes = stage.templates.values().filter_map(|template| {
        let (_, kind, name) = template.identity()?;
        Some(format!("{kind} {}", name.unwrap_or("(named from the copies)")))
    });
    PlannedStage {
        name: stage.name.clone(),
        phase: stage.phase.as_str(),
        makes: makes.collect(),
        waits_for: stage.success.iter().map(|condition| condition.text().to_owned()).collect(),
        approval: stage.approval,
    }
}
