//! Finding the best offer, looking closely at as few as possible.
//!
//! What decides between offers is known for most of them before their filters are asked: priority, specificity and
//! cost; and among equals a number that costs a nanosecond. So whoever could not win is not asked, and of thousands of
//! equal offers some ten are. Collisions of hashes do no harm: an offer that is found twice is still the best.

use std::cmp::Ordering;
use std::sync::Arc;

use super::posting::Run;
use super::question::Question;
use crate::matching::Listing;
use crate::selection::rendezvous::{APART, Draw, OfferSeed};
use crate::selection::{Choice, Chosen, Standing};

/// The best so far.
#[derive(Default)]
pub(super) struct Podium<'i> {
    best: Option<Contestant<'i>>,
    /// The run that was considered last, and the greatest number in it: a run may go on in the next chunk.
    run: Option<(Run, u64)>,
}

struct Contestant<'i> {
    listing: &'i Arc<Listing>,
    seed: OfferSeed,
    weight: u32,
    standing: Standing,
}

impl<'i> Podium<'i> {
    /// Whether an offer of this standing cannot be the best.
    pub(super) fn is_beyond(&self, standing: &Standing) -> bool {
        self.best.as_ref().is_some_and(|best| *standing > best.standing)
    }

    /// Lets one offer compete.
    pub(super) fn consider(&mut self, seed: OfferSeed, listing: &'i Arc<Listing>, question: &Question<'_>) {
        let rank = listing.rank();
        let mut new = Contestant { listing, seed, weight: rank.weight, standing: rank.standing };
        // As well as it can match: where even that is not enough, its filters need not be asked.
        if !self.is_beaten_by(&new, question) {
            return;
        }
        let Some(specificity) = question.check(listing) else { return };
        if specificity == rank.standing.specificity {
            self.best = Some(new);
        } else {
            new.standing.specificity = specificity;
            self.place(new, question);
        }
    }

    /// Lets offers compete that nothing but their lots tells apart.
    pub(super) fn consider_run(
        &mut self,
        run: &Run,
        seeds: &[OfferSeed],
        listings: &'i [Arc<Listing>],
        question: &Question<'_>,
    ) {
        if !run.is_exact {
            for (seed, listing) in seeds.iter().zip(listings) {
                self.consider(*seed, listing, question);
            }
            return;
        }
        // Of equal weights the greatest number wins: whoever draws less than one that passed need not be asked.
        let order = question.seed();
        let mut greatest = self.run.filter(|(last, _)| last.is_like(run)).map_or(0, |(_, greatest)| greatest);
        let mut floor = greatest.saturating_sub(APART);
        for (seed, listing) in seeds.iter().zip(listings) {
            let number = order.number(*seed);
            if number < floor || question.check(listing).is_none() {
                continue;
            }
            let new = Contestant { listing, seed: *seed, weight: run.weight, standing: run.standing };
            self.place(new, question);
            greatest = greatest.max(number);
            floor = greatest.saturating_sub(APART);
        }
        self.run = Some((*run, greatest));
    }

    fn place(&mut self, new: Contestant<'i>, question: &Question<'_>) {
        if self.is_beaten_by(&new, question) {
            self.best = Some(new);
        }
    }

    fn is_beaten_by(&self, new: &Contestant<'_>, question: &Question<'_>) -> bool {
        self.best.as_ref().is_none_or(|best| new.cmp(best, question).is_lt())
    }

    /// The choice for an order that keeps no offer.
    pub(super) fn choice(&self) -> Choice {
        let Some((best, offer)) = self.best.as_ref().and_then(|best| Some((best, best.listing.offer()?)))
        else {
            return Choice::None;
        };
        Choice::Take(Chosen::new(offer.clone(), best.standing))
    }
}

impl Contestant<'_> {
    fn cmp(&self, other: &Self, question: &Question<'_>) -> Ordering {
        self.standing
            .cmp(&other.standing)
            .then_with(|| self.cmp_lots(other, question))
            .then_with(|| self.listing.id().cmp(other.listing.id()))
    }

    fn cmp_lots(&self, other: &Self, question: &Question<'_>) -> Ordering {
        let order = question.seed();
        let (one, two) = (order.number(self.seed), order.number(other.seed));
        if self.weight == other.weight && one.abs_diff(two) >= APART {
            two.cmp(&one)
        } else {
            self.draw(question).cmp(&other.draw(question))
        }
    }

    fn draw(&self, question: &Question<'_>) -> Draw {
        Draw::of(question.seed(), self.seed, self.weight)
    }
}
