//! Two texts, line by line: what is read as a number is written and read again, and numbers are ordered.
#![no_main]

use broker_core::offer::{Bound, Decimal, Quantity};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|text: &str| {
    let (one, other) = text.split_once('\n').unwrap_or((text, "1"));
    if let (Ok(one), Ok(other)) = (one.parse::<i128>(), other.parse::<i128>())
        && let (Some(a), Some(b)) = (Decimal::new(one, 0), Decimal::new(other, 0))
    {
        assert_eq!(a.cmp(&b), one.cmp(&other));
    }
    if let (Some(one), Some(other)) = (Decimal::parse(one), Decimal::parse(other)) {
        ordered(one, other);
    }
    let read = |text: &str| {
        let quantity = Quantity::parse(text)?;
        assert!(text.bytes().any(|byte| byte.is_ascii_digit()), "{text}");
        let amount = quantity.amount();
        assert_eq!(Decimal::parse(&amount.to_string()), Some(amount), "{text}");
        Some(quantity)
    };
    if let (Some(one), Some(other)) = (read(one), read(other)) {
        ordered(one.amount(), other.amount());
    }
    if let (Some(bound), Some(value)) = (Bound::parse(&Value::from(one)), read(other)) {
        // Below, above or both: never neither, unless the bound has too many digits in the value's unit.
        let comparable = bound.quantity().as_bound_of(value).is_some();
        assert_eq!(bound.is_at_most(value) || bound.is_at_least(value), comparable);
        assert_eq!(bound.to_string(), one);
    }
});

fn ordered(one: Decimal, other: Decimal) {
    assert_eq!(one.cmp(&other), other.cmp(&one).reverse());
    assert_eq!(one == other, one.cmp(&other).is_eq());
    assert_eq!(one.gap(other), other.gap(one));
    assert!(one.gap(other) <= 1000);
    assert!(one.cmp(&Decimal::ZERO).is_lt() == one.is_negative());
    if let (Some(up), Some(up_too)) = (one.shifted(9), other.shifted(9)) {
        assert_eq!(up.cmp(&up_too), one.cmp(&other));
    }
}
