//! `docs/filters.md` says what is so: its tables and examples, run.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::*;
use super::{object, with_filter};
use crate::expression::{EvalError, Expression, MAX_DEPTH, MAX_LENGTH, MAX_NODES};
use crate::resource::{FieldPath, MAX_PATH, MAX_SEGMENTS};

fn guide() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/filters.md");
    std::fs::read_to_string(path).unwrap()
}

/// The rows of all tables whose head begins so, each as its cells without marks of code.
fn rows(guide: &str, head: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut inside = false;
    for line in guide.lines() {
        if !line.starts_with('|') {
            inside = false;
        } else if line.starts_with(head) {
            inside = true;
        } else if inside && !line.starts_with("|---") {
            let cells = line.trim_matches('|').replace("\\|", "\u{1}");
            let cells = cells.split('|').map(|cell| cell.trim().replace('\u{1}', "|"));
            rows.push(
                cells
                    .map(|cell| {
                        cell.strip_prefix('`').and_then(|c| c.strip_suffix('`')).unwrap_or(&cell).to_owned()
                    })
                    .collect(),
            );
        }
    }
    rows
}

fn blocks(guide: &str) -> Vec<String> {
    let blocks = guide.split("```yaml\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn keys_look_where_the_guide_says() {
    let rows = rows(&guide(), "| key | looks at |");
    assert!(rows.len() > 10);
    for row in rows {
        match FieldPath::parse(&row[0]) {
            Ok(path) => assert_eq!(path.to_string(), row[1]),
            Err(error) => assert!(row[1].starts_with("refused"), "{}: {error}", row[0]),
        }
    }
}

#[test]
fn filters_hold_where_the_guide_says() {
    let rows = rows(&guide(), "| filter on `f` | value | holds |");
    assert!(rows.len() > 45, "{}", rows.len());
    for row in rows {
        let mut filter: Value = serde_saphyr::from_str(&row[0]).unwrap();
        if filter.get("key").is_none() {
            filter["key"] = json!("f");
        }
        let value: Value = serde_saphyr::from_str(&row[1]).unwrap();
        let order = object(json!({"spec": {"f": value, "g": "other"}}));
        let holds = with_filter(filter).unwrap().matches(&OrderView::new(&order)).is_some();
        assert_eq!(if holds { "yes" } else { "no" }, row[2], "{} {}", row[0], row[1]);
    }
}

#[test]
fn expressions_answer_what_the_guide_says() {
    let guide = guide();
    let order: Value = serde_saphyr::from_str(&blocks(&guide)[0]).unwrap();
    let rows = rows(&guide, "| expression | answer |");
    assert!(rows.len() > 40, "{}", rows.len());
    for row in &rows {
        let filter = with_filter(json!({"expression": row[0]}));
        let answer = match filter.and(Ok(Expression::compile_with(&row[0], &["self"]))) {
            Err(_) | Ok(Err(_)) => "refused",
            Ok(Ok(expression)) => match expression.evaluate_bool(&[("self", &order)]) {
                Ok(true) => "true",
                Ok(false) => "false",
                Err(EvalError::Missing { .. }) => "missing",
                Err(_) => "error",
            },
        };
        assert_eq!(answer, row[1], "{}", row[0]);
    }
    // Every function that is offered is shown.
    for function in crate::expression::FUNCTIONS {
        let shown = rows.iter().any(|row| row[0].contains(&format!("{function}(")));
        assert!(shown || function == "or", "{function}");
    }
}

#[test]
fn limits_are_those_of_the_guide() {
    let expected = [
        format!("{}, in an API server 256", limits::MAX_FILTERS),
        limits::MAX_EXPRESSIONS.to_string(),
        limits::MAX_VALUES.to_string(),
        format!("{} characters", limits::MAX_TEXT),
        format!("{MAX_PATH} characters, {MAX_SEGMENTS} names"),
        "64 characters".to_owned(),
        format!("{} bytes", limits::MAX_SIZE),
        format!("{MAX_LENGTH} bytes, {MAX_NODES} parts, {MAX_DEPTH} levels"),
        "10000 steps of macros, 4 MiB copied".to_owned(),
    ];
    let found: Vec<String> = rows(&guide(), "| what | at most |").iter().map(|row| row[1].clone()).collect();
    assert_eq!(found, expected);
}

#[test]
fn examples_match_what_they_say() {
    let mut orders = 0;
    for block in blocks(&guide()).iter().skip(1) {
        let mut offers = Vec::new();
        for text in block.split("---\n") {
            let value: Value = serde_saphyr::from_str(text).unwrap();
            let name = value["metadata"]["name"].as_str().unwrap();
            if value["kind"] == "AcceptAPI" {
                offers.push(Offer::parse_json(OfferId::new("p", "n", name), &value["spec"]).unwrap());
                continue;
            }
            let said = text.lines().next().unwrap().strip_prefix("# Which of them match: ").unwrap();
            let said: BTreeSet<&str> =
                said.trim_end_matches('.').split(" and ").filter(|name| *name != "none").collect();
            let order = object(value.clone());
            let view = OrderView::new(&order);
            let gvk = order.gvk();
            let api =
                crate::resource::Gvr::new(&gvk.group, &gvk.version, format!("{}s", gvk.kind.to_lowercase()));
            let matching =
                offers.iter().filter(|offer| offer.api().matches(&api) && offer.matches(&view).is_some());
            assert_eq!(
                matching.map(|offer| offer.id().name.as_str()).collect::<BTreeSet<_>>(),
                said,
                "{name}"
            );
            orders += 1;
        }
    }
    assert_eq!(orders, 8);
}
