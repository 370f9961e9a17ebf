//! The shell in memory keeps the contract of the ports.

use broker_core::order::{Action, Assignment, Compute, Moves};
use broker_core::port::{MigrationExecutor, PortError, PortErrorKind, Written};
use broker_core::resource::{Object, ObjectRef, marker};
use broker_testkit::contract::ports::{Broken, Ground, Shell, check};
use broker_testkit::memory::{COMPUTE, MemoryFleet};
use serde_json::{Value, json};

use super::order_life::policy;

struct Memory {
    fleet: MemoryFleet,
    ground: Ground,
}

impl Shell for Memory {
    type Executor = MemoryFleet;
    type Observer = MemoryFleet;

    fn executor(&self) -> &MemoryFleet {
        &self.fleet
    }

    fn observer(&self) -> &MemoryFleet {
        &self.fleet
    }

    fn ground(&self) -> &Ground {
        &self.ground
    }

    async fn order(&self, order: &Object) -> Result<Object, Broken> {
        let consumer = &self.ground.consumer;
        self.fleet.write(consumer.as_str(), &order.clone().into_value()).unwrap();
        let made = self.look(&ObjectRef { gvk: order.gvk(), key: order.key_in(consumer) }).await?;
        Ok(made.unwrap())
    }

    async fn look(&self, object: &ObjectRef) -> Result<Option<Object>, Broken> {
        let key = &object.key;
        let there = self.fleet.get(&object.gvk, key.cluster.as_str(), &key.namespace, &key.name);
        Ok(there.map(|there| there.as_ref().clone()))
    }
}

fn memory() -> Memory {
    let policy = policy(Moves::Free);
    let ground = Ground {
        gvr: policy.gvr.clone(),
        kind: policy.kind.clone(),
        spec: json!({ "fqdn": "app.internal.corp" }),
        other_spec: json!({ "fqdn": "app.corp.com" }),
        status: json!({ "observedGeneration": 1, "issuer": "Internal CA" }),
        namespace: "default".to_owned(),
        consumer: "consumer".into(),
        provider: "internal".into(),
        compute: COMPUTE.into(),
    };
    let fleet = MemoryFleet::new(policy);
    fleet.set_compute(Compute::Answers);
    Memory { fleet, ground }
}

#[tokio::test]
async fn the_shell_in_memory_keeps_the_contract_of_the_ports() {
    let checked = check(&memory()).await.unwrap_or_else(|broken| panic!("{broken}"));
    assert_eq!(checked, 24);
}

/// What an executor gets wrong.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// A refusal is told as success.
    SaysYes,
    /// Nothing is written, and it is told as success.
    DoesNothing,
    /// The uid that guards a write is made out to be the one that is there.
    LooksAway,
    /// What was applied takes what others wrote along.
    Overwrites,
    /// What a copy hands over is changed whichever copy serves by now.
    TrustsWhatItSaw,
}

/// The shell in memory with a fault in its executor.
struct Faulty {
    memory: Memory,
    fault: Fault,
}

impl Faulty {
    /// The action as this executor takes it.
    fn bent(&self, action: &Action) -> Action {
        let uid_at = |at: &ObjectRef| {
            let key = &at.key;
            let there = self.memory.fleet.get(&at.gvk, key.cluster.as_str(), &key.namespace, &key.name);
            there.map(|there| there.uid().to_owned()).unwrap_or_default()
        };
        match (self.fault, action) {
            (Fault::LooksAway, Action::DeleteCopy { copy, .. }) => {
                Action::DeleteCopy { copy: copy.clone(), uid: uid_at(&copy.object_ref()) }
            }
            (Fault::Overwrites, Action::ApplyCopy { copy, object }) => {
                let mut object = object.clone();
                object.set(&["metadata", "annotations", marker::QUIESCE_ANNOTATION], Value::Null);
                Action::ApplyCopy { copy: copy.clone(), object }
            }
            (Fault::TrustsWhatItSaw, Action::ApplyRelated { target, object, guard }) => {
                let records = self.memory.fleet.assignments();
                let record = records.iter().find(|record| record.name == guard.assignment);
                let mut guard = guard.clone();
                guard.copy.clone_from(&record.and_then(Assignment::serving).unwrap().key.name);
                Action::ApplyRelated { target: target.clone(), object: object.clone(), guard }
            }
            _ => action.clone(),
        }
    }
}

impl MigrationExecutor for Faulty {
    async fn execute(&self, action: &Action) -> Result<Written, PortError> {
        if let (Fault::DoesNothing, Action::UpdateMigration(_)) = (self.fault, action) {
            return Ok(Written::default());
        }
        match self.memory.fleet.execute(&self.bent(action)).await {
            Err(error) if matches!(self.fault, Fault::SaysYes) && error.kind == PortErrorKind::Conflict => {
                Ok(Written::default())
            }
            answer => answer,
        }
    }
}

impl Shell for Faulty {
    type Executor = Self;
    type Observer = MemoryFleet;

    fn executor(&self) -> &Self {
        self
    }

    fn observer(&self) -> &MemoryFleet {
        &self.memory.fleet
    }

    fn ground(&self) -> &Ground {
        &self.memory.ground
    }

    async fn order(&self, order: &Object) -> Result<Object, Broken> {
        self.memory.order(order).await
    }

    async fn look(&self, object: &ObjectRef) -> Result<Option<Object>, Broken> {
        self.memory.look(object).await
    }
}

#[tokio::test]
async fn a_shell_that_breaks_the_contract_is_told_the_sentence() {
    for (fault, sentence) in [
        (Fault::SaysYes, "a_finalizer_for_another_version_is_a_conflict"),
        (Fault::DoesNothing, "the_record_of_a_move_is_created_once_and_read_back_as_it_was_written"),
        (Fault::LooksAway, "a_copy_is_deleted_as_the_one_that_was_meant"),
        (Fault::Overwrites, "what_is_applied_leaves_what_others_wrote"),
        (Fault::TrustsWhatItSaw, "what_is_handed_over_is_changed_for_the_copy_that_serves_alone"),
    ] {
        let broken = check(&Faulty { memory: memory(), fault }).await.unwrap_err();
        assert_eq!(broken.sentence(), Some(sentence), "{fault:?}: {broken}");
    }
}
