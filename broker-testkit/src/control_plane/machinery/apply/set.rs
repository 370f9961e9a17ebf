//! Sets of field paths, and how `fieldsV1` writes them.

use crate::control_plane::machinery::schema::node::{Kind, Node};
use crate::control_plane::machinery::value::compare;
use serde_json::{Map, Value};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::shape::{child, item_node};

/// One step of a path.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// A field of an object.
    Field(String),
    /// An item of a keyed list, by its keys in alphabetical order.
    Key(Vec<(String, Value)>),
    /// An item of a set, by its value.
    Value(Value),
    /// An item by its index; only read, never made.
    Index(i64),
}

impl Step {
    fn rank(&self) -> u8 {
        match self {
            Self::Field(_) => 0,
            Self::Key(_) => 1,
            Self::Value(_) => 2,
            Self::Index(_) => 3,
        }
    }

    fn encode(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(keys) => format!("k:{}", Value::Object(keys.iter().cloned().collect())),
            Self::Value(value) => format!("v:{value}"),
            Self::Index(index) => format!("i:{index}"),
        }
    }

    fn decode(text: &str) -> Option<Self> {
        let (prefix, rest) = text.split_once(':')?;
        match prefix {
            "f" => Some(Self::Field(rest.to_owned())),
            "k" => {
                let keys: Map<String, Value> = serde_json::from_str(rest).ok()?;
                Some(Self::Key(keys.into_iter().collect()))
            }
            "v" => serde_json::from_str(rest).ok().map(Self::Value),
            "i" => rest.parse().ok().map(Self::Index),
            _ => None,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(keys) => {
                let texts: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
                write!(f, "[{}]", texts.join(","))
            }
            Self::Value(value) => write!(f, "[={value}]"),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

impl Ord for Step {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Field(a), Self::Field(b)) => a.cmp(b),
            (Self::Key(a), Self::Key(b)) => {
                let pairs = a.iter().zip(b).map(|((k, x), (l, y))| k.cmp(l).then_with(|| compare(x, y)));
                pairs.fold(Ordering::Equal, Ordering::then).then(a.len().cmp(&b.len()))
            }
            (Self::Value(a), Self::Value(b)) => compare(a, b),
            (Self::Index(a), Self::Index(b)) => a.cmp(b),
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }
}

impl PartialOrd for Step {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Step {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Step {}

/// A set of paths. A path and what lies below it are members independently of each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldSet {
    members: BTreeSet<Step>,
    children: BTreeMap<Step, FieldSet>,
}

impl FieldSet {
    /// The set of these paths of object fields.
    pub(crate) fn of(paths: &[&[&str]]) -> Self {
        let mut set = Self::default();
        for path in paths {
            let steps: Vec<Step> = path.iter().map(|name| Step::Field((*name).to_owned())).collect();
            set.insert(&steps);
        }
        set
    }

    /// Adds a path. The empty path, which is the whole object, is not tracked.
    pub(crate) fn insert(&mut self, path: &[Step]) {
        match path {
            [] => {}
            [last] => {
                self.members.insert(last.clone());
            }
            [first, rest @ ..] => self.children.entry(first.clone()).or_default().insert(rest),
        }
    }

    /// Adds a step and, independently, a set below it.
    pub(crate) fn put(&mut self, step: Step, itself: bool, below: FieldSet) {
        if itself {
            self.members.insert(step.clone());
        }
        if !below.is_empty() {
            self.children.insert(step, below);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.values().all(Self::is_empty)
    }

    /// Whether a path of one step is a member.
    pub(crate) fn has(&self, step: &Step) -> bool {
        self.members.contains(step)
    }

    /// The paths below a step.
    pub(crate) fn below(&self, step: &Step) -> Option<&FieldSet> {
        self.children.get(step).filter(|set| !set.is_empty())
    }

    pub(crate) fn union(&self, other: &Self) -> Self {
        let mut result = self.clone();
        result.members.extend(other.members.iter().cloned());
        for (step, below) in &other.children {
            let merged = result.children.get(step).map_or_else(|| below.clone(), |mine| mine.union(below));
            result.children.insert(step.clone(), merged);
        }
        result
    }

    pub(crate) fn intersection(&self, other: &Self) -> Self {
        let mut result =
            Self { members: self.members.intersection(&other.members).cloned().collect(), ..Self::default() };
        for (step, below) in &self.children {
            if let Some(theirs) = other.children.get(step) {
                result.put(step.clone(), false, below.intersection(theirs));
            }
        }
        result
    }

    pub(crate) fn difference(&self, other: &Self) -> Self {
        let mut result =
            Self { members: self.members.difference(&other.members).cloned().collect(), ..Self::default() };
        for (step, below) in &self.children {
            let rest =
                other.children.get(step).map_or_else(|| below.clone(), |theirs| below.difference(theirs));
            result.put(step.clone(), false, rest);
        }
        result
    }

    /// Without a top-level field and everything below it.
    pub(crate) fn without_field(mut self, name: &str) -> Self {
        let step = Step::Field(name.to_owned());
        self.members.remove(&step);
        self.children.remove(&step);
        self
    }

    /// With the declared fields that lead to members: they are not owned themselves, but go with what they hold.
    pub(crate) fn with_declared_parents(&self, node: &Node) -> Self {
        let mut result = Self { members: self.members.clone(), ..Self::default() };
        for (step, below) in &self.children {
            let below_node = match step {
                Step::Field(name) => {
                    if node.kind == Kind::Object && node.properties.contains_key(name) {
                        result.members.insert(step.clone());
                    }
                    child(node, name).0
                }
                Step::Key(_) | Step::Value(_) | Step::Index(_) => item_node(node),
            };
            result.children.insert(step.clone(), below.with_declared_parents(below_node));
        }
        result
    }

    /// All paths, parents before what is below them.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect_paths("", &mut paths);
        paths
    }

    fn collect_paths(&self, prefix: &str, paths: &mut Vec<String>) {
        for step in &self.members {
            paths.push(format!("{prefix}{step}"));
        }
        for (step, below) in &self.children {
            below.collect_paths(&format!("{prefix}{step}"), paths);
        }
    }

    /// As `fieldsV1`.
    pub(crate) fn encode(&self) -> Value {
        let mut fields = Map::new();
        for (step, below) in &self.children {
            if below.is_empty() {
                continue;
            }
            let mut inner = below.encode();
            if let (true, Value::Object(inner)) = (self.members.contains(step), &mut inner) {
                inner.insert(".".to_owned(), Value::Object(Map::new()));
            }
            fields.insert(step.encode(), inner);
        }
        for step in &self.members {
            fields.entry(step.encode()).or_insert_with(|| Value::Object(Map::new()));
        }
        Value::Object(fields)
    }

    /// From `fieldsV1`; `None` if it is none.
    pub(crate) fn decode(fields: &Value) -> Option<Self> {
        let mut set = Self::default();
        for (name, below) in fields.as_object()? {
            if name == "." {
                continue;
            }
            let below_fields = below.as_object()?;
            let step = Step::decode(name)?;
            let itself = below_fields.is_empty() || below_fields.contains_key(".");
            set.put(step, itself, Self::decode(below)?);
        }
        Some(set)
    }
}
