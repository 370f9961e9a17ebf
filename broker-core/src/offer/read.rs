//! An order, read once for all questions about it.
//!
//! What indexes and tests want to know of an order is worked out here: which fields it has, by the hashes of their paths,
//! the text of each, its hash and those of its ends, its number. Whoever asks about the same order again, because an
//! offer changed or a minute has passed, keeps the reading and saves what reading costs, which is more than the answer.
//! A reading knows nothing of offers: it is good for every snapshot of them.

use std::fmt;
use std::io::Write as _;
use std::sync::Arc;

use memchr::memrchr_iter;
use serde_json::{Map, Value};

use super::hashing::{PathHash, SEPARATOR, TextHash};
use super::sieve::{Amount, Answer, Scalar, ScalarKind, Sieve, Span, Test};
use super::{Quantity, scalar_text};
use crate::resource::{MAX_SEGMENTS, Object};

/// Beginnings and ends of texts are looked up by up to this many bytes.
pub(crate) const LONGEST: usize = 127;
/// Room for the fields of a usual order.
const USUAL: usize = 24;

/// An order together with its reading.
pub struct ReadOrder {
    object: Arc<Object>,
    digest: Digest,
}

impl ReadOrder {
    /// Reads an order.
    pub fn new(object: Arc<Object>) -> Self {
        Self { digest: Digest::of(&object), object }
    }

    /// The order.
    pub fn object(&self) -> &Arc<Object> {
        &self.object
    }

    /// What was read, if it is of this very object.
    pub(crate) fn digest_of(&self, object: &Object) -> Option<&Digest> {
        std::ptr::eq(self.object.as_ref(), object).then_some(&self.digest)
    }
}

impl fmt::Debug for ReadOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadOrder").field("object", &self.object).finish_non_exhaustive()
    }
}

/// What was read of an order.
pub(crate) struct Digest {
    /// The places of the fields, by the hashes of their paths, in order.
    index: Vec<(PathHash, u32)>,
    fields: Vec<Field>,
    /// Elements of lists.
    elements: Vec<Scalar>,
    ends: Vec<End>,
    /// Keys and texts.
    bytes: Vec<u8>,
}

/// A field that is there.
pub(crate) struct Field {
    /// The field in which it is; `None` at the root.
    parent: Option<u32>,
    key: Span,
    /// The value; of a list the first element, by which it is looked up.
    value: Scalar,
    /// Where the elements are, if it is a list.
    list: Option<(u32, u32)>,
    /// Where the ends of its text are.
    ends: (u32, u32),
}

/// An end of a text that begins with a dot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) hash: TextHash,
    /// In bytes, at most [`LONGEST`].
    pub(crate) length: u8,
}

impl Digest {
    /// Reads an order.
    pub(crate) fn of(object: &Object) -> Self {
        let mut digest = Self {
            index: Vec::with_capacity(USUAL),
            fields: Vec::with_capacity(USUAL),
            elements: Vec::new(),
            ends: Vec::with_capacity(USUAL / 2),
            bytes: Vec::with_capacity(USUAL * 20),
        };
        for (key, value) in object.fields() {
            // No path leads anywhere else.
            if key == "spec" || key == "metadata" {
                digest.read(None, PathHash::default(), key, value, MAX_SEGMENTS);
            }
        }
        digest.index.sort_unstable();
        digest
    }

    /// A value, and what is below it. What counts as missing is left out.
    fn read(&mut self, parent: Option<u32>, above: PathHash, key: &str, value: &Value, steps: usize) {
        let Some(steps) = steps.checked_sub(1) else { return };
        if value.is_null() || value.as_array().is_some_and(Vec::is_empty) {
            return;
        }
        let Ok(place) = u32::try_from(self.fields.len()) else { return };
        let path = above.below(key);
        let key = Span::push(&mut self.bytes, key.as_bytes());
        let list = value.as_array().map(|list| self.list(list));
        let first = value.as_array().and_then(|list| list.first()).unwrap_or(value);
        let scalar = match list.and_then(|(first, _)| self.elements.get(usize::try_from(first).ok()?)) {
            Some(first) => *first,
            None => self.scalar(value),
        };
        let ends = if scalar.kind == ScalarKind::Text { self.ends(first) } else { (0, 0) };
        self.fields.push(Field { parent, key, value: scalar, list, ends });
        self.index.push((path, place));
        if let Value::Object(fields) = value {
            self.below(place, path, fields, steps);
        }
    }

    fn below(&mut self, parent: u32, path: PathHash, fields: &Map<String, Value>, steps: usize) {
        let is_metadata = steps + 1 == MAX_SEGMENTS && path == PathHash::default().below("metadata");
        for (key, value) in fields {
            // No path leads there, and it changes whenever anything does.
            if !(is_metadata && (key == "managedFields" || key == "resourceVersion")) {
                self.read(Some(parent), path, key, value, steps);
            }
        }
    }

    fn list(&mut self, list: &[Value]) -> (u32, u32) {
        let first = self.elements.len();
        for element in list {
            let scalar = self.scalar(element);
            self.elements.push(scalar);
        }
        (number(first), number(list.len()))
    }

    fn scalar(&mut self, value: &Value) -> Scalar {
        let at = self.bytes.len();
        let (kind, amount) = match value {
            Value::String(text) => {
                self.bytes.extend_from_slice(text.as_bytes());
                // Most texts are no numbers, and show it by how they begin.
                let is_number = text.as_bytes().first().is_some_and(|byte| !byte.is_ascii_alphabetic());
                (ScalarKind::Text, Amount::of(is_number.then(|| Quantity::parse(text)).flatten()))
            }
            Value::Number(number) => {
                // Writing to memory cannot fail.
                let _ = match number.as_i64() {
                    Some(number) => write!(self.bytes, "{number}"),
                    None => self.bytes.write_all(scalar_text(value).unwrap_or_default().as_bytes()),
                };
                (ScalarKind::Plain, Amount::of(Quantity::from_number(number)))
            }
            Value::Bool(is_true) => {
                self.bytes.extend_from_slice(if *is_true { b"true" } else { b"false" });
                (ScalarKind::Plain, Amount::None)
            }
            Value::Null | Value::Array(_) | Value::Object(_) => (ScalarKind::Other, Amount::None),
        };
        let text = Span::since(&self.bytes, at);
        Scalar { text, hash: TextHash::of(text.of(&self.bytes)), kind, amount }
    }

    /// The ends of a text that begin with a dot, as far as they are short enough.
    fn ends(&mut self, text: &Value) -> (u32, u32) {
        let text = text.as_str().unwrap_or_default().as_bytes();
        let first = self.ends.len();
        for at in memrchr_iter(b'.', text) {
            let end = text.get(at..).unwrap_or_default();
            let Some(length) = u8::try_from(end.len()).ok().filter(|_| end.len() <= LONGEST) else { break };
            self.ends.push(End { hash: TextHash::of(end), length });
        }
        (number(first), number(self.ends.len() - first))
    }

    /// The hashes of the paths of all fields.
    pub(crate) fn paths(&self) -> impl Iterator<Item = PathHash> {
        self.index.iter().map(|(path, _)| *path)
    }

    /// The field at a path, given by its hash and by its bytes as [`bytes_of`](super::hashing::bytes_of) writes them.
    pub(crate) fn find(&self, hash: PathHash, path: &[u8]) -> Option<&Field> {
        let at = self.index.partition_point(|(other, _)| *other < hash);
        let candidates = self.index.get(at..)?.iter().take_while(|(other, _)| *other == hash);
        candidates.filter_map(|(_, place)| self.field(*place)).find(|field| self.is_at(field, path))
    }

    fn field(&self, place: u32) -> Option<&Field> {
        self.fields.get(usize::try_from(place).ok()?)
    }

    fn is_at(&self, field: &Field, path: &[u8]) -> bool {
        let (mut field, mut path) = (field, path);
        loop {
            let Some(above) = path.strip_suffix(field.key.of(&self.bytes)) else { return false };
            let Some(parent) = field.parent else { return above.is_empty() };
            let (Some(above), Some(parent)) = (above.strip_suffix(&[SEPARATOR]), self.field(parent)) else {
                return false;
            };
            (field, path) = (parent, above);
        }
    }

    /// The text by which a field is looked up, if it has one.
    pub(crate) fn text(&self, field: &Field) -> &[u8] {
        field.value.text.of(&self.bytes)
    }

    /// The ends of that text that begin with a dot, the shortest first.
    pub(crate) fn ends_of(&self, field: &Field) -> &[End] {
        slice(&self.ends, field.ends)
    }

    /// What a test says to a field.
    #[inline]
    pub(crate) fn test(&self, field: &Field, test: &Test, sieve: &Sieve) -> Answer {
        let Some(list) = field.list else { return test.accepts(sieve, &field.value, &self.bytes) };
        let mut answer = Answer::Yes;
        for element in slice(&self.elements, list) {
            match test.accepts(sieve, element, &self.bytes) {
                Answer::Yes => {}
                Answer::Unsure => answer = Answer::Unsure,
                Answer::No => return Answer::No,
            }
        }
        answer
    }
}

impl Field {
    /// Of what kind the value is that it is looked up by, and the hash of its text.
    pub(crate) fn value(&self) -> (ScalarKind, TextHash) {
        (self.value.kind, self.value.hash)
    }
}

fn slice<T>(all: &[T], (first, count): (u32, u32)) -> &[T] {
    let first = usize::try_from(first).unwrap_or(usize::MAX);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    first.checked_add(count).and_then(|end| all.get(first..end)).unwrap_or_default()
}

fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
