//! JSON patch as the API server's library does it.

use super::PatchError;
use crate::control_plane::machinery::value::equal;
use serde_json::Value;

/// The real server refuses longer patches with 413.
const MOST_OPERATIONS: usize = 10_000;

pub(super) fn patch(object: &mut Value, operations: &Value) -> Result<(), PatchError> {
    let operations = operations.as_array().ok_or_else(|| {
        PatchError::Malformed(
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp".to_owned(),
        )
    })?;
    if operations.len() > MOST_OPERATIONS {
        return Err(PatchError::Malformed(format!(
            "The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {}",
            operations.len()
        )));
    }
    let mut patched = object.clone();
    for operation in operations {
        run(&mut patched, operation)?;
    }
    *object = patched;
    Ok(())
}

fn run(object: &mut Value, operation: &Value) -> Result<(), PatchError> {
    let name = operation.get("op").and_then(Value::as_str).unwrap_or("unknown");
    let pointer = |field: &str| -> Result<Pointer<'_>, PatchError> {
        let text = operation.get(field).and_then(Value::as_str).ok_or_else(|| {
            PatchError::Rejected(format!("{name} operation failed to decode {field}: missing value"))
        })?;
        Ok(Pointer { operation: name.to_owned(), text })
    };
    let value = operation.get("value").filter(|value| !value.is_null());
    match name {
        "add" => pointer("path")?.add(object, value.cloned().unwrap_or(Value::Null)),
        "remove" => pointer("path")?.remove(object).map(drop),
        "replace" => pointer("path")?.replace(object, value.cloned().unwrap_or(Value::Null)),
        "move" => {
            let moved = pointer("from")?.remove(object)?;
            pointer("path")?.add(object, moved)
        }
        "copy" => {
            let copied = pointer("from")?.get(object)?.unwrap_or(Value::Null);
            pointer("path")?.add(object, copied)
        }
        "test" => {
            let pointer = pointer("path")?;
            let found = pointer.get(object)?.filter(|found| !found.is_null());
            let same = match (&found, value) {
                (None, None) => true,
                (Some(found), Some(wanted)) => equal(found, wanted),
                (None, Some(_)) | (Some(_), None) => false,
            };
            if same {
                Ok(())
            } else {
                Err(PatchError::Rejected(format!("testing value {} failed: test failed", pointer.text)))
            }
        }
        other => Err(PatchError::Rejected(format!("Unexpected kind: {other}"))),
    }
}

struct Pointer<'a> {
    operation: String,
    text: &'a str,
}

impl Pointer<'_> {
    /// The container the pointer ends in, and the last step.
    fn find<'v>(&self, object: &'v mut Value) -> Result<(&'v mut Value, String), PatchError> {
        let missing = || {
            PatchError::Rejected(format!(
                "{} operation does not apply: doc is missing path: \"{}\": missing value",
                self.operation, self.text
            ))
        };
        let steps: Vec<String> =
            self.text.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
        let (last, parents) = steps.split_last().ok_or_else(missing)?;
        let mut current = object;
        for step in parents {
            let next = match current {
                Value::Object(fields) => fields.get_mut(step),
                Value::Array(items) => position(step, items.len()).and_then(|index| items.get_mut(index)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
            };
            current = next.filter(|next| next.is_object() || next.is_array()).ok_or_else(missing)?;
        }
        if !(current.is_object() || current.is_array()) {
            return Err(missing());
        }
        Ok((current, last.clone()))
    }

    fn bad_index(&self, step: &str) -> PatchError {
        PatchError::Rejected(format!(
            "error in {} for path: '{}': Unable to access invalid index: {step}: invalid index referenced",
            self.operation, self.text
        ))
    }

    fn get(&self, object: &mut Value) -> Result<Option<Value>, PatchError> {
        if self.text.is_empty() {
            return Ok(Some(object.clone()));
        }
        let (container, step) = self.find(object)?;
        match container {
            Value::Array(items) => {
                let index = position(&step, items.len()).ok_or_else(|| self.bad_index(&step))?;
                Ok(items.get(index).cloned())
            }
            Value::Object(fields) => Ok(fields.get(&step).cloned()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(None),
        }
    }

    fn add(&self, object: &mut Value, value: Value) -> Result<(), PatchError> {
        let (container, step) = self.find(object)?;
        match container {
            Value::Array(items) if step == "-" => items.push(value),
            Value::Array(items) => {
                let index = position(&step, items.len() + 1).ok_or_else(|| self.bad_index(&step))?;
                items.insert(index, value);
            }
            Value::Object(fields) => {
                fields.insert(step, value);
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        Ok(())
    }

    fn replace(&self, object: &mut Value, value: Value) -> Result<(), PatchError> {
        if self.text.is_empty() {
            *object = value;
            return Ok(());
        }
        let (container, step) = self.find(object)?;
        match container {
            Value::Array(items) => {
                let index = position(&step, items.len()).ok_or_else(|| self.bad_index(&step))?;
                if let Some(item) = items.get_mut(index) {
                    *item = value;
                }
            }
            Value::Object(fields) => {
                fields.insert(step, value);
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        Ok(())
    }

    fn remove(&self, object: &mut Value) -> Result<Value, PatchError> {
        let (container, step) = self.find(object)?;
        let removed = match container {
            Value::Array(items) => {
                let index = position(&step, items.len()).ok_or_else(|| self.bad_index(&step))?;
                Some(items.remove(index))
            }
            Value::Object(fields) => fields.remove(&step),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        };
        removed.ok_or_else(|| {
            PatchError::Rejected(format!(
                "error in {} for path: '{}': Unable to remove nonexistent key: {step}: missing value",
                self.operation, self.text
            ))
        })
    }
}

/// An index below `length`; negative ones count from the end.
fn position(step: &str, length: usize) -> Option<usize> {
    let index: i64 = step.parse().ok()?;
    let index = if index < 0 { index.checked_add(i64::try_from(length).ok()?)? } else { index };
    usize::try_from(index).ok().filter(|index| *index < length)
}
