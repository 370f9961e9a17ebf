//! An order as filters see it: without its status.

use std::cell::OnceCell;

use serde_json::Value;

use crate::expression::Scope;
use crate::resource::Object;

/// One order under evaluation. Expressions share one conversion of it, made when the first of them asks.
#[derive(Debug)]
pub struct OrderView<'o> {
    object: &'o Object,
    scope: OnceCell<Scope>,
}

impl<'o> OrderView<'o> {
    /// A view of the order.
    pub fn new(object: &'o Object) -> Self {
        Self { object, scope: OnceCell::new() }
    }

    /// The order. Field paths cannot reach into its status.
    pub fn object(&self) -> &'o Object {
        self.object
    }

    /// The order as `self` of expressions, without its status: a provider could make its own order flap with it.
    pub(super) fn scope(&self) -> &Scope {
        self.scope.get_or_init(|| {
            let mut fields = self.object.fields().clone();
            fields.remove("status");
            Scope::new(&[("self", &Value::Object(fields))])
        })
    }
}
