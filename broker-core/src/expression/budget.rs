//! The meters of an evaluation: how many steps its macros take, and how much it copies.
//!
//! `cel` bounds neither. The meters are functions of its environment, which take a value, charge for it and hand it on;
//! [`check`](super::check) puts them where something would be repeated or copied. What they count belongs to
//! the evaluation that runs on this thread. An exhausted meter fails the call it is in, and, because `||` may swallow
//! that error, the whole evaluation in the end.

use std::cell::Cell;
use std::sync::{Arc, LazyLock};

use cel::common::types::{CelBytes, CelList, CelMap, CelOptional, CelString, DYN_TYPE, STRING_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{Env, ExecutionError};

use super::EvalError;

/// Charges for a value that is about to be copied or compared; no CEL text can name it.
pub(super) const METER: &str = "@meter";
/// Charges for a value that is about to be looped over.
pub(super) const LOOP_METER: &str = "@loop";

/// The most elements that all macros of one evaluation may look at together.
const STEPS: u64 = 10_000;
/// The most that one evaluation may copy and compare, in bytes.
const BYTES: u64 = 4 << 20;
/// What a value costs beyond its text.
const NODE: u64 = 16;

thread_local! {
    static STEPS_LEFT: Cell<Option<u64>> = const { Cell::new(None) };
    static BYTES_LEFT: Cell<Option<u64>> = const { Cell::new(None) };
}

/// The environment of all evaluations: the standard library and the meters.
pub(super) fn environment() -> Arc<Env> {
    static SHARED: LazyLock<Arc<Env>> = LazyLock::new(|| {
        let mut env = Env::stdlib();
        // A conflict is impossible: the names are not valid CEL. Without its meters every macro would fail, closed.
        let _ = env.add_overload(METER, "meter", vec![DYN_TYPE], meter);
        let _ = env.add_overload(LOOP_METER, "loop", vec![DYN_TYPE], loop_meter);
        // Of Kubernetes' string functions those whose result is no larger than what they are given.
        let _ = env.add_member_overload("lowerAscii", "lower", STRING_TYPE, Vec::new(), lower_ascii);
        let _ = env.add_member_overload("upperAscii", "upper", STRING_TYPE, Vec::new(), upper_ascii);
        let _ = env.add_member_overload("trim", "trim", STRING_TYPE, Vec::new(), trim);
        Arc::new(env)
    });
    Arc::clone(&SHARED)
}

/// Runs one evaluation on fresh meters.
pub(super) fn metered<T>(evaluation: impl FnOnce() -> Result<T, EvalError>) -> Result<T, EvalError> {
    STEPS_LEFT.set(Some(STEPS));
    BYTES_LEFT.set(Some(BYTES));
    let answer = evaluation();
    if STEPS_LEFT.get().is_none() || BYTES_LEFT.get().is_none() {
        return Err(EvalError::Budget);
    }
    answer
}

fn meter<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value = only(args)?;
    charge_copy(value.as_ref())?;
    Ok(value)
}

fn loop_meter<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value = only(args)?;
    let length = value.as_sizer().map_or(0, |sizer| u64::try_from(*sizer.size().inner()).unwrap_or(0));
    // One more, so that looping over nothing for ever is not free.
    spend(&STEPS_LEFT, length.saturating_add(1))?;
    charge_copy(value.as_ref())?;
    let Some(map) = value.downcast_ref::<CelMap>() else { return Ok(value) };
    // The map's own order differs from process to process.
    let mut keys: Vec<_> = map.inner().keys().collect();
    keys.sort();
    let keys: Vec<Box<dyn Val + 'v>> = keys.into_iter().map(|key| key.inner().clone_as_boxed()).collect();
    Ok(CowVal::owned(CelList::from(keys)))
}

fn lower_ascii<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    of_text(args, str::to_ascii_lowercase)
}

fn upper_ascii<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    of_text(args, str::to_ascii_uppercase)
}

fn trim<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    of_text(args, |text| text.trim().to_owned())
}

fn of_text<'b, 'v>(
    args: Vec<CowVal<'b, 'v>>,
    change: impl Fn(&str) -> String,
) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value = only(args)?;
    let text = value.as_ref().downcast_ref::<CelString>().ok_or(ExecutionError::MissingArgumentOrTarget)?;
    Ok(CowVal::owned(CelString::from(change(text.inner()))))
}

fn only<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    args.into_iter().next().ok_or(ExecutionError::MissingArgumentOrTarget)
}

fn spend(meter: &'static std::thread::LocalKey<Cell<Option<u64>>>, units: u64) -> Result<(), ExecutionError> {
    let left = meter.get().and_then(|left| left.checked_sub(units));
    meter.set(left);
    left.map(|_| ()).ok_or_else(|| ExecutionError::function_error(METER, "budget exhausted"))
}

/// Charges for everything in a value; stops counting when the meter is exhausted.
fn charge_copy(value: &dyn Val) -> Result<(), ExecutionError> {
    let text = |length: usize| NODE.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
    if let Some(string) = value.downcast_ref::<CelString>() {
        spend(&BYTES_LEFT, text(string.inner().len()))
    } else if let Some(bytes) = value.downcast_ref::<CelBytes>() {
        spend(&BYTES_LEFT, text(bytes.inner().len()))
    } else if let Some(list) = value.downcast_ref::<CelList>() {
        spend(&BYTES_LEFT, NODE)?;
        list.inner().iter().try_for_each(|element| charge_copy(element.as_ref()))
    } else if let Some(map) = value.downcast_ref::<CelMap>() {
        spend(&BYTES_LEFT, NODE)?;
        map.inner().iter().try_for_each(|(key, value)| {
            charge_copy(key.inner())?;
            charge_copy(value.as_ref())
        })
    } else if let Some(optional) = value.downcast_ref::<CelOptional>() {
        spend(&BYTES_LEFT, NODE)?;
        optional.inner().map_or(Ok(()), charge_copy)
    } else {
        spend(&BYTES_LEFT, NODE)
    }
}
