//! What people ask for: the move that begins because somebody wants it, and what the others who ask are told.
//!
//! A request is taken up by making it the record of the move, in one write; from then on it goes as every other move
//! does. One that cannot begin waits, with a word, and is looked at again with every decision about its order.

use super::decision::{Action, Decision};
use super::leaving::{is_handed_out, next_serial, playbook, record_of_move};
use super::record::{Assignment, CopyRef};
use super::world::{CopyView, Fit, Unfit, World};
use crate::migration::{Answer, Asked, Migration, Origin};
use crate::resource::Gvk;
use crate::translate::migration_serial;

/// Takes up the first request that can begin now. True where one does.
pub(super) fn begin(
    world: &World<'_>,
    assignment: &Assignment,
    copy: &CopyRef,
    decision: &mut Decision,
) -> bool {
    if under_way(world, assignment).is_some() {
        return false;
    }
    let begun = world.requests.iter().find_map(|asked| verdict(world, assignment, copy, asked).ok());
    let Some(record) = begun else { return false };
    decision.act(Action::AdoptMigration(record));
    true
}

/// Tells everybody who asks and is not served why not, where he was not told so yet.
pub(super) fn answer(world: &World<'_>, assignment: &Assignment, decision: &mut Decision) {
    let mut first = under_way(world, assignment).map(str::to_owned);
    for asked in &world.requests {
        let request = &asked.request;
        let verdict = match assignment.serving() {
            Some(copy) => verdict(world, assignment, copy, asked).map(drop),
            None => Ok(()),
        };
        let answer = match (verdict, &first) {
            // Whoever called it off need not wait for that.
            (Err(answer), _) if answer.state.is_final() => answer,
            (_, Some(first)) => {
                Answer::waits("Waiting", format!("migration {first} of the order goes first"))
            }
            (Err(answer), None) => answer,
            (Ok(()), None) => {
                // It begins with this decision, or the next.
                first = Some(request.name.clone());
                continue;
            }
        };
        tell(asked, answer, decision);
    }
}

/// Tells everybody who asks the same.
pub(super) fn answer_all(world: &World<'_>, answer: &Answer, decision: &mut Decision) {
    for asked in &world.requests {
        tell(asked, answer.clone(), decision);
    }
}

fn tell(asked: &Asked, answer: Answer, decision: &mut Decision) {
    let request = &asked.request;
    if request.told.as_ref() != Some(&answer) {
        decision.act(Action::AnswerRequest {
            name: request.name.clone(),
            uid: request.uid.clone(),
            resource_version: request.resource_version.clone(),
            answer,
        });
    }
}

/// The move that the order makes already.
fn under_way<'w>(world: &'w World<'_>, assignment: &'w Assignment) -> Option<&'w str> {
    let running = world.migrations.iter().find(|migration| !migration.state().is_final());
    let half_done = || assignment.moving().map(|(_, target)| target.migration.as_deref().unwrap_or_default());
    running.map(|migration| migration.name.as_str()).or_else(half_done)
}

/// The record of the move that a person asks for, or why it cannot begin.
fn verdict(
    world: &World<'_>,
    assignment: &Assignment,
    copy: &CopyRef,
    asked: &Asked,
) -> Result<Migration, Answer> {
    let request = &asked.request;
    let controls = &request.controls;
    if controls.cancel || controls.rollback {
        return Err(Answer::cancelled("called off before it began"));
    }
    if migration_serial(&assignment.name, &request.name).is_some() {
        return Err(Answer::waits(
            "InvalidName",
            "names of this form are the broker's own: make another one",
        ));
    }
    if controls.paused {
        return Err(Answer::waits("Paused", "the move is held up before it begins (spec.paused)"));
    }
    let target = asked.target.as_ref().map_err(|known| asked.unknown_target(known))?;
    if *target == copy.key.cluster {
        let message = format!("the order is served by `{}` already", request.to.cluster);
        return Err(Answer::waits("ContradictoryReference", message));
    }
    if !world.policy.migrations_enabled {
        return Err(Answer::waits("MigrationDisabled", "migrations are switched off"));
    }
    source_allows(world, assignment, copy, asked)?;
    let placement = match world.chooser.within(target) {
        Ok(placement) => placement,
        Err(Unfit { reason, message }) => {
            return Err(Answer::waits(
                reason,
                format!("`{}` does not take the order: {message}", request.to.cluster),
            ));
        }
    };
    let fits = |gvk: &Gvk| {
        [placement.gvk(), world.policy.gvk()]
            .iter()
            .any(|kind| kind.group == gvk.group && kind.kind == gvk.kind)
    };
    if let Some(gvk) = request.to.gvk.as_ref().filter(|gvk| !fits(gvk)) {
        let message =
            format!("spec.to.gvk is {gvk}; `{}` serves the order as {}", request.to.cluster, placement.gvk());
        return Err(Answer::waits("ContradictoryReference", message));
    }
    let mut followed = None;
    if is_handed_out(world, assignment) {
        let (from, to) = (copy.gvk(), placement.gvk());
        let ends = ((&from, &copy.offer.cluster), (&to, &placement.offer.cluster));
        followed = playbook(world, ends.0, ends.1, controls.allow_loss)
            .map_err(|(reason, why)| Answer::waits(reason, format!("the order stays where it is: {why}")))?;
    }
    if let Some(halted) = &world.halted {
        return Err(Answer::waits("MovesHalted", halted.clone()));
    }
    let name = request.name.clone();
    let mut record =
        record_of_move(world, name, &copy.offer, &placement.offer, "a person wants the order moved");
    record.uid.clone_from(&request.uid);
    record.resource_version.clone_from(&request.resource_version);
    record.origin = Origin::Person;
    record.serial = next_serial(world, assignment);
    record.controls = controls.clone();
    record.playbook = followed;
    Ok(record)
}

/// Whether the order can leave what serves it: that is there, or a person said that it is lost.
fn source_allows(
    world: &World<'_>,
    assignment: &Assignment,
    copy: &CopyRef,
    asked: &Asked,
) -> Result<(), Answer> {
    let from = &asked.request.from.cluster;
    let without = "with spec.skipSource the order moves without it, and what it holds may be lost";
    let silent = matches!(world.copy(copy), CopyView::Unknown) || matches!(world.fit(copy), Fit::Unreachable);
    let lost = is_handed_out(world, assignment) && world.live(copy).is_none();
    match (asked.request.controls.skip_source, silent) {
        (true, true) if assignment.leftovers.len() >= Assignment::MAX_LEFTOVERS => {
            let message =
                format!("`{from}` does not answer, and neither do those that served the order before it");
            Err(Answer::waits("ProviderUnreachable", message))
        }
        (false, true) => {
            Err(Answer::waits("ProviderUnreachable", format!("`{from}` does not answer; {without}")))
        }
        (false, false) if lost && !matches!(world.copy(copy), CopyView::Gone) => {
            Err(Answer::waits("CopyLost", format!("what `{from}` provided is gone; {without}")))
        }
        (true, _) | (false, false) => Ok(()),
    }
}
