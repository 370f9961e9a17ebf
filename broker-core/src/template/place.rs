//! What `{{ .From.… }}` and `{{ .To.… }}` stand for.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::resource::Object;

/// Where a copy is, in the names that its helpers know it by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// `.Name`.
    pub name: String,
    /// `.Namespace`.
    pub namespace: String,
    /// `.ClusterName`.
    pub cluster: String,
    /// `.Secrets.<key>`: the names of the Secrets with its credentials, beside the helpers.
    pub secrets: BTreeMap<String, String>,
}

/// A copy, as placeholders see it.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// Its names.
    pub place: &'a Place,
    /// The copy itself, if it is there.
    pub object: Option<&'a Object>,
}

/// Which copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    From,
    To,
}

/// What a placeholder names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) end: End,
    pub(super) what: What,
    /// As it was written, for messages.
    pub(super) written: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Name,
    Namespace,
    ClusterName,
    Secret(String),
    /// A field of status or spec.
    Field(Vec<String>),
}

/// Why a placeholder has no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoText {
    /// It is not there.
    Missing,
    /// It is something else.
    Found(&'static str),
}

impl Path {
    /// Reads `.From.Name` and the like.
    pub(super) fn parse(written: &str) -> Result<Self, String> {
        let mut segments = written.split('.').skip(1);
        let end = match segments.next() {
            Some("From") => End::From,
            Some("To") => End::To,
            _ => return Err(format!("`{written}` is not known here; known are .From and .To")),
        };
        let segments: Vec<&str> = segments.collect();
        let is_name = |segment: &&str| {
            segment.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && segment.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        };
        if let Some(wrong) = segments.iter().find(|segment| !is_name(segment)) {
            return Err(format!("`{wrong}` in `{written}` is no name of a field"));
        }
        let what = match segments.as_slice() {
            [] => {
                return Err(format!(
                    "`{written}` is all of it; name a part: Name, Namespace, ClusterName, Secrets.<key>, or a field of its \
                     status or spec, as in {written}.Host"
                ));
            }
            ["Name"] => What::Name,
            ["Namespace"] => What::Namespace,
            ["ClusterName"] => What::ClusterName,
            ["Secrets", key] => What::Secret((*key).to_owned()),
            ["Secrets", ..] => return Err(format!("`{written}`: write .Secrets.<key>, with one key")),
            [name @ ("Name" | "Namespace" | "ClusterName"), ..] => {
                return Err(format!("`{written}`: {name} has no parts"));
            }
            fields => What::Field(fields.iter().map(|&field| field.to_owned()).collect()),
        };
        Ok(Self { end, what, written: written.to_owned() })
    }

    /// Its text.
    pub(super) fn text(&self, from: Side<'_>, to: Side<'_>) -> Result<String, NoText> {
        let Side { place, object } = match self.end {
            End::From => from,
            End::To => to,
        };
        let known = |text: &str| if text.is_empty() { Err(NoText::Missing) } else { Ok(text.to_owned()) };
        match &self.what {
            What::Name => known(&place.name),
            What::Namespace => known(&place.namespace),
            What::ClusterName => known(&place.cluster),
            What::Secret(key) => place.secrets.get(key).ok_or(NoText::Missing).and_then(|name| known(name)),
            What::Field(fields) => match object.and_then(|object| field(object, fields)) {
                None | Some(Value::Null) => Err(NoText::Missing),
                Some(Value::String(text)) => Ok(text.clone()),
                Some(Value::Number(number)) => Ok(number.to_string()),
                Some(Value::Bool(answer)) => Ok(answer.to_string()),
                Some(Value::Array(_)) => Err(NoText::Found("a list")),
                Some(Value::Object(_)) => Err(NoText::Found("an object")),
            },
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// `Host` is `status.host`, else `spec.host`; `Spec.Host` is `spec.host` alone.
fn field<'o>(object: &'o Object, fields: &[String]) -> Option<&'o Value> {
    let below = |root: &str, fields: &[String]| {
        fields.iter().try_fold(object.get(&[root])?, |value, field| {
            value.get(lower_first(field)).or_else(|| value.get(field))
        })
    };
    let explicit = match fields {
        [root, rest @ ..] if !rest.is_empty() => match root.as_str() {
            "Status" => below("status", rest),
            "Spec" => below("spec", rest),
            "Metadata" => below("metadata", rest),
            _ => None,
        },
        _ => None,
    };
    let there = |value: &&Value| !value.is_null();
    explicit.or_else(|| below("status", fields).filter(there)).or_else(|| below("spec", fields))
}

fn lower_first(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| first.to_ascii_lowercase().to_string() + chars.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn placeholders_name_places_secrets_and_fields() {
        let object = Object::try_from(json!({
            "metadata": {"labels": {"region": "eu"}},
            "spec": {"host": "no", "engine": "pg", "storage": {"sizeGi": 10}, "tls": true},
            "status": {"host": "db.internal", "status": "Available", "nodes": [1], "engine": null, "Odd": "odd"},
        }))
        .unwrap();
        let secrets =
            BTreeMap::from([("root".to_owned(), "s-1".to_owned()), ("a-b".to_owned(), "s-2".to_owned())]);
        let place = Place { name: "my-db".into(), namespace: "ns".into(), cluster: "abc".into(), secrets };
        let nowhere = Place::default();
        let from = Side { place: &place, object: Some(&object) };
        let to = Side { place: &nowhere, object: None };
        for (written, expected) in [
            (".From.Name", Ok("my-db")),
            (".From.Namespace", Ok("ns")),
            (".From.ClusterName", Ok("abc")),
            (".From.Secrets.root", Ok("s-1")),
            (".From.Secrets.a-b", Ok("s-2")),
            (".From.Secrets.none", Err(NoText::Missing)),
            (".From.Host", Ok("db.internal")),
            (".From.host", Ok("db.internal")),
            (".From.Spec.Host", Ok("no")),
            (".From.Engine", Ok("pg")),
            (".From.Storage.SizeGi", Ok("10")),
            (".From.Tls", Ok("true")),
            (".From.Status", Ok("Available")),
            (".From.Odd", Ok("odd")),
            (".From.Metadata.Labels.region", Ok("eu")),
            (".From.Nodes", Err(NoText::Found("a list"))),
            (".From.Storage", Err(NoText::Found("an object"))),
            (".From.Nodes.x", Err(NoText::Missing)),
            (".To.Name", Err(NoText::Missing)),
            (".To.Host", Err(NoText::Missing)),
        ] {
            let found = Path::parse(written).unwrap().text(from, to);
            assert_eq!(found.as_deref().map_err(|error| *error), expected, "{written}");
        }
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for (written, words) in [
            (".Values.x", "known are .From and .To"),
            (".From", "name a part"),
            (".From.", "no name of a field"),
            (".From..Name", "no name of a field"),
            (".From.Name.x", "Name has no parts"),
            (".From.Secrets", "with one key"),
            (".From.Secrets.a.b", "with one key"),
            (".From.9", "no name of a field"),
            (".From.a b", "no name of a field"),
        ] {
            let refused = Path::parse(written).unwrap_err();
            assert!(refused.contains(words), "{written}: {refused}");
        }
    }
}
