//! What may be said in an expression, decided on its syntax tree; and where the meters are put in.
//!
//! Every place where evaluation would repeat something or copy a value is wrapped in a call of
//! [`METER`](super::budget::METER), which cannot be written in CEL itself.

use std::collections::BTreeSet;

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedEntryExpr, SourceInfo, operators};

use super::ExpressionError;
use super::budget::{LOOP_METER, METER};

/// The most parts an expression may have, macros written out.
pub const MAX_NODES: usize = 256;
/// How deeply the parts may be nested, macros written out.
pub const MAX_DEPTH: usize = 32;

/// The functions offered besides the operators and macros.
pub const FUNCTIONS: [&str; 18] = [
    "bool",
    "bytes",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "hasValue",
    "int",
    "lowerAscii",
    "or",
    "orValue",
    "size",
    "startsWith",
    "string",
    "trim",
    "type",
    "uint",
    "upperAscii",
];

/// Names that stand for types, as in `type(x) == int`.
const TYPES: [&str; 10] =
    ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];

const OPERATORS: [&str; 20] = [
    operators::CONDITIONAL,
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::SUBSTRACT,
    operators::ADD,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::GREATER_EQUALS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::LESS,
    operators::NEGATE,
    operators::INDEX,
    operators::OPT_INDEX,
    operators::OPT_SELECT,
    operators::IN,
];

/// What the tree says about itself.
pub(super) struct Checked {
    /// The names it refers to.
    pub(super) names: BTreeSet<String>,
    /// How many levels it has.
    pub(super) depth: usize,
}

/// Checks the tree and puts the meters in.
pub(super) fn check(
    root: &mut IdedExpr,
    source: &SourceInfo,
    known: Option<&[&str]>,
) -> Result<Checked, ExpressionError> {
    let mut walk = Walk { source, known, nodes: 0, depth: 0, bound: Vec::new(), names: BTreeSet::new() };
    walk.expression(root, 1)?;
    Ok(Checked { names: walk.names, depth: walk.depth })
}

struct Walk<'w> {
    source: &'w SourceInfo,
    known: Option<&'w [&'w str]>,
    nodes: usize,
    /// The deepest level seen.
    depth: usize,
    /// Variables of the macros around the current place.
    bound: Vec<String>,
    names: BTreeSet<String>,
}

impl Walk<'_> {
    fn expression(&mut self, node: &mut IdedExpr, depth: usize) -> Result<(), ExpressionError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(ExpressionError::TooComplex { what: "parts", max: MAX_NODES });
        }
        self.depth = self.depth.max(depth);
        if depth > MAX_DEPTH {
            return Err(ExpressionError::TooComplex { what: "levels of nesting", max: MAX_DEPTH });
        }
        let id = node.id;
        match &mut node.expr {
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => {
                let name = name.clone();
                self.name(&name, id)
            }
            Expr::Select(select) => self.expression(&mut select.operand, depth + 1),
            Expr::Call(call) => self.call(call, id, depth),
            Expr::List(list) => {
                for element in &mut list.elements {
                    self.expression(element, depth + 1)?;
                    meter(element, METER);
                }
                Ok(())
            }
            Expr::Map(map) => map.entries.iter_mut().try_for_each(|entry| self.entry(entry, depth + 1)),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension, id, depth),
            Expr::Struct(_) | Expr::Unspecified => Err(self.unsupported("a message literal", id)),
        }
    }

    fn entry(&mut self, entry: &mut IdedEntryExpr, depth: usize) -> Result<(), ExpressionError> {
        let EntryExpr::MapEntry(map_entry) = &mut entry.expr else {
            return Err(self.unsupported("a message literal", entry.id));
        };
        for part in [&mut map_entry.key, &mut map_entry.value] {
            self.expression(part, depth)?;
            meter(part, METER);
        }
        Ok(())
    }

    fn call(&mut self, call: &mut CallExpr, id: u64, depth: usize) -> Result<(), ExpressionError> {
        let name = call.func_name.as_str();
        let internal = name == operators::NOT_STRICTLY_FALSE;
        if !internal && !OPERATORS.contains(&name) && !FUNCTIONS.contains(&name) {
            let (line, column) = self.position(id);
            let name = crate::offer::shorten(name, 40);
            return Err(ExpressionError::UnknownFunction { name, line, column });
        }
        // These look at their operands without copying them, and cel recognises macros by their bare shape.
        let bare = internal
            || [
                operators::CONDITIONAL,
                operators::LOGICAL_AND,
                operators::LOGICAL_OR,
                operators::LOGICAL_NOT,
                operators::INDEX,
            ]
            .contains(&name);
        let operands = call.target.iter_mut().map(Box::as_mut).chain(&mut call.args);
        for operand in operands {
            self.expression(operand, depth + 1)?;
            if !bare {
                meter(operand, METER);
            }
        }
        Ok(())
    }

    fn comprehension(
        &mut self,
        comprehension: &mut ComprehensionExpr,
        id: u64,
        depth: usize,
    ) -> Result<(), ExpressionError> {
        if comprehension.iter_var2.is_some() {
            return Err(self.unsupported("a macro with two variables", id));
        }
        self.expression(&mut comprehension.iter_range, depth + 1)?;
        meter_always(&mut comprehension.iter_range, LOOP_METER);
        self.expression(&mut comprehension.accu_init, depth + 1)?;
        let outside = self.bound.len();
        self.bound.push(comprehension.accu_var.clone());
        self.bound.push(comprehension.iter_var.clone());
        for part in [&mut comprehension.loop_cond, &mut comprehension.loop_step, &mut comprehension.result] {
            self.expression(part, depth + 1)?;
        }
        self.bound.truncate(outside);
        Ok(())
    }

    fn name(&mut self, name: &str, id: u64) -> Result<(), ExpressionError> {
        if self.bound.iter().any(|bound| bound == name) {
            return Ok(());
        }
        match self.known {
            Some(known) if known.contains(&name) => {}
            _ if TYPES.contains(&name) => return Ok(()),
            Some(known) => {
                let (line, column) = self.position(id);
                let name = crate::offer::shorten(name, 40);
                return Err(ExpressionError::UnknownName { name, known: known.join(", "), line, column });
            }
            None => {}
        }
        self.names.insert(name.to_owned());
        Ok(())
    }

    fn unsupported(&self, what: &'static str, id: u64) -> ExpressionError {
        let (line, column) = self.position(id);
        ExpressionError::Unsupported { what, line, column }
    }

    /// Line and column, both from 1, of a part of the text.
    fn position(&self, id: u64) -> (usize, usize) {
        let Some((start, _)) = self.source.offset_for(id) else { return (1, 1) };
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        let before: String = self.source.source.chars().take(start).collect();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
        (line, column)
    }
}

/// Wraps a part in a meter, unless its value is small by itself or its parts are metered already.
fn meter(part: &mut IdedExpr, name: &str) {
    let exempt = match &part.expr {
        Expr::Literal(_) | Expr::List(_) | Expr::Map(_) => true,
        Expr::Ident(name) => name.starts_with('@'),
        Expr::Call(_) | Expr::Comprehension(_) | Expr::Select(_) | Expr::Struct(_) | Expr::Unspecified => {
            false
        }
    };
    if !exempt {
        meter_always(part, name);
    }
}

fn meter_always(part: &mut IdedExpr, name: &str) {
    let metered = std::mem::take(part);
    let id = metered.id;
    let call = CallExpr { func_name: name.to_owned(), target: None, args: vec![metered] };
    *part = IdedExpr { id, expr: Expr::Call(call) };
}
