//! An order, read once for all questions about it.
//!
//! What indexes and tests want to know of an order is worked out here: which fields it has, by the hashes of their paths,
//! the text of each, its hash and those of its ends, its number. Whoever asks about the same order more than once keeps
//! the reading meanwhile and saves what reading costs, which is more than the answer. A reading knows nothing of offers:
//! it is good for every snapshot of them.

use std::fmt;
use std::io::Write as _;
use std::sync::Arc;

use memchr::memrchr_iter;
use serde_json::Value;

use super::hashing::{PathHash, SEPARATOR, TextHash, same};
use super::sieve::{Amount, Answer, Scalar, ScalarKind, Sieve, Span, Test};
use super::{Quantity, scalar_text};
use crate::resource::{MAX_SEGMENTS, Object};

/// Beginnings and ends of texts are looked up by up to this many bytes.
pub(crate) const LONGEST: usize = 127;
/// Paths up to this many bytes are written down.
const MOST_WRITTEN: usize = 64;
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
    /// In the order of the hashes of their paths.
    fields: Vec<Field>,
    /// Where in that order the first field is whose hash begins with these bits, or comes after them.
    starts: Vec<u32>,
    /// By how many bits a hash is shifted to get at its beginning.
    shift: u32,
    /// Elements of lists.
    elements: Vec<Scalar>,
    ends: Vec<End>,
    /// Keys and texts.
    bytes: Vec<u8>,
}

/// A field that is there.
pub(crate) struct Field {
    hash: PathHash,
    /// The path as [`bytes_of`](super::hashing::bytes_of) writes it; `None` where it is too long to be written down.
    path: Option<Span>,
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
            fields: Vec::with_capacity(USUAL),
            starts: Vec::new(),
            shift: 0,
            elements: Vec::new(),
            ends: Vec::with_capacity(USUAL / 2),
            bytes: Vec::with_capacity(USUAL * 32),
        };
        for (key, value) in object.fields() {
            // No path leads anywhere else.
            if key == "spec" || key == "metadata" {
                digest.read(&Above::default(), key, value);
            }
        }
        digest.sort();
        digest
    }

    fn sort(&mut self) {
        self.fields.sort_unstable_by_key(|field| field.hash);
        // Two to four times as many beginnings as fields: most have one field or none.
        let bits = (self.fields.len() | 1).ilog2() + 2;
        self.shift = 64 - bits;
        self.starts.reserve_exact(1 << bits);
        let mut fields = self.fields.iter().map(|field| field.hash.get() >> self.shift).peekable();
        let mut at = 0;
        for beginning in 0..1_u64 << bits {
            self.starts.push(at);
            while fields.next_if_eq(&beginning).is_some() {
                at += 1;
            }
        }
    }

    /// A value, and what is below it. What counts as missing is left out.
    fn read(&mut self, above: &Above, key: &str, value: &Value) {
        if value.is_null() || value.as_array().is_some_and(Vec::is_empty) || above.steps >= MAX_SEGMENTS {
            return;
        }
        let hash = above.hash.below(key);
        let path = self.path(above, key);
        let list = value.as_array().map(|list| self.list(list));
        let first = value.as_array().and_then(|list| list.first()).unwrap_or(value);
        let scalar = match list.and_then(|(first, _)| self.elements.get(usize::try_from(first).ok()?)) {
            Some(first) => *first,
            None => self.scalar(value),
        };
        let ends = if scalar.kind == ScalarKind::Text { self.ends(first) } else { (0, 0) };
        self.fields.push(Field { hash, path, value: scalar, list, ends });
        if let Value::Object(fields) = value {
            let below = Above { hash, path, steps: above.steps + 1 };
            let is_metadata = below.steps == 1 && key == "metadata";
            for (key, value) in fields {
                // No path leads there, and it changes whenever anything does.
                if !(is_metadata && (key == "managedFields" || key == "resourceVersion")) {
                    self.read(&below, key, value);
                }
            }
        }
    }

    /// Writes a path down, unless it is longer than usual paths: an order of many long ones must not grow.
    fn path(&mut self, above: &Above, key: &str) -> Option<Span> {
        let at = self.bytes.len();
        if above.steps > 0 {
            let before = above.path?.range();
            if before.len() + key.len() > MOST_WRITTEN {
                return None;
            }
            self.bytes.extend_from_within(before);
            self.bytes.push(SEPARATOR);
        } else if key.len() > MOST_WRITTEN {
            return None;
        }
        self.bytes.extend_from_slice(key.as_bytes());
        Some(Span::since(&self.bytes, at))
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
        self.fields.iter().map(|field| field.hash)
    }

    /// The fields whose paths have this hash: one, nearly always.
    #[inline]
    pub(crate) fn at(&self, hash: PathHash) -> impl Iterator<Item = &Field> {
        let beginning = usize::try_from(hash.get() >> self.shift).unwrap_or(usize::MAX);
        let start = self.starts.get(beginning).and_then(|start| usize::try_from(*start).ok());
        let mut fields = start.and_then(|start| self.fields.get(start..)).unwrap_or_default();
        while let [first, rest @ ..] = fields
            && first.hash < hash
        {
            fields = rest;
        }
        fields.iter().take_while(move |field| field.hash == hash)
    }

    /// The field at a path, given by its hash and by its bytes as [`bytes_of`](super::hashing::bytes_of) writes them.
    ///
    /// # Errors
    /// Where only the order itself can tell.
    #[inline]
    pub(crate) fn find(&self, hash: PathHash, path: &[u8]) -> Result<Option<&Field>, NotWritten> {
        for field in self.at(hash) {
            if same(field.path.ok_or(NotWritten)?.of(&self.bytes), path) {
                return Ok(Some(field));
            }
        }
        Ok(None)
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
        match field.list {
            Some(list) => self.test_list(list, test, sieve),
            None => test.accepts(sieve, &field.value, &self.bytes),
        }
    }

    /// Each element has to pass. Apart, because few fields are lists.
    #[inline(never)]
    fn test_list(&self, list: (u32, u32), test: &Test, sieve: &Sieve) -> Answer {
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
    /// Whether it has beginnings and ends: numbers and booleans have none.
    pub(crate) fn is_text(&self) -> bool {
        self.value.kind == ScalarKind::Text
    }

    /// The hash of the text that it is looked up by, if it has one.
    #[inline]
    pub(crate) fn hash(&self) -> Option<TextHash> {
        (self.value.kind != ScalarKind::Other).then_some(self.value.hash)
    }
}

/// A path was too long to be written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotWritten;

/// What is above a field that is read.
#[derive(Default)]
struct Above {
    hash: PathHash,
    path: Option<Span>,
    steps: usize,
}

fn slice<T>(all: &[T], (first, count): (u32, u32)) -> &[T] {
    let first = usize::try_from(first).unwrap_or(usize::MAX);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    first.checked_add(count).and_then(|end| all.get(first..end)).unwrap_or_default()
}

fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
