//! Orders are found by an offer exactly where it would serve them.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::matching::OrderIndex;
use crate::offer::{Offer, OfferId, OrderView};
use crate::resource::Object;
use crate::testing::{offer_spec, order};

fn matched(orders: &[(usize, Object)], offer: &Offer) -> Vec<usize> {
    let fits = |(_, order): &&(usize, Object)| offer.matches(&OrderView::new(order)).is_some();
    orders.iter().filter(fits).map(|(key, _)| *key).collect()
}

proptest! {
    #[test]
    fn an_offer_finds_the_orders_that_it_would_serve_and_no_other(
        orders in vec(order(), 0..40), specs in vec(offer_spec(), 1..8), gone in vec(any::<prop::sample::Index>(), 0..8),
        edits in vec((any::<prop::sample::Index>(), order()), 0..8),
    ) {
        let offers: Vec<Offer> =
            specs.iter().filter_map(|spec| Offer::parse(OfferId::new("p", "n", "o"), spec).ok()).collect();
        let mut known: Vec<(usize, Object)> = orders.into_iter().enumerate().collect();
        let mut index = OrderIndex::default();
        for (key, order) in &known {
            index.insert(*key, order.clone().into());
        }
        let compare = |known: &[(usize, Object)], index: &mut OrderIndex<usize>| {
            for offer in &offers {
                assert_eq!(index.matched_by(offer), matched(known, offer));
            }
        };
        compare(&known, &mut index);
        for (which, order) in edits {
            if let Some(at) = (!known.is_empty()).then(|| which.index(known.len())) {
                index.insert(known[at].0, order.clone().into());
                known[at].1 = order;
            }
        }
        compare(&known, &mut index);
        for which in gone {
            if !known.is_empty() {
                let (key, _) = known.remove(which.index(known.len()));
                index.remove(&key);
            }
        }
        prop_assert_eq!(index.len(), known.len());
        compare(&known, &mut index);
    }
}
