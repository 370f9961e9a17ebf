//! YAML with the place of every part.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{Location, Spanned};

/// A line and a column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Position {
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
}

/// Where the parts of one object are written, by JSON pointer (`/spec/filters/0/key`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positions {
    values: BTreeMap<String, Position>,
    keys: BTreeMap<String, Position>,
}

impl Positions {
    /// Where a part is written: its value, or what is nearest around it where it is not there.
    pub fn value(&self, pointer: &str) -> Option<Position> {
        let mut at = pointer;
        loop {
            if let Some(position) = self.values.get(at) {
                return Some(*position);
            }
            at = at.get(..at.rfind('/')?)?;
        }
    }

    /// Where the key of a part is written; as [`Self::value`] where there is none.
    pub fn key(&self, pointer: &str) -> Option<Position> {
        self.keys.get(pointer).copied().or_else(|| self.value(pointer))
    }

    /// The places below a pointer, as places of an object of its own.
    fn below(&self, pointer: &str) -> Self {
        let cut = |places: &BTreeMap<String, Position>| {
            let inside = |path: &str| {
                let rest = path.strip_prefix(pointer)?;
                (rest.is_empty() || rest.starts_with('/')).then(|| rest.to_owned())
            };
            places.iter().filter_map(|(path, at)| Some((inside(path)?, *at))).collect()
        };
        Self { values: cut(&self.values), keys: cut(&self.keys) }
    }
}

/// The pointer of a member, as RFC 6901 writes it.
pub fn member(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// Some YAML, with places.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) value: Value,
    pub(super) positions: Positions,
}

impl Document {
    /// The items of a list as documents of their own; `None` where this is no list with items.
    pub(super) fn items(mut self) -> Option<Vec<Document>> {
        let Some(Value::Array(items)) = self.value.as_object_mut()?.remove("items") else { return None };
        let item = |(index, value)| {
            let positions = self.positions.below(&format!("/items/{index}"));
            Document { value, positions }
        };
        Some(items.into_iter().enumerate().map(item).collect())
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let part = Spanned::<Part>::deserialize(deserializer)?;
        let mut positions = Positions::default();
        let value = part.value.place(part.referenced, "", &mut positions);
        Ok(Self { value, positions })
    }
}

/// A part of a document: like a JSON value, its own parts with their places.
#[derive(Debug)]
enum Part {
    Scalar(Value),
    List(Vec<Spanned<Part>>),
    Map(Vec<(Spanned<String>, Spanned<Part>)>),
}

impl Part {
    fn place(self, at: Location, pointer: &str, positions: &mut Positions) -> Value {
        positions.values.extend(position(at).map(|at| (pointer.to_owned(), at)));
        match self {
            Self::Scalar(value) => value,
            Self::List(parts) => parts
                .into_iter()
                .enumerate()
                .map(|(index, part)| {
                    part.value.place(part.referenced, &format!("{pointer}/{index}"), positions)
                })
                .collect(),
            Self::Map(entries) => {
                let mut map = Map::new();
                for (key, part) in entries {
                    let inside = member(pointer, &key.value);
                    positions.keys.extend(position(key.referenced).map(|at| (inside.clone(), at)));
                    let value = part.value.place(part.referenced, &inside, positions);
                    map.insert(key.value, value);
                }
                Value::Object(map)
            }
        }
    }
}

fn position(at: Location) -> Option<Position> {
    (at != Location::UNKNOWN).then(|| Position { line: at.line(), column: at.column() })
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PartVisitor)
    }
}

struct PartVisitor;

impl<'de> Visitor<'de> for PartVisitor {
    type Value = Part;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML that JSON has too")
    }

    fn visit_unit<E>(self) -> Result<Part, E> {
        Ok(Part::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Part, E> {
        Ok(Part::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Part, D::Error> {
        Part::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Part, E> {
        Ok(Part::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Part, E> {
        Ok(Part::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Part, E> {
        Ok(Part::Scalar(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Part, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("JSON has no such number"))?;
        Ok(Part::Scalar(Value::Number(number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Part, E> {
        Ok(Part::Scalar(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Part, A::Error> {
        let mut list = Vec::new();
        while let Some(part) = parts.next_element()? {
            list.push(part);
        }
        Ok(Part::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Part, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Part::Map(map))
    }
}
