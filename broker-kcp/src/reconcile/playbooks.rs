//! The playbooks of the platform: read once for each change of their spec, and told what is wrong with them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use broker_core::playbook::{Ambiguous, Playbook, PlaybookFault, Playbooks};
use broker_core::port::PlaybookRegistry;
use broker_core::resource::{ClusterName, Gvk, Object, ObjectKey, marker};
use serde_json::{Value, json};

use super::conditions::{Wanted, entry, says};
use super::registry::KcpProviderRegistry;
use super::requests::Directory;
use crate::fleet::{Fleet, PLATFORM};
use crate::kcp::{ApiError, Resource};
use crate::store::{Cache, Table};

/// So many faults are told in one condition.
const MAX_TOLD: usize = 5;

/// The playbooks as they are known now. Clones share the same ones.
#[derive(Clone)]
pub struct KcpPlaybooks {
    cache: Cache,
    shelf: Arc<Mutex<Shelf>>,
}

/// Playbooks as they are asked for one move: providers go by their ids, paths and aliases.
#[derive(Debug)]
pub(super) struct NamedPlaybooks {
    pub(super) playbooks: Arc<Playbooks>,
    pub(super) fleet: Fleet,
    pub(super) registry: KcpProviderRegistry,
}

impl PlaybookRegistry for NamedPlaybooks {
    fn choose(
        &self,
        from: &Gvk,
        to: &Gvk,
        source: &ClusterName,
        target: &ClusterName,
    ) -> Result<Option<Arc<Playbook>>, Ambiguous> {
        let directory = Directory::of(&self.fleet, &self.registry);
        let (source, target) = (directory.names(source), directory.names(target));
        let source: Vec<&str> = source.iter().map(String::as_str).collect();
        let target: Vec<&str> = target.iter().map(String::as_str).collect();
        self.playbooks.choose(from, to, &source, &target).map(Option::<&_>::cloned)
    }
}

/// What was read, and from what.
#[derive(Default)]
struct Shelf {
    entries: BTreeMap<String, Entry>,
    playbooks: Arc<Playbooks>,
}

#[derive(Clone)]
struct Entry {
    object: Arc<Object>,
    read: Result<Arc<Playbook>, Arc<[PlaybookFault]>>,
}

impl KcpPlaybooks {
    /// The playbooks of a platform.
    pub fn new(fleet: &Fleet) -> Self {
        Self { cache: fleet.platform().configurations.clone(), shelf: Arc::default() }
    }

    /// Those that can be followed. Costs a comparison of pointers for each, where nothing changed.
    pub fn current(&self) -> Arc<Playbooks> {
        let live = live(&self.cache.read());
        let mut known = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        known.follow(live);
        known.playbooks.clone()
    }

    /// What is to be said of one.
    fn verdict(&self, name: &str) -> Option<(Arc<Object>, Verdict)> {
        let playbooks = self.current();
        let known = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = known.entries.get(name)?;
        Some((entry.object.clone(), Verdict::of(&entry.read, &playbooks)))
    }
}

impl fmt::Debug for KcpPlaybooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KcpPlaybooks").finish_non_exhaustive()
    }
}

impl Shelf {
    fn follow(&mut self, live: Vec<(String, Arc<Object>)>) {
        let is_same = |(name, object): &(String, Arc<Object>)| {
            self.entries.get(name).is_some_and(|entry| Arc::ptr_eq(&entry.object, object))
        };
        if live.len() == self.entries.len() && live.iter().all(is_same) {
            return;
        }
        let mut before = std::mem::take(&mut self.entries);
        for (name, object) in live {
            let spec = object.get(&["spec"]);
            let known = before.remove(&name).filter(|entry| entry.object.get(&["spec"]) == spec);
            let read = if let Some(entry) = known {
                entry.read
            } else {
                let spec = spec.cloned().unwrap_or_default();
                Playbook::parse_json(&name, &spec).map(Arc::new).map_err(Into::into)
            };
            self.entries.insert(name, Entry { object, read });
        }
        let read = self.entries.values().filter_map(|entry| entry.read.as_ref().ok().cloned());
        self.playbooks = Arc::new(read.collect());
    }
}

/// Taken out of the table first, so that reading them keeps nobody from writing to it.
fn live(table: &Table) -> Vec<(String, Arc<Object>)> {
    let live = table.iter().filter(|(_, object)| !object.is_deleting());
    live.map(|(key, object)| (key.name.clone(), object)).collect()
}

/// The word on one playbook.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    status: &'static str,
    reason: &'static str,
    message: String,
    /// The phase of each stage; null where it has none.
    stages: Value,
}

impl Verdict {
    fn of(read: &Result<Arc<Playbook>, Arc<[PlaybookFault]>>, playbooks: &Playbooks) -> Self {
        let playbook = match read {
            Ok(playbook) => playbook,
            Err(faults) => {
                let told: Vec<String> = faults.iter().take(MAX_TOLD).map(ToString::to_string).collect();
                let more = match faults.len().saturating_sub(MAX_TOLD) {
                    0 => String::new(),
                    more => format!("; and {more} more"),
                };
                let message = told.join("; ") + &more;
                return Self { status: "False", reason: "InvalidPlaybook", message, stages: Value::Null };
            }
        };
        let stage =
            |stage: &broker_core::playbook::Stage| json!({"name": stage.name, "phase": stage.phase.as_str()});
        let stages = playbook.stages.iter().map(stage).collect();
        let rivals = playbooks.rivals(playbook);
        if rivals.is_empty() {
            return Self {
                status: "True",
                reason: "Valid",
                message: "the playbook is valid".to_owned(),
                stages,
            };
        }
        let told: Vec<&str> = rivals.iter().take(MAX_TOLD).copied().collect();
        let message = format!(
            "{} {} some moves just as well; which one is followed must not be left to chance: make one more specific by \
             fromProviders or toProviders",
            told.join(", "),
            if rivals.len() == 1 { "fits" } else { "fit" }
        );
        Self { status: "False", reason: "AmbiguousPlaybook", message, stages }
    }
}

/// Brings the status of one `MigrationConfiguration` up to date.
pub(super) async fn report(
    fleet: &Fleet,
    playbooks: &KcpPlaybooks,
    resource: &Resource,
    name: &str,
) -> Result<(), ApiError> {
    let Some((object, verdict)) = playbooks.verdict(name) else { return Ok(()) };
    let Verdict { status, reason, message, stages } = verdict;
    let said = entry(&Wanted { kind: "Ready", status, reason, message: &message }, &object, fleet.now());
    let at = |key: &str| object.get(&["status", key]);
    let conditions = at("conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    let is_told = conditions.iter().any(|condition| says(Some(condition), &said))
        && at("stages").cloned().unwrap_or_default() == stages
        && at("observedGeneration").and_then(Value::as_i64) == Some(object.generation());
    if is_told {
        return Ok(());
    }
    let is_other = |condition: &Value| condition.get("type").and_then(Value::as_str) != Some("Ready");
    let mut wanted: Vec<Value> = conditions.into_iter().filter(is_other).collect();
    wanted.push(said);
    let patch = json!({
        "metadata": { "uid": object.uid(), "resourceVersion": object.resource_version() },
        "status": { "conditions": wanted, "stages": stages, "observedGeneration": object.generation() },
    });
    let written = fleet.platform_api().merge_status(resource, "", name, &patch, marker::MANAGER).await?;
    fleet.platform().configurations.written(
        &fleet.platform_source(),
        ObjectKey::new(PLATFORM, "", name),
        written,
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may fail loudly")]

    use super::*;
    use crate::store::Source;

    fn configuration(name: &str, version: u32, timeout: &str) -> (ObjectKey, Object) {
        let gvk = json!({"group": "example.com", "version": "v1", "kind": "Database"});
        let stages = json!([{"name": "copy", "progress": true, "timeout": timeout}, {"name": "check"}]);
        let object = json!({
            "metadata": {"name": name, "uid": name, "resourceVersion": version.to_string(), "generation": 1},
            "spec": {"from": gvk, "to": gvk, "stages": stages},
        });
        (ObjectKey::new(PLATFORM, "", name), Object::try_from(object).unwrap())
    }

    fn verdict(shelf: &Shelf, name: &str) -> Verdict {
        Verdict::of(&shelf.entries[name].read, &shelf.playbooks)
    }

    #[test]
    fn each_is_told_what_is_wrong_with_it_and_who_its_rivals_are() {
        let source = Source::new("platform");
        let mut table = Table::new(&[]);
        let mut shelf = Shelf::default();
        for (key, object) in [configuration("a", 1, "1h"), configuration("wrong", 1, "soon")] {
            table.apply(&source, key, object);
        }
        shelf.follow(live(&table));
        assert_eq!(
            verdict(&shelf, "a"),
            Verdict {
                status: "True",
                reason: "Valid",
                message: "the playbook is valid".to_owned(),
                stages: json!([{"name": "copy", "phase": "Initial"}, {"name": "check", "phase": "Verify"}]),
            }
        );
        let wrong = verdict(&shelf, "wrong");
        assert_eq!((wrong.reason, &wrong.stages), ("InvalidPlaybook", &Value::Null));
        assert!(
            wrong.message.starts_with("spec.stages[0].timeout: is `soon`; accepted: "),
            "{}",
            wrong.message
        );
        assert_eq!(shelf.playbooks.iter().count(), 1);

        // A rival comes and goes.
        let read = shelf.entries["a"].read.clone().unwrap();
        let (key, rival) = configuration("b", 1, "1h");
        table.apply(&source, key.clone(), rival.clone());
        shelf.follow(live(&table));
        for (name, other) in [("a", "b"), ("b", "a")] {
            let found = verdict(&shelf, name);
            assert_eq!(found.reason, "AmbiguousPlaybook");
            assert!(found.message.starts_with(&format!("{other} fits some moves")), "{}", found.message);
        }
        assert!(
            Arc::ptr_eq(&read, shelf.entries["a"].read.as_ref().unwrap()),
            "what did not change is not read again"
        );
        table.delete(&source, key, &rival);
        shelf.follow(live(&table));
        assert_eq!(verdict(&shelf, "a").reason, "Valid");
        // Its own status is no change.
        let (key, mut told) = configuration("a", 2, "1h");
        told.set(&["status", "observedGeneration"], json!(1));
        table.apply(&source, key, told);
        shelf.follow(live(&table));
        assert!(Arc::ptr_eq(&read, shelf.entries["a"].read.as_ref().unwrap()));
        assert_eq!(shelf.entries["a"].object.resource_version(), "2");
    }
}
