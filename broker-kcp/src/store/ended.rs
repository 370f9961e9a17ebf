//! Incarnations of objects that are known to be gone.

use std::collections::{BTreeSet, VecDeque};

/// So many are remembered; of older ones the server is asked again, should anybody still name them.
const REMEMBERED: usize = 8192;

/// The uids of objects that were seen to end, the latest of them. A uid never comes back.
#[derive(Debug, Default)]
pub(super) struct Ended {
    uids: BTreeSet<String>,
    order: VecDeque<String>,
}

impl Ended {
    pub(super) fn insert(&mut self, uid: &str) {
        if !self.uids.insert(uid.to_owned()) {
            return;
        }
        self.order.push_back(uid.to_owned());
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.uids.remove(&oldest);
        }
    }

    pub(super) fn contains(&self, uid: &str) -> bool {
        self.uids.contains(uid)
    }

    pub(super) fn clear(&mut self) {
        self.uids.clear();
        self.order.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_remembered() {
        let mut ended = Ended::default();
        for uid in 0..=REMEMBERED {
            ended.insert(&uid.to_string());
            ended.insert(&uid.to_string());
        }
        assert!(!ended.contains("0"));
        assert!(ended.contains("1") && ended.contains(&REMEMBERED.to_string()));
        ended.clear();
        assert!(!ended.contains("1"));
    }
}
