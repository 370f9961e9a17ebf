//! The names that expressions see, and the conversion of JSON into CEL's values.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use cel::objects::{Key, Map};
use cel::{Context, Value as CelValue};
use serde_json::Value;

use super::EvalError;
use super::budget::environment;

/// Values may be nested this deeply; those of Kubernetes are nested far less.
const MAX_VALUE_DEPTH: usize = 64;

/// Names and their values, converted once for any number of expressions.
///
/// `Debug` shows the names only: a value may be a Secret.
pub struct Scope {
    context: Context<'static, 'static>,
    bound: BTreeSet<String>,
    too_deep: BTreeSet<String>,
}

impl Scope {
    /// A scope with these names; of several equal names the last counts.
    pub fn new(bindings: &[(&str, &Value)]) -> Self {
        let mut scope = Self {
            context: Context::with_env(environment()),
            bound: BTreeSet::new(),
            too_deep: BTreeSet::new(),
        };
        for (name, value) in bindings {
            match convert(value, MAX_VALUE_DEPTH) {
                Some(value) => {
                    scope.context.add_variable_from_value(*name, value);
                    scope.bound.insert((*name).to_owned());
                    scope.too_deep.remove(*name);
                }
                None => {
                    scope.too_deep.insert((*name).to_owned());
                }
            }
        }
        scope
    }

    pub(super) fn context(&self) -> &Context<'static, 'static> {
        &self.context
    }

    /// Whether the name has a value that can be used.
    pub(super) fn provides(&self, name: &str) -> Result<(), EvalError> {
        let name = || name.to_owned();
        if self.too_deep.contains(&name()) {
            Err(EvalError::TooDeep { name: name() })
        } else if self.bound.contains(&name()) {
            Ok(())
        } else {
            Err(EvalError::Unbound { name: name() })
        }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("bound", &self.bound).finish_non_exhaustive()
    }
}

/// Integers become `int` (beyond its range `uint`), so that `status.progress + 1` is what people expect.
fn convert(value: &Value, depth: usize) -> Option<CelValue> {
    let depth = depth.checked_sub(1)?;
    Some(match value {
        Value::Null => CelValue::Null,
        Value::Bool(value) => CelValue::Bool(*value),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), _, _) => CelValue::Int(number),
            (None, Some(number), _) => CelValue::UInt(number),
            (None, None, Some(number)) => CelValue::Float(number),
            (None, None, None) => CelValue::Null,
        },
        Value::String(text) => CelValue::String(Arc::new(text.clone())),
        Value::Array(elements) => {
            let elements: Option<Vec<CelValue>> =
                elements.iter().map(|element| convert(element, depth)).collect();
            CelValue::List(Arc::new(elements?))
        }
        Value::Object(fields) => {
            let fields: Option<_> = fields
                .iter()
                .map(|(key, value)| Some((Key::from(key.as_str()), convert(value, depth)?)))
                .collect();
            CelValue::Map(Map { map: Arc::new(fields?) })
        }
    })
}
