//! Numbers, quantities and bounds.

use serde_json::json;

use super::super::*;
use super::matches;

#[test]
fn numbers_and_quantities_are_read_exactly() {
    for (text, amount, unit) in [
        ("0", "0", Unit::Bare),
        ("10", "10", Unit::Bare),
        ("-3", "-3", Unit::Bare),
        ("+3", "3", Unit::Bare),
        ("2.50", "2.5", Unit::Bare),
        (".5", "0.5", Unit::Bare),
        ("5.", "5", Unit::Bare),
        ("1e3", "1000", Unit::Bare),
        ("1E-3", "0.001", Unit::Bare),
        ("500m", "0.5", Unit::Bare),
        ("1u", "0.000001", Unit::Bare),
        ("1n", "0.000000001", Unit::Bare),
        ("1k", "1000", Unit::Decimal),
        ("1M", "1000000", Unit::Decimal),
        ("1.5G", "1500000000", Unit::Decimal),
        ("1T", "1000000000000", Unit::Decimal),
        ("1P", "1000000000000000", Unit::Decimal),
        ("1E", "1000000000000000000", Unit::Decimal),
        // An E alone is a suffix, with digits behind it an exponent, as in Kubernetes.
        ("2E", "2000000000000000000", Unit::Decimal),
        ("1E2", "100", Unit::Bare),
        ("1E+2", "100", Unit::Bare),
        ("1e+02", "100", Unit::Bare),
        ("-1.5E-1", "-0.15", Unit::Bare),
        ("5.E", "5000000000000000000", Unit::Decimal),
        ("-.5E", "-500000000000000000", Unit::Decimal),
        ("-5n", "-0.000000005", Unit::Bare),
        ("1Ki", "1024", Unit::Binary),
        ("1Mi", "1048576", Unit::Binary),
        ("1.5Gi", "1610612736", Unit::Binary),
        ("-1Ti", "-1099511627776", Unit::Binary),
        ("1Pi", "1125899906842624", Unit::Binary),
        ("8Ei", "9223372036854775808", Unit::Binary),
        ("0.0001Ki", "0.1024", Unit::Binary),
        ("00012", "12", Unit::Bare),
        ("170141183460469231731687303715884105727", "170141183460469231731687303715884105727", Unit::Bare),
        ("0.00000000000000000000000000000000000001", "0.00000000000000000000000000000000000001", Unit::Bare),
        ("10000000000000000000000000000000000000000000000000", &format!("1{}", "0".repeat(49)), Unit::Bare),
    ] {
        let quantity = Quantity::parse(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!((quantity.to_string().as_str(), quantity.unit()), (amount, unit), "{text}");
    }
    for text in [
        "",
        " ",
        "-",
        "+",
        ".",
        "e3",
        "1e",
        "1e+",
        "1.2.3",
        "1 ",
        " 1",
        "1_000",
        "0x10",
        "ten",
        "Gi",
        "1gi",
        "1KI",
        "1K",
        "1GiB",
        "1e3Gi",
        "1E3k",
        "1E3E",
        "1EE",
        "1Em",
        "1E-",
        "1iE",
        "1i",
        "1mi",
        "1.2E1.2",
        "E",
        "Ei",
        "-E2",
        ".E",
        "NaN",
        "inf",
        "Infinity",
        "--1",
        "1-",
        "١",
        "1e99999999999",
        "1e101",
        "340282366920938463463374607431768211456",
        "1.0000000000000000000000000000000000000000001",
        "99999999999999999999999999999999999999Ei",
    ] {
        assert_eq!(Quantity::parse(text), None, "{text:?}");
    }
    assert_eq!(Quantity::parse(&"1".repeat(65)), None);
}

#[test]
fn amounts_written_differently_are_equal_and_order_exactly() {
    let amount = |text: &str| Quantity::parse(text).unwrap().amount();
    for (one, other) in
        [("1Gi", "1024Mi"), ("1G", "1000M"), ("1000m", "1"), ("1e3", "1k"), ("-0", "0"), ("1.10", "1.1")]
    {
        assert_eq!(amount(one), amount(other), "{one} {other}");
    }
    for (less, more) in [
        ("1G", "1Gi"),
        ("-1", "0"),
        ("-2", "-1"),
        ("0.1", "0.10000000000000000000000000001"),
        ("1e-100", "1e100"),
        ("-1e100", "1e-100"),
        ("-1e100", "-1e-100"),
        ("170141183460469231731687303715884105726", "170141183460469231731687303715884105727"),
        ("9007199254740992", "9007199254740993"),
        ("170141183460469231731687303715884105727", "17014118346046923173168730371588410573e1"),
    ] {
        assert!(amount(less) < amount(more), "{less} {more}");
        assert!(amount(more) > amount(less), "{more} {less}");
    }
}

#[test]
fn boundaries_count_as_the_specification_says() {
    for (boundary, value, within) in [
        (json!({"min": 10, "max": 1000}), json!(10), true),
        (json!({"min": 10, "max": 1000}), json!(1000), true),
        (json!({"min": 10, "max": 1000}), json!(9), false),
        (json!({"min": 10, "max": 1000}), json!(1001), false),
        (json!({"min": 10, "max": 1000}), json!("512"), true),
        (json!({"min": 10, "max": 1000}), json!(10.5), true),
        (json!({"min": 10, "max": 1000}), json!(9.999), false),
        // Bare bounds against bytes: the mission's "10-1000 GB".
        (json!({"min": 10, "max": 1000}), json!("100Gi"), true),
        (json!({"min": 10, "max": 1000}), json!("10Gi"), true),
        (json!({"min": 10, "max": 1000}), json!("1000Gi"), true),
        (json!({"min": 10, "max": 1000}), json!("1001Gi"), false),
        (json!({"min": 10, "max": 1000}), json!("1Ti"), false),
        (json!({"min": 10, "max": 1000}), json!("1T"), true),
        (json!({"min": 10, "max": 1000}), json!("9G"), false),
        (json!({"min": 10, "max": 1000}), json!("512Mi"), false),
        (json!({"min": "10Gi"}), json!("10240Mi"), true),
        (json!({"min": "10Gi"}), json!("10G"), false),
        (json!({"min": "10Gi"}), json!(10_737_418_240_i64), true),
        (json!({"min": "10Gi"}), json!(10), false),
        (json!({"max": "2.5"}), json!("2500m"), true),
        (json!({"max": "2.5"}), json!(2.5), true),
        (json!({"max": "2.5"}), json!("2.5000000000000000000000001"), false),
        (json!({"min": -5, "max": -1}), json!(-3), true),
        (json!({"min": -5, "max": -1}), json!(0), false),
        (json!({"min": -5, "max": -1}), json!(-6), false),
        (json!({"min": 0}), json!(-1), false),
        (json!({"min": 0}), json!("0Gi"), true),
        (json!({"max": 0}), json!(1), false),
        (json!({"min": "100m", "max": 2}), json!("500m"), true),
        (json!({"min": 9_007_199_254_740_993_i64}), json!(9_007_199_254_740_992_i64), false),
        (json!({"max": u64::MAX}), json!(u64::MAX), true),
        // A bare bound below zero counts in the value's bytes too; so do bounds on mixed forms.
        (json!({"min": -10}), json!("-5Gi"), true),
        (json!({"min": -10}), json!("-11Gi"), false),
        (json!({"max": -1}), json!("-1024Mi"), true),
        (json!({"min": "1e1", "max": "1E3"}), json!("100Gi"), true),
        (json!({"min": "0.5"}), json!("512Mi"), true),
        (json!({"min": "500m"}), json!("512Mi"), true),
        (json!({"min": 1}), json!("1E"), true),
        (json!({"max": 1}), json!("1E"), false),
        (json!({"min": 10, "max": 10}), json!("1e1"), true),
        (json!({"min": 10, "max": 10}), json!("10.0"), true),
        (json!({"min": 10, "max": 10}), json!(1e1), true),
        (json!({"min": "10", "max": "10k"}), json!("10"), true),
        // One bound with a unit and one without: each counts by its own rule.
        (json!({"min": 1, "max": "1Ti"}), json!("1Gi"), true),
        (json!({"min": 1, "max": "1Ti"}), json!("1023Mi"), false),
        (json!({"min": 1, "max": "1Ti"}), json!("1025Gi"), false),
        (json!({"max": "170141183460469231731687303715884105727"}), json!("1e38"), true),
        (json!({"min": "-170141183460469231731687303715884105728"}), json!("-2e38"), false),
        // A bare bound that has too many digits in the value's unit bounds nothing: closed.
        (json!({"max": "170141183460469231731687303715884105727"}), json!("1Gi"), false),
        (json!({"max": "1e100"}), json!("1G"), false),
        (json!({"min": 1}), json!(true), false),
        (json!({"min": 1}), json!("lots"), false),
        (json!({"min": 1}), json!({"a": 1}), false),
        (json!({"min": 1, "max": 5}), json!([1, 5]), true),
        (json!({"min": 1, "max": 5}), json!([1, 6]), false),
    ] {
        let found = matches(json!({"key": "size", "boundary": boundary}), json!({"spec": {"size": value}}));
        assert_eq!(found.is_some(), within, "{boundary} {value}");
    }
}
