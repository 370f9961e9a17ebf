//! Whether a stage may begin, whether it has succeeded or failed, and what it makes.

use std::collections::BTreeMap;
use std::fmt;

use super::scene::Sight;
use super::{Scene, Stage};
use crate::expression::{EvalError, Expression};
use crate::offer::shorten;
use crate::resource::{ConditionStatus, Object};
use crate::template::TemplateError;

/// The answer to a stage's conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// All of them hold.
    Holds,
    /// The first that does not hold yet.
    Waiting(Awaited),
    /// What ends the move.
    Failed(Awaited),
}

/// An expression, and what was found where it looks. Shows nothing of Secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// The expression, or what is awaited besides expressions.
    pub expression: String,
    /// The fields it looks at, with the values found, shortened.
    pub found: Vec<(String, String)>,
    /// Why it has no answer, where that is no missing field.
    pub problem: Option<String>,
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.expression)?;
        let mut found: Vec<String> =
            self.found.iter().map(|(field, value)| format!("{field} is {value}")).collect();
        found.extend(self.problem.clone());
        if found.is_empty() { Ok(()) } else { write!(f, " ({})", found.join(", ")) }
    }
}

impl Stage {
    /// Whether its templates may be applied.
    pub fn check_preconditions(&self, scene: &Scene<'_>) -> Check {
        all_hold(&self.preconditions, &scene.seen_by(self.preconditions.iter()))
    }

    /// Whether it has failed, or succeeded: first its failure conditions and its Jobs, then its success conditions.
    ///
    /// A stage without success conditions succeeds when its objects are there, and its Jobs are complete.
    pub fn check(&self, scene: &Scene<'_>) -> Check {
        let sight = scene.seen_by(self.failure.iter().chain(&self.success));
        for expression in &self.failure {
            if expression.evaluate_bool_in(&sight.scope) == Ok(true) {
                return Check::Failed(awaited(expression, &sight, None));
            }
        }
        if let Some(failed) = self.failed_job(scene) {
            return Check::Failed(failed);
        }
        if self.success.is_empty() {
            return self.is_done(scene);
        }
        all_hold(&self.success, &sight)
    }

    /// The objects it makes, by key, in this namespace; templates that are only comments make none.
    ///
    /// # Errors
    /// Where something is not there yet ([`TemplateError::is_missing`]), or the values make no object.
    pub fn helpers(
        &self,
        scene: &Scene<'_>,
        namespace: &str,
    ) -> Result<Vec<(String, Object)>, TemplateError> {
        let sight = scene.seen_by(self.templates.values().flat_map(|template| template.expressions()));
        let rendering = scene.rendering(&sight);
        let mut made: BTreeMap<(String, String, String), &str> = BTreeMap::new();
        let mut helpers = Vec::new();
        for (key, template) in &self.templates {
            let Some(object) = template.render(&rendering, namespace)? else { continue };
            let gvk = object.gvk();
            let identity = (gvk.api_version(), gvk.kind.clone(), object.name().to_owned());
            if let Some(other) = made.insert(identity, key) {
                return Err(TemplateError::SameObject {
                    template: key.clone(),
                    other: other.to_owned(),
                    kind: gvk.kind,
                    name: object.name().to_owned(),
                });
            }
            helpers.push((key.clone(), object));
        }
        Ok(helpers)
    }

    fn failed_job(&self, scene: &Scene<'_>) -> Option<Awaited> {
        self.jobs(scene).find_map(|(key, job)| {
            let failed = job.condition("Failed").filter(|failed| failed.status == ConditionStatus::True)?;
            Some(Awaited {
                expression: format!("Job {} of template {key}", shorten(job.name(), 64)),
                found: vec![("condition Failed".to_owned(), "True".to_owned())],
                problem: Some(shorten(format!("{} {}", failed.reason, failed.message).trim(), 200))
                    .filter(|problem| !problem.is_empty()),
            })
        })
    }

    /// Without success conditions.
    fn is_done(&self, scene: &Scene<'_>) -> Check {
        let awaited = |what: String, field: &str, value: &str| {
            Check::Waiting(Awaited {
                expression: what,
                found: vec![(field.to_owned(), value.to_owned())],
                problem: None,
            })
        };
        for (key, template) in &self.templates {
            if !template.creates_nothing() && !scene.helpers.contains_key(key) {
                return awaited(format!("the object of template {key}"), "it", "not there");
            }
        }
        for (key, job) in self.jobs(scene) {
            let complete = job.condition("Complete").map(|complete| complete.status);
            if complete != Some(ConditionStatus::True) {
                let what = format!("Job {} of template {key}", shorten(job.name(), 64));
                let found = complete.map_or("not there", ConditionStatus::as_str);
                return awaited(what, "condition Complete", found);
            }
        }
        Check::Holds
    }

    fn jobs<'s>(&'s self, scene: &Scene<'s>) -> impl Iterator<Item = (&'s str, &'s Object)> {
        let helpers = scene.helpers;
        self.templates.keys().filter_map(move |key| {
            let object = helpers.get(key)?;
            let gvk = object.gvk();
            (gvk.group == "batch" && gvk.kind == "Job").then_some((key.as_str(), object.as_ref()))
        })
    }
}

fn all_hold(expressions: &[Expression], sight: &Sight) -> Check {
    for expression in expressions {
        match expression.evaluate_bool_in(&sight.scope) {
            Ok(true) => {}
            Ok(false) => return Check::Waiting(awaited(expression, sight, None)),
            Err(error) => return Check::Waiting(awaited(expression, sight, Some(&error))),
        }
    }
    Check::Holds
}

fn awaited(expression: &Expression, sight: &Sight, error: Option<&EvalError>) -> Awaited {
    let found = sight.found(expression);
    // That a field is not there is told with the fields already.
    let is_told = |error: &EvalError| {
        let missing = matches!(error, EvalError::Missing { .. } | EvalError::Unbound { .. });
        missing && found.iter().any(|(_, value)| value == "not there")
    };
    let problem = error.filter(|error| !is_told(error)).map(ToString::to_string);
    Awaited { expression: shorten(expression.text(), 200), found, problem }
}
