//! Which fields of an order the filters of one API look at, and how: so that an order is read once for all offers.

use memchr::memrchr_iter;
use serde_json::{Map, Value};
use smallvec::SmallVec;

use super::term::{Form, Kind, Term};
use crate::offer::{Criterion, Offer, Reading, scalar_text};
use crate::resource::{FieldPath, Object};

/// Fields with a place of their own; a filter on one more reads its field by itself, and finds its offer by whether the
/// field is there. The bound keeps short what is read of every order, and what is copied for a new field, whatever keys
/// providers invent.
pub(super) const MOST_FIELDS: usize = 256;
/// In the place of the place of a field that has none.
const NO_PLACE: Place = Place::MAX;
/// Prefixes and suffixes up to this many bytes can be looked up.
pub(super) const LONGEST: usize = 127;
/// Keys and fields up to this many are compared each with each.
const FEW: usize = 12;
/// A `valueIn` of more values is not looked up by.
const MOST_VALUES: usize = 64;

/// Place of a field.
pub(super) type Place = u16;

/// The fields that filters look at.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    root: Branch,
    forms: Vec<Forms>,
    /// Whether some field has no place: only then are all paths of an order gone through.
    crowded: bool,
}

/// One step of a path, and what lies below it.
#[derive(Clone, Debug, Default)]
struct Branch {
    place: Option<Place>,
    /// By key, in order.
    children: Vec<(Box<str>, Branch)>,
}

/// In which forms the values of one field are looked up. Never taken back: a form too many costs a look in vain.
#[derive(Clone, Debug, Default)]
struct Forms {
    exact: bool,
    /// Lengths of the suffixes that begin with a dot, as bits.
    dotted: u128,
    /// Lengths of the other suffixes.
    suffixes: u128,
    /// Lengths of the prefixes.
    prefixes: u128,
}

/// What an offer can be found by: an order that it accepts has one of the terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Predicate {
    pub(super) kind: Kind,
    pub(super) terms: SmallVec<[Term; 2]>,
}

impl Fields {
    /// The place of a field, a new one if need be; `None` where there is no room for more.
    pub(super) fn place(&mut self, path: &FieldPath) -> Option<Place> {
        let mut branch = &mut self.root;
        for segment in path.segments() {
            let at = branch.children.binary_search_by(|(key, _)| key.as_ref().cmp(segment.as_str()));
            let at = at.unwrap_or_else(|at| {
                branch.children.insert(at, (segment.as_str().into(), Branch::default()));
                at
            });
            branch = &mut branch.children.get_mut(at)?.1;
        }
        if branch.place.is_none() && self.forms.len() < MOST_FIELDS {
            branch.place = Place::try_from(self.forms.len()).ok();
            self.forms.push(Forms::default());
        }
        branch.place
    }

    /// The place of a field that has one.
    pub(super) fn find(&self, path: &FieldPath) -> Option<Place> {
        let mut branch = &self.root;
        for segment in path.segments() {
            branch = branch.child(segment)?;
        }
        branch.place
    }

    /// Whether everything that an offer looks at, and is found by, is known here.
    pub(super) fn know(&self, offer: &Offer) -> bool {
        let full = self.forms.len() >= MOST_FIELDS;
        offer.filters().iter().all(|filter| {
            let Some(path) = filter.key() else { return true };
            match self.find(path).and_then(|place| self.forms.get(usize::from(place))) {
                Some(forms) => {
                    filter.is_optional() || filter.criteria().iter().all(|criterion| forms.know(criterion))
                }
                None => full && self.crowded,
            }
        })
    }

    /// Makes room for everything that an offer looks at, and is found by.
    pub(super) fn learn(&mut self, offer: &Offer) {
        for filter in offer.filters() {
            let place = filter.key().and_then(|path| self.place(path));
            self.crowded |= place.is_none() && filter.key().is_some();
            let Some(forms) = place.and_then(|place| self.forms.get_mut(usize::from(place))) else {
                continue;
            };
            if !filter.is_optional() {
                filter.criteria().iter().for_each(|criterion| forms.learn(criterion));
            }
        }
    }

    /// What an offer can be found by, in the order of its filters. A filter that passes where its field is missing
    /// finds nothing.
    pub(super) fn predicates(&self, offer: &Offer) -> SmallVec<[Predicate; 4]> {
        let mut predicates = SmallVec::new();
        for filter in offer.filters().iter().filter(|filter| !filter.is_optional()) {
            let Some(path) = filter.key() else { continue };
            let Some(place) = self.find(path) else {
                if path.segments().len() > MOST_STEPS {
                    continue;
                }
                let kind = Kind::new(NO_PLACE, Form::Exact);
                predicates.push(Predicate { kind, terms: SmallVec::from_iter([term_of(path)]) });
                continue;
            };
            for criterion in filter.criteria() {
                let Some((form, texts)) = looked_up(criterion) else { continue };
                let kind = Kind::new(place, form);
                let terms = texts.iter().map(|text| kind.term(text.as_bytes())).collect();
                predicates.push(Predicate { kind, terms });
            }
        }
        predicates
    }

    /// Reads an order: its value at every place.
    pub(super) fn read<'o>(&self, order: &'o Object) -> SmallVec<[Reading<'o>; 12]> {
        let mut readings = SmallVec::new();
        readings.resize_with(self.forms.len(), Reading::default);
        self.root.read(order.fields(), &mut readings);
        readings
    }

    /// The terms under which an order that was read is looked up.
    ///
    /// Each element of a list has to pass, so the first one alone finds every offer that the list does.
    pub(super) fn terms(&self, order: &Object, readings: &[Reading<'_>]) -> SmallVec<[(Kind, Term); 12]> {
        let mut terms = SmallVec::new();
        if self.crowded {
            for root in ["spec", "metadata"] {
                if let Some(Value::Object(fields)) = order.fields().get(root) {
                    paths_below(fields, step(None, root), MOST_STEPS, &mut terms);
                }
            }
        }
        for (place, (forms, reading)) in self.forms.iter().zip(readings).enumerate() {
            let Some(value) = reading.value() else { continue };
            let value = value.as_array().and_then(|list| list.first()).unwrap_or(value);
            let Ok(place) = Place::try_from(place) else { continue };
            forms.look_up(place, value, |kind, bytes| terms.push((kind, kind.term(bytes))));
        }
        terms
    }
}

impl Branch {
    fn child(&self, key: &str) -> Option<&Self> {
        let at = self.children.binary_search_by(|(other, _)| other.as_ref().cmp(key)).ok()?;
        self.children.get(at).map(|(_, child)| child)
    }

    /// Visits what both have: neither many keys nor many fields cost much alone.
    fn read<'o>(&self, map: &'o Map<String, Value>, readings: &mut [Reading<'o>]) {
        if self.children.len() <= FEW && map.len() <= FEW {
            // Keys of different lengths differ: that is cheaper to see than where they would stand.
            for (key, value) in map {
                if let Some((_, child)) = self.children.iter().find(|(name, _)| **name == **key) {
                    child.take(value, readings);
                }
            }
        } else if self.children.len() <= map.len() {
            for (key, child) in &self.children {
                if let Some(value) = map.get(key.as_ref()) {
                    child.take(value, readings);
                }
            }
        } else {
            for (key, value) in map {
                if let Some(child) = self.child(key) {
                    child.take(value, readings);
                }
            }
        }
    }

    fn take<'o>(&self, value: &'o Value, readings: &mut [Reading<'o>]) {
        if let Some(reading) = self.place.and_then(|place| readings.get_mut(usize::from(place))) {
            *reading = Reading::of(value);
        }
        if let (false, Value::Object(map)) = (self.children.is_empty(), value) {
            self.read(map, readings);
        }
    }
}

impl Forms {
    fn know(&self, criterion: &Criterion) -> bool {
        let mut more = self.clone();
        more.learn(criterion);
        (more.exact, more.dotted, more.suffixes, more.prefixes)
            == (self.exact, self.dotted, self.suffixes, self.prefixes)
    }

    fn learn(&mut self, criterion: &Criterion) {
        match looked_up(criterion) {
            Some((Form::Exact, _)) => self.exact = true,
            Some((Form::Prefix, texts)) => self.prefixes |= lengths(texts.iter().copied()),
            Some((Form::Suffix, texts)) => {
                let is_dotted = |text: &&str| text.starts_with('.');
                self.dotted |= lengths(texts.iter().copied().filter(is_dotted));
                self.suffixes |= lengths(texts.iter().copied().filter(|text| !is_dotted(text)));
            }
            None => {}
        }
    }

    fn look_up(&self, place: Place, value: &Value, mut found: impl FnMut(Kind, &[u8])) {
        if self.exact
            && let Some(text) = scalar_text(value)
        {
            found(Kind::new(place, Form::Exact), text.as_bytes());
        }
        let Value::String(text) = value else { return };
        let bytes = text.as_bytes();
        if self.dotted != 0 {
            let kind = Kind::new(place, Form::Suffix);
            for at in memrchr_iter(b'.', bytes) {
                let end = bytes.get(at..).unwrap_or_default();
                if end.len() > LONGEST {
                    break;
                }
                if self.dotted & (1 << end.len()) != 0 {
                    found(kind, end);
                }
            }
        }
        for length in bits(self.suffixes).take_while(|length| *length <= bytes.len()) {
            let end = bytes.get(bytes.len() - length..).unwrap_or_default();
            if end.first() != Some(&b'.') {
                found(Kind::new(place, Form::Suffix), end);
            }
        }
        for length in bits(self.prefixes).take_while(|length| *length <= bytes.len()) {
            found(Kind::new(place, Form::Prefix), bytes.get(..length).unwrap_or_default());
        }
    }
}

/// Paths of more steps are not found by.
const MOST_STEPS: usize = 16;

/// The term under which an offer is found that looks at a field without a place.
fn term_of(path: &FieldPath) -> Term {
    let first = Kind::new(NO_PLACE, Form::Exact).term(&[]);
    path.segments().iter().fold(None, |above, key| Some(step(above, key))).unwrap_or(first)
}

fn step(above: Option<Term>, key: &str) -> Term {
    let own = Kind::new(NO_PLACE, Form::Exact).term(key.as_bytes());
    above.map_or(own, |above| above.and(own))
}

/// The terms of all paths below a field.
fn paths_below(
    fields: &Map<String, Value>,
    above: Term,
    steps: usize,
    terms: &mut SmallVec<[(Kind, Term); 12]>,
) {
    for (key, value) in fields {
        let term = step(Some(above), key);
        terms.push((Kind::new(NO_PLACE, Form::Exact), term));
        if let (Value::Object(fields), Some(steps)) = (value, steps.checked_sub(1)) {
            paths_below(fields, term, steps, terms);
        }
    }
}

/// In which form, and under which texts, a criterion can be looked up.
fn looked_up(criterion: &Criterion) -> Option<(Form, SmallVec<[&str; 2]>)> {
    let fits = |text: &str| (1..=LONGEST).contains(&text.len());
    match criterion {
        Criterion::ValueIn(values) if values.len() <= MOST_VALUES => {
            Some((Form::Exact, values.iter().map(String::as_str).collect()))
        }
        Criterion::Prefix(text) if fits(text) => Some((Form::Prefix, SmallVec::from_iter([text.as_str()]))),
        Criterion::Suffix(text) if fits(text) => Some((Form::Suffix, SmallVec::from_iter([text.as_str()]))),
        Criterion::ValueIn(_)
        | Criterion::Prefix(_)
        | Criterion::Suffix(_)
        | Criterion::NotIn(_)
        | Criterion::Boundary { .. }
        | Criterion::Expression(_) => None,
    }
}

fn lengths<'t>(texts: impl Iterator<Item = &'t str>) -> u128 {
    texts.fold(0, |bits, text| bits | (1 << text.len()))
}

/// The positions of the bits that are set, in ascending order.
fn bits(mut bits: u128) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lowest = bits.trailing_zeros();
        bits &= bits.checked_sub(1)?;
        usize::try_from(lowest).ok()
    })
}
