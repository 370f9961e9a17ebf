//! What holds for all offers and orders.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::option;
use proptest::prelude::*;
use proptest::strategy::ValueTree;

use crate::matching::*;
use crate::offer::{Decimal, Offer, OfferId, OfferSpec, OrderView, Quantity};
use crate::resource::Object;
use crate::selection::Choice;
use crate::testing::{
    CANARY, CANARY_NUMBER, api, field_value, filter_spec, offer_spec, offers, order, policies, quantity_text,
};

fn ask(policies: &Policies, offers: &[Offered], order: &Object, current: Option<&OfferId>) -> Routing {
    ask_without(policies, offers, order, current, &BTreeSet::new())
}

fn ask_without(
    policies: &Policies,
    offers: &[Offered],
    order: &Object,
    current: Option<&OfferId>,
    excluded: &BTreeSet<OfferId>,
) -> Routing {
    route(&OfferSet::new(policies, offers.to_vec()), order, &api(), "uid-of-the-order", current, excluded)
}

fn chosen(routing: &Routing) -> Option<OfferId> {
    routing.best().map(|chosen| chosen.id().clone())
}

proptest! {
    #[test]
    fn the_answer_does_not_depend_on_the_order_of_offers(
        (offers, shuffled) in offers(6).prop_flat_map(|offers| (Just(offers.clone()), Just(offers).prop_shuffle())),
        policies in policies(), order in order(),
    ) {
        prop_assert_eq!(ask(&policies, &offers, &order, None), ask(&policies, &shuffled, &order, None));
        let matcher = ScanMatcher::new(Arc::new(OfferSet::new(&policies, shuffled)));
        let api = api();
        let facts = OrderFacts::new(&order, &api, "uid-of-the-order");
        prop_assert_eq!(matcher.match_order(&facts), ask(&policies, &offers, &order, None));
    }

    #[test]
    fn the_choice_alone_is_the_choice_with_reasons(
        offers in offers(6), policies in policies(), order in order(), index in option::of(any::<prop::sample::Index>()),
        mask in any::<u8>(),
    ) {
        let ids: Vec<OfferId> = offers.iter().map(|offer| offer.id.clone()).collect();
        let current = index.filter(|_| !ids.is_empty()).map(|index| index.get(&ids));
        let excluded: BTreeSet<OfferId> =
            ids.iter().enumerate().filter(|(index, _)| mask & (1 << index) != 0).map(|(_, id)| id.clone()).collect();
        let matcher = ScanMatcher::new(Arc::new(OfferSet::new(&policies, offers)));
        let api = api();
        let facts = OrderFacts { current, excluded: &excluded, ..OrderFacts::new(&order, &api, "uid") };
        prop_assert_eq!(matcher.choose_offer(&facts), matcher.match_order(&facts).choice);
    }

    #[test]
    fn offers_that_come_or_go_move_only_what_they_must(
        offers in offers(6), policies in policies(), order in order(), index in any::<prop::sample::Index>(),
    ) {
        if offers.is_empty() {
            return Ok(());
        }
        let all = chosen(&ask(&policies, &offers, &order, None));
        let mut fewer = offers.clone();
        let removed = fewer.remove(index.index(offers.len())).id;
        let without = chosen(&ask(&policies, &fewer, &order, None));
        if all.as_ref() != Some(&removed) {
            prop_assert_eq!(all, without);
        }
    }

    #[test]
    fn an_assigned_order_stays_exactly_while_its_offer_is_feasible_for_it(
        offers in offers(6), policies in policies(), order in order(), index in any::<prop::sample::Index>(),
    ) {
        if offers.is_empty() {
            return Ok(());
        }
        let current = offers[index.index(offers.len())].id.clone();
        let routing = ask(&policies, &offers, &order, Some(&current));
        let kept = matches!(&routing.choice, Choice::Keep(chosen) if *chosen.id() == current);
        prop_assert_eq!(kept, routing.current_is_feasible());
        // Who would be taken anew may be kept.
        if chosen(&ask(&policies, &offers, &order, None)).as_ref() == Some(&current) {
            prop_assert!(kept);
        }
    }

    #[test]
    fn excluded_offers_are_never_chosen_and_the_others_as_if_they_were_gone(
        offers in offers(6), policies in policies(), order in order(), mask in any::<u8>(),
    ) {
        let (excluded, rest): (Vec<_>, Vec<_>) =
            offers.iter().cloned().enumerate().partition(|(index, _)| mask & (1 << index) != 0);
        let excluded: BTreeSet<OfferId> = excluded.into_iter().map(|(_, offer)| offer.id).collect();
        let rest: Vec<Offered> = rest.into_iter().map(|(_, offer)| offer).collect();
        let routing = ask_without(&policies, &offers, &order, None, &excluded);
        prop_assert_eq!(chosen(&routing), chosen(&ask(&policies, &rest, &order, None)));
    }

    #[test]
    fn explanations_are_whole_and_bounded(offers in offers(14), policies in policies(), order in order()) {
        let routing = ask(&policies, &offers, &order, None);
        let explanation = &routing.explanation;
        prop_assert!(explanation.nearest.len() <= NEAREST);
        prop_assert_eq!(explanation.considered, explanation.nearest.len() + explanation.others.values().sum::<usize>());
        prop_assert!(explanation.nearest.iter().all(|candidate| candidate.message.chars().count() <= 401));
        let best = explanation.nearest.first().filter(|c| c.verdict == CandidateVerdict::Chosen);
        prop_assert_eq!(best.map(|candidate| candidate.offer.clone()), chosen(&routing));
        prop_assert_eq!(routing.consumer_message.is_empty(), routing.best().is_some());
    }

    #[test]
    fn consumers_read_nothing_of_others(offers in offers(8), policies in policies(), order in order()) {
        let message = ask(&policies, &offers, &order, None).consumer_message;
        prop_assert!(message.len() <= CONSUMER_MESSAGE_MAX);
        prop_assert!(!message.contains(CANARY) && !message.contains(CANARY_NUMBER), "{}", message);
    }

    #[test]
    fn an_offer_matches_exactly_where_nothing_is_missed(spec in offer_spec(), order in order()) {
        if let Ok(offer) = Offer::parse(OfferId::new("p", "n", "o"), &spec) {
            let view = OrderView::new(&order);
            prop_assert_eq!(offer.matches(&view).is_some(), offer.misses(&view).is_empty());
            prop_assert!(offer.misses(&view).iter().all(|miss| miss.distance <= 1000));
        }
    }

    #[test]
    fn one_more_filter_never_makes_an_offer_match_more(
        spec in offer_spec(), filter in filter_spec(), order in order(),
    ) {
        let stricter = OfferSpec { filters: spec.filters.iter().cloned().chain([filter]).collect(), ..spec.clone() };
        let id = || OfferId::new("p", "n", "o");
        if let (Ok(one), Ok(more)) = (Offer::parse(id(), &spec), Offer::parse(id(), &stricter)) {
            let view = OrderView::new(&order);
            prop_assert!(more.matches(&view).is_none() || one.matches(&view).is_some());
        }
    }

    #[test]
    fn whatever_is_written_is_parsed_or_refused(
        key in "\\PC{0,20}", texts in prop::collection::vec("\\PC{0,8}", 0..3), bound in field_value(), weight in any::<i64>(),
        cost in field_value(), expression in "\\PC{0,30}", order in order(),
    ) {
        let spec = serde_json::json!({
            "gvr": {"resource": key, "group": key},
            "weight": weight, "priority": weight, "cost": cost, "capacity": {"orders": weight},
            "filters": [
                {"key": key, "valueIn": texts, "notIn": texts},
                {"key": "a", "prefix": key, "suffix": expression, "boundary": {"min": bound, "max": bound}},
                {"key": key, "boundary": {"max": bound}, "optional": true},
                {"expression": expression},
            ],
        });
        let spec: OfferSpec = serde_json::from_value(spec).unwrap();
        for count in 0..=spec.filters.len() {
            let part = OfferSpec { filters: spec.filters[..count].to_vec(), ..spec.clone() };
            match Offer::parse(OfferId::new("p", "n", "o"), &part) {
                Ok(offer) => {
                    let view = OrderView::new(&order);
                    prop_assert_eq!(offer.matches(&view).is_some(), offer.misses(&view).is_empty());
                }
                Err(invalid) => prop_assert!(!invalid.is_empty()),
            }
        }
    }

    #[test]
    fn any_text_is_a_quantity_or_not(text in "\\PC{0,24}", soup in "[-+0-9.eEkMGTPimunKx ]{0,48}") {
        for text in [text, soup] {
            if let Some(quantity) = Quantity::parse(&text) {
                prop_assert!(text.bytes().any(|byte| byte.is_ascii_digit()));
                // The canonical text means the same.
                if let Some(again) = Decimal::parse(&quantity.to_string()) {
                    prop_assert_eq!(again, quantity.amount());
                }
            }
        }
    }

    #[test]
    fn decimals_order_as_the_numbers_they_stand_for(
        a in any::<i64>(), b in any::<i64>(), up in 0_i32..18, down in 0_i32..18,
    ) {
        // a × 10^up against b × 10^-down, compared as whole numbers times 10^-down.
        let one = i128::from(a).checked_mul(10_i128.pow(u32::try_from(up).unwrap()));
        let one = one.and_then(|one| one.checked_mul(10_i128.pow(u32::try_from(down).unwrap())));
        let decimal = |mantissa: i64, exponent| Decimal::new(i128::from(mantissa), exponent).unwrap();
        let (left, right) = (decimal(a, up), decimal(b, -down));
        if let Some(one) = one {
            prop_assert_eq!(left.cmp(&right), one.cmp(&i128::from(b)));
        }
        prop_assert_eq!(left.cmp(&right), right.cmp(&left).reverse());
        prop_assert_eq!(left == right, left.cmp(&right).is_eq());
        prop_assert_eq!(Decimal::parse(&left.to_string()), Some(left));
        prop_assert!(left.gap(right) <= 1000 && left.gap(right) == right.gap(left));
    }

    #[test]
    fn generated_quantities_are_quantities(text in quantity_text()) {
        prop_assert!(Quantity::parse(&text).is_some(), "{}", text);
    }
}

#[test]
fn the_generators_reach_every_kind_of_answer() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut taken, mut refused) = (0, 0);
    let strategy = (offers(6), policies(), order());
    for _ in 0..500 {
        let (offers, policies, order) = strategy.new_tree(&mut runner).unwrap().current();
        if ask(&policies, &offers, &order, None).best().is_some() {
            taken += 1;
        } else {
            refused += 1;
        }
    }
    assert!(taken > 100 && refused > 100, "{taken} taken, {refused} refused");
}
