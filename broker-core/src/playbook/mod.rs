//! Playbooks: how objects of one kind move to another, stage by stage, as a `MigrationConfiguration` says it.
//!
//! A playbook is read and checked once, with all that is wrong with it; its stages are asked against a [`Scene`]: may this
//! stage begin, what objects does it make, has it succeeded, has it failed, and what is it waiting for. Which playbook a
//! move follows is decided by [`Playbooks`]. Knows neither when a stage is asked nor what follows from the answer: that is
//! [`crate::migration`]'s.

mod check;
mod fault;
mod lint;
mod names;
mod phase;
mod read;
mod scene;
mod set;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use crate::expression::Expression;
use crate::resource::Gvk;
use crate::template::Template;

pub use crate::template::{Place, TemplateError};
pub use check::{Awaited, Check};
pub use fault::PlaybookFault;
pub use lint::lint;
pub use phase::Phase;
pub use scene::{Places, Scene};
pub use set::{Ambiguous, Playbooks};

/// The most stages of a playbook, and of its way back.
pub const MAX_STAGES: usize = 32;
/// The most expressions in one list of a stage.
pub const MAX_CONDITIONS: usize = 32;
/// The most templates of a stage.
pub const MAX_TEMPLATES: usize = 32;
/// How long a stage may take where it does not say.
pub const STAGE_TIMEOUT: Duration = Duration::from_hours(1);

/// How objects of one kind move to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Playbook {
    /// Its name.
    pub name: String,
    /// The kind of the old copy.
    pub from: Gvk,
    /// The kind of the new copy.
    pub to: Gvk,
    /// Only for moves away from these providers: ids, aliases or paths. Empty for all.
    pub from_providers: BTreeSet<String>,
    /// Only for moves to these providers. Empty for all.
    pub to_providers: BTreeSet<String>,
    /// The stages, as they were written; they run phase by phase, see [`Playbook::of_phase`].
    pub stages: Vec<Stage>,
    /// The stages of the way back.
    pub rollback: Vec<Stage>,
    /// How many moves may follow it at the same time.
    pub max_concurrent: Option<u32>,
    /// The spec that it was read from: a move that follows it keeps it.
    pub written: Value,
}

/// One step of a playbook.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// When it runs.
    pub phase: Phase,
    /// What must be true before its templates are applied.
    pub preconditions: Vec<Expression>,
    /// What must be true before the next stage.
    pub success: Vec<Expression>,
    /// What ends the move when it is true.
    pub failure: Vec<Expression>,
    /// The objects it makes, by key.
    pub templates: BTreeMap<String, Template>,
    /// Whether a person lets it pass.
    pub approval: bool,
    /// How long it may take.
    pub timeout: Duration,
    /// Whether it can only run while the source can be reached.
    pub needs_source: bool,
}

impl Playbook {
    /// Reads `MigrationConfiguration.spec`.
    ///
    /// # Errors
    /// All that is wrong with it, each with its place, what was found and what would be accepted.
    pub fn parse_json(name: &str, spec: &Value) -> Result<Self, Vec<PlaybookFault>> {
        read::read(name, spec)
    }

    /// The stages of a phase, in order.
    pub fn of_phase(&self, phase: Phase) -> impl Iterator<Item = &Stage> {
        self.stages.iter().filter(move |stage| stage.phase == phase)
    }

    /// Whether it moves data: it has stages before the cutover, or makes objects.
    pub fn copies_data(&self) -> bool {
        self.of_phase(Phase::Initial).next().is_some() || self.creates_helpers()
    }

    /// Whether any of its stages makes objects, and so needs a compute cluster.
    pub fn creates_helpers(&self) -> bool {
        self.stages.iter().chain(&self.rollback).any(Stage::creates_helpers)
    }

    /// Whether any of its stages can only run while the source can be reached.
    pub fn needs_source(&self) -> bool {
        self.stages.iter().any(|stage| stage.needs_source)
    }
}

impl Stage {
    /// Whether it makes objects.
    pub fn creates_helpers(&self) -> bool {
        self.templates.values().any(|template| !template.creates_nothing())
    }
}
