//! Which objects a page of a list holds.

use std::iter::Peekable;
use std::sync::Arc;

use serde_json::Value;

use super::ObjectKey;

/// Which of the objects of a scope a page holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted<'w> {
    /// As they were at this revision; as they are now where there is none.
    pub(crate) at: Option<u64>,
    /// Those after this one.
    pub(crate) after: Option<&'w ObjectKey>,
    /// At most so many.
    pub(crate) limit: Option<usize>,
    /// Whether those after the page are counted.
    pub(crate) counts: bool,
}

/// What is there now and what was there before, in one order: of what has both, the latter.
pub(super) struct Merged<N: Iterator, T: Iterator> {
    now: Peekable<N>,
    then: Peekable<T>,
}

impl<N: Iterator, T: Iterator> Merged<N, T> {
    /// Both in the order of their keys.
    pub(super) fn of(now: N, then: T) -> Self {
        Self { now: now.peekable(), then: then.peekable() }
    }
}

impl<'s, N, T> Iterator for Merged<N, T>
where
    N: Iterator<Item = (&'s ObjectKey, Option<&'s Arc<Value>>)>,
    T: Iterator<Item = (&'s ObjectKey, Option<&'s Arc<Value>>)>,
{
    type Item = (&'s ObjectKey, Option<&'s Arc<Value>>);

    fn next(&mut self) -> Option<Self::Item> {
        match (self.now.peek(), self.then.peek()) {
            (Some((now, _)), Some((then, _))) if now < then => self.now.next(),
            (Some((now, _)), Some((then, _))) => {
                if now == then {
                    self.now.next();
                }
                self.then.next()
            }
            (Some(_), None) => self.now.next(),
            (None, _) => self.then.next(),
        }
    }
}
