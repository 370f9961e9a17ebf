//! The stages of a playbook: one after the other, each with its helper objects, what it waits for, and its time.
//!
//! A stage that is begun is recorded first, its helpers are made next, and it is left when its conditions hold. Every
//! step may come twice; none depends on what was only remembered.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::decision::{Action, Decision};
use super::record::CopyRef;
use super::silence::span;
use super::world::{Compute, CopyView, Provided, World};
use crate::migration::{BEGINS, Event, Migration, OVER, SKIPPED};
use crate::playbook::{Check, Phase, Place, Places, Scene, Stage, TemplateError};
use crate::resource::{Gvk, Object, marker};
use crate::sabotage::{self, Bug};
use crate::translate::{helper_namespace, in_own_terms, references};

/// Where the stages of a phase stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Staged {
    /// All are over.
    Over,
    /// The record of the move says something new now.
    Advances(Event, String),
    /// Something is being written.
    Acts,
    /// One waits, for this.
    Waits(String),
    /// One failed, for this.
    Failed(String),
}

/// The move whose stages are run.
pub(super) struct Staging<'w> {
    pub(super) world: &'w World<'w>,
    pub(super) migration: &'w Migration,
    pub(super) source: &'w CopyRef,
    pub(super) target: &'w CopyRef,
}

impl Staging<'_> {
    /// Runs the stages of a phase, or those of the way back where `phase` is none.
    pub(super) fn run(&self, phase: Option<Phase>, decision: &mut Decision) -> Staged {
        let Some(stage) = self.migration.stage() else { return Staged::Over };
        if phase.is_some_and(|phase| stage.phase != phase) {
            return Staged::Over;
        }
        let name = &stage.name;
        let lost = !matches!(self.world.copy(self.source), CopyView::Present(_));
        if lost && stage.needs_source && self.migration.controls.skip_source {
            return Staged::Advances(Event::StageSkipped, format!("stage {name} {SKIPPED}"));
        }
        let Some(since) = self.migration.receipt.stage_since.filter(|_| self.migration.position.in_stage)
        else {
            return Staged::Advances(Event::StageBegun, format!("stage {name} {BEGINS}"));
        };
        let deadline = since.plus(stage.timeout);
        let staged = self.step(stage, decision);
        if let Staged::Waits(what) = &staged {
            if self.world.now >= deadline {
                return Staged::Failed(format!(
                    "stage {name} was not over within {}: {what}",
                    span(stage.timeout)
                ));
            }
            decision.wake_at(deadline);
        }
        staged
    }

    /// A stage that has begun.
    fn step(&self, stage: &Stage, decision: &mut Decision) -> Staged {
        let world = self.world;
        let name = &stage.name;
        let none = BTreeMap::new();
        let view = world.helpers.get(&self.migration.name);
        let helpers = view.map_or(&none, |view| &view.objects);
        let (from, to) = (self.place(self.source, "from"), self.place(self.target, "to"));
        let live = |copy| world.live(copy).map(|live| in_own_terms(live));
        let (source, target) = (live(self.source), live(self.target));
        let scene = Scene {
            from: source.as_deref(),
            to: target.as_deref(),
            helpers,
            places: Places { from: &from, to: &to },
        };
        match stage.check_preconditions(&scene) {
            Check::Holds => {}
            Check::Waiting(_) if sabotage::is(Bug::PreconditionIgnored) => {}
            Check::Waiting(awaited) => return Staged::Waits(format!("stage {name} waits for {awaited}")),
            Check::Failed(awaited) => return Staged::Failed(format!("stage {name} failed: {awaited}")),
        }
        let namespace = helper_namespace(&self.migration.name);
        match stage.helpers(&scene, &namespace) {
            Ok(wanted) if wanted.is_empty() => {}
            Ok(wanted) => {
                if let Some(waits) = self.provide(&namespace, wanted, decision) {
                    return waits;
                }
            }
            Err(TemplateError::Missing { .. }) if is_given(stage, helpers) => {}
            Err(error @ TemplateError::Missing { .. }) => {
                return Staged::Waits(format!("stage {name} waits: {error}"));
            }
            Err(error) => return Staged::Failed(format!("stage {name} failed: {error}")),
        }
        match stage.check(&scene) {
            Check::Waiting(awaited) => Staged::Waits(format!("stage {name} waits for {awaited}")),
            Check::Failed(awaited) => Staged::Failed(format!("stage {name} failed: {awaited}")),
            Check::Holds if stage.approval && !self.migration.controls.approved.contains(name) => {
                Staged::Waits(format!("stage {name} is done and waits for a person's approval"))
            }
            Check::Holds => Staged::Advances(Event::StagePassed, format!("stage {name} {OVER}")),
        }
    }

    /// Makes what is not there of the helpers. What is there stays as it is: a Job does not change.
    fn provide(
        &self,
        namespace: &str,
        wanted: Vec<(String, Object)>,
        decision: &mut Decision,
    ) -> Option<Staged> {
        let world = self.world;
        match world.compute {
            Compute::Missing => {
                return Some(Staged::Waits(
                    "there is no compute cluster for the playbook's helpers (NoComputeCluster)".to_owned(),
                ));
            }
            Compute::Silent => {
                return Some(Staged::Waits("the compute cluster does not answer".to_owned()));
            }
            Compute::Answers => {}
        }
        let create = |key: String, object: Object, decision: &mut Decision| {
            decision.act(Action::CreateHelper { migration: self.migration.name.clone(), key, object });
        };
        let Some(view) = world.helpers.get(&self.migration.name).filter(|view| view.namespace.is_some())
        else {
            let mut object = Object::named(&Gvk::new("", "v1", "Namespace"), "", namespace);
            self.mark(&mut object, None);
            create(String::new(), object, decision);
            return Some(Staged::Acts);
        };
        if view.is_going() {
            return Some(Staged::Waits("helpers of before are still being removed".to_owned()));
        }
        for (end, prefix) in [(self.source, "from"), (self.target, "to")] {
            for (key, object) in self.credentials(end, prefix, namespace) {
                match view.objects.get(&key) {
                    None => create(key, object, decision),
                    Some(there) if there.get(&["data"]) != object.get(&["data"]) => {
                        let mut object = object;
                        object.set(&["metadata", "uid"], there.uid().into());
                        decision.act(Action::ApplyHelper {
                            migration: self.migration.name.clone(),
                            key,
                            object,
                        });
                    }
                    Some(_) => {}
                }
            }
        }
        if !decision.actions.is_empty() {
            return Some(Staged::Acts);
        }
        for (key, mut object) in wanted.into_iter().filter(|(key, _)| !view.objects.contains_key(key)) {
            self.mark(&mut object, Some(&key));
            create(key, object, decision);
        }
        (!decision.actions.is_empty()).then_some(Staged::Acts)
    }

    fn mark(&self, object: &mut Object, key: Option<&str>) {
        object.set(&["metadata", "labels", marker::MANAGED_LABEL], marker::MANAGED_VALUE.into());
        object.set(&["metadata", "labels", marker::MIGRATION_LABEL], self.migration.name.clone().into());
        if let Some(key) = key {
            object.set(&["metadata", "annotations", marker::HELPER_ANNOTATION], key.into());
        }
    }

    /// What a copy hands over of Secrets, for the helpers.
    fn credentials(&self, copy: &CopyRef, prefix: &str, namespace: &str) -> Vec<(String, Object)> {
        self.secrets(copy)
            .map(|(key, secret)| {
                let name = credential_name(prefix, &key);
                let mut object = Object::named(&Gvk::new("", "v1", "Secret"), namespace, &name);
                for field in ["data", "type"] {
                    if let Some(value) = secret.get(&[field]) {
                        object.set(&[field], value.clone());
                    }
                }
                self.mark(&mut object, Some(&name));
                (name, object)
            })
            .collect()
    }

    fn secrets<'a>(&'a self, copy: &'a CopyRef) -> impl Iterator<Item = (String, &'a Arc<Object>)> {
        let live = self.world.live(copy);
        let named = live.map(|live| references(live, copy)).unwrap_or_default();
        named.into_iter().filter_map(|(key, reference)| {
            let target = reference.ok().filter(|reference| reference.target.gvk.kind == "Secret")?.target;
            match self.world.provided.get(&target) {
                Some(Provided::Present { object, .. }) => Some((key, object)),
                Some(Provided::Missing) | None => None,
            }
        })
    }

    /// What templates may say of one of the copies.
    fn place(&self, copy: &CopyRef, prefix: &str) -> Place {
        Place {
            name: copy.key.name.clone(),
            namespace: copy.key.namespace.clone(),
            cluster: copy.key.cluster.to_string(),
            secrets: self
                .secrets(copy)
                .map(|(key, _)| (key.clone(), credential_name(prefix, &key)))
                .collect(),
        }
    }
}

/// Whether everything of the stage was made before: what its templates were filled from may have gone since.
fn is_given(stage: &Stage, helpers: &BTreeMap<String, Arc<Object>>) -> bool {
    let mut made = stage.templates.iter().filter(|(_, template)| !template.creates_nothing());
    made.all(|(key, _)| helpers.contains_key(key))
}

/// The name of a copy's credentials beside the helpers: no two of one move are equal, and each move has its own
/// namespace.
fn credential_name(prefix: &str, key: &str) -> String {
    format!("{prefix}-{}", key.to_ascii_lowercase().replace(['_', '.'], "-"))
}

/// Removes the helpers of moves that are over, or that no record speaks of any more.
pub(super) fn tidy_helpers(world: &World<'_>, decision: &mut Decision) {
    for migration in world.helpers.keys() {
        let runs =
            world.migrations.iter().any(|record| record.name == *migration && !record.state().is_final());
        if !runs
            && !sabotage::is(Bug::HelpersLeftBehind)
            && let Remains::There(namespace) = remains(world, migration)
        {
            decision.act(removal(migration, namespace));
        }
    }
}

/// What is left of the helpers of a move.
pub(super) enum Remains<'w> {
    /// Nothing.
    Nothing,
    /// What is being removed.
    Going,
    /// Something, in this namespace.
    There(&'w Object),
}

/// What is left of the helpers of a move.
pub(super) fn remains<'w>(world: &'w World<'_>, migration: &str) -> Remains<'w> {
    let view = world.helpers.get(migration);
    match view.and_then(|view| view.namespace.as_ref()) {
        None => Remains::Nothing,
        Some(namespace) if namespace.is_deleting() => Remains::Going,
        Some(namespace) => Remains::There(namespace),
    }
}

/// What removes the helpers of a move, with their namespace.
pub(super) fn removal(migration: &str, namespace: &Object) -> Action {
    Action::DeleteHelpers {
        migration: migration.to_owned(),
        namespace: namespace.name().to_owned(),
        uid: namespace.uid().to_owned(),
    }
}
