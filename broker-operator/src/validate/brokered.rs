//! A `BrokeredAPI` by its meaning.

use std::collections::BTreeMap;
use std::sync::Arc;

use broker_core::expression::Expression;
use broker_core::offer::lint::{Finding, Level, lint_condition};
use broker_core::resource::{ClusterName, Gvr, Object};
use broker_kcp::api::v1alpha1::GoDuration;
use broker_kcp::kcp::Resource;
use broker_kcp::reconcile::Policies;
use serde_json::Value;

/// Everything to tell about it that its schema does not.
pub(crate) fn lint(value: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
    for pointer in ["/spec/gracePeriod", "/spec/readyTimeout"] {
        if let Some(Err(error)) = text(pointer).map(|text| GoDuration::new(text).parse()) {
            findings.push(Finding::new(Level::Error, "Duration", pointer, error.to_string()));
        }
    }
    if let Some(ready) = text("/spec/ready") {
        match Expression::compile_with(ready, &["self"]) {
            Ok(expression) => findings.extend(lint_condition(&expression, "/spec/ready")),
            Err(error) => {
                findings.push(Finding::new(Level::Error, "Expression", "/spec/ready", error.to_string()));
            }
        }
    }
    findings.extend(providers(value));
    // What the broker itself would say, where nothing above says why.
    if let Some(problem) =
        problem(value).filter(|_| findings.iter().all(|finding| finding.level != Level::Error))
    {
        findings.push(problem);
    }
    findings
}

/// Why the broker could not honour it.
fn problem(value: &Value) -> Option<Finding> {
    let object = Object::try_from(value.clone()).ok()?;
    let name = object.name().to_owned();
    let (resource, group) = name.split_once('.')?;
    let kind = Resource::namespaced(Gvr::new(group, "v1", resource), "");
    let kinds = BTreeMap::from([(name.clone(), kind)]);
    let policies =
        Policies::read([Arc::new(object)].iter(), &kinds, true, |name: &str| ClusterName::from(name));
    let problem = policies.problems.get(&name)?;
    // The message begins with the field, where it is about one.
    let field = problem.message.split([':', ' ']).next().filter(|word| word.starts_with("spec."));
    let (pointer, message) = match field {
        Some(field) => {
            let rest = problem.message.get(field.len()..).unwrap_or_default();
            (format!("/{}", field.replace('.', "/")), rest.trim_start_matches([':', ' ']).to_owned())
        }
        None => ("/spec".to_owned(), problem.message.clone()),
    };
    Some(Finding::new(Level::Error, problem.reason, pointer, message))
}

/// Rules about providers that say nothing, or the same as others.
fn providers(value: &Value) -> Vec<Finding> {
    let rules =
        value.pointer("/spec/providers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let cluster = |rule: &Value| rule.get("cluster").and_then(Value::as_str).unwrap_or("*").to_owned();
    let terms = |rule: &Value| {
        let mut terms = rule.as_object().cloned().unwrap_or_default();
        for word in ["cluster", "alias"] {
            terms.remove(word);
        }
        // What is the default is as good as nothing.
        terms.retain(|_, value| !value.is_null() && value != "Active");
        terms
    };
    let for_all = rules.iter().find(|rule| cluster(rule) == "*").map(terms);
    let mut findings = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let at = format!("/spec/providers/{index}");
        let alias = rule.get("alias").and_then(Value::as_str);
        let first = rules
            .iter()
            .take(index)
            .position(|earlier| alias.is_some() && earlier.get("alias").and_then(Value::as_str) == alias);
        if let (Some(alias), Some(first)) = (alias, first) {
            let message =
                format!("`{alias}` is the alias of entry [{first}] too: nobody can tell the two apart by it");
            findings.push(Finding::new(Level::Warning, "Duplicate", format!("{at}/alias"), message));
        }
        if cluster(rule) == "*" && rules.len() == 1 && terms(rule).is_empty() {
            let message = "it says that everybody may offer, as no list at all does";
            findings.push(Finding::new(Level::Advice, "Redundant", at, message));
        } else if cluster(rule) != "*" && alias.is_none() && for_all == Some(terms(rule)) {
            let message = "it says the same as the entry for `*`";
            findings.push(Finding::new(Level::Advice, "Shadowed", at, message));
        }
    }
    findings
}
