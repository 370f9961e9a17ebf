//! Which playbook a move follows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Playbook;
use crate::resource::Gvk;

/// Every playbook there is.
#[derive(Clone, Debug, Default)]
pub struct Playbooks {
    by_kinds: BTreeMap<(Gvk, Gvk), Vec<Arc<Playbook>>>,
}

/// Several playbooks fit a move equally well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the playbooks {} fit equally well; make one more specific by fromProviders or toProviders", names.join(", "))]
pub struct Ambiguous {
    /// Their names, in order.
    pub names: Vec<String>,
}

impl Playbooks {
    /// A set; of two of the same name the last counts.
    pub fn new(playbooks: impl IntoIterator<Item = Playbook>) -> Self {
        playbooks.into_iter().map(Arc::new).collect()
    }

    /// The playbook for a move between two kinds, from and to providers that go by these names.
    ///
    /// The most specific wins: one that names providers on both ends before one that does on either, before one that does
    /// on neither.
    ///
    /// # Errors
    /// Where several are equally specific.
    pub fn choose(
        &self,
        from: &Gvk,
        to: &Gvk,
        from_names: &[&str],
        to_names: &[&str],
    ) -> Result<Option<&Arc<Playbook>>, Ambiguous> {
        let named = |providers: &BTreeSet<String>, names: &[&str]| {
            providers.is_empty() || names.iter().any(|name| providers.contains(*name))
        };
        let fits = |playbook: &&Arc<Playbook>| {
            named(&playbook.from_providers, from_names) && named(&playbook.to_providers, to_names)
        };
        let fitting: Vec<&Arc<Playbook>> = self.between(from, to).iter().filter(fits).collect();
        let Some(best) = fitting.iter().map(|playbook| specificity(playbook)).max() else { return Ok(None) };
        let best: Vec<&Arc<Playbook>> =
            fitting.into_iter().filter(|playbook| specificity(playbook) == best).collect();
        match best.as_slice() {
            [one] => Ok(Some(one)),
            several => {
                Err(Ambiguous { names: several.iter().map(|playbook| playbook.name.clone()).collect() })
            }
        }
    }

    /// The playbooks that some move would fit as well as this one, in order.
    pub fn rivals(&self, playbook: &Playbook) -> Vec<&str> {
        let siblings = self.between(&playbook.from, &playbook.to);
        let is_rival =
            |other: &&Arc<Playbook>| other.name != playbook.name && are_rivals(playbook, other, siblings);
        siblings.iter().filter(is_rival).map(|other| other.name.as_str()).collect()
    }

    /// Every pair that some move would fit equally well, by name.
    pub fn conflicts(&self) -> Vec<(&str, &str)> {
        let all = self.by_kinds.values().flatten();
        all.flat_map(|playbook| {
            let rivals = self.rivals(playbook).into_iter().filter(|other| *other > playbook.name.as_str());
            rivals.map(|other| (playbook.name.as_str(), other)).collect::<Vec<_>>()
        })
        .collect()
    }

    /// All of them, by kinds and name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Playbook>> {
        self.by_kinds.values().flatten()
    }

    fn between(&self, from: &Gvk, to: &Gvk) -> &[Arc<Playbook>] {
        self.by_kinds.get(&(from.clone(), to.clone())).map_or(&[], Vec::as_slice)
    }
}

impl FromIterator<Arc<Playbook>> for Playbooks {
    fn from_iter<I: IntoIterator<Item = Arc<Playbook>>>(playbooks: I) -> Self {
        let named: BTreeMap<String, Arc<Playbook>> =
            playbooks.into_iter().map(|playbook| (playbook.name.clone(), playbook)).collect();
        let mut by_kinds: BTreeMap<(Gvk, Gvk), Vec<Arc<Playbook>>> = BTreeMap::new();
        for playbook in named.into_values() {
            by_kinds.entry((playbook.from.clone(), playbook.to.clone())).or_default().push(playbook);
        }
        Self { by_kinds }
    }
}

/// On how many ends it names providers.
fn specificity(playbook: &Playbook) -> usize {
    usize::from(!playbook.from_providers.is_empty()) + usize::from(!playbook.to_providers.is_empty())
}

/// Whether some move fits both, and none of the others is more specific for all such moves. Providers that are named
/// differently are taken for different ones; where they are not, [`Playbooks::choose`] tells.
fn are_rivals(one: &Playbook, other: &Playbook, siblings: &[Arc<Playbook>]) -> bool {
    if specificity(one) != specificity(other) {
        return false;
    }
    let (Some(from), Some(to)) =
        (common(&one.from_providers, &other.from_providers), common(&one.to_providers, &other.to_providers))
    else {
        return false;
    };
    let settles = |third: &Arc<Playbook>| {
        let covers = |names: &BTreeSet<&String>, all: &BTreeSet<String>| {
            all.is_empty() || (!names.is_empty() && names.iter().all(|name| all.contains(*name)))
        };
        specificity(third) > specificity(one)
            && covers(&from, &third.from_providers)
            && covers(&to, &third.to_providers)
    };
    !siblings.iter().any(settles)
}

/// The providers that both speak of; empty for all there are. `None` where there are none.
fn common<'p>(one: &'p BTreeSet<String>, other: &'p BTreeSet<String>) -> Option<BTreeSet<&'p String>> {
    match (one.is_empty(), other.is_empty()) {
        (true, _) => Some(other.iter().collect()),
        (_, true) => Some(one.iter().collect()),
        (false, false) => {
            Some(one.intersection(other).collect()).filter(|both: &BTreeSet<_>| !both.is_empty())
        }
    }
}
