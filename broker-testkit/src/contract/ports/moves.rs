//! The records of moves.

use std::sync::Arc;

use broker_core::migration::{Event, Migration};
use broker_core::order::Action;
use broker_core::playbook::Playbook;
use broker_core::port::PortErrorKind;
use broker_core::time::Timestamp;
use serde_json::json;

use super::work::{NO_UID, Work};
use super::{Broken, Shell};
use crate::contract::broken::hold;

/// A move of the order from its offer to the same, by a playbook of one stage, not written yet.
fn of<S: Shell>(work: &Work<'_, S>) -> Result<Migration, Broken> {
    let kind = json!({
        "group": work.order.gvk.group, "version": work.order.gvk.version, "kind": work.order.gvk.kind,
    });
    let spec = json!({
        "from": kind, "to": kind,
        "stages": [{ "name": "copy", "phase": "Initial", "successConditions": ["status.observedGeneration > 0"] }],
    });
    let playbook = Playbook::parse_json("contract", &spec)
        .map_err(|faults| Broken::new("the playbook can be read", format!("{faults:?}")))?;
    Ok(work.migration(Some(Arc::new(playbook))))
}

/// A record that came a step further, at a time that every shell can write down.
fn advanced(migration: &Migration, event: Event) -> Result<Migration, Broken> {
    let next = migration.advanced(event, Timestamp::from_millis(1_700_000_000_123), "on its way");
    next.map_err(|error| Broken::new("the step is legal", error.to_string()))
}

/// The same, as to what was written.
fn same_record(found: &Migration, wanted: &Migration, claim: &str) -> Result<(), Broken> {
    let mut found = found.clone();
    (found.uid, found.resource_version) = (wanted.uid.clone(), wanted.resource_version.clone());
    if found == *wanted {
        Ok(())
    } else {
        Err(Broken::new(format!("{claim}: {wanted:?}"), format!("{found:?}")))
    }
}

pub(super) async fn the_record_of_a_move_is_created_once_and_read_back_as_it_was_written(
    shell: &impl Shell,
) -> Result<(), Broken> {
    let work = Work::new(shell, "move").await?;
    work.act(&Action::CreateAssignment(work.record())).await?;
    let migration = of(&work)?;
    work.act(&Action::CreateMigration(migration.clone())).await?;
    let seen = work.seen_move()?;
    hold(
        !seen.uid.is_empty() && !seen.resource_version.is_empty(),
        "it has a uid and a version",
        &json!(null),
    )?;
    same_record(&seen, &migration, "it is read back as it was written")?;
    work.refused(&Action::CreateMigration(migration), PortErrorKind::AlreadyExists).await?;
    let next = advanced(&advanced(&seen, Event::Provisioned)?, Event::StageBegun)?;
    work.act(&Action::UpdateMigration(next.clone())).await?;
    same_record(&work.seen_move()?, &next, "a step is read back as it was written")
}

pub(super) async fn the_record_of_a_move_of_an_earlier_version_is_a_conflict(
    shell: &impl Shell,
) -> Result<(), Broken> {
    let work = Work::new(shell, "move-of-before").await?;
    work.act(&Action::CreateAssignment(work.record())).await?;
    work.act(&Action::CreateMigration(of(&work)?)).await?;
    let read = work.seen_move()?;
    work.act(&Action::UpdateMigration(advanced(&read, Event::Provisioned)?)).await?;
    let seen = work.seen_move()?;
    work.refused(&Action::UpdateMigration(advanced(&read, Event::Cancelled)?), PortErrorKind::Conflict)
        .await?;
    same_record(&work.seen_move()?, &seen, "what was written stays")
}

pub(super) async fn the_record_of_a_move_is_deleted_as_the_one_that_was_meant(
    shell: &impl Shell,
) -> Result<(), Broken> {
    let work = Work::new(shell, "move-deleted").await?;
    work.act(&Action::CreateAssignment(work.record())).await?;
    work.act(&Action::CreateMigration(of(&work)?)).await?;
    let there = work.seen_move()?;
    let delete = |uid: &str| Action::DeleteMigration { name: there.name.clone(), uid: uid.to_owned() };
    work.refused(&delete(NO_UID), PortErrorKind::Conflict).await?;
    work.seen_move()?;
    work.act(&delete(&there.uid)).await?;
    hold(work.seen()?.migrations.is_empty(), "that it is gone is observed at once", &json!(null))?;
    work.act(&delete(&there.uid)).await.map(drop)
}
