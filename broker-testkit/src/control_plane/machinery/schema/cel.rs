//! CEL rules: `x-kubernetes-validations`.
//!
//! Rules run on values as Kubernetes gives them to CEL: absent fields are absent, property names that CEL reserves are
//! escaped, of the object's own metadata only the names are seen. There are no cost limits and no type checker: the
//! rules are those of the test's own CRDs. A rule that fails to run refuses the object and says why.

use super::node::{Kind, ListType, Node, error};
use super::{FieldError, FieldReason, SchemaError};
use crate::control_plane::machinery::value::equal;
use cel::objects::{Key, Map};
use cel::{Context, Env, ExecutionError, Program, Value as CelValue};
use serde_json::Value;
use std::fmt;
use std::sync::{Arc, LazyLock};

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    // Names cannot collide in a fresh environment; without an extension its functions are unknown, and rules say so.
    let _ = env.add_extension(cel::extensions::strings);
    let _ = env.add_extension(cel::extensions::lists);
    Arc::new(env)
});

/// One rule of a node.
#[derive(Clone)]
pub(crate) struct Rule {
    text: String,
    program: Arc<Program>,
    message: Option<String>,
    message_expression: Option<Arc<Program>>,
    reason: FieldReason,
    field_path: String,
    /// Whether it compares with the value before, and therefore applies to updates only.
    transition: bool,
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rule").field(&self.text).finish()
    }
}

impl Rule {
    /// Reads and compiles `x-kubernetes-validations` of a node at `path`.
    pub(crate) fn parse_all(rules: &Value, path: &str) -> Result<Vec<Self>, SchemaError> {
        let rules = rules.as_array().into_iter().flatten().enumerate();
        rules
            .map(|(index, rule)| Self::parse(rule, &format!("{path}.x-kubernetes-validations[{index}]")))
            .collect()
    }

    fn parse(rule: &Value, path: &str) -> Result<Self, SchemaError> {
        let given = |name: &str| rule.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let compile = |name: &str, text: &str| {
            ENVIRONMENT.compile(text).map(Arc::new).map_err(|cause| {
                let message = format!("Invalid value: {text:?}: compilation failed: {cause}");
                error(&format!("{path}.{name}"), message)
            })
        };
        let text = given("rule").unwrap_or_default().to_owned();
        let program = compile("rule", &text)?;
        let message_expression =
            given("messageExpression").map(|text| compile("messageExpression", text)).transpose()?;
        Ok(Self {
            transition: program.references().has_variable("oldSelf"),
            program,
            message: given("message").map(|message| message.trim().to_owned()),
            message_expression,
            reason: match given("reason") {
                Some("FieldValueRequired") => FieldReason::Required,
                Some("FieldValueForbidden") => FieldReason::Forbidden,
                Some("FieldValueDuplicate") => FieldReason::Duplicate,
                _ => FieldReason::Invalid,
            },
            field_path: given("fieldPath").unwrap_or_default().to_owned(),
            text,
        })
    }

    fn check(&self, context: &Context<'_, '_>, node: &Node, path: &str) -> Option<FieldError> {
        let cause = match self.program.execute(context) {
            Ok(CelValue::Bool(true)) => return None,
            Ok(_) => None,
            Err(cause) => Some(cause),
        };
        let computed = self.message_expression.as_ref().and_then(|program| match program.execute(context) {
            Ok(CelValue::String(text)) => Some(text.trim().to_owned()),
            _ => None,
        });
        let message = computed
            .or_else(|| self.message.clone())
            .unwrap_or_else(|| format!("failed rule: {}", self.text.trim()));
        let message = match cause {
            None => message,
            Some(cause) => format!("{cause} evaluating rule: {message}"),
        };
        let value = type_name(node.kind);
        Some(FieldError {
            field: match format!("{path}{}", self.field_path).trim_start_matches('.') {
                // The real server has no path for the whole object, and prints that.
                "" => "<nil>".to_owned(),
                field => field.to_owned(),
            },
            reason: self.reason,
            message: match self.reason {
                FieldReason::Required => format!("Required value: {message}"),
                FieldReason::Forbidden => format!("Forbidden: {message}"),
                FieldReason::Duplicate => format!("Duplicate value: \"{value}\": {message}"),
                FieldReason::Invalid
                | FieldReason::TypeInvalid
                | FieldReason::NotSupported
                | FieldReason::TooLong
                | FieldReason::TooMany => format!("Invalid value: \"{value}\": {message}"),
            },
        })
    }
}

/// Whether any rule is declared in or below a node.
pub(super) fn any_rule(node: &Node) -> bool {
    let each = match &node.additional {
        super::node::Additional::Each(each) => Some(each.as_ref()),
        super::node::Additional::Unspecified
        | super::node::Additional::Refused
        | super::node::Additional::Anything => None,
    };
    let children = node.properties.values().chain(node.items.as_deref()).chain(each);
    !node.validations.is_empty() || children.into_iter().any(any_rule)
}

/// Runs all rules in and below a node. `old` is the value before, where there was one.
pub(super) fn check(
    value: &Value,
    old: Option<&Value>,
    node: &Node,
    path: &str,
    errors: &mut Vec<FieldError>,
) {
    if value.is_null() && node.nullable {
        return;
    }
    let due: Vec<&Rule> = node.validations.iter().filter(|rule| !rule.transition || old.is_some()).collect();
    if !due.is_empty() {
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        // Where the library was built with a `matches` of its own, that one is used.
        let _ = context.add_function("matches", matches);
        let at_root = path.is_empty();
        context.add_variable_from_value("self", seen(value, node, at_root));
        if let Some(old) = old {
            context.add_variable_from_value("oldSelf", seen(old, node, at_root));
        }
        errors.extend(due.into_iter().filter_map(|rule| rule.check(&context, node, path)));
    }
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let Some(child) = node.field(name) else { continue };
                let place = match (path, node.properties.contains_key(name)) {
                    ("", _) => name.clone(),
                    (path, true) => format!("{path}.{name}"),
                    (path, false) => format!("{path}[{name}]"),
                };
                check(field, old.and_then(|old| old.get(name)), child, &place, errors);
            }
        }
        Value::Array(items) => {
            let Some(child) = node.items.as_deref() else { return };
            for (index, item) in items.iter().enumerate() {
                let before = old.and_then(|old| counterpart(item, old, &node.list));
                check(item, before, child, &format!("{path}[{index}]"), errors);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The item of the old list with the same keys; items of other lists cannot be told apart.
fn counterpart<'a>(item: &Value, old: &'a Value, list: &ListType) -> Option<&'a Value> {
    let ListType::Map(keys) = list else { return None };
    let same = |key: &String, other: &Value| match (item.get(key), other.get(key)) {
        (Some(new), Some(old)) => equal(new, old),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    old.as_array()?.iter().find(|other| keys.iter().all(|key| same(key, other)))
}

fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Any | Kind::IntOrString => "",
        Kind::Object => "object",
        Kind::Array => "array",
        Kind::Text => "string",
        Kind::Integer => "integer",
        Kind::Number => "number",
        Kind::Boolean => "boolean",
    }
}

/// A value as rules see it.
fn seen(value: &Value, node: &Node, at_root: bool) -> CelValue {
    match value {
        Value::Null => CelValue::Null,
        Value::Bool(value) => CelValue::Bool(*value),
        Value::Number(number) => match (node.kind, number.as_i64(), number.as_f64()) {
            (Kind::Number, _, Some(float)) | (_, None, Some(float)) => CelValue::Float(float),
            (_, Some(whole), _) => CelValue::Int(whole),
            (_, None, None) => CelValue::Null,
        },
        Value::String(text) => CelValue::String(Arc::new(text.clone())),
        Value::Array(items) => {
            let child = node.items.as_deref();
            let anything = Node::anything();
            let items = items.iter().map(|item| seen(item, child.unwrap_or(&anything), false));
            CelValue::List(Arc::new(items.collect()))
        }
        Value::Object(fields) => {
            let anything = Node::anything();
            let fields = fields.iter().map(|(name, field)| {
                let key = if node.properties.contains_key(name) { escaped(name) } else { name.clone() };
                let field = if at_root && name == "metadata" { names_of(field) } else { field.clone() };
                (Key::from(key), seen(&field, node.field(name).unwrap_or(&anything), false))
            });
            CelValue::Map(Map { map: Arc::new(fields.collect()) })
        }
    }
}

/// What rules see of an object's own metadata.
fn names_of(metadata: &Value) -> Value {
    let fields = ["name", "generateName"].into_iter();
    Value::Object(fields.filter_map(|name| Some((name.to_owned(), metadata.get(name)?.clone()))).collect())
}

/// A property's name in CEL, which has words and letters of its own.
fn escaped(name: &str) -> String {
    const RESERVED: [&str; 21] = [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ];
    if RESERVED.contains(&name) {
        return format!("__{name}__");
    }
    name.replace("__", "__underscores__")
        .replace('.', "__dot__")
        .replace('-', "__dash__")
        .replace('/', "__slash__")
}

/// `text.matches(pattern)`; the library has it only with a feature.
#[expect(clippy::needless_pass_by_value, reason = "the library hands arguments over by value")]
fn matches(
    cel::extractors::This(text): cel::extractors::This<Arc<String>>,
    pattern: Arc<String>,
) -> Result<bool, ExecutionError> {
    regex::Regex::new(&pattern).map(|pattern| pattern.is_match(&text)).map_err(|cause| {
        ExecutionError::FunctionError { function: "matches".to_owned(), message: cause.to_string() }
    })
}
