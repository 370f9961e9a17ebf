//! Expressions in CEL: compiled once, bounded in every dimension, evaluated on plain JSON.
//!
//! Wraps the `cel` crate, so that budgets, the conversion of integers and a change of crate stay in one place. Knows
//! neither what the expressions are about nor when they are asked.
//!
//! What is offered: literals, field access and indexing, `has()`, optional access (`a.?b.orValue(c)`), the arithmetic,
//! comparing and logical operators, `in`, `? :`, the macros `all`, `exists`, `exists_one`, `map` and `filter`, and
//! the functions in [`FUNCTIONS`]. There is no clock, no randomness, no access to anything but the names given. Integers of
//! the JSON are CEL's `int`. A macro over a map sees its keys in order, so that every replica gets the same answer.
//!
//! Whatever is written, compiling and evaluating come back: the text, its parts, their nesting, the steps taken and the
//! size of what is built are all bounded (the `cel` crate itself bounds neither steps nor sizes). Parsing, and evaluating
//! what is nested deeply, run on threads with a stack that no accepted text can exhaust, in builds without optimisation
//! too: an embedder has its own profiles.
//!
//! Not offered of what Kubernetes has: `matches` and `find` (a pattern is compiled anew for each value, outside of every
//! budget), `replace`, `join`, `split` and `format` (what they build may be far larger than what they are given), macros
//! with two variables, and the libraries of lists, sets, URLs, addresses, quantities and dates. A quantity is what
//! `boundary` is for.

mod budget;
mod check;
mod error;
mod fields;
mod outcome;
mod scope;
mod value;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::thread;

use cel::common::types::CelBool;
use cel::parser::Parser;
use serde_json::Value;

pub use check::{FUNCTIONS, MAX_DEPTH, MAX_NODES};
pub use error::{EvalError, ExpressionError};
pub use fields::FieldUse;
pub use outcome::Outcome;
pub use scope::Scope;
pub use value::MAX_ANSWER;

/// The longest accepted text, in bytes.
pub const MAX_LENGTH: usize = 1024;
/// Enough for the parser on any text of [`MAX_LENGTH`], in builds without optimisation too (they need
/// a hundred kilobytes per nested parenthesis); only what is used is ever touched.
const PARSER_STACK: usize = 64 << 20;
/// Expressions of at most so many levels are evaluated where they are asked. Without optimisation a level takes up to
/// 130 kilobytes of stack (optimised: 6), and threads usually have two megabytes.
const INLINE_DEPTH: usize = 8;
/// Enough to evaluate what has [`MAX_DEPTH`] levels, four times over.
const EVALUATION_STACK: usize = 16 << 20;

/// A compiled expression. Cheap to clone; equal when its text is.
#[derive(Clone)]
pub struct Expression {
    text: Arc<str>,
    root: Arc<cel::IdedExpr>,
    names: Arc<BTreeSet<String>>,
    depth: usize,
}

impl Expression {
    /// Compiles an expression over any names.
    ///
    /// # Errors
    /// Where the text is no CEL, not offered here, or too large.
    pub fn compile(text: &str) -> Result<Self, ExpressionError> {
        Self::checked(text, None)
    }

    /// Compiles an expression that may refer to these names only.
    ///
    /// # Errors
    /// Where the text is no CEL, not offered here, too large, or refers to anything else.
    pub fn compile_with(text: &str, names: &[&str]) -> Result<Self, ExpressionError> {
        Self::checked(text, Some(names))
    }

    fn checked(text: &str, known: Option<&[&str]>) -> Result<Self, ExpressionError> {
        if text.len() > MAX_LENGTH {
            return Err(ExpressionError::TooLong { length: text.len(), max: MAX_LENGTH });
        }
        thread::scope(|threads| {
            let parser = thread::Builder::new().name("cel-parser".to_owned()).stack_size(PARSER_STACK);
            let parsing = parser.spawn_scoped(threads, || parse(text, known));
            parsing.map_err(|_| ExpressionError::Abandoned)?.join().map_err(|_| ExpressionError::Abandoned)?
        })
    }

    /// The text it was compiled from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names it refers to, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Whether the expression is true.
    ///
    /// # Errors
    /// Where it has no answer; see [`EvalError`]. [`EvalError::Missing`] means "not yet".
    pub fn evaluate_bool(&self, bindings: &[(&str, &Value)]) -> Result<bool, EvalError> {
        self.evaluate_bool_in(&Scope::new(bindings))
    }

    /// Whether the expression is true, in a scope that is used for several.
    ///
    /// # Errors
    /// As [`Expression::evaluate_bool`].
    pub fn evaluate_bool_in(&self, scope: &Scope) -> Result<bool, EvalError> {
        self.on_enough_stack(scope, || self.answer(scope))
    }

    /// Evaluates here, or, what is nested deeply, on a thread of its own.
    fn on_enough_stack<T: Send>(
        &self,
        scope: &Scope,
        evaluation: impl FnOnce() -> Result<T, EvalError> + Send,
    ) -> Result<T, EvalError> {
        for name in self.names() {
            scope.provides(name)?;
        }
        if self.depth <= INLINE_DEPTH {
            return evaluation();
        }
        let abandoned = || EvalError::Failed { message: "it was given up".to_owned() };
        thread::scope(|threads| {
            let thread = thread::Builder::new().name("cel".to_owned()).stack_size(EVALUATION_STACK);
            let running = thread.spawn_scoped(threads, evaluation);
            running.map_err(|_| abandoned())?.join().map_err(|_| abandoned())?
        })
    }

    fn answer(&self, scope: &Scope) -> Result<bool, EvalError> {
        budget::metered(|| {
            let answer = cel::Value::resolve_val(&self.root, scope.context())
                .map_err(|error| EvalError::from_cel(&error))?;
            match answer.downcast_ref::<CelBool>() {
                Some(answer) => Ok(*answer.inner()),
                None => Err(EvalError::NotBool { found: answer.get_type().name().to_owned() }),
            }
        })
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Expression {}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.text).finish()
    }
}

/// Parses and checks; runs on the parser's own stack, where whatever is refused is dropped too.
fn parse(text: &str, known: Option<&[&str]>) -> Result<Expression, ExpressionError> {
    let parser = Parser::new().enable_optional_syntax(true);
    let (mut root, source) = parser.parse_with_source_info(text).map_err(|errors| syntax_error(&errors))?;
    let checked = check::check(&mut root, &source, known)?;
    Ok(Expression {
        text: text.into(),
        root: Arc::new(root),
        names: Arc::new(checked.names),
        depth: checked.depth,
    })
}

fn syntax_error(errors: &cel::ParseErrors) -> ExpressionError {
    let Some(error) = errors.errors.first() else { return ExpressionError::Abandoned };
    let (line, column) = error.pos;
    ExpressionError::Syntax {
        line: usize::try_from(line).unwrap_or(1).max(1),
        column: usize::try_from(column).unwrap_or(1).max(1),
        message: crate::offer::shorten(&error.msg, 120),
    }
}
