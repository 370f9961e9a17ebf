//! An order of a sentence's own, and how it is worked on.

use std::sync::Arc;

use broker_core::migration::{Controls, Migration, Origin, Position, Receipt};
use broker_core::offer::OfferId;
use broker_core::order::{Action, Assignment, AssignmentStatus, CopyRef, CopyView, OrderIdentity};
use broker_core::playbook::Playbook;
use broker_core::port::{
    MigrationExecutor as _, Observed, OrderAddress, OrderObserver as _, PortErrorKind, Written,
};
use broker_core::resource::{Object, ObjectKey, ObjectRef, marker};
use broker_core::translate::{assignment_name, copy_name, migration_name};
use serde_json::json;

use super::{Broken, Shell};
use crate::contract::{DEADLINE, pause};

/// A uid that no server gives.
pub(super) const NO_UID: &str = "00000000-0000-0000-0000-00000000dead";

/// An order, seen by the shell's observer.
pub(super) struct Work<'s, S> {
    pub(super) shell: &'s S,
    pub(super) identity: OrderIdentity,
    pub(super) order: ObjectRef,
}

impl<'s, S: Shell> Work<'s, S> {
    /// A consumer orders, and the shell has seen it.
    pub(super) async fn new(shell: &'s S, name: &str) -> Result<Self, Broken> {
        let ground = shell.ground();
        let mut order = Object::named(&ground.gvk(), &ground.namespace, name);
        order.set(&["spec"], ground.spec.clone());
        let made = shell.order(&order).await?;
        let identity = OrderIdentity::of(&made, &ground.gvr, &ground.consumer);
        let order = ObjectRef { gvk: ground.gvk(), key: identity.key.clone() };
        let work = Self { shell, identity, order };
        work.until("the order to be seen", |seen| seen.is_some_and(|seen| seen.order.is_some())).await?;
        Ok(work)
    }

    fn address(&self) -> OrderAddress {
        let uid = Some(self.identity.uid.clone());
        OrderAddress { gvr: self.identity.gvr.clone(), key: self.identity.key.clone(), uid }
    }

    /// What the shell knows of the order at this instant; `None` where neither it nor a record of it is there.
    pub(super) fn observed(&self) -> Result<Option<Observed>, Broken> {
        let observed = self.shell.observer().observe(&self.address());
        observed.map_err(|error| Broken::new("the order can be observed", error.to_string()))
    }

    /// The same of an order that is there.
    pub(super) fn seen(&self) -> Result<Observed, Broken> {
        self.observed()?.ok_or_else(|| Broken::new("the order is observed", "nothing"))
    }

    /// The order as it is observed.
    pub(super) fn seen_order(&self) -> Result<Object, Broken> {
        let order =
            self.seen()?.order.ok_or_else(|| Broken::new("the order is observed", "its records alone"))?;
        Ok(order.as_ref().clone())
    }

    /// Waits for what others do.
    pub(super) async fn until(
        &self,
        what: &str,
        holds: impl Fn(Option<&Observed>) -> bool,
    ) -> Result<(), Broken> {
        let started = std::time::Instant::now();
        while started.elapsed() < DEADLINE {
            // An observer that has not read everything yet says so with an error.
            if let Ok(seen) = self.shell.observer().observe(&self.address())
                && holds(seen.as_ref())
            {
                return Ok(());
            }
            pause().await;
        }
        Err(Broken::new(format!("waited for {what}"), "it did not come"))
    }

    /// Carries an action out, which succeeds.
    pub(super) async fn act(&self, action: &Action) -> Result<Written, Broken> {
        let written = self.shell.executor().execute(action).await;
        written.map_err(|error| Broken::new(format!("{} succeeds", action.verb()), error.to_string()))
    }

    /// The object that an action wrote.
    pub(super) async fn write(&self, action: &Action) -> Result<Object, Broken> {
        let written = self.act(action).await?.object;
        let object = written
            .ok_or_else(|| Broken::new(format!("{} answers with the object", action.verb()), "none"))?;
        Ok(object.as_ref().clone())
    }

    /// Tries an action that is refused.
    pub(super) async fn refused(&self, action: &Action, kind: PortErrorKind) -> Result<(), Broken> {
        let claim = || format!("{} is refused as {}", action.verb(), kind.reason());
        match self.shell.executor().execute(action).await {
            Ok(_) => Err(Broken::new(claim(), "it was done")),
            Err(error) if error.kind == kind => Ok(()),
            Err(error) => Err(Broken::new(claim(), format!("{}: {error}", error.kind.reason()))),
        }
    }

    /// An object that is there, past every cache.
    pub(super) async fn live(&self, object: &ObjectRef) -> Result<Object, Broken> {
        let there = self.shell.look(object).await?;
        there.ok_or_else(|| Broken::new(format!("{object} is there"), "nothing"))
    }

    /// The offer that everything here is made for.
    fn offer(&self) -> OfferId {
        let ground = self.shell.ground();
        OfferId::new(ground.provider.as_str(), &ground.namespace, "contract")
    }

    /// The copy with this serial number.
    pub(super) fn copy(&self, serial: u32) -> CopyRef {
        let ground = self.shell.ground();
        let name = copy_name(&self.identity, serial);
        CopyRef {
            offer: self.offer(),
            gvr: ground.gvr.clone(),
            kind: ground.kind.clone(),
            key: ObjectKey::new(ground.provider.as_str(), &ground.namespace, &name),
            uid: None,
            migration: None,
        }
    }

    /// What a copy is to be.
    pub(super) fn copy_object(&self, copy: &CopyRef, spec: &serde_json::Value) -> Object {
        let mut object = Object::named(&copy.gvk(), &copy.key.namespace, &copy.key.name);
        object.set(&["metadata", "labels", marker::MANAGED_LABEL], marker::MANAGED_VALUE.into());
        object.set(&["metadata", "labels", marker::ORDER_LABEL], assignment_name(&self.identity).into());
        object.set(&["spec"], spec.clone());
        object
    }

    /// A record that names the first copy, not written yet.
    pub(super) fn record(&self) -> Assignment {
        Assignment {
            name: assignment_name(&self.identity),
            uid: String::new(),
            resource_version: String::new(),
            order: self.identity.clone(),
            offer: self.offer(),
            copies: vec![self.copy(1)],
            pointer: None,
            leftovers: Vec::new(),
            serial: 1,
            created_at: None,
            status: AssignmentStatus::default(),
        }
    }

    /// The record of a move of the order from its offer to the same, not written yet.
    pub(super) fn migration(&self, playbook: Option<Arc<Playbook>>) -> Migration {
        let record = self.record();
        Migration {
            name: migration_name(&record.name, 2),
            uid: String::new(),
            resource_version: String::new(),
            origin: Origin::Broker,
            serial: 2,
            order: self.identity.clone(),
            kind: self.order.gvk.kind.clone(),
            from: record.offer.clone(),
            to: record.offer,
            playbook,
            controls: Controls::default(),
            position: Position::default(),
            message: String::new(),
            failed_before: 1,
            receipt: Receipt::default(),
        }
    }

    /// The record as it is observed.
    pub(super) fn seen_record(&self) -> Result<Assignment, Broken> {
        self.seen()?.assignment.ok_or_else(|| Broken::new("the assignment is observed", "none"))
    }

    /// The record of a move as it is observed.
    pub(super) fn seen_move(&self) -> Result<Migration, Broken> {
        self.seen()?.migrations.pop().ok_or_else(|| Broken::new("the migration is observed", "none"))
    }

    /// The copy as it is observed.
    pub(super) fn seen_copy(&self, copy: &CopyRef) -> Result<Object, Broken> {
        match self.seen()?.copies.remove(&copy.key) {
            Some(CopyView::Present(object)) => Ok(object.as_ref().clone()),
            other => Err(Broken::new("the copy is observed", format!("{other:?}"))),
        }
    }

    /// Writes the record and the first copy.
    pub(super) async fn placed(&self) -> Result<(CopyRef, Object), Broken> {
        self.act(&Action::CreateAssignment(self.record())).await?;
        let copy = self.copy(1);
        let object = self.copy_object(&copy, &self.shell.ground().spec);
        let made = self.write(&Action::CreateCopy { copy: copy.clone(), object }).await?;
        Ok((copy, made))
    }

    /// An object to hand over, owned by the order.
    pub(super) fn related(&self, value: &str) -> (ObjectRef, Object) {
        let key = &self.identity.key;
        let gvk = broker_core::resource::Gvk::new("", "v1", "Secret");
        let mut object = Object::named(&gvk, &key.namespace, &format!("{}-secret", key.name));
        object.set(&["metadata", "labels", marker::MANAGED_LABEL], marker::MANAGED_VALUE.into());
        object.set(&["metadata", "labels", marker::ORDER_LABEL], assignment_name(&self.identity).into());
        let owner = json!([{
            "apiVersion": self.order.gvk.api_version(), "kind": self.order.gvk.kind,
            "name": key.name, "uid": self.identity.uid,
        }]);
        object.set(&["metadata", "ownerReferences"], owner);
        object.set(&["data"], json!({ "value": value }));
        object.set(&["type"], "Opaque".into());
        (ObjectRef { gvk, key: object.key_in(&key.cluster) }, object)
    }
}

/// The same object, to be written again: without what the server added.
pub(super) fn with_uid(mut object: Object, uid: &str) -> Object {
    object.set(&["metadata", "uid"], uid.into());
    object
}
