//! Sequences out of a number.
//!
//! A sequence is about a few names of one or two kinds, so that operations meet. About one in eight is about owners:
//! there the garbage collector writes too, and after each step that may concern it the sequence waits for rest.

mod objects;
mod reads;
mod writes;

use serde_json::{Value, json};

use super::operation::{Operation, Request, Sequence};
use crate::dice::Dice;

/// The names that objects have.
const NAMES: &[&str] = &["a", "b", "c"];
/// What the names begin with that servers are to make.
pub(super) const GENERATED: &str = "made";
/// Kinds, the more interesting ones more often.
const KINDS: &[&str] =
    &["gadgets", "gadgets", "gadgets", "gadgets", "configmaps", "configmaps", "secrets", "leases", "roles"];
/// Those that own and are owned.
const OWNABLE: &[&str] = &["gadgets", "gadgets", "configmaps", "secrets", "leases"];
/// Who applies.
const MANAGERS: &[&str] = &["one", "two"];
/// The longest sequence.
const LONGEST: u64 = 18;

impl Sequence {
    /// The sequence of a number in the series of a seed.
    pub fn draw(seed: u64, number: u64) -> Self {
        let mut draw = Draw::new(seed, number);
        let length = 3 + draw.dice.below(LONGEST - 2);
        let mut operations = Vec::new();
        for _ in 0..length {
            draw.operation(&mut operations);
        }
        Self { operations }
    }
}

/// Somebody who thinks of operations.
struct Draw {
    dice: Dice,
    kinds: Vec<&'static str>,
    owners: bool,
    /// Whether whatever has an owner holds up its deletion: the collector either lets an owner in the foreground wait, or
    /// whether it takes along what does not hold it up depends on which of the two it looks at first.
    blocking: bool,
    step: usize,
}

impl Draw {
    fn new(seed: u64, number: u64) -> Self {
        let mut dice = Dice::new(seed, &format!("sequence {number}"));
        let owners = dice.once_in(8);
        let pool = if owners { OWNABLE } else { KINDS };
        let kinds = (0..2).map(|_| pick(&mut dice, pool)).collect();
        let blocking = dice.once_in(2);
        Self { dice, kinds, owners, blocking, step: 0 }
    }

    fn operation(&mut self, operations: &mut Vec<Operation>) {
        self.step += 1;
        let kind = self.kind();
        let request = match self.dice.below(100) {
            0..17 => self.create(kind),
            17..31 => self.update(kind),
            31..54 => self.apply(kind),
            54..60 => self.merge(kind),
            60..69 => self.relabel(kind),
            69..74 => self.json_patch(kind),
            74..77 => self.strategic(kind),
            77..83 => self.delete(kind),
            83..85 => self.delete_collection(kind),
            85..87 => self.get(kind),
            87..92 => {
                self.lists(kind, operations);
                return;
            }
            _ if self.owners => self.create(kind),
            _ => {
                operations.push(self.watch(kind));
                return;
            }
        };
        let collects = self.owners && request.method != "GET";
        operations.push(Operation::Send(request));
        if collects {
            operations.push(Operation::Settle);
        }
    }

    fn kind(&mut self) -> &'static str {
        let kinds = self.kinds.clone();
        pick(&mut self.dice, &kinds)
    }

    fn name(&mut self) -> &'static str {
        pick(&mut self.dice, NAMES)
    }

    fn once_in(&mut self, times: u64) -> bool {
        self.dice.once_in(times)
    }

    fn of<T: Copy + Default>(&mut self, all: &[T]) -> T {
        pick(&mut self.dice, all)
    }

    /// What any write may ask for besides.
    fn write_options(&mut self, request: &mut Request) {
        if self.once_in(12) {
            request.query.push(pair("dryRun", self.dice_word(&["All", "All", "All", "Some"])));
        }
        if self.once_in(4) {
            request.query.push(pair(
                "fieldValidation",
                self.dice_word(&["Strict", "Strict", "Ignore", "Warn", "Never"]),
            ));
        }
        if self.once_in(6) {
            request.query.push(pair("fieldManager", self.dice_word(&["one", "two", "three"])));
        }
    }

    fn dice_word(&mut self, all: &[&'static str]) -> &'static str {
        // The last is the odd one.
        let (last, rest) = all.split_last().map_or(("", all), |(last, rest)| (*last, rest));
        if rest.is_empty() || self.once_in(8) { last } else { self.of(rest) }
    }
}

fn pick<T: Copy + Default>(dice: &mut Dice, all: &[T]) -> T {
    dice.one_of(all).copied().unwrap_or_default()
}

fn pair(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

/// A request for a kind.
fn ask(method: &str, kind: &str, name: &str) -> Request {
    Request {
        method: method.to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
        query: Vec::new(),
        accept: String::new(),
        media: String::new(),
        edits: None,
        body: None,
    }
}

/// An object with its type.
fn typed(kind: &str, name: &str) -> Value {
    let (version, kind) = super::kinds::type_of(kind);
    json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}})
}
