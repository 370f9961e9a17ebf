//! Plans as text, and smaller ones.

use std::num::NonZeroU32;
use std::time::Duration;

use broker_testkit::fault::{Fault, Harm, Plan, Point, Series};
use proptest::prelude::*;

/// Durations as people type them, and any others.
fn span() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0u64..10_000).prop_map(Duration::from_millis),
        (0u64..100_000).prop_map(Duration::from_secs),
        (any::<u64>(), 0u32..1_000_000_000).prop_map(|(secs, nanos)| Duration::new(secs, nanos)),
    ]
}

fn count() -> impl Strategy<Value = NonZeroU32> {
    prop_oneof![1u32..50, 1u32..=u32::MAX].prop_map(|n| NonZeroU32::new(n).unwrap())
}

fn point() -> impl Strategy<Value = Point> {
    prop_oneof![
        (prop::sample::select(Series::ALL.to_vec()), count()).prop_map(|(series, n)| Point::Nth(series, n)),
        span().prop_map(Point::Moment),
    ]
}

fn harm() -> impl Strategy<Value = Harm> {
    let usual: Vec<Harm> = Harm::OF_TRANSPORT.iter().chain(Harm::OF_WORLD).copied().collect();
    (prop::sample::select(usual), span(), count()).prop_map(|(harm, span, count)| match harm {
        Harm::TooMany(_) => Harm::TooMany(span),
        Harm::Slow(_) => Harm::Slow(span),
        Harm::Delay(_) => Harm::Delay(span),
        Harm::Away(_) => Harm::Away(span),
        Harm::Unauthorized(_) => Harm::Unauthorized((count.get() > 9).then_some(span)),
        Harm::Forward(_) => Harm::Forward(span),
        Harm::Back(_) => Harm::Back(span),
        Harm::SliceLost(_) => Harm::SliceLost(span),
        Harm::Repeat(_) => Harm::Repeat(count),
        Harm::Stale(_) => Harm::Stale(count),
        other => other,
    })
}

fn fault() -> impl Strategy<Value = Fault> {
    (point(), harm()).prop_filter_map("it cannot happen there", |(at, harm)| Fault::new(at, harm).ok())
}

fn plan() -> impl Strategy<Value = Plan> {
    prop::collection::vec(fault(), 0..7).prop_map(|faults| faults.into_iter().collect())
}

/// How bad a harm is, by an order of the test's own.
fn weight(harm: Harm) -> u32 {
    let words = [
        "end",
        "slow",
        "delay",
        "repeat",
        "stale",
        "forward",
        "back",
        "no-url",
        "new-url",
        "503",
        "500",
        "504",
        "conflict",
        "too-many",
        "401",
        "410",
        "cut",
        "stall",
        "unreachable",
        "away",
        "silence",
        "lost",
        "503-after",
        "500-after",
        "504-after",
        "silence-after",
        "crash-before",
        "crash-after",
    ];
    u32::try_from(words.iter().position(|word| *word == harm.word()).unwrap()).unwrap()
}

/// Faults, weights, points, parameters: what gets smaller, in this order of importance.
fn size(plan: &Plan) -> (usize, u32, u128, u128) {
    let ordinal = |fault: Fault| match fault.at() {
        Point::Nth(_, n) => u128::from(n.get()),
        Point::Moment(after) => after.as_nanos(),
    };
    let parameter = |fault: Fault| match fault.harm() {
        Harm::TooMany(span)
        | Harm::Slow(span)
        | Harm::Delay(span)
        | Harm::Away(span)
        | Harm::Forward(span)
        | Harm::Back(span)
        | Harm::SliceLost(span) => span.as_nanos(),
        Harm::Unauthorized(span) => span.map_or(0, |span| span.as_nanos()),
        Harm::Repeat(count) | Harm::Stale(count) => u128::from(count.get()),
        _ => 0,
    };
    let weights = plan.faults().map(|fault| weight(fault.harm())).sum();
    (plan.len(), weights, plan.faults().map(ordinal).sum(), plan.faults().map(parameter).sum())
}

proptest! {
    #[test]
    fn a_plan_is_its_text(plan in plan()) {
        let text = plan.to_string();
        prop_assert_eq!(text.parse::<Plan>().unwrap(), plan.clone());
        let json = serde_json::to_value(&plan).unwrap();
        prop_assert_eq!(json.as_str().unwrap(), text);
        prop_assert_eq!(serde_json::from_value::<Plan>(json).unwrap(), plan);
    }

    #[test]
    fn shrinking_makes_smaller(plan in plan()) {
        for smaller in plan.shrink() {
            prop_assert!(size(&smaller) < size(&plan), "{smaller} is not smaller than {plan}");
        }
    }

    #[test]
    fn shrinking_ends(plan in plan(), choices in prop::collection::vec(any::<prop::sample::Index>(), 1..20)) {
        // Numbers go down by one in the worst case, so they must not begin at billions.
        prop_assume!(size(&plan).2.max(size(&plan).3) < 100_000_000_000_000);
        let mut plan = plan;
        let mut steps = 0;
        loop {
            let smaller = plan.shrink();
            if smaller.is_empty() {
                break;
            }
            // The boldest step as often as any: who looks for the smallest takes the first that still breaks.
            let choice = &choices[steps % choices.len()];
            plan = smaller[if steps % 2 == 0 { 0 } else { choice.index(smaller.len()) }].clone();
            steps += 1;
            prop_assert!(steps < 10_000, "it goes on with {plan}");
        }
        prop_assert!(plan.is_empty());
    }
}

#[test]
fn a_shrinker_finds_the_one_fault_that_matters() {
    let breaks = |plan: &Plan| {
        plan.faults().any(|fault| {
            matches!(fault.at(), Point::Nth(Series::Write, n) if n.get() >= 3)
                && matches!(fault.harm(), Harm::Lost | Harm::CrashAfter)
        })
    };
    let mut plan: Plan = "r8!503,l2!stale(7),w9!crash-after,e4!repeat(6),t90s!away(5m)".parse().unwrap();
    while let Some(smaller) = plan.shrink().into_iter().find(|plan| breaks(plan)) {
        plan = smaller;
    }
    assert_eq!(plan.to_string(), "w3!lost");
}

#[test]
fn people_may_type_spaces_and_get_a_normal_form() {
    let plan: Plan = " w9!crash-after , r31!too-many(2000ms),e4!cut,w9!crash-after".parse().unwrap();
    assert_eq!(plan.to_string(), "r31!too-many(2s),w9!crash-after,e4!cut");
    for nothing in ["", " none "] {
        assert_eq!(nothing.parse::<Plan>().unwrap(), Plan::none());
    }
    assert_eq!(Plan::none().to_string(), "none");
}

#[test]
fn what_is_no_plan_is_told_with_what_would_be_one() {
    let message = |text: &str| text.parse::<Plan>().unwrap_err().to_string();
    assert!(message("w9").contains("w9!crash-after"));
    for no_point in
        ["w0!lost", "x1!lost", "w+1!lost", "w!lost", "t5!new-url", "t-5s!new-url", "!lost", "é!lost"]
    {
        assert!(message(no_point).contains("is no point; a point is"), "{no_point}");
    }
    for no_harm in
        ["w1!lots", "w1!lost(2s)", "w1!delay", "w1!delay(2)", "e1!repeat(0)", "e1!repeat(2s)", "w1!401()"]
    {
        let message = message(no_harm);
        assert!(
            message.contains("is no harm; there are crash-before") && message.contains("503-after"),
            "{no_harm}"
        );
    }
    assert_eq!(message("e1!conflict"), "conflict cannot happen at e1; it can at r, w, l, s");
    assert!(message("t1s!401").contains("cannot happen at t1s") && "t1s!401(1s)".parse::<Plan>().is_ok());
    assert_eq!(message("t1s!stale(1)"), "stale(1) cannot happen at t1s; it can at l");
}
