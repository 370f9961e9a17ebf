//! What is handed over to the consumer beside the status.

use broker_core::order::Action;
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
        Action::ApplyRelated { target: target.clone(), object: with_uid(object, uid) }
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
    let delete = |uid: &str| Action::DeleteRelated { target: target.clone(), uid: uid.to_owned() };
    work.refused(&delete(NO_UID), PortErrorKind::Conflict).await?;
    work.live(&target).await?;
    work.act(&delete(made.uid())).await?;
    hold(shell.look(&target).await?.is_none(), "it is gone", &json!(null))?;
    same(&json!(mirrored(&work, &target)?), &json!(null), "that is observed at once")?;
    work.act(&delete(made.uid())).await.map(drop)
}
