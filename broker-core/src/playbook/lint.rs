//! What is wrong with a playbook, or probably not meant, told when it is written: for `validate`.

use serde_json::Value;

use super::phase::FINALIZE;
use super::{Phase, Playbook, Stage};
use crate::offer::lint::{Finding, Level, lint_condition};

/// Everything to tell about `MigrationConfiguration.spec` by itself, and the playbook where it is one. Pointers begin
/// at the object.
pub fn lint(name: &str, spec: &Value) -> (Option<Playbook>, Vec<Finding>) {
    match Playbook::parse_json(name, spec) {
        Err(faults) => {
            let finding = |fault: super::PlaybookFault| {
                let pointer = format!("/spec{}", fault.pointer);
                Finding::new(Level::Error, fault.rule, pointer, fault.message())
            };
            (None, faults.into_iter().map(finding).collect())
        }
        Ok(playbook) => {
            let findings = findings(&playbook, spec);
            (Some(playbook), findings)
        }
    }
}

fn findings(playbook: &Playbook, spec: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (list, stages) in [("stages", &playbook.stages), ("rollback", &playbook.rollback)] {
        for (index, stage) in stages.iter().enumerate() {
            of_stage(stage, &format!("/spec/{list}/{index}"), &mut findings);
        }
    }
    for (index, stage) in playbook.stages.iter().enumerate() {
        let says = |field: &str| spec.pointer(&format!("/stages/{index}/{field}"));
        if stage.name == FINALIZE && stage.phase != Phase::Finalize && says("phase").is_none() {
            let message = format!(
                "runs in phase {}: no stage before it has progress: true; write phase: Finalize",
                stage.phase
            );
            findings.push(Finding::new(Level::Warning, "Phase", format!("/spec/stages/{index}"), message));
        }
    }
    if playbook.copies_data() && playbook.of_phase(Phase::Cutover).next().is_none() {
        let message = "copies data, and has no stage of phase Cutover: what is written after the last stage and before the \
                       fence is copied by none; moves of an API with fence: Required do not follow it by themselves";
        findings.push(Finding::new(Level::Advice, "NoCutover", "/spec/stages", message));
    }
    findings
}

fn of_stage(stage: &Stage, at: &str, findings: &mut Vec<Finding>) {
    let lists = [
        ("preconditions", &stage.preconditions),
        ("successConditions", &stage.success),
        ("failureConditions", &stage.failure),
    ];
    for (list, expressions) in lists {
        for (index, expression) in expressions.iter().enumerate() {
            findings.extend(lint_condition(expression, &format!("{at}/{list}/{index}")));
        }
    }
    for (key, template) in &stage.templates {
        for script in template.shell_scripts() {
            let message = format!(
                "{script} of its object is a script for a shell, with a placeholder in it: what a provider writes would be run; \
                 hand it over as an argument or a variable of the environment"
            );
            findings.push(Finding::new(
                Level::Warning,
                "ShellScript",
                format!("{at}/templates/{key}"),
                message,
            ));
        }
    }
    let asks_nothing = stage.success.is_empty() && !stage.creates_helpers() && !stage.approval;
    if asks_nothing && stage.preconditions.is_empty() {
        let message = "does nothing and waits for nothing: it passes at once";
        findings.push(Finding::new(Level::Warning, "NoEffect", at, message));
    }
}
