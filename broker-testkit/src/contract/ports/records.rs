//! Assignments.

use broker_core::order::{Action, AssignmentStatus, Phase};
use broker_core::port::PortErrorKind;
use serde_json::json;

use super::work::{NO_UID, Work};
use super::{Broken, Shell};
use crate::contract::broken::{hold, same};

pub(super) async fn a_record_is_created_once(shell: &impl Shell) -> Result<(), Broken> {
    let work = Work::new(shell, "record").await?;
    let record = work.record();
    work.act(&Action::CreateAssignment(record.clone())).await?;
    let seen = work.seen_record()?;
    hold(
        !seen.uid.is_empty() && !seen.resource_version.is_empty(),
        "it has a uid and a version",
        &json!(seen),
    )?;
    hold(seen.created_at.is_some(), "it says since when it is there", &json!(seen))?;
    let mut written = seen.clone();
    (written.uid, written.resource_version, written.created_at) = <_>::default();
    same(&json!(written), &json!(record), "it is read back as it was written")?;
    let mut other = record;
    other.serial = 7;
    work.refused(&Action::CreateAssignment(other), PortErrorKind::AlreadyExists).await?;
    same(&json!(work.seen_record()?), &json!(seen), "the one that is there stays")
}

pub(super) async fn a_record_of_an_earlier_version_is_a_conflict(shell: &impl Shell) -> Result<(), Broken> {
    let work = Work::new(shell, "record-of-before").await?;
    work.act(&Action::CreateAssignment(work.record())).await?;
    let read = work.seen_record()?;
    let mut first = read.clone();
    first.copies.push(work.copy(2));
    first.serial = 2;
    work.act(&Action::UpdateAssignment(first.clone())).await?;
    let seen = work.seen_record()?;
    hold(seen.resource_version != read.resource_version, "it has another version", &json!(seen))?;
    same(&json!(seen.copies), &json!(first.copies), "what was written is observed at once")?;
    let mut late = read;
    late.pointer = Some(work.copy(1).key.name);
    work.refused(&Action::UpdateAssignment(late), PortErrorKind::Conflict).await?;
    same(&json!(work.seen_record()?), &json!(seen), "what was written stays")
}

pub(super) async fn a_records_status_and_its_spec_are_written_apart(
    shell: &impl Shell,
) -> Result<(), Broken> {
    let work = Work::new(shell, "record-status").await?;
    work.act(&Action::CreateAssignment(work.record())).await?;
    let before = work.seen_record()?;
    let status = AssignmentStatus {
        phase: Some(Phase::Bound),
        reason: "Bound".to_owned(),
        message: "served".to_owned(),
        why: json!(null),
    };
    let apply = |uid: &str| Action::ApplyAssignmentStatus {
        name: before.name.clone(),
        uid: uid.to_owned(),
        status: status.clone(),
    };
    work.refused(&apply(NO_UID), PortErrorKind::Conflict).await?;
    work.act(&apply(&before.uid)).await?;
    let after = work.seen_record()?;
    same(&json!(after.status.phase), &json!(status.phase), "the status is observed at once")?;
    same(&json!(after.copies), &json!(before.copies), "the spec stays")?;
    let mut next = after.clone();
    next.pointer = Some(work.copy(1).key.name);
    next.status = AssignmentStatus::default();
    work.act(&Action::UpdateAssignment(next)).await?;
    same(
        &json!(work.seen_record()?.status),
        &json!(after.status),
        "the status stays when the spec is written",
    )
}

pub(super) async fn a_record_is_deleted_as_the_one_that_was_meant(shell: &impl Shell) -> Result<(), Broken> {
    let work = Work::new(shell, "record-deleted").await?;
    work.act(&Action::CreateAssignment(work.record())).await?;
    let there = work.seen_record()?;
    let delete = |uid: &str| Action::DeleteAssignment { name: there.name.clone(), uid: uid.to_owned() };
    work.refused(&delete(NO_UID), PortErrorKind::Conflict).await?;
    work.seen_record()?;
    work.act(&delete(&there.uid)).await?;
    hold(work.seen()?.assignment.is_none(), "that it is gone is observed at once", &json!(null))?;
    work.act(&delete(&there.uid)).await.map(drop)
}
