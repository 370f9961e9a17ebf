//! A `MigrationConfiguration` by its meaning.

use broker_core::offer::lint::{Finding, Level};
use broker_core::playbook::{self, Playbook, Playbooks};
use serde_json::Value;

/// Everything to tell about it that its schema does not, and the playbook where it is one.
pub(crate) fn lint(name: &str, value: &Value) -> (Option<Playbook>, Vec<Finding>) {
    playbook::lint(name, value.get("spec").unwrap_or(&Value::Null))
}

/// In which phase each of its stages runs.
pub(crate) fn phases(playbook: &Playbook) -> String {
    let stages =
        playbook.stages.iter().map(|stage| format!("stage {} runs in phase {}", stage.name, stage.phase));
    stages.collect::<Vec<_>>().join(", ")
}

/// Playbooks that some moves fit as well as others, by their place in the list.
pub(crate) fn rivals(playbooks: &[Playbook]) -> Vec<(usize, Finding)> {
    let set = Playbooks::new(playbooks.iter().cloned());
    let finding = |(index, playbook): (usize, &Playbook)| {
        let rivals = set.rivals(playbook);
        let fits = if rivals.len() == 1 { "fits" } else { "fit" };
        let message = format!(
            "{} {fits} some moves just as well, and then none is followed; make one more specific by fromProviders or \
             toProviders",
            rivals.join(", ")
        );
        (!rivals.is_empty())
            .then(|| (index, Finding::new(Level::Error, "AmbiguousPlaybook", "/spec", message)))
    };
    playbooks.iter().enumerate().filter_map(finding).collect()
}
