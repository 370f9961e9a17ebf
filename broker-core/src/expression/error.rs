//! What can be wrong with an expression, when it is written and when it is evaluated.

use cel::ExecutionError;

use crate::offer::shorten;

/// Names and keys are shown up to this many characters.
const SHOWN: usize = 64;

/// A text that cannot be used as an expression. Positions count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpressionError {
    /// Longer than any expression may be.
    #[error("{length} bytes long; at most {max} are accepted")]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// The longest accepted.
        max: usize,
    },
    /// Not CEL.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// Line.
        line: usize,
        /// Column.
        column: usize,
        /// What the parser says.
        message: String,
    },
    /// Too many parts, or parts nested too deeply.
    #[error("too complex: {what}; at most {max} are accepted")]
    TooComplex {
        /// What there are too many of.
        what: &'static str,
        /// How many are accepted.
        max: usize,
    },
    /// A name that will have no value.
    #[error("line {line}, column {column}: `{name}` is not known here; known are {known}")]
    UnknownName {
        /// The name.
        name: String,
        /// The names that are known, as a list.
        known: String,
        /// Line.
        line: usize,
        /// Column.
        column: usize,
    },
    /// A function or macro that there is not.
    #[error("line {line}, column {column}: there is no function `{name}` here")]
    UnknownFunction {
        /// The function.
        name: String,
        /// Line.
        line: usize,
        /// Column.
        column: usize,
    },
    /// CEL that is not offered here.
    #[error("line {line}, column {column}: {what} cannot be used here")]
    Unsupported {
        /// What it is.
        what: &'static str,
        /// Line.
        line: usize,
        /// Column.
        column: usize,
    },
    /// The parser gave up on it.
    #[error("the parser gave up on it")]
    Abandoned,
}

/// Why an expression has no answer. Never shows a value: it may come from a Secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// It reaches a field, key or list element that is not there: not yet true.
    #[error("{field} is not there")]
    Missing {
        /// The field, key or index.
        field: String,
    },
    /// A name has no value.
    #[error("`{name}` has no value here")]
    Unbound {
        /// The name.
        name: String,
    },
    /// The answer is neither true nor false.
    #[error("the result is of type {found}, expected true or false")]
    NotBool {
        /// The type of the answer.
        found: String,
    },
    /// It takes more steps, or builds larger values, than an expression may.
    #[error("it takes too many steps or builds too large values")]
    Budget,
    /// A value that it looks at is nested too deeply.
    #[error("`{name}` is nested too deeply")]
    TooDeep {
        /// The name of the value.
        name: String,
    },
    /// An operation has no result for the types or numbers it was given.
    #[error("{message}")]
    Failed {
        /// What failed, without values.
        message: String,
    },
}

impl EvalError {
    /// Translates an error of `cel`, leaving out the values that it carries.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "cel's errors grow, and each must say something without values"
    )]
    pub(super) fn from_cel(error: &ExecutionError) -> Self {
        let failed = |message: &str| Self::Failed { message: message.to_owned() };
        match error {
            ExecutionError::NoSuchKey(key) => Self::Missing { field: format!("`{}`", shorten(key, SHOWN)) },
            ExecutionError::IndexOutOfBounds(_) => Self::Missing { field: "the list element".to_owned() },
            ExecutionError::UndeclaredReference(name) => Self::Unbound { name: shorten(name, SHOWN) },
            // Names types only.
            ExecutionError::NoSuchOverload(overload) => failed(&overload.to_string()),
            ExecutionError::UnexpectedType { got, want } => {
                failed(&format!("found a value of type {got} where {want} is expected"))
            }
            ExecutionError::ValuesNotComparable(..) => failed("two values of different types are compared"),
            ExecutionError::UnsupportedBinaryOperator(operator, ..) => {
                failed(&format!("`{operator}` is not defined for values of these types"))
            }
            ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
                failed("division by zero")
            }
            ExecutionError::Overflow(..) => failed("a number is too large"),
            ExecutionError::FunctionError { function, .. } => {
                failed(&format!("`{}` has no result for this value", shorten(function, SHOWN)))
            }
            _ => failed("an operation has no result for these values"),
        }
    }
}
