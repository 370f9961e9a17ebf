//! Copies, and the fence of one.

use broker_core::order::{Action, CopyView};
use broker_core::port::PortErrorKind;
use broker_core::resource::{Object, marker};
use serde_json::{Value, json};

use super::work::{NO_UID, Work, with_uid};
use super::{Broken, Shell};
use crate::contract::broken::{hold, same};

fn spec(object: &Object) -> Value {
    object.get(&["spec"]).cloned().unwrap_or_default()
}

pub(super) async fn a_copy_is_created_once(shell: &impl Shell) -> Result<(), Broken> {
    let work = Work::new(shell, "copy").await?;
    let (copy, made) = work.placed().await?;
    hold(!made.uid().is_empty(), "the answer has the uid", &json!(null))?;
    let seen = work.seen_copy(&copy)?;
    same(&json!(seen.uid()), &json!(made.uid()), "it is observed at once")?;
    same(&spec(&seen), &shell.ground().spec, "it is what was written")?;
    let object = work.copy_object(&copy, &shell.ground().other_spec);
    work.refused(&Action::CreateCopy { copy: copy.clone(), object }, PortErrorKind::AlreadyExists).await?;
    same(&spec(&work.live(&copy.object_ref()).await?), &shell.ground().spec, "the one that is there stays")
}

pub(super) async fn a_copy_of_another_uid_is_not_applied(shell: &impl Shell) -> Result<(), Broken> {
    let work = Work::new(shell, "copy-of-another").await?;
    let (copy, made) = work.placed().await?;
    let wanted = work.copy_object(&copy, &shell.ground().other_spec);
    let apply = |uid: &str| Action::ApplyCopy { copy: copy.clone(), object: with_uid(wanted.clone(), uid) };
    work.refused(&apply(NO_UID), PortErrorKind::Conflict).await?;
    same(&spec(&work.live(&copy.object_ref()).await?), &shell.ground().spec, "the copy stays")?;
    work.act(&apply(made.uid())).await?;
    same(&spec(&work.seen_copy(&copy)?), &shell.ground().other_spec, "what was applied is observed at once")?;
    work.act(&Action::DeleteCopy { copy: copy.clone(), uid: made.uid().to_owned() }).await?;
    work.refused(&apply(made.uid()), PortErrorKind::Conflict).await?;
    let left = shell.look(&copy.object_ref()).await?;
    hold(left.is_none(), "what is gone is not made again by an apply", &json!(null))
}

pub(super) async fn what_is_applied_leaves_what_others_wrote(shell: &impl Shell) -> Result<(), Broken> {
    let work = Work::new(shell, "copy-and-others").await?;
    let (copy, made) = work.placed().await?;
    work.act(&Action::Fence { copy: copy.clone(), uid: made.uid().to_owned(), raised: true }).await?;
    let object = with_uid(work.copy_object(&copy, &shell.ground().other_spec), made.uid());
    work.act(&Action::ApplyCopy { copy: copy.clone(), object }).await?;
    let live = work.live(&copy.object_ref()).await?;
    same(&spec(&live), &shell.ground().other_spec, "the copy is what was applied")?;
    same(&json!(live.annotation(marker::QUIESCE_ANNOTATION)), &json!("true"), "the fence stays")
}

pub(super) async fn a_fence_is_a_field_of_its_own_and_leaves_no_trace(
    shell: &impl Shell,
) -> Result<(), Broken> {
    let work = Work::new(shell, "fence").await?;
    let (copy, made) = work.placed().await?;
    let fence = |uid: &str, raised| Action::Fence { copy: copy.clone(), uid: uid.to_owned(), raised };
    work.refused(&fence(NO_UID, true), PortErrorKind::Conflict).await?;
    let annotation = |object: &Object| json!(object.annotation(marker::QUIESCE_ANNOTATION));
    same(&annotation(&work.live(&copy.object_ref()).await?), &json!(null), "no fence is raised on another")?;
    work.act(&fence(made.uid(), true)).await?;
    same(&annotation(&work.live(&copy.object_ref()).await?), &json!("true"), "the fence is up")?;
    same(&annotation(&work.seen_copy(&copy)?), &json!("true"), "that is observed at once")?;
    work.refused(&fence(NO_UID, false), PortErrorKind::Conflict).await?;
    work.act(&fence(made.uid(), false)).await?;
    work.act(&fence(made.uid(), false)).await?;
    let live = work.live(&copy.object_ref()).await?;
    same(&annotation(&live), &json!(null), "the fence is lifted")?;
    same(&annotation(&work.seen_copy(&copy)?), &json!(null), "that is observed at once")?;
    same(&spec(&live), &shell.ground().spec, "the copy is as it was")
}

pub(super) async fn a_copy_is_deleted_as_the_one_that_was_meant(shell: &impl Shell) -> Result<(), Broken> {
    let work = Work::new(shell, "copy-deleted").await?;
    let (copy, made) = work.placed().await?;
    let delete = |uid: &str| Action::DeleteCopy { copy: copy.clone(), uid: uid.to_owned() };
    work.refused(&delete(NO_UID), PortErrorKind::Conflict).await?;
    hold(!work.live(&copy.object_ref()).await?.is_deleting(), "another stays", &json!(null))?;
    work.act(&delete(made.uid())).await?;
    hold(shell.look(&copy.object_ref()).await?.is_none(), "it is gone", &json!(null))?;
    let view = work.seen()?.copies.remove(&copy.key);
    let gone = matches!(view, Some(CopyView::Absent | CopyView::Gone));
    hold(gone, "that it is gone is observed at once", &json!(format!("{view:?}")))?;
    work.act(&delete(made.uid())).await.map(drop)
}
