//! What an expression's answer will be, as far as its text alone tells: for advice, before anything is evaluated.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr, LiteralValue, operators};

use super::Expression;

/// The kind of an expression's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// True or false.
    Bool,
    /// The value of a field, whatever that is.
    Field,
    /// Never true or false: of this type.
    Other(&'static str),
    /// Only evaluating tells.
    Unknown,
}

impl Expression {
    /// The kind of its answer, as far as the text tells.
    pub fn outcome(&self) -> Outcome {
        outcome(&self.root)
    }

    /// Whether it looks at nothing, and so always has the same answer.
    pub fn is_constant(&self) -> bool {
        self.names.is_empty()
    }
}

fn outcome(part: &IdedExpr) -> Outcome {
    match &part.expr {
        Expr::Literal(literal) => match literal {
            LiteralValue::Boolean(_) => Outcome::Bool,
            LiteralValue::Bytes(_) => Outcome::Other("bytes"),
            LiteralValue::Double(_) => Outcome::Other("double"),
            LiteralValue::Int(_) => Outcome::Other("int"),
            LiteralValue::Null => Outcome::Other("null"),
            LiteralValue::String(_) => Outcome::Other("string"),
            LiteralValue::UInt(_) => Outcome::Other("uint"),
        },
        Expr::List(_) => Outcome::Other("list"),
        Expr::Map(_) => Outcome::Other("map"),
        Expr::Select(select) if select.test => Outcome::Bool,
        Expr::Select(_) | Expr::Ident(_) => Outcome::Field,
        Expr::Call(call) => of_call(call),
        // `all` and `exists` begin with a boolean, `map` and `filter` with a list, and give what they gathered;
        // `exists_one` compares.
        Expr::Comprehension(comprehension) => {
            let result = &comprehension.result;
            let gathered = matches!(&result.expr, Expr::Ident(name) if *name == comprehension.accu_var);
            outcome(if gathered { &comprehension.accu_init } else { result })
        }
        Expr::Struct(_) | Expr::Unspecified => Outcome::Unknown,
    }
}

fn of_call(call: &CallExpr) -> Outcome {
    match call.func_name.as_str() {
        operators::CONDITIONAL => {
            let mut branches = call.args.iter().skip(1).map(outcome);
            match (branches.next(), branches.next()) {
                (Some(one), Some(other)) if one == other => one,
                _ => Outcome::Unknown,
            }
        }
        operators::INDEX => Outcome::Field,
        operators::LOGICAL_AND
        | operators::LOGICAL_OR
        | operators::LOGICAL_NOT
        | operators::EQUALS
        | operators::NOT_EQUALS
        | operators::GREATER
        | operators::GREATER_EQUALS
        | operators::LESS
        | operators::LESS_EQUALS
        | operators::IN
        | "bool"
        | "contains"
        | "endsWith"
        | "startsWith"
        | "hasValue" => Outcome::Bool,
        operators::SUBSTRACT
        | operators::MULTIPLY
        | operators::DIVIDE
        | operators::MODULO
        | operators::NEGATE => Outcome::Other("number"),
        operators::ADD => Outcome::Other("sum"),
        "size" | "int" => Outcome::Other("int"),
        "uint" => Outcome::Other("uint"),
        "double" => Outcome::Other("double"),
        "string" | "lowerAscii" | "upperAscii" | "trim" => Outcome::Other("string"),
        "bytes" => Outcome::Other("bytes"),
        "type" => Outcome::Other("type"),
        operators::OPT_INDEX | operators::OPT_SELECT => Outcome::Other("optional"),
        _ => Outcome::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_text_tells_of_the_answer() {
        for (text, expected) in [
            ("self.spec.fqdn", Outcome::Field),
            ("self.spec['fqdn']", Outcome::Field),
            ("self.spec.size > 10", Outcome::Bool),
            ("!self.spec.on && has(self.spec.x)", Outcome::Bool),
            ("self.spec.fqdn.endsWith('.corp')", Outcome::Bool),
            ("self.spec.tags.all(t, t != 'a')", Outcome::Bool),
            ("self.spec.tags.exists(t, t == 'a')", Outcome::Bool),
            ("self.spec.tags.exists_one(t, t == 'a')", Outcome::Bool),
            ("self.spec.tags.map(t, t + 'a')", Outcome::Other("list")),
            ("self.spec.tags.filter(t, t == 'a')", Outcome::Other("list")),
            ("'text'", Outcome::Other("string")),
            ("self.spec.size * 2", Outcome::Other("number")),
            ("self.spec.a + self.spec.b", Outcome::Other("sum")),
            ("size(self.spec.tags)", Outcome::Other("int")),
            ("self.spec.a == 1 ? true : false", Outcome::Bool),
            ("self.spec.a == 1 ? self.spec.b : false", Outcome::Unknown),
            ("self.?spec.a.orValue(true)", Outcome::Unknown),
            ("[self.spec.a]", Outcome::Other("list")),
            ("self.spec.fqdn.lowerAscii()", Outcome::Other("string")),
            ("null", Outcome::Other("null")),
            ("{'a': true}", Outcome::Other("map")),
        ] {
            assert_eq!(Expression::compile(text).unwrap().outcome(), expected, "{text}");
        }
        assert!(Expression::compile("1 == 1").unwrap().is_constant());
        assert!(!Expression::compile("self.spec.a == 1").unwrap().is_constant());
    }
}
