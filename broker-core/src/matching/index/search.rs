//! Finding the best offer, looking closely at as few as possible.
//!
//! What decides between offers is known for most of them before their filters are asked: priority, specificity and
//! cost; and among equals a number that costs a nanosecond. So whoever could not win is not asked: of a few equal offers
//! mostly one is, and of thousands some ten. Collisions of hashes do no harm: whoever is asked is asked by letters, and
//! an offer that is found twice is still the best.

use std::cmp::Ordering;
use std::sync::Arc;

use super::chunk::{Run, Stretch};
use super::posting::Filed;
use super::question::Question;
use crate::matching::Listing;
use crate::matching::rank::Rank;
use crate::selection::rendezvous::{APART, Draw, OfferSeed, OrderSeed};
use crate::selection::{Choice, Chosen, Standing};

/// The best so far.
pub(super) struct Podium<'i, 'q> {
    question: &'q Question<'q>,
    best: Option<Contestant<'i>>,
    /// The run that was considered last, and the greatest number in it: a run may go on in the next chunk.
    run: Option<(&'i Run, u64)>,
}

struct Contestant<'i> {
    listing: &'i Arc<Listing>,
    /// What it draws.
    number: u64,
    /// How specifically it matches, where that is less than it can.
    less: Option<u32>,
}

impl<'i, 'q> Podium<'i, 'q> {
    pub(super) fn new(question: &'q Question<'q>) -> Self {
        Self { question, best: None, run: None }
    }

    /// Whether an offer of this standing cannot be the best.
    pub(super) fn is_beyond(&self, standing: &Standing) -> bool {
        self.best.as_ref().is_some_and(|best| *standing > best.standing())
    }

    /// What an offer draws.
    pub(super) fn number(&self, seed: OfferSeed) -> u64 {
        self.question.seed().number(seed)
    }

    /// Lets one offer compete, which draws this number.
    #[inline]
    pub(super) fn consider(&mut self, number: u64, listing: &'i Arc<Listing>) {
        let mut new = Contestant { listing, number, less: None };
        // As well as it can match: where even that is not enough, its filters need not be asked.
        if !self.is_beaten_by(&new) {
            return;
        }
        let Some(specificity) = self.question.check(listing) else { return };
        if specificity == listing.rank().standing.specificity {
            self.best = Some(new);
        } else {
            new.less = Some(specificity);
            self.place(new);
        }
    }

    /// Lets offers compete that nothing but their lots tells apart.
    pub(super) fn consider_run(&mut self, run: &'i Run, seeds: &[OfferSeed], listings: Stretch<'i>) {
        if run.class.is_vague {
            for (seed, listing) in seeds.iter().zip(listings.iter()) {
                self.consider(self.number(*seed), listing);
            }
            return;
        }
        // Of equal weights the greatest number wins: whoever draws less than one that passed need not be asked.
        let order = self.question.seed();
        let mut greatest = self.run.filter(|(last, _)| last.is_like(run)).map_or(0, |(_, greatest)| greatest);
        let mut from = 0;
        while let Some(at) = next(order, seeds, from, greatest.saturating_sub(APART)) {
            from = at + 1;
            let (Some(seed), Some(listing)) = (seeds.get(at), listings.get(at)) else { break };
            if self.question.check(listing).is_none() {
                continue;
            }
            let number = order.number(*seed);
            self.place(Contestant { listing, number, less: None });
            greatest = greatest.max(number);
        }
        self.run = Some((run, greatest));
    }

    /// The same where they are few: who draws the greatest number is asked first, and mostly nobody else.
    #[inline(never)]
    pub(super) fn consider_equals(&mut self, filed: &'i [Filed]) {
        let order = self.question.seed();
        let Some(mut first) = filed.first() else { return };
        let (mut greatest, mut second) = (order.number(first.seed), None);
        for filed in filed.iter().skip(1) {
            let number = order.number(filed.seed);
            second = second.max(Some(number.min(greatest)));
            if number > greatest {
                (first, greatest) = (filed, number);
            }
        }
        self.consider(greatest, &first.listing);
        let has_passed = self.best.as_ref().is_some_and(|best| Arc::ptr_eq(best.listing, &first.listing));
        let floor = if has_passed { greatest.saturating_sub(APART) } else { 0 };
        if second.is_some_and(|second| second >= floor) {
            for filed in filed.iter().filter(|filed| !std::ptr::eq(*filed, first)) {
                self.consider(order.number(filed.seed), &filed.listing);
            }
        }
    }

    fn place(&mut self, new: Contestant<'i>) {
        if self.is_beaten_by(&new) {
            self.best = Some(new);
        }
    }

    #[inline]
    fn is_beaten_by(&self, new: &Contestant<'_>) -> bool {
        let Some(best) = &self.best else { return true };
        // By reference where nothing is less: a standing is large.
        let standings = match (new.less, best.less) {
            (None, None) => new.listing.rank().standing.cmp(&best.listing.rank().standing),
            (_, _) => new.standing().cmp(&best.standing()),
        };
        match standings {
            Ordering::Less => true,
            Ordering::Equal => new.draws_before(best, self.question),
            Ordering::Greater => false,
        }
    }

    /// The choice for an order that keeps no offer.
    pub(super) fn choice(&self) -> Choice {
        match self.best.as_ref().and_then(|best| Some((best, best.listing.offer()?))) {
            Some((best, offer)) => Choice::Take(Chosen::new(offer.clone(), best.standing())),
            None => Choice::None,
        }
    }
}

impl Contestant<'_> {
    #[inline]
    fn standing(&self) -> Standing {
        let most = self.listing.rank().standing;
        Standing { specificity: self.less.unwrap_or(most.specificity), ..most }
    }

    /// Whether it goes before another one of the same standing.
    #[inline]
    fn draws_before(&self, other: &Self, question: &Question<'_>) -> bool {
        let (one, two) = (self.listing.rank(), other.listing.rank());
        if one.weight == two.weight && self.number.abs_diff(other.number) >= APART {
            return self.number > other.number;
        }
        let draw = |of: &Rank| Draw::of(question.seed(), of.seed, of.weight);
        draw(one).cmp(&draw(two)).then_with(|| self.listing.id().cmp(other.listing.id())).is_lt()
    }
}

/// The next of these, from one on, that draws a number of so much or more: of thousands, most is done here.
#[inline(never)]
fn next(order: OrderSeed, seeds: &[OfferSeed], from: usize, floor: u64) -> Option<usize> {
    let at = seeds.get(from..)?.iter().position(|seed| order.number(*seed) >= floor)?;
    Some(from + at)
}
