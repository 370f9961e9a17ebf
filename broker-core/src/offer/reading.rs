//! One field of an order as filters see it, read once for all filters on it.

use std::cell::OnceCell;

use serde_json::Value;

use super::Quantity;
use crate::resource::{FieldPath, Object};

/// The value of one field; what is worked out from it is kept for the next filter on the same field.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading<'o> {
    value: Option<&'o Value>,
    quantity: OnceCell<Option<Quantity>>,
}

impl<'o> Reading<'o> {
    /// The field at a path.
    pub(crate) fn at(path: &FieldPath, object: &'o Object) -> Self {
        path.find(object).map(Self::of).unwrap_or_default()
    }

    /// A value. An explicit null and an empty list count as missing.
    pub(crate) fn of(value: &'o Value) -> Self {
        let missing = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        Self { value: (!missing).then_some(value), quantity: OnceCell::new() }
    }

    /// What is there, if anything.
    pub(crate) fn value(&self) -> Option<&'o Value> {
        self.value
    }

    /// What is there as a number; `None` where it is none, and for lists.
    pub(super) fn quantity(&self) -> Option<Quantity> {
        *self.quantity.get_or_init(|| self.value.and_then(Quantity::from_value))
    }
}
