//! When a copy is ready.
//!
//! In this order of preference: the API's own expression; a `Ready` or `Available` condition; `status.ready`;
//! `status.status` or `status.phase` being `Available` or `Ready`. What speaks of an older generation than the copy's
//! says nothing about the copy as it is.
//!
//! Of a copy of a provider's own kind all this is asked of its status in the terms of the order, and where that says
//! nothing of it, the conventions are asked of the status that it has itself.

use super::Policy;
use crate::resource::{Condition, ConditionStatus, Object};
use crate::translate::{OWN_STATUS, is_told};

/// Whether a copy is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It is.
    Ready,
    /// Not known yet, or not for this generation.
    Progressing,
    /// Its provider says that it is not.
    NotReady,
}

/// Whether this copy is ready, as its own status tells.
pub fn readiness(copy: &Object, policy: &Policy) -> Readiness {
    if !is_told(copy) {
        return Readiness::Progressing;
    }
    if let Some(expression) = &policy.ready {
        let mut this = copy.fields().clone();
        this.remove(OWN_STATUS);
        let this = serde_json::Value::Object(this);
        return match expression.evaluate_bool(&[("self", &this)]) {
            Ok(true) => Readiness::Ready,
            Ok(false) => Readiness::NotReady,
            // A field that is not there yet, or a status that makes no sense: not yet.
            Err(_) => Readiness::Progressing,
        };
    }
    let own = || {
        let mut own = copy.clone();
        let status = own.fields_mut().remove(OWN_STATUS)?;
        own.fields_mut().insert("status".to_owned(), status);
        by_convention(&own)
    };
    by_convention(copy).or_else(own).unwrap_or(Readiness::Progressing)
}

/// What the conventions say; `None` where the status says nothing that they know.
fn by_convention(copy: &Object) -> Option<Readiness> {
    if let Some(condition) = copy.condition("Ready").or_else(|| copy.condition("Available")) {
        return Some(of_condition(copy, &condition));
    }
    if let Some(ready) = copy.get(&["status", "ready"]).and_then(serde_json::Value::as_bool) {
        return Some(if is_stale(copy, None) {
            Readiness::Progressing
        } else if ready {
            Readiness::Ready
        } else {
            Readiness::NotReady
        });
    }
    let word = copy.text(&["status", "status"]).or_else(|| copy.text(&["status", "phase"]))?;
    Some(match word {
        "Available" | "Ready" if !is_stale(copy, None) => Readiness::Ready,
        "Failed" if !is_stale(copy, None) => Readiness::NotReady,
        _ => Readiness::Progressing,
    })
}

fn of_condition(copy: &Object, condition: &Condition) -> Readiness {
    if is_stale(copy, condition.observed_generation) {
        return Readiness::Progressing;
    }
    match condition.status {
        ConditionStatus::True => Readiness::Ready,
        ConditionStatus::False => Readiness::NotReady,
        ConditionStatus::Unknown => Readiness::Progressing,
    }
}

/// Whether the status speaks of an older generation; a status that does not say counts as current.
fn is_stale(copy: &Object, observed: Option<i64>) -> bool {
    let observed =
        observed.or_else(|| copy.get(&["status", "observedGeneration"]).and_then(serde_json::Value::as_i64));
    observed.is_some_and(|observed| observed < copy.generation())
}
