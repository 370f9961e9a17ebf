//! What is handed over to the consumer beside the status.

use broker_core::order::{Action, RelatedGuard};
use broker_core::port::PortErrorKind;
use broker_core::resource::{Object, ObjectRef};
use serde_json::{Value, json};

use super::work::{NO_UID, Work, with_uid};
use super::{Broken, Shell};
use crate::contract::broken::{hold, same};

const FIRST: &str = "Zmlyc3Q=";
const SECOND: &str = "c2Vjb25k";

/// What it holds. These are no secrets.
fn held(object: &Object) -> Value {
    object.get(&["data", "value"]).cloned().unwrap_or_default()
}

/// What is handed over, as it is observed.
fn mirrored<S: Shell>(work: &Work<'_, S>, target: &ObjectRef) -> Result<Option<Value>, Broken> {
    Ok(work
        .seen()?
        .mirrored
        .iter()
        .find(|object| object.name() == target.key.name)
        .map(|object| held(object)))
}

async fn handed_over<S: Shell>(work: &Work<'_, S>) -> Result<(ObjectRef, Object), Broken> {
    work.act(&Action::CreateAssignment(work.record())).await?;
    let (target, object) = work.related(FIRST);
    let made = work.write(&Action::CreateRelated { target: target.clone(), object }).await?;
    Ok((target, made))
}

/// That the object is as it was read, and that the record points to the copy with this serial number.
fn guard<S: Shell>(work: &Work<'_, S>, seen: &Object, serial: u32) -> RelatedGuard {
    RelatedGuard {
        resource_version: seen.resource_version().to_owned(),
        assignment: work.record().name,
        copy: work.copy(serial).key.name,
    }
}

pub(super) async fn what_is_handed_over_is_created_once(shell: &impl Shell) -> Result<(), Broken> {
    let work = Work::new(shell, "related").await?;
    let (target, _) = handed_over(&work).await?;
    same(&json!(mirrored(&work, &target)?), &json!(FIRST), "it is observed at once")?;
    let (_, object) = work.related(SECOND);
    work.refused(&Action::CreateRelated { target: target.clone(), object }, PortErrorKind::AlreadyExists)
        .await?;
    same(&held(&work.live(&target).await?), &json!(FIRST), "the one that is there stays")
}

pub(super) async fn what_is_handed_over_is_applied_to_the_one_that_was_meant(
    shell: &impl Shell,
) -> Result<(), Broken> {
    let work = Work::new(shell, "related-applied").await?;
    let (target, made) = handed_over(&work).await?;
    let apply = |uid: &str| {
        let (_, object) = work.related(SECOND);
        let guard = guard(&work, &made, 1);
        Action::ApplyRelated { target: target.clone(), object: with_uid(object, uid), guard }
    };
    work.refused(&apply(NO_UID), PortErrorKind::Conflict).await?;
    same(&held(&work.live(&target).await?), &json!(FIRST), "another is not written to")?;
    work.act(&apply(made.uid())).await?;
    same(&json!(mirrored(&work, &target)?), &json!(SECOND), "what was applied is observed at once")?;
    same(&held(&work.live(&target).await?), &json!(SECOND), "it is there")
}

pub(super) async fn what_is_handed_over_is_deleted_as_the_one_that_was_meant(
    shell: &impl Shell,
) -> Result<(), Broken> {
    let work = Work::new(shell, "related-deleted").await?;
    let (target, made) = handed_over(&work).await?;
    let delete =
        |uid: &str| Action::DeleteRelated { target: target.clone(), uid: uid.to_owned(), guard: None };
    work.refused(&delete(NO_UID), PortErrorKind::Conflict).await?;
    work.live(&target).await?;
    work.act(&delete(made.uid())).await?;
    hold(shell.look(&target).await?.is_none(), "it is gone", &json!(null))?;
    same(&json!(mirrored(&work, &target)?), &json!(null), "that is observed at once")?;
    work.act(&delete(made.uid())).await.map(drop)
}

pub(super) async fn what_is_handed_over_is_changed_for_the_copy_that_serves_alone(
    shell: &impl Shell,
) -> Result<(), Broken> {
    let work = Work::new(shell, "related-guarded").await?;
    let (target, made) = handed_over(&work).await?;
    // Another broker switches, and hands over what the new copy has.
    let mut record = work.seen_record()?;
    record.copies.push(work.copy(2));
    (record.serial, record.pointer) = (2, Some(work.copy(2).key.name));
    work.act(&Action::UpdateAssignment(record)).await?;
    let apply = |value: &str, seen: &Object, serial: u32| {
        let object = with_uid(work.related(value).1, seen.uid());
        Action::ApplyRelated { target: target.clone(), object, guard: guard(&work, seen, serial) }
    };
    let delete = |seen: &Object, serial: u32| Action::DeleteRelated {
        target: target.clone(),
        uid: seen.uid().to_owned(),
        guard: Some(guard(&work, seen, serial)),
    };
    work.refused(&apply(FIRST, &made, 1), PortErrorKind::Conflict).await?;
    let switched = work.write(&apply(SECOND, &made, 2)).await?;
    // One that saw the object of the switch, and not its record; and one that saw the record, and not the object.
    for late in [apply(FIRST, &switched, 1), delete(&switched, 1), apply(FIRST, &made, 2), delete(&made, 2)] {
        work.refused(&late, PortErrorKind::Conflict).await?;
        same(&held(&work.live(&target).await?), &json!(SECOND), "what the serving copy hands over stays")?;
    }
    work.act(&delete(&switched, 2)).await.map(drop)
}
