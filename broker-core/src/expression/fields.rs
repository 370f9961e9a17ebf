//! Which fields an expression looks at, as far as its text alone tells: to show what was found there.

use cel::IdedExpr;
use cel::common::ast::{EntryExpr, Expr, LiteralValue, operators};
use serde_json::Value;

use super::Expression;
use super::budget::{LOOP_METER, METER};

/// A field below a name: `status.copyProgress`, `templates['a-b'].status`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldUse {
    /// The name.
    pub name: String,
    /// The fields below it; empty for the name itself.
    pub fields: Vec<String>,
}

impl FieldUse {
    /// The value of the field, below the value of the name.
    pub fn of<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.fields.iter().try_fold(value, |value, field| value.get(field))
    }
}

/// As it would be written in an expression.
impl std::fmt::Display for FieldUse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        self.fields.iter().try_for_each(|field| {
            let plain = field.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                && !field.starts_with(|c: char| c.is_ascii_digit());
            if plain { write!(f, ".{field}") } else { write!(f, "['{field}']") }
        })
    }
}

impl Expression {
    /// The fields it looks at, each once, in the order of the text; those below list elements and calculated keys are told
    /// by what is above them.
    pub fn fields(&self) -> Vec<FieldUse> {
        let mut found = Vec::new();
        collect(&self.root, &mut found);
        let mut fields: Vec<FieldUse> = Vec::new();
        for field in found {
            if self.names.contains(&field.name) && !fields.contains(&field) {
                fields.push(field);
            }
        }
        fields
    }
}

/// The tree is no deeper than [`MAX_DEPTH`](super::MAX_DEPTH), so that recursion ends soon.
fn collect(part: &IdedExpr, found: &mut Vec<FieldUse>) {
    if let Some(field) = path(part) {
        found.push(field);
        return;
    }
    match &part.expr {
        Expr::Literal(_) | Expr::Ident(_) | Expr::Struct(_) | Expr::Unspecified => {}
        Expr::Select(select) => collect(&select.operand, found),
        Expr::Call(call) => {
            call.target.iter().map(Box::as_ref).chain(&call.args).for_each(|part| collect(part, found));
        }
        Expr::List(list) => list.elements.iter().for_each(|part| collect(part, found)),
        Expr::Map(map) => {
            for entry in &map.entries {
                if let EntryExpr::MapEntry(entry) = &entry.expr {
                    collect(&entry.key, found);
                    collect(&entry.value, found);
                }
            }
        }
        Expr::Comprehension(macro_) => {
            let parts =
                [&macro_.iter_range, &macro_.accu_init, &macro_.loop_cond, &macro_.loop_step, &macro_.result];
            for part in parts {
                collect(part, found);
            }
        }
    }
}

/// The field that a part is, where it is one.
fn path(part: &IdedExpr) -> Option<FieldUse> {
    match &part.expr {
        Expr::Ident(name) => Some(FieldUse { name: name.clone(), fields: Vec::new() }),
        Expr::Select(select) => {
            let mut field = path(&select.operand)?;
            field.fields.push(select.field.clone());
            Some(field)
        }
        Expr::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
            (METER | LOOP_METER, [metered]) => path(metered),
            (operators::INDEX | operators::OPT_SELECT | operators::OPT_INDEX, [operand, key]) => {
                let Expr::Literal(LiteralValue::String(key)) = &unmetered(key).expr else { return None };
                let mut field = path(operand)?;
                field.fields.push(key.inner().to_owned());
                Some(field)
            }
            _ => None,
        },
        Expr::Literal(_)
        | Expr::List(_)
        | Expr::Map(_)
        | Expr::Comprehension(_)
        | Expr::Struct(_)
        | Expr::Unspecified => None,
    }
}

fn unmetered(part: &IdedExpr) -> &IdedExpr {
    if let Expr::Call(call) = &part.expr
        && call.func_name == METER
    {
        return call.args.first().unwrap_or(part);
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_an_expression_are_those_of_its_text() {
        for (text, expected) in [
            ("status.copyProgress == 100", "status.copyProgress"),
            ("from.status.rows == to.status.rows", "from.status.rows, to.status.rows"),
            ("templates['a-b'].status.succeeded >= 1", "templates['a-b'].status.succeeded"),
            ("to.metadata.labels['a.b/c'] == 'x' && has(spec.x)", "to.metadata.labels['a.b/c'], spec.x"),
            ("status.nodes.all(n, n.ready == status.wanted)", "status.nodes, status.wanted"),
            ("status.nodes[0].ready", "status.nodes"),
            ("status.?lag.orValue(1) < 2", "status.lag"),
            ("status.a == 1 || status.a == 2", "status.a"),
            ("size(status.list) > 1 && {'k': spec.v}.k == 1", "status.list, spec.v"),
            ("templates[spec.x].y == 1", "templates, spec.x"),
            ("1 == 1", ""),
        ] {
            let fields = Expression::compile(text).unwrap().fields();
            let told: Vec<String> = fields.iter().map(FieldUse::to_string).collect();
            assert_eq!(told.join(", "), expected, "{text}");
        }
    }
}
