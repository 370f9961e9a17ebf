//! Helper objects of a move, in the compute cluster.

use std::collections::BTreeMap;

use broker_core::order::{Action, Helpers};
use broker_core::port::PortErrorKind;
use broker_core::resource::{Gvk, Object, ObjectRef, marker};
use broker_core::translate::helper_namespace;
use serde_json::json;

use super::work::{NO_UID, Work, with_uid};
use super::{Broken, Shell};
use crate::contract::broken::{hold, same};

const FIRST: &str = "Zmlyc3Q=";
const SECOND: &str = "c2Vjb25k";

/// A move whose helpers these are.
struct Move<'s, S> {
    work: Work<'s, S>,
    name: String,
    namespace: String,
}

impl<'s, S: Shell> Move<'s, S> {
    /// An order that moves, with the namespace for its helpers.
    async fn new(shell: &'s S, name: &str) -> Result<Self, Broken> {
        let work = Work::new(shell, name).await?;
        work.act(&Action::CreateAssignment(work.record())).await?;
        let migration = work.migration(None);
        work.act(&Action::CreateMigration(migration.clone())).await?;
        let namespace = helper_namespace(&migration.name);
        let it = Self { work, name: migration.name, namespace };
        it.work.act(&it.create("", it.object("Namespace", &it.namespace))).await?;
        Ok(it)
    }

    fn create(&self, key: &str, object: Object) -> Action {
        Action::CreateHelper { migration: self.name.clone(), key: key.to_owned(), object }
    }

    /// An object of this move; a namespace has no key.
    fn object(&self, kind: &str, name: &str) -> Object {
        let namespace = if kind == "Namespace" { "" } else { &self.namespace };
        let mut object = Object::named(&Gvk::new("", "v1", kind), namespace, name);
        object.set(&["metadata", "labels", marker::MANAGED_LABEL], marker::MANAGED_VALUE.into());
        object.set(&["metadata", "labels", marker::MIGRATION_LABEL], self.name.clone().into());
        if !namespace.is_empty() {
            object.set(&["metadata", "annotations", marker::HELPER_ANNOTATION], name.into());
        }
        object
    }

    fn credentials(&self, value: &str) -> Object {
        let mut object = self.object("Secret", "from-credentials");
        object.set(&["data"], json!({ "value": value }));
        object.set(&["type"], "Opaque".into());
        object
    }

    fn seen(&self) -> Result<Option<Helpers>, Broken> {
        Ok(self.work.seen()?.helpers.remove(&self.name))
    }

    fn seen_objects(&self) -> Result<BTreeMap<String, Object>, Broken> {
        let helpers = self.seen()?.unwrap_or_default();
        Ok(helpers.objects.into_iter().map(|(key, object)| (key, object.as_ref().clone())).collect())
    }

    /// The namespace as it is observed.
    fn seen_namespace(&self) -> Result<Object, Broken> {
        let namespace = self.seen()?.and_then(|helpers| helpers.namespace);
        let namespace = namespace.ok_or_else(|| Broken::new("the namespace is observed at once", "none"))?;
        Ok(namespace.as_ref().clone())
    }

    fn at(&self, object: &Object) -> ObjectRef {
        ObjectRef { gvk: object.gvk(), key: object.key_in(&self.work.shell.ground().compute) }
    }
}

pub(super) async fn helpers_are_created_once_in_a_namespace_of_their_move(
    shell: &impl Shell,
) -> Result<(), Broken> {
    let it = Move::new(shell, "helpers").await?;
    same(&json!(it.seen_namespace()?.name()), &json!(it.namespace), "the namespace is observed at once")?;
    let again = it.create("", it.object("Namespace", &it.namespace));
    it.work.refused(&again, PortErrorKind::AlreadyExists).await?;
    let mut mover = it.object("ConfigMap", "mover");
    mover.set(&["data"], json!({ "step": "copy" }));
    it.work.act(&it.create("from-credentials", it.credentials(FIRST))).await?;
    it.work.act(&it.create("mover", mover.clone())).await?;
    let keys: Vec<String> = it.seen_objects()?.into_keys().collect();
    same(&json!(keys), &json!(["from-credentials", "mover"]), "each is observed at once, by its key")?;
    mover.set(&["data"], json!({ "step": "again" }));
    it.work.refused(&it.create("mover", mover.clone()), PortErrorKind::AlreadyExists).await?;
    let live = it.work.live(&it.at(&mover)).await?;
    same(&json!(live.get(&["data", "step"])), &json!("copy"), "the one that is there stays")
}

pub(super) async fn credentials_of_helpers_are_renewed_in_place(shell: &impl Shell) -> Result<(), Broken> {
    let it = Move::new(shell, "helpers-renewed").await?;
    let made = it.work.write(&it.create("from-credentials", it.credentials(FIRST))).await?;
    let apply = |uid: &str| Action::ApplyHelper {
        migration: it.name.clone(),
        key: "from-credentials".to_owned(),
        object: with_uid(it.credentials(SECOND), uid),
    };
    it.work.refused(&apply(NO_UID), PortErrorKind::Conflict).await?;
    let held = |object: &Object| json!(object.get(&["data", "value"]));
    same(&held(&it.work.live(&it.at(&made)).await?), &json!(FIRST), "another is not written to")?;
    it.work.act(&apply(made.uid())).await?;
    let seen = it.seen_objects()?.remove("from-credentials").map(|object| held(&object));
    same(&json!(seen), &json!(SECOND), "what was applied is observed at once")
}

pub(super) async fn helpers_go_with_their_namespace_and_no_others_do(
    shell: &impl Shell,
) -> Result<(), Broken> {
    let (it, other) = (Move::new(shell, "helpers-gone").await?, Move::new(shell, "helpers-kept").await?);
    let mut made = Vec::new();
    for one in [&it, &other] {
        made.push(one.at(&one.work.write(&one.create("from-credentials", one.credentials(FIRST))).await?));
    }
    let namespace = it.seen_namespace()?;
    let delete = |uid: &str| Action::DeleteHelpers {
        migration: it.name.clone(),
        namespace: it.namespace.clone(),
        uid: uid.to_owned(),
    };
    it.work.refused(&delete(NO_UID), PortErrorKind::Conflict).await?;
    hold(!it.seen_namespace()?.is_deleting(), "another namespace stays", &json!(null))?;
    it.work.act(&delete(namespace.uid())).await?;
    let going = it.seen()?.is_none_or(|helpers| helpers.namespace.is_none() || helpers.is_going());
    hold(going, "that it goes is observed at once", &json!(null))?;
    // The server removes what is in it in its own time.
    it.work.until("the helpers to be gone", |seen| seen.is_some_and(|seen| seen.helpers.is_empty())).await?;
    for (gone, at) in [true, false].into_iter().zip(&made) {
        hold(
            shell.look(at).await?.is_none() == gone,
            "its helpers are gone, and no others",
            &json!(at.to_string()),
        )?;
    }
    it.work.act(&delete(namespace.uid())).await.map(drop)
}
