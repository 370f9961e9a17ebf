//! Finding the best offer, looking closely at as few as possible.
//!
//! What decides between offers is known for most of them before their filters are asked: priority, specificity and
//! cost; and among equals a number that costs a nanosecond. So whoever could not win is not asked, and of thousands of
//! equal offers some ten are. Collisions of hashes do no harm: an offer that is found twice is still the best.

use std::cell::OnceCell;
use std::cmp::Ordering;
use std::sync::Arc;

use super::entry::Entry;
use super::posting::{Filed, Run};
use crate::matching::OrderFacts;
use crate::offer::{OrderView, Reading};
use crate::selection::rendezvous::{APART, Draw, OfferSeed, OrderSeed};
use crate::selection::{Choice, Chosen, Standing};

/// One order, read once.
pub(super) struct Question<'q> {
    pub(super) order: &'q OrderFacts<'q>,
    pub(super) view: OrderView<'q>,
    pub(super) readings: &'q [Reading<'q>],
    /// Asked for only where lots are drawn.
    seed: OnceCell<OrderSeed>,
}

impl<'q> Question<'q> {
    pub(super) fn new(order: &'q OrderFacts<'q>, readings: &'q [Reading<'q>]) -> Self {
        Self { order, view: OrderView::new(order.object), readings, seed: OnceCell::new() }
    }

    fn seed(&self) -> OrderSeed {
        *self.seed.get_or_init(|| OrderSeed::of(self.order.identity))
    }
}

/// The best so far.
#[derive(Default)]
pub(super) struct Podium<'i> {
    best: Option<Contestant<'i>>,
    /// The run that was considered last, and the greatest number in it: a run may go on in the next chunk.
    run: Option<(Run, u64)>,
}

struct Contestant<'i> {
    entry: &'i Arc<Entry>,
    seed: OfferSeed,
    standing: Standing,
}

impl<'i> Podium<'i> {
    /// Whether an offer of this standing cannot be the best.
    pub(super) fn is_beyond(&self, standing: &Standing) -> bool {
        self.best.as_ref().is_some_and(|best| *standing > best.standing)
    }

    /// Lets one offer compete.
    pub(super) fn consider(&mut self, filed: &'i Filed, question: &Question<'_>) {
        // As well as it can match: where even that is not enough, its filters need not be asked.
        let greatest = Contestant { entry: &filed.entry, seed: filed.seed, standing: filed.entry.standing() };
        if !self.is_beaten_by(&greatest, question) {
            return;
        }
        if let Some(specificity) = filed.entry.check(question) {
            self.place(filed, Standing { specificity, ..greatest.standing }, question);
        }
    }

    /// Lets offers compete that nothing but their lots tells apart.
    pub(super) fn consider_run(&mut self, run: &Run, filed: &'i [Filed], question: &Question<'_>) {
        if !run.exact {
            for filed in filed {
                self.consider(filed, question);
            }
            return;
        }
        // Of equal weights the greatest number wins: whoever draws less than one that passed need not be asked.
        let order = question.seed();
        let mut greatest = self.run.filter(|(last, _)| last.is_like(run)).map_or(0, |(_, greatest)| greatest);
        let mut floor = greatest.saturating_sub(APART);
        for filed in filed {
            let number = order.number(filed.seed);
            if number < floor || filed.entry.check(question).is_none() {
                continue;
            }
            self.place(filed, run.standing, question);
            greatest = greatest.max(number);
            floor = greatest.saturating_sub(APART);
        }
        self.run = Some((*run, greatest));
    }

    fn place(&mut self, filed: &'i Filed, standing: Standing, question: &Question<'_>) {
        let new = Contestant { entry: &filed.entry, seed: filed.seed, standing };
        if self.is_beaten_by(&new, question) {
            self.best = Some(new);
        }
    }

    fn is_beaten_by(&self, new: &Contestant<'_>, question: &Question<'_>) -> bool {
        self.best.as_ref().is_none_or(|best| new.cmp(best, question).is_lt())
    }

    /// The choice for an order that keeps no offer.
    pub(super) fn choice(&self) -> Choice {
        let Some(best) = &self.best else { return Choice::None };
        Choice::Take(Chosen::new(best.entry.offer().clone(), best.standing))
    }
}

impl Contestant<'_> {
    fn cmp(&self, other: &Self, question: &Question<'_>) -> Ordering {
        self.standing
            .cmp(&other.standing)
            .then_with(|| self.cmp_lots(other, question))
            .then_with(|| self.entry.offer().id().cmp(other.entry.offer().id()))
    }

    fn cmp_lots(&self, other: &Self, question: &Question<'_>) -> Ordering {
        let order = question.seed();
        let (one, two) = (order.number(self.seed), order.number(other.seed));
        if self.entry.weight() == other.entry.weight() && one.abs_diff(two) >= APART {
            two.cmp(&one)
        } else {
            self.draw(question).cmp(&other.draw(question))
        }
    }

    fn draw(&self, question: &Question<'_>) -> Draw {
        Draw::of(question.seed(), self.seed, self.entry.weight())
    }
}
