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
    let ranking = Ranking::new(contenders.to_vec(), identity);
    let choice = ranking.choose(None);
    (choice.chosen().unwrap().provider().to_string(), ranking.decided_by(&choice).unwrap())
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
    assert_eq!(kept.id(), held.id());
    let kept = Choice::Keep(kept);
    assert_eq!(Ranking::new(contenders(), "order").decided_by(&kept), Some(DecidedBy::Sticky));
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

#[test]
fn one_more_equal_offer_takes_its_share_from_all_others_alike() {
    for n in [1_u32, 2, 5, 20] {
        let all: Vec<Contender> = (0..=n).map(|n| contender(&format!("provider-{n}"))).collect();
        let (added, before) = all.split_last().unwrap();
        let mut taken: BTreeMap<String, u32> = BTreeMap::new();
        for order in 0..4_000 {
            let identity = format!("order-{order}");
            let (old, new) = (winner(before, &identity).0, winner(&all, &identity).0);
            if new == added.id().cluster.as_str() {
                *taken.entry(old).or_default() += 1;
            } else {
                assert_eq!(old, new, "{identity} moves between others");
            }
        }
        // Five standard deviations of a binomial: of 4,000 below 160, of the part of each below 160 too.
        let moved: u32 = taken.values().sum();
        assert!(moved.abs_diff(4_000 / (n + 1)) < 160, "{n}: {moved}");
        for (from, moved) in taken {
            let share = 4_000 / (n + 1) / n;
            assert!(moved.abs_diff(share) < 20 + 5 * share.isqrt(), "{n}: {moved} from {from}, not {share}");
        }
    }
}

#[test]
fn a_greater_weight_only_attracts_and_a_smaller_only_lets_go() {
    let others: Vec<Contender> = (0..5).map(|n| contender(&format!("provider-{n}"))).collect();
    let with = |weight: u32| {
        let mut all = others.clone();
        all.push(Contender { weight, ..contender("changing") });
        all
    };
    let (light, heavy) = (with(50), with(500));
    let mut attracted = 0;
    for order in 0..2_000 {
        let identity = format!("order-{order}");
        let (before, after) = (winner(&light, &identity).0, winner(&heavy, &identity).0);
        if before != after {
            assert_eq!(after, "changing", "{identity}");
            attracted += 1;
        }
    }
    // From 50 of 550 to 500 of 1,000: nine twenty-seconds of the orders, about 818.
    assert!((700..940).contains(&attracted), "{attracted}");
}

#[test]
fn extreme_weights_are_respected() {
    let all =
        [Contender { weight: 1, ..contender("least") }, Contender { weight: 1000, ..contender("most") }];
    let least = (0..20_000).filter(|order| winner(&all, &format!("order-{order}")).0 == "least").count();
    // A thousand and first part of 20,000 is 20; five standard deviations are 22.
    assert!((1..43).contains(&least), "{least}");
}

/// Names as nobody should write them: empty, long, of any script, nearly equal.
fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => (0_u8..6).prop_map(|name| format!("provider-{name}")),
        1 => proptest::sample::select(vec!["", " ", "ü", "u\u{308}", "🦀", "\u{0}", "a/b", "a", "A"]).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => Just("n".repeat(300)),
    ]
}

fn any_cost() -> impl Strategy<Value = Option<Cost>> {
    let edges = vec![
        "0",
        "1",
        "1.0",
        "1e0",
        "1e-100",
        "1e100",
        "0.10000000000000000000000000000000000001",
        "170141183460469231731687303715884105727",
        "170141183460469231731687303715884105726",
    ];
    prop_oneof![1 => Just(None), 3 => proptest::sample::select(edges).prop_map(cost)]
}

fn any_contender() -> impl Strategy<Value = Contender> {
    let priority = prop_oneof![3 => -1_i32..2, 1 => any::<i32>()];
    let specificity = prop_oneof![3 => 0_u32..3, 1 => any::<u32>()];
    let weight = prop_oneof![3 => 0_u32..4, 1 => any::<u32>()];
    (any_name(), priority, specificity, any_cost(), weight).prop_map(
        |(name, priority, specificity, cost, weight)| Contender {
            priority,
            specificity,
            cost,
            weight,
            ..contender(&name)
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

    #[test]
    fn the_answer_survives_a_restart(
        contenders in proptest::collection::vec(any_contender(), 0..8), identity in any_name(),
    ) {
        // What is recorded of a choice, and what is computed anew from equal facts, are the same.
        let ranking = Ranking::new(contenders.clone(), &identity);
        for (score, contender) in ranking.iter() {
            let text = serde_json::to_string(score).unwrap();
            let restored: Score = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(restored, *score);
            prop_assert_eq!(restored.cmp(score), Ordering::Equal);
            prop_assert_eq!(serde_json::to_string(&contender.score(OrderSeed::of(&identity))).unwrap(), text);
            let id: OfferId = serde_json::from_str(&serde_json::to_string(contender.id()).unwrap()).unwrap();
            prop_assert_eq!(&id, contender.id());
        }
        prop_assert_eq!(Ranking::new(contenders, &identity), ranking);
    }

    #[test]
    fn losing_a_contender_moves_only_what_it_had(
        contenders in proptest::collection::btree_map(any_name(), any_contender(), 1..8),
        identity in any_name(), index in any::<prop::sample::Index>(),
    ) {
        // One contender for each name.
        let all: Vec<Contender> =
            contenders.into_iter().map(|(name, other)| Contender { offer: contender(&name).offer, ..other }).collect();
        let mut fewer = all.clone();
        let lost = fewer.remove(index.index(all.len())).id().clone();
        let before = choose(all.clone(), &identity, None).chosen().unwrap().id().clone();
        let after = choose(fewer.clone(), &identity, None).chosen().map(|chosen| chosen.id().clone());
        if before == lost {
            // What had it goes to the next of the ranking.
            let next = Ranking::new(all, &identity).iter().nth(1).map(|(_, next)| next.id().clone());
            prop_assert_eq!(after, next);
        } else {
            prop_assert_eq!(after, Some(before.clone()));
        }
        // Whoever is held stays, whatever else is there.
        let kept = choose(fewer, &identity, Some(&before));
        prop_assert_eq!(before == lost, !matches!(kept, Choice::Keep(_)));
    }
}
