//! The answer of an expression as plain JSON, for what is made from it.

use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelOptional, CelString, CelUInt,
};
use cel::common::value::Val;
use serde_json::{Map, Number, Value};

use super::{EvalError, Expression, Scope, budget};

/// The largest answer, counted in bytes of text and 16 for each part: no object of Kubernetes needs more.
pub const MAX_ANSWER: usize = 256 << 10;
/// How deeply an answer may be nested.
const MAX_ANSWER_DEPTH: usize = 32;
/// What a part costs beyond its text.
const PART: usize = 16;

impl Expression {
    /// The answer, whatever it is.
    ///
    /// # Errors
    /// As [`Expression::evaluate_bool`]; also where the answer is larger than [`MAX_ANSWER`], nested too deeply, or has
    /// no JSON: bytes, types, numbers that are not finite, maps whose keys are no texts.
    pub fn evaluate(&self, bindings: &[(&str, &Value)]) -> Result<Value, EvalError> {
        self.evaluate_in(&Scope::new(bindings))
    }

    /// The answer, in a scope that is used for several.
    ///
    /// # Errors
    /// As [`Expression::evaluate`].
    pub fn evaluate_in(&self, scope: &Scope) -> Result<Value, EvalError> {
        self.on_enough_stack(scope, || {
            budget::metered(|| {
                let answer = cel::Value::resolve_val(&self.root, scope.context())
                    .map_err(|error| EvalError::from_cel(&error))?;
                json(answer.as_ref(), MAX_ANSWER_DEPTH, &mut { MAX_ANSWER })
            })
        })
    }
}

fn json(value: &dyn Val, depth: usize, left: &mut usize) -> Result<Value, EvalError> {
    let depth = depth.checked_sub(1).ok_or(EvalError::Budget)?;
    spend(left, PART)?;
    if let Some(text) = value.downcast_ref::<CelString>() {
        spend(left, text.inner().len())?;
        Ok(text.inner().into())
    } else if let Some(answer) = value.downcast_ref::<CelBool>() {
        Ok((*answer.inner()).into())
    } else if let Some(number) = value.downcast_ref::<CelInt>() {
        Ok((*number.inner()).into())
    } else if let Some(number) = value.downcast_ref::<CelUInt>() {
        Ok((*number.inner()).into())
    } else if let Some(number) = value.downcast_ref::<CelDouble>() {
        Number::from_f64(*number.inner())
            .map(Value::Number)
            .ok_or_else(|| none("a number that is not finite"))
    } else if value.downcast_ref::<CelNull>().is_some() {
        Ok(Value::Null)
    } else if let Some(list) = value.downcast_ref::<CelList>() {
        list.inner().iter().map(|element| json(element.as_ref(), depth, left)).collect()
    } else if let Some(map) = value.downcast_ref::<CelMap>() {
        let mut fields = Map::new();
        for (key, value) in map.inner() {
            let CelMapKey::String(key) = key else { return Err(none("a map whose keys are no texts")) };
            spend(left, key.inner().len())?;
            fields.insert(key.inner().to_owned(), json(value.as_ref(), depth, left)?);
        }
        Ok(Value::Object(fields))
    } else if let Some(optional) = value.downcast_ref::<CelOptional>() {
        match optional.inner() {
            Some(value) => json(value, depth, left),
            None => Err(EvalError::Missing { field: "the optional value".to_owned() }),
        }
    } else {
        Err(none(&format!("a value of type {}", value.get_type().name())))
    }
}

fn spend(left: &mut usize, bytes: usize) -> Result<(), EvalError> {
    *left = left.checked_sub(bytes).ok_or(EvalError::Budget)?;
    Ok(())
}

fn none(what: &str) -> EvalError {
    EvalError::Failed { message: format!("{what} cannot be part of an object") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn evaluate(text: &str) -> Result<Value, EvalError> {
        let object = json!({
            "spec": {"cpu": 4, "ratio": 0.5, "big": u64::MAX, "ha": true, "none": null, "names": ["a", "b"], "engine": "pg"},
            "text": "x".repeat(100_000),
        });
        Expression::compile_with(text, &["self"]).unwrap().evaluate(&[("self", &object)])
    }

    #[test]
    fn an_answer_keeps_its_type() {
        for (text, expected) in [
            ("self.spec.cpu", json!(4)),
            ("self.spec.cpu + 1", json!(5)),
            ("self.spec.ratio", json!(0.5)),
            ("self.spec.big", json!(u64::MAX)),
            ("self.spec.ha", json!(true)),
            ("self.spec.none", json!(null)),
            ("'db-' + self.spec.engine", json!("db-pg")),
            ("self.spec.names", json!(["a", "b"])),
            ("{'a': self.spec.names, 'b': {'c': 1u}}", json!({"a": ["a", "b"], "b": {"c": 1}})),
            ("self.spec.?missing.orValue('x')", json!("x")),
            ("self.?spec.?cpu", json!(4)),
        ] {
            assert_eq!(evaluate(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_has_no_json_or_no_end_is_told() {
        for text in ["bytes('a')", "type(1)", "{1: 2}", "1.0 / 0.0"] {
            assert!(matches!(evaluate(text), Err(EvalError::Failed { .. })), "{text}: {:?}", evaluate(text));
        }
        for text in ["self.spec.missing", "self.spec.?missing"] {
            assert!(matches!(evaluate(text), Err(EvalError::Missing { .. })), "{text}");
        }
        assert_eq!(evaluate("[self.text, self.text, self.text]"), Err(EvalError::Budget));
    }
}
