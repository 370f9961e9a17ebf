//! The page of the reference with every field of the kinds, made of their schemas.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::Value;

use super::tests::same_as;
use super::{crds, to_json};

const HEAD: &str = "# Resources\n\n\
    Every field of the broker's own kinds, made of their schemas by a test (`cargo test -p broker-kcp --lib generated`). What they \
    are for is told in [concepts.md](../concepts.md). `[]` stands for each element of a list, `*` for each key of a map.\n";

/// Text that breaks neither a table nor what surrounds it.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|").replace('<', "&lt;")
}

/// A value as one would write it.
fn code(value: &Value) -> String {
    let text =
        value.as_str().filter(|text| !text.is_empty()).map_or_else(|| value.to_string(), str::to_owned);
    format!("`{text}`").replace('|', "\\|")
}

/// The type of what a schema describes, with what else is demanded of it.
fn kind(schema: &Value) -> String {
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(code).collect::<Vec<_>>().join(", ");
    }
    let mut text = match schema["type"].as_str() {
        Some("array") => format!("list of {}", kind(&schema["items"])),
        Some("object") if schema["additionalProperties"].is_object() => {
            format!("map of {}", kind(&schema["additionalProperties"]))
        }
        Some(name) => name.to_owned(),
        None if schema["x-kubernetes-int-or-string"] == true => "integer or string".to_owned(),
        None => "any".to_owned(),
    };
    for (key, word) in [("format", ""), ("pattern", "matches ")] {
        if !schema[key].is_null() {
            let _ = write!(text, "; {word}{}", code(&schema[key]));
        }
    }
    for (least, most, unit) in [
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " elements"),
    ] {
        let _ = match (schema[least].as_i64(), schema[most].as_i64()) {
            (Some(least), Some(most)) => write!(text, "; {least} to {most}{unit}"),
            (Some(least), None) => write!(text, "; at least {least}{unit}"),
            (None, Some(most)) => write!(text, "; at most {most}{unit}"),
            (None, None) => Ok(()),
        };
    }
    text
}

/// The rows of all fields below a schema, and what its rules say.
fn fields(path: &str, schema: &Value, rows: &mut String, rules: &mut BTreeSet<String>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let said = rule["message"].as_str().or(rule["rule"].as_str()).unwrap_or_default();
        rules.insert(format!("- `{path}`: {}\n", cell(said)));
    }
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let needed = if required.contains(&name.as_str()) { "yes" } else { "" };
        let default = if field["default"].is_null() { String::new() } else { code(&field["default"]) };
        let meaning = cell(field["description"].as_str().unwrap_or_default());
        let _ = writeln!(rows, "| `{path}` | {} | {needed} | {default} | {meaning} |", kind(field));
        below(&path, field, rows, rules);
    }
}

/// What is below a field: itself, the elements of a list, the values of a map.
fn below(path: &str, field: &Value, rows: &mut String, rules: &mut BTreeSet<String>) {
    fields(path, field, rows, rules);
    for (key, mark) in [("items", "[]"), ("additionalProperties", ".*")] {
        if field[key].is_object() {
            below(&format!("{path}{mark}"), &field[key], rows, rules);
        }
    }
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    for crd in crds() {
        let crd = to_json(&crd);
        let (names, version) = (&crd["spec"]["names"], &crd["spec"]["versions"][0]);
        let schema = &version["schema"]["openAPIV3Schema"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (mut rows, mut rules) = (String::new(), BTreeSet::new());
        for part in ["spec", "status"] {
            below(part, &schema["properties"][part], &mut rows, &mut rules);
        }
        let _ = write!(
            page,
            "\n## {}\n\n`{}/{}`, {}, `kubectl get {}` or `{}`. {}\n\n",
            text(&names["kind"]),
            text(&crd["spec"]["group"]),
            text(&version["name"]),
            if crd["spec"]["scope"] == "Namespaced" { "in a namespace" } else { "in no namespace" },
            text(&names["plural"]),
            text(&names["shortNames"][0]),
            cell(&text(&schema["description"])),
        );
        let _ = write!(page, "| field | type | needed | default | meaning |\n|---|---|---|---|---|\n{rows}");
        if !rules.is_empty() {
            let _ = write!(page, "\nThe server also checks:\n\n{}", rules.into_iter().collect::<String>());
        }
    }
    page
}

#[test]
fn generated_reference_is_the_one_checked_in() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/resources.md");
    same_as(&path, &page());
}

#[test]
fn the_reference_has_every_field_with_what_it_means() {
    let page = page();
    let rows: Vec<Vec<&str>> =
        page.lines().filter(|line| line.starts_with("| `")).map(|line| line.split(" | ").collect()).collect();
    assert!(rows.len() > 150, "{}", rows.len());
    for row in rows {
        assert!(row.len() == 5 && row[4] != "|", "{row:?}");
    }
    for row in [
        "| `spec.moves` | `PlaybookOnly`, `Free` |  | `PlaybookOnly` |",
        "| `spec.filters[].key` | string",
        "| `spec.stages[].timeout` | string",
    ] {
        assert!(page.contains(row), "{row}");
    }
}
