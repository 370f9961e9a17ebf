//! When a stage runs, and what follows where it does not say.

use serde::{Deserialize, Serialize};

/// When a stage runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// While the old copy serves and takes writes.
    Initial,
    /// While the old copy is fenced, before the switch.
    Cutover,
    /// After the switch, before the fence is lifted.
    Verify,
    /// Before the old copy is removed.
    Finalize,
}

impl Phase {
    /// Every phase, in the order in which they run.
    pub const ALL: [Self; 4] = [Self::Initial, Self::Cutover, Self::Verify, Self::Finalize];

    /// The text of the field.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Initial => "Initial",
            Self::Cutover => "Cutover",
            Self::Verify => "Verify",
            Self::Finalize => "Finalize",
        }
    }

    /// The phase that a field names.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == text)
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a stage says of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said<'s> {
    pub(super) name: &'s str,
    pub(super) phase: Option<Phase>,
    pub(super) progress: bool,
    pub(super) creates_nothing: bool,
}

/// The name of the stage that is [`Phase::Finalize`] by its name.
pub(super) const FINALIZE: &str = "finalize";

/// The phase of each stage.
///
/// Where none is written: up to and including the first stage with `progress: true` it is [`Phase::Initial`], with no such
/// stage anywhere for all; one named `finalize` is [`Phase::Finalize`]; of the rest the last is [`Phase::Verify`] if it
/// creates nothing (what it waits for can only hold after the switch), all others [`Phase::Cutover`].
pub(super) fn resolve(stages: &[Said<'_>]) -> Vec<Phase> {
    let Some(copied) = stages.iter().position(|stage| stage.progress) else {
        return stages.iter().map(|stage| stage.phase.unwrap_or(Phase::Initial)).collect();
    };
    let is_rest =
        |index: usize, stage: &Said<'_>| stage.phase.is_none() && index > copied && stage.name != FINALIZE;
    let last = stages.iter().enumerate().rposition(|(index, stage)| is_rest(index, stage));
    let phase = |(index, stage): (usize, &Said<'_>)| match stage.phase {
        Some(phase) => phase,
        None if index <= copied => Phase::Initial,
        None if stage.name == FINALIZE => Phase::Finalize,
        None if Some(index) == last && stage.creates_nothing => Phase::Verify,
        None => Phase::Cutover,
    };
    stages.iter().enumerate().map(phase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `name`, `+` for progress, `*` for templates that create something, `=Phase`.
    fn resolved(stages: &str) -> String {
        let said: Vec<Said<'_>> = stages
            .split_whitespace()
            .map(|stage| {
                let (name, phase) =
                    stage.split_once('=').map_or((stage, None), |(n, p)| (n, Phase::from_text(p)));
                let name_only = name.trim_end_matches(['+', '*']);
                Said {
                    name: name_only,
                    phase,
                    progress: name.contains('+'),
                    creates_nothing: !name.contains('*'),
                }
            })
            .collect();
        let letters = resolve(&said).into_iter().filter_map(|phase| phase.as_str().chars().next());
        letters.collect()
    }

    #[test]
    fn phases_follow_from_the_place_in_the_playbook() {
        for (stages, expected) in [
            // The overview's two.
            ("initial-copy*+ cutover", "IV"),
            ("initial-copy+", "I"),
            ("copy cutover", "II"),
            ("copy cutover finalize", "III"),
            ("a copy+ b c", "IICV"),
            ("copy+ a* b*", "ICC"),
            ("copy+ a b* finalize", "ICCF"),
            ("copy+ a* b finalize*", "ICVF"),
            ("copy+ second+ b", "ICV"),
            ("finalize copy+ b", "IIV"),
            ("copy+ a b=Finalize", "IVF"),
            ("copy+ a=Cutover b", "ICV"),
            ("copy+ a=Verify", "IV"),
            ("copy+=Cutover b", "CV"),
            ("a=Cutover b", "CI"),
            ("copy+ finalize", "IF"),
            ("", ""),
        ] {
            assert_eq!(resolved(stages), expected, "{stages}");
        }
    }
}
