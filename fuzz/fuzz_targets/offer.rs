//! A spec and an order, as JSON or line by line: parsing gives an offer or faults with their places, and the offer
//! matches exactly the orders that it does not miss.
//!
//! Line by line, so that small changes of the input are small changes of the offer: the key, then pairs of a criterion's
//! name and its text, and at last the value that the order has under `spec.a`.
#![no_main]

use broker_core::offer::{Offer, OfferId, OrderView};
use broker_core::resource::Object;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

fuzz_target!(|text: &str| {
    let (spec, order) = serde_json::from_str(text).map_or_else(|_| lines(text), whole);
    let id = || OfferId::new("provider", "offers", "offer");
    match Offer::parse_json(id(), &spec) {
        Err(faults) => {
            assert!(!faults.is_empty());
            for fault in faults {
                let message = fault.to_string();
                assert!(!fault.accepted.is_empty() && message.chars().count() < 1500, "{message}");
            }
        }
        Ok(offer) => {
            let Ok(order) = Object::try_from(order) else { return };
            let view = OrderView::new(&order);
            let misses = offer.misses(&view);
            assert_eq!(offer.matches(&view).is_some(), misses.is_empty());
            assert_eq!(misses, offer.misses(&OrderView::new(&order)));
            for miss in misses {
                assert!(miss.distance <= 1000 && miss.to_string().chars().count() < 1000, "{miss}");
            }
            assert_eq!(Offer::parse_json(id(), &spec).as_ref(), Ok(&offer));
        }
    }
});

fn whole(written: Value) -> (Value, Value) {
    let part = |name: &str| written.get(name).cloned().unwrap_or_default();
    (part("spec"), part("order"))
}

fn lines(text: &str) -> (Value, Value) {
    let mut lines: Vec<&str> = text.lines().collect();
    let json_or_text = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
    let value = json_or_text(lines.pop().unwrap_or_default());
    let mut filter = json!({"key": lines.first().copied().unwrap_or_default()});
    for pair in lines.get(1..).unwrap_or_default().chunks(2) {
        let [name, text] = pair else { continue };
        match *name {
            "valueIn" | "notIn" => filter[*name] = text.split(' ').collect(),
            "min" | "max" => match &mut filter["boundary"] {
                // A line `boundary` may have made it a text.
                Value::Object(_) | Value::Null => filter["boundary"][*name] = json_or_text(text),
                _ => {}
            },
            "optional" => filter["optional"] = json!(*text == "true"),
            name => filter[name] = json!(text),
        }
    }
    let order = json!({"metadata": {"labels": {"a.b/c": value}}, "spec": {"a": value, "b": {"c": value}}, "status": {"a": value}});
    (json!({"gvr": {"resource": "widgets"}, "filters": [filter]}), order)
}
