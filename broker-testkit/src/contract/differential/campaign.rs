//! Many sequences at once, and what came of them.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::broken::Broken;
use super::compare::Disagreement;
use super::operation::Sequence;
use super::pair::{Pair, Played, Stage};

/// Which sequences are played.
#[derive(Debug, Clone, Copy)]
pub struct Campaign {
    /// The seed of the series.
    pub seed: u64,
    /// The number of the first sequence.
    pub from: u64,
    /// How many.
    pub sequences: u64,
    /// How many at once, each in a namespace of its own.
    pub stages: usize,
    /// Whether what servers disagree about is shortened.
    pub shrinks: bool,
}

/// What a campaign tells while it is under way.
#[derive(Debug, Clone, Copy)]
pub enum News<'a> {
    /// So many sequences were played.
    Played(u64),
    /// A sort of disagreement that was not met before, shortened.
    Found(&'a Disagreement),
}

/// What came of a campaign.
#[derive(Debug, Default)]
pub struct Report {
    /// Sequences that were played.
    pub sequences: u64,
    /// Disagreements by their sort: how many, and the first, shortened.
    pub disagreements: BTreeMap<String, (u64, Disagreement)>,
    /// The same, of those that were gone when their sequence was played once more: a server's controllers, which work
    /// beside it, were at another point by then.
    pub fleeting: BTreeMap<String, (u64, Disagreement)>,
    /// Refusals whose words for people were compared, and how many of them had the same.
    pub messages: (u64, u64),
    /// Pairs of words that differ, and how often.
    pub wording: BTreeMap<(String, String), u64>,
}

impl Campaign {
    /// Plays them; `tell` is told how many were played, after each, and each sort of disagreement as it comes.
    ///
    /// # Errors
    /// A server could not be asked.
    pub async fn run(self, pair: &Pair, tell: impl Fn(News<'_>)) -> Result<Report, Broken> {
        let next = AtomicU64::new(0);
        let report = Mutex::new(Report::default());
        let stages = (0..self.stages).map(|index| {
            let (next, report, tell) = (&next, &report, &tell);
            async move {
                let stage = pair.stage(&format!("differential-{index}")).await?;
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= self.sequences {
                        return Ok(());
                    }
                    let sequence = Sequence::draw(self.seed, self.from + number);
                    let told = |broken: Broken| {
                        Broken::new(
                            format!("{} in sequence {}", broken.claim(), self.from + number),
                            broken.seen(),
                        )
                    };
                    let mut played = stage.play(&sequence).await.map_err(told)?;
                    if let Some(found) = played.disagreement.take() {
                        played.disagreement = stage.play(&sequence).await.map_err(told)?.disagreement;
                        if played.disagreement.is_none() {
                            let mut report = lock(report);
                            report.fleeting.entry(found.signature()).or_insert((0, found)).0 += 1;
                        }
                    }
                    if let Some(found) = take(report, &stage, played, self.shrinks).await? {
                        tell(News::Found(&found));
                    }
                    tell(News::Played(lock(report).sequences));
                }
            }
        });
        futures::future::try_join_all(stages).await?;
        Ok(report.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

fn lock(report: &Mutex<Report>) -> std::sync::MutexGuard<'_, Report> {
    report.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes what came of a sequence; gives back a disagreement of a new sort.
async fn take(
    report: &Mutex<Report>,
    stage: &Stage,
    played: Played,
    shrinks: bool,
) -> Result<Option<Disagreement>, Broken> {
    let mut disagreement = played.disagreement;
    {
        let mut report = lock(report);
        report.sequences += 1;
        for (first, second) in played.wording {
            report.messages.0 += 1;
            if first == second {
                report.messages.1 += 1;
            } else {
                *report.wording.entry((first, second)).or_default() += 1;
            }
        }
        if let Some(found) = disagreement.take() {
            match report.disagreements.entry(found.signature()) {
                std::collections::btree_map::Entry::Occupied(mut known) => known.get_mut().0 += 1,
                std::collections::btree_map::Entry::Vacant(place) => {
                    place.insert((1, found.clone()));
                    disagreement = Some(found);
                }
            }
        }
    }
    // Shortening takes a while; whoever finds the same meanwhile counts it.
    let Some(found) = disagreement else { return Ok(None) };
    if !shrinks {
        return Ok(Some(found));
    }
    let signature = found.signature();
    let small = stage.shrink(found).await?;
    if let Some(known) = lock(report).disagreements.get_mut(&signature) {
        known.1 = small.clone();
    }
    Ok(Some(small))
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut sorts: Vec<_> = self.disagreements.iter().collect();
        sorts.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        for (signature, (count, disagreement)) in sorts {
            writeln!(f, "== {count} of: {signature}\n{disagreement}")?;
        }
        for (signature, (count, disagreement)) in &self.fleeting {
            writeln!(f, "== {count} once, and not again, of: {signature}\n{disagreement}")?;
        }
        let mut words: Vec<_> = self.wording.iter().collect();
        words.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for ((first, second), count) in words.into_iter().take(20) {
            writeln!(f, "-- {count} worded\n   {first}\n   {second}")?;
        }
        let total: u64 = self.disagreements.values().map(|(count, _)| count).sum();
        let (messages, same) = self.messages;
        write!(
            f,
            "{} sequences, {total} disagreements of {} sorts; {same} of {messages} messages are the same",
            self.sequences,
            self.disagreements.len(),
        )
    }
}
