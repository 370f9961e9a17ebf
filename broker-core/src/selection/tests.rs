//! What decides between offers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    clippy::too_many_lines,
    reason = "tests may fail loudly, and tables are long"
)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::offer::{ApiSpec, Decimal, OfferSpec};

fn contender(name: &str) -> Contender {
    let id = OfferId::new(name, "offers", "offer");
    let gvr = ApiSpec { resource: "widgets".to_owned(), ..ApiSpec::default() };
    Contender {
        offer: Arc::new(Offer::parse(id, &OfferSpec::of(gvr)).unwrap()),
        priority: 0,
        specificity: 0,
        cost: None,
        weight: 100,
    }
}

fn cost(text: &str) -> Option<Cost> {
    Decimal::parse(text).and_then(Cost::new)
}

fn winner(contenders: &[Contender], identity: &str) -> (String, DecidedBy) {
    let choice = choose(contenders.to_vec(), identity, None);
    let chosen = choice.chosen().unwrap();
    (chosen.provider().to_string(), chosen.decided_by())
}

#[test]
fn priority_beats_specificity_beats_cost_beats_the_lot() {
    let plain = contender("plain");
    let cheap = Contender { cost: cost("1"), ..contender("cheap") };
    let dear = Contender { cost: cost("1.01"), ..contender("dear") };
    let specific = Contender { specificity: 9, cost: cost("1000"), ..contender("specific") };
    let urgent = Contender { priority: 1, weight: 1, ..contender("urgent") };
    let last = Contender { priority: -1, specificity: 99, cost: cost("0"), ..contender("last") };
    for (contenders, expected) in [
        (vec![plain.clone()], ("plain", DecidedBy::OnlyOne)),
        (vec![last.clone(), urgent, specific.clone(), cheap.clone()], ("urgent", DecidedBy::Priority)),
        (vec![plain.clone(), specific.clone(), cheap.clone()], ("specific", DecidedBy::Specificity)),
        (vec![dear.clone(), cheap.clone(), plain.clone()], ("cheap", DecidedBy::Cost)),
        // A cost that is not stated comes last.
        (vec![dear.clone(), plain.clone()], ("dear", DecidedBy::Cost)),
        (vec![last, plain], ("plain", DecidedBy::Priority)),
    ] {
        let (name, decided_by) = winner(&contenders, "order");
        assert_eq!((name.as_str(), decided_by), expected);
    }
}

#[test]
fn the_assigned_offer_stays_however_much_better_another_is() {
    let held = contender("held");
    let better = Contender { priority: 100, ..contender("better") };
    let contenders = || vec![better.clone(), held.clone()];
    let Choice::Keep(kept) = choose(contenders(), "order", Some(held.id())) else {
        unreachable!("a contending offer is kept")
    };
    assert_eq!((kept.id(), kept.decided_by()), (held.id(), DecidedBy::Sticky));
    let gone = OfferId::new("gone", "", "x");
    assert!(
        matches!(choose(contenders(), "order", Some(&gone)), Choice::Take(chosen) if chosen.id() == better.id())
    );
    assert_eq!(choose([], "order", Some(held.id())), Choice::None);
}

#[test]
fn equal_offers_share_orders_by_weight() {
    let contenders = [
        Contender { weight: 100, ..contender("one") },
        Contender { weight: 300, ..contender("three") },
        Contender { weight: 600, ..contender("six") },
    ];
    let mut shares: BTreeMap<String, u32> = BTreeMap::new();
    for order in 0..10_000 {
        *shares.entry(winner(&contenders, &format!("order-{order}")).0).or_default() += 1;
    }
    // Five standard deviations of a binomial of this size are below 250.
    for (name, expected) in [("one", 1000_u32), ("three", 3000), ("six", 6000)] {
        let share = shares.get(name).copied().unwrap_or_default();
        assert!(share.abs_diff(expected) < 250, "{name}: {share}");
    }
}

#[test]
fn losing_one_of_ten_equal_offers_moves_only_its_own_orders() {
    let all: Vec<Contender> = (0..10).map(|n| contender(&format!("provider-{n}"))).collect();
    let mut moved = 0;
    for order in 0..2_000 {
        let identity = format!("order-{order}");
        let before = winner(&all, &identity).0;
        let after = winner(all.split_last().unwrap().1, &identity).0;
        if before == "provider-9" {
            moved += 1;
        } else {
            assert_eq!(before, after, "{identity}");
        }
    }
    assert!((130..270).contains(&moved), "about a tenth of the orders moves: {moved}");
}

fn any_contender() -> impl Strategy<Value = Contender> {
    (0_u8..6, -1_i32..2, 0_u32..3, proptest::option::of(0_u32..3), 0_u32..4).prop_map(
        |(name, priority, specificity, amount, weight)| Contender {
            priority,
            specificity,
            cost: amount.and_then(|amount| cost(&amount.to_string())),
            weight,
            ..contender(&format!("provider-{name}"))
        },
    )
}

proptest! {
    #[test]
    fn scores_are_totally_ordered(a in any_contender(), b in any_contender(), c in any_contender()) {
        let order = OrderSeed::of("order");
        let (a, b, c) = (a.score(order), b.score(order), c.score(order));
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        prop_assert_eq!(a == b, a.cmp(&b).is_eq());
        if a <= b && b <= c {
            prop_assert!(a <= c);
        }
    }

    #[test]
    fn the_order_in_which_contenders_come_does_not_matter(
        (contenders, shuffled) in proptest::collection::vec(any_contender(), 0..8)
            .prop_flat_map(|contenders| (Just(contenders.clone()), Just(contenders).prop_shuffle())),
    ) {
        let one = choose(contenders, "order", None);
        let other = choose(shuffled, "order", None);
        prop_assert_eq!(one.chosen().map(|c| (c.id(), c.standing())), other.chosen().map(|c| (c.id(), c.standing())));
    }
}
