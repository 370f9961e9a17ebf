//! A template: it is read or refused, renders or not, always the same; and what a provider says never changes the shape of
//! what is made, nor its kind, name or namespace.
#![no_main]

use std::sync::LazyLock;

use broker_core::expression::Scope;
use broker_core::resource::Object;
use broker_core::template::{MAX_RENDERED, Place, Rendering, Side, Template, TemplateError};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

const HOSTILE: &str =
    "hunter2\"'\n  evil: true\n---\n{{ .From.Name }}${from}$${ &a *a !!map [x]: {y}\u{e000}0\u{e001}";

static PLACE: LazyLock<Place> = LazyLock::new(|| Place {
    name: "my-db".to_owned(),
    namespace: "ns".to_owned(),
    cluster: "abc".to_owned(),
    secrets: [("root".to_owned(), "creds".to_owned())].into(),
});

fn rendered(template: &Template, host: &str) -> Result<Option<Object>, TemplateError> {
    let copy = json!({"spec": {"size": 10, "tags": ["a"]}, "status": {"host": host}});
    let object = Object::try_from(copy.clone()).expect("it is an object");
    let scope = Scope::new(&[("from", &copy)]);
    let side = Side { place: &PLACE, object: Some(&object) };
    template.render(&Rendering { from: side, to: side, scope: &scope }, "m-1")
}

fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(elements) => elements.iter().map(size).sum(),
        Value::Object(fields) => fields.iter().map(|(key, value)| key.len() + size(value)).sum(),
    }
}

fuzz_target!(|text: &str| {
    match Template::parse("helper", &json!(text), &["from"]) {
        Err(faults) => {
            assert!(!faults.is_empty());
            for fault in faults {
                assert!(fault.to_string().chars().count() < 1000, "{fault}");
            }
        }
        Ok(template) => {
            assert_eq!(template.creates_nothing(), Template::is_blank(&json!(text)));
            let (plain, found) = (rendered(&template, "host"), rendered(&template, HOSTILE));
            assert_eq!(rendered(&template, HOSTILE), found);
            if let Err(error) = &found {
                let names = matches!(error, TemplateError::Name { .. });
                assert!(
                    names || text.contains("hunter") || !error.to_string().contains("hunter2"),
                    "{error}"
                );
            }
            // Expressions may branch on what they see; text never does.
            if let (Ok(Some(plain)), Ok(Some(found)), []) = (plain, found, template.expressions().as_slice())
            {
                assert_eq!(
                    (plain.gvk(), plain.name(), plain.namespace()),
                    (found.gvk(), found.name(), found.namespace())
                );
                let same = |value: &Value| {
                    value.to_string().replace(&json!(HOSTILE).to_string().trim_matches('"'), "host")
                };
                let (plain, found) = (plain.into_value(), found.into_value());
                assert!(size(&found) <= MAX_RENDERED + 1024);
                assert_eq!(same(&found), same(&plain));
            }
        }
    }
});
