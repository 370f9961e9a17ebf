//! Finding the best offer and the next best, looking closely at as few as possible.
//!
//! What decides between offers is known for most of them before their filters are asked: priority, specificity and
//! cost; and among equals a number that costs a nanosecond. So whoever could not win is not asked, and of thousands of
//! equal offers some ten are.

use std::cell::{Cell, OnceCell};
use std::cmp::Ordering;
use std::sync::Arc;

use super::entry::Entry;
use super::posting::{Filed, Run};
use crate::matching::OrderFacts;
use crate::offer::{OrderView, Reading};
use crate::selection::rendezvous::{APART, Draw, OfferSeed, OrderSeed};
use crate::selection::{Choice, Chosen, DecidedBy, Standing};

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

/// The best two so far.
#[derive(Default)]
pub(super) struct Podium<'i> {
    best: Option<Contestant<'i>>,
    next: Option<Contestant<'i>>,
    /// The run that was considered last, and the two greatest numbers in it: a run may go on in the next chunk.
    run: Option<(Run, [u64; 2])>,
}

struct Contestant<'i> {
    entry: &'i Arc<Entry>,
    seed: OfferSeed,
    standing: Standing,
    draw: Cell<Option<Draw>>,
}

impl<'i> Podium<'i> {
    /// Whether an offer of this standing cannot be among the best two.
    pub(super) fn is_beyond(&self, standing: &Standing) -> bool {
        self.next.as_ref().is_some_and(|next| *standing > next.standing)
    }

    /// Lets one offer compete.
    pub(super) fn consider(&mut self, filed: &'i Filed, question: &Question<'_>) {
        if self.next.is_some() && self.is_beyond(&filed.entry.standing()) {
            return;
        }
        if let Some(specificity) = filed.entry.check(question) {
            self.place(filed, Standing { specificity, ..filed.entry.standing() }, question);
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
        // Of equal weights the two greatest numbers win: whoever draws less than both need not be asked.
        let mut greatest =
            self.run.filter(|(last, _)| last.is_like(run)).map_or([0, 0], |(_, greatest)| greatest);
        let order = question.seed();
        let mut floor = greatest[1].saturating_sub(APART);
        for filed in filed {
            let number = order.number(filed.seed);
            if number < floor || filed.entry.check(question).is_none() {
                continue;
            }
            self.place(filed, run.standing, question);
            let [first, second] = greatest;
            greatest = if number > first { [number, first] } else { [first, second.max(number)] };
            floor = greatest[1].saturating_sub(APART);
        }
        self.run = Some((*run, greatest));
    }

    fn place(&mut self, filed: &'i Filed, standing: Standing, question: &Question<'_>) {
        let new = Contestant { entry: &filed.entry, seed: filed.seed, standing, draw: Cell::new(None) };
        // Texts whose hashes collide may lead to the same offer twice.
        let is_new = |other: &Contestant<'_>| Arc::ptr_eq(other.entry, new.entry);
        if self.best.as_ref().is_some_and(is_new) || self.next.as_ref().is_some_and(is_new) {
            return;
        }
        let goes_before = |other: &Option<Contestant<'_>>| {
            other.as_ref().is_none_or(|other| new.cmp(other, question).is_lt())
        };
        if goes_before(&self.best) {
            self.next = self.best.replace(new);
        } else if goes_before(&self.next) {
            self.next = Some(new);
        }
    }

    /// The choice for an order that keeps no offer.
    pub(super) fn choice(&self) -> Choice {
        let Some(best) = &self.best else { return Choice::None };
        let decided_by =
            self.next.as_ref().map_or(DecidedBy::OnlyOne, |next| best.standing.decided_by(&next.standing));
        Choice::Take(Chosen::new(best.entry.offer().clone(), best.standing, decided_by))
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
        let draw =
            self.draw.get().unwrap_or_else(|| Draw::of(question.seed(), self.seed, self.entry.weight()));
        self.draw.set(Some(draw));
        draw
    }
}
