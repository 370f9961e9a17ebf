//! An order as filters see it: without its status.

use std::cell::OnceCell;

use serde_json::{Map, Value};

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

    /// The order as `self` of expressions: without its status, and without the metadata that changes whenever the status
    /// does, since a provider could make its own order flap with them.
    pub(super) fn scope(&self) -> &Scope {
        self.scope.get_or_init(|| {
            let fields = self.object.fields().iter().filter(|(field, _)| *field != "status");
            let fields = fields.map(|(field, value)| {
                let metadata = value.as_object().filter(|_| field == "metadata");
                (field.clone(), metadata.map_or_else(|| value.clone(), steady))
            });
            let fields: Map<String, Value> = fields.collect();
            Scope::new(&[("self", &Value::Object(fields))])
        })
    }
}

/// The metadata without what every write of the status changes.
fn steady(metadata: &Map<String, Value>) -> Value {
    let steady =
        metadata.iter().filter(|(field, _)| *field != "resourceVersion" && *field != "managedFields");
    Value::Object(steady.map(|(field, value)| (field.clone(), value.clone())).collect())
}
