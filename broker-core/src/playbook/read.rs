//! From `MigrationConfiguration.spec` to a checked playbook.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Map, Value};

use super::names::{BARE, FROM, Keys, TO, is_key};
use super::phase::{Phase, Said, resolve};
use super::{MAX_CONDITIONS, MAX_STAGES, MAX_TEMPLATES, Playbook, PlaybookFault, STAGE_TIMEOUT, Stage};
use crate::expression::{Expression, ExpressionError, Outcome};
use crate::offer::shorten;
use crate::resource::Gvk;
use crate::template::{Template, is_object_name};
use crate::time::parse_duration;

/// So many faults are told; who mends them is told the next.
const MAX_FAULTS: usize = 64;
/// The most providers in a list.
const MAX_PROVIDERS: usize = 256;
/// The longest name of a group, kind or provider.
const MAX_TEXT: usize = 253;

const FIELDS: [&str; 7] = ["budget", "from", "fromProviders", "rollback", "stages", "to", "toProviders"];
const STAGE_FIELDS: [&str; 10] = [
    "approval",
    "failureConditions",
    "name",
    "needsSource",
    "phase",
    "preconditions",
    "progress",
    "successConditions",
    "templates",
    "timeout",
];

pub(super) fn read(name: &str, spec: &Value) -> Result<Playbook, Vec<PlaybookFault>> {
    let mut reader = Reader::default();
    let playbook = reader.playbook(name, spec);
    reader.faults.sort();
    reader.faults.dedup();
    reader.faults.truncate(MAX_FAULTS);
    if reader.faults.is_empty() { Ok(playbook) } else { Err(reader.faults) }
}

#[derive(Default)]
struct Reader {
    faults: Vec<PlaybookFault>,
    keys: Keys,
}

/// When an expression is asked, of a stage's life.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Before,
    Success,
    Failure,
}

impl Reader {
    fn fault(
        &mut self,
        rule: &'static str,
        pointer: impl Into<String>,
        found: impl Into<String>,
        accepted: impl Into<String>,
    ) {
        // Some more than are told, so that which are told does not depend on the order of the checks alone.
        if self.faults.len() < 4 * MAX_FAULTS {
            self.faults.push(PlaybookFault::new(rule, pointer, found, accepted));
        }
    }

    fn playbook(&mut self, name: &str, spec: &Value) -> Playbook {
        let fields = self.map(Some(spec), "", &FIELDS);
        let stages = self.stage_list(fields.get("stages"), "/stages");
        let rollback = self.stage_list(fields.get("rollback"), "/rollback");
        if fields.get("stages").is_none_or(|stages| stages.as_array().is_some_and(Vec::is_empty)) {
            self.fault("Required", "/stages", "is missing or empty", "at least one stage");
        }
        self.known_keys(&[("/stages", &stages), ("/rollback", &rollback)]);
        let phases = self.phases(&stages);
        let stages = self.forward(&stages, &phases);
        let rollback = self.back(&rollback);
        let budget = self.map(fields.get("budget"), "/budget", &["maxConcurrent"]);
        Playbook {
            name: name.to_owned(),
            from: self.gvk(fields.get("from"), "/from"),
            to: self.gvk(fields.get("to"), "/to"),
            from_providers: self.providers(fields.get("fromProviders"), "/fromProviders"),
            to_providers: self.providers(fields.get("toProviders"), "/toProviders"),
            max_concurrent: self.budget(budget.get("maxConcurrent")),
            written: spec.clone(),
            stages,
            rollback,
        }
    }

    fn gvk(&mut self, value: Option<&Value>, pointer: &str) -> Gvk {
        if value.is_none() {
            self.fault("Required", pointer, "is missing", "group, version and kind");
            return Gvk::default();
        }
        let fields = self.map(value, pointer, &["group", "kind", "version"]);
        let mut text = |key: &str, needed: bool| match fields.get(key) {
            Some(Value::String(text)) if text.len() <= MAX_TEXT && (!needed || !text.is_empty()) => {
                text.clone()
            }
            None | Some(Value::Null) if !needed => String::new(),
            None => {
                self.fault("Required", format!("{pointer}/{key}"), "is missing", "a text");
                String::new()
            }
            Some(value) => {
                self.fault("Type", format!("{pointer}/{key}"), shown(value), "a text");
                String::new()
            }
        };
        Gvk { group: text("group", false), version: text("version", true), kind: text("kind", true) }
    }

    fn providers(&mut self, value: Option<&Value>, pointer: &str) -> BTreeSet<String> {
        let elements = self.list(value, pointer, MAX_PROVIDERS);
        let mut providers = BTreeSet::new();
        for (index, element) in elements.iter().enumerate() {
            let at = format!("{pointer}/{index}");
            match element.as_str() {
                Some(text) if !text.is_empty() && text.len() <= MAX_TEXT => {
                    if !providers.insert(text.to_owned()) {
                        self.fault("Duplicate", at, "is there twice", "each provider once");
                    }
                }
                _ => self.fault("Type", at, shown(element), "the id, alias or path of a provider"),
            }
        }
        providers
    }

    fn budget(&mut self, value: Option<&Value>) -> Option<u32> {
        let value = value.filter(|value| !value.is_null())?;
        let number =
            value.as_u64().and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0);
        if number.is_none() {
            self.fault("Value", "/budget/maxConcurrent", shown(value), "a number of at least 1");
        }
        number
    }

    fn stage_list<'v>(&mut self, value: Option<&'v Value>, pointer: &str) -> Vec<Written<'v>> {
        let elements = self.list(value, pointer, MAX_STAGES);
        elements
            .iter()
            .enumerate()
            .map(|(index, stage)| self.written(stage, format!("{pointer}/{index}")))
            .collect()
    }

    /// What a stage says, before its expressions and templates are read.
    fn written<'v>(&mut self, stage: &'v Value, at: String) -> Written<'v> {
        let fields = self.map(Some(stage), &at, &STAGE_FIELDS);
        let name = match fields.get("name") {
            Some(Value::String(name)) if is_object_name(name) && !name.contains('.') => name.clone(),
            found => {
                let found = found.map_or_else(|| "is missing".to_owned(), shown);
                self.fault(
                    "Value",
                    format!("{at}/name"),
                    found,
                    "at most 63 lower-case letters, digits and '-', with a letter or digit at both ends",
                );
                String::new()
            }
        };
        let phase = match fields.get("phase") {
            None | Some(Value::Null) => None,
            Some(found) => {
                let phase = found.as_str().and_then(Phase::from_text);
                if phase.is_none() {
                    let accepted = Phase::ALL.map(Phase::as_str).join(", ");
                    self.fault("Value", format!("{at}/phase"), shown(found), accepted);
                }
                phase
            }
        };
        let approval = match fields.get("approval") {
            None | Some(Value::Null) => false,
            Some(Value::String(text)) if text == "Required" => true,
            Some(found) => {
                self.fault("Value", format!("{at}/approval"), shown(found), "Required, or nothing");
                false
            }
        };
        let timeout = match fields.get("timeout") {
            None | Some(Value::Null) => STAGE_TIMEOUT,
            Some(found) => {
                found.as_str().and_then(parse_duration).filter(|span| !span.is_zero()).unwrap_or_else(|| {
                    self.fault(
                        "Duration",
                        format!("{at}/timeout"),
                        shown(found),
                        "a time of more than nothing, such as 30s or 1h30m",
                    );
                    STAGE_TIMEOUT
                })
            }
        };
        let progress = self.flag(fields.get("progress"), &format!("{at}/progress"), false);
        let needs_source = self.flag(fields.get("needsSource"), &format!("{at}/needsSource"), true);
        let templates = match fields.get("templates") {
            None | Some(Value::Null) => BTreeMap::new(),
            Some(Value::Object(templates)) => {
                if templates.len() > MAX_TEMPLATES {
                    let found = format!("has {} entries", templates.len());
                    self.fault(
                        "TooMany",
                        format!("{at}/templates"),
                        found,
                        format!("at most {MAX_TEMPLATES}"),
                    );
                }
                templates
                    .iter()
                    .take(MAX_TEMPLATES)
                    .map(|(key, value)| (key.as_str(), (value, !Template::is_blank(value))))
                    .collect()
            }
            Some(found) => {
                self.fault("Type", format!("{at}/templates"), shown(found), "a mapping of keys to templates");
                BTreeMap::new()
            }
        };
        let mut conditions = |key: &str| {
            let pointer = format!("{at}/{key}");
            let found = self.list(fields.get(key), &pointer, MAX_CONDITIONS);
            found
                .iter()
                .enumerate()
                .map(|(index, value)| (format!("{pointer}/{index}"), value))
                .collect::<Vec<_>>()
        };
        let preconditions = conditions("preconditions");
        let success = conditions("successConditions");
        let failure = conditions("failureConditions");
        Written {
            at,
            name,
            phase,
            progress,
            approval,
            timeout,
            needs_source,
            templates,
            preconditions,
            success,
            failure,
        }
    }

    fn flag(&mut self, value: Option<&Value>, pointer: &str, otherwise: bool) -> bool {
        match value {
            None | Some(Value::Null) => otherwise,
            Some(Value::Bool(flag)) => *flag,
            Some(found) => {
                self.fault("Type", pointer, shown(found), "true or false");
                otherwise
            }
        }
    }

    /// Which templates there are, and that names of stages and keys are there once.
    fn known_keys(&mut self, lists: &[(&str, &Vec<Written<'_>>)]) {
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        for stage in lists.iter().flat_map(|(_, stages)| stages.iter()) {
            if !stage.name.is_empty()
                && let Some(first) = seen.insert(stage.name.clone(), stage.at.clone())
            {
                let found = format!("is `{}`, as that of {}", stage.name, dotted(&first));
                self.fault(
                    "Duplicate",
                    format!("{}/name", stage.at),
                    found,
                    "a name of its own for each stage",
                );
            }
            for (key, (_, creates)) in &stage.templates {
                let at = format!("{}/templates/{}", stage.at, key.replace('~', "~0").replace('/', "~1"));
                if !is_key(key) {
                    self.fault(
                        "Value",
                        at,
                        format!("the key is `{}`", shorten(key, 64)),
                        "at most 63 letters, digits, '-' and '_', and none of the names that expressions know otherwise",
                    );
                    continue;
                }
                if let Some((other, _)) =
                    self.keys.all.insert((*key).to_owned(), (stage.name.clone(), *creates))
                {
                    let found = format!("stage {other} has a template of this key too");
                    self.fault("Duplicate", at, found, "a key of its own for each template");
                }
            }
        }
    }

    /// The phase of each stage; what is written must be in the order in which it runs.
    fn phases(&mut self, stages: &[Written<'_>]) -> Vec<Phase> {
        let said: Vec<Said<'_>> = stages.iter().map(Written::said).collect();
        let phases = resolve(&said);
        let mut latest: Option<(Phase, &str)> = None;
        for (stage, phase) in stages.iter().zip(&phases) {
            match latest {
                Some((before, name)) if before > *phase => {
                    let how = if stage.phase.is_some() { "is" } else { "resolves to" };
                    let found = format!("{how} {phase}, after stage {name} of phase {before}");
                    let accepted =
                        "stages in the order in which they run: Initial, Cutover, Verify, Finalize";
                    self.fault("PhaseOrder", format!("{}/phase", stage.at), found, accepted);
                }
                _ => latest = Some((*phase, &stage.name)),
            }
        }
        phases
    }

    fn forward(&mut self, stages: &[Written<'_>], phases: &[Phase]) -> Vec<Stage> {
        let mut there: Vec<&str> = Vec::new();
        let mut read = Vec::new();
        for (stage, phase) in stages.iter().zip(phases) {
            read.push(self.stage(stage, *phase, &mut there));
        }
        self.same_objects(stages, &read);
        read
    }

    /// On the way back any of the helpers may be there.
    fn back(&mut self, stages: &[Written<'_>]) -> Vec<Stage> {
        let written: BTreeSet<String> =
            stages.iter().flat_map(|stage| stage.templates.keys().map(|key| (*key).to_owned())).collect();
        let all: Vec<String> = self
            .keys
            .all
            .iter()
            .filter(|(key, (_, creates))| *creates && !written.contains(*key))
            .map(|(key, _)| key.clone())
            .collect();
        let mut there: Vec<&str> = all.iter().map(String::as_str).collect();
        let mut read = Vec::new();
        for stage in stages {
            read.push(self.stage(stage, Phase::Initial, &mut there));
        }
        self.same_objects(stages, &read);
        read
    }

    fn stage<'v>(&mut self, stage: &Written<'v>, phase: Phase, there: &mut Vec<&'v str>) -> Stage {
        let preconditions = self.conditions(&stage.preconditions, there, Asked::Before);
        let names = Keys::names(there);
        let mut templates = BTreeMap::new();
        for (key, (value, _)) in stage.templates.iter().filter(|(key, _)| is_key(key)) {
            let at = format!("{}/templates/{key}", stage.at);
            match Template::parse(key, value, &names) {
                Ok(template) => {
                    for expression in template.expressions() {
                        if let Some(found) = self.keys.misused(expression, there) {
                            self.fault("UnknownName", &at, found, "templates of earlier stages");
                        }
                    }
                    templates.insert((*key).to_owned(), template);
                }
                Err(faults) => {
                    for fault in faults {
                        self.fault("Template", format!("{at}{}", fault.pointer), fault.message, "");
                    }
                }
            }
        }
        let own =
            stage.templates.iter().filter(|(key, (_, creates))| *creates && is_key(key)).map(|(key, _)| *key);
        there.extend(own);
        Stage {
            name: stage.name.clone(),
            phase,
            preconditions,
            success: self.conditions(&stage.success, there, Asked::Success),
            failure: self.conditions(&stage.failure, there, Asked::Failure),
            templates,
            approval: stage.approval,
            timeout: stage.timeout,
            needs_source: stage.needs_source,
        }
    }

    fn conditions(&mut self, written: &[(String, &Value)], there: &[&str], asked: Asked) -> Vec<Expression> {
        let names = Keys::names(there);
        let mut expressions = Vec::new();
        for (at, value) in written {
            let Some(text) = value.as_str() else {
                self.fault("Type", at, shown(value), "a CEL expression, as text");
                continue;
            };
            match Expression::compile_with(text, &names) {
                Ok(expression) => {
                    if let Some(found) = self.keys.misused(&expression, there) {
                        self.fault("UnknownName", at, format!("`{}`: {found}", short(text)), "");
                    }
                    self.reachable(&expression, at, asked);
                    expressions.push(expression);
                }
                Err(error) => {
                    let (found, accepted) = self.refused(text, &error, there);
                    self.fault(
                        if is_name_fault(&error) { "UnknownName" } else { "Expression" },
                        at,
                        found,
                        accepted,
                    );
                }
            }
        }
        expressions
    }

    fn refused(&self, text: &str, error: &ExpressionError, there: &[&str]) -> (String, String) {
        let found = format!("`{}`: ", short(text));
        if let ExpressionError::UnknownName { name, line, column, .. } = error {
            let why = if self.keys.all.contains_key(name) {
                self.keys.why_not(name, there)
            } else {
                format!("`{name}` is not known here")
            };
            let known = [FROM, TO].into_iter().chain(BARE).chain(there.iter().copied()).take(24);
            let known = known.collect::<Vec<_>>().join(", ");
            return (format!("{found}line {line}, column {column}: {why}"), known);
        }
        (format!("{found}{error}"), "a CEL expression that is true or false".to_owned())
    }

    /// That an answer can ever let the move go on.
    fn reachable(&mut self, expression: &Expression, at: &str, asked: Asked) {
        let text = short(expression.text());
        match expression.outcome() {
            Outcome::Other(found) => {
                let found = format!("the answer of `{text}` is of type {found}");
                self.fault(
                    "ExpressionType",
                    at,
                    found,
                    "an expression that is true or false, as a comparison",
                );
            }
            Outcome::Bool | Outcome::Field | Outcome::Unknown if expression.is_constant() => {
                let answer = expression.evaluate_bool(&[]);
                let stuck = match asked {
                    Asked::Before | Asked::Success => answer != Ok(true),
                    Asked::Failure => answer == Ok(true),
                };
                if stuck {
                    let found = format!("`{text}` looks at nothing, and lets the move go on never");
                    self.fault("Unreachable", at, found, "an expression over from, to, status or a template");
                }
            }
            Outcome::Bool | Outcome::Field | Outcome::Unknown => {}
        }
    }

    /// No two templates make the same object.
    fn same_objects(&mut self, written: &[Written<'_>], stages: &[Stage]) {
        let mut seen: BTreeMap<(&str, &str, &str), &str> = BTreeMap::new();
        for (stage, at) in stages.iter().zip(written.iter().map(|stage| &stage.at)) {
            for (key, template) in &stage.templates {
                let Some((api, kind, Some(name))) = template.identity() else { continue };
                if let Some(other) = seen.insert((api, kind, name), key) {
                    let found = format!("makes {kind} {name}, as template {other} does");
                    self.fault(
                        "Duplicate",
                        format!("{at}/templates/{key}"),
                        found,
                        "an object of its own for each",
                    );
                }
            }
        }
    }

    fn map<'v>(&mut self, value: Option<&'v Value>, pointer: &str, known: &[&str]) -> Fields<'v> {
        match value {
            None | Some(Value::Null) => Fields(None),
            Some(Value::Object(fields)) => {
                for key in fields.keys().filter(|key| !known.contains(&key.as_str())).take(MAX_FAULTS) {
                    let at = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                    self.fault("UnknownField", at, "there is no such field", known.join(", "));
                }
                Fields(Some(fields))
            }
            Some(found) => {
                self.fault("Type", pointer, shown(found), "a mapping");
                Fields(None)
            }
        }
    }

    fn list<'v>(&mut self, value: Option<&'v Value>, pointer: &str, max: usize) -> &'v [Value] {
        match value {
            None | Some(Value::Null) => &[],
            Some(Value::Array(elements)) => {
                if elements.len() > max {
                    let found = format!("has {} entries", elements.len());
                    self.fault("TooMany", pointer, found, format!("at most {max}"));
                }
                elements.get(..max).unwrap_or(elements)
            }
            Some(found) => {
                self.fault("Type", pointer, shown(found), "a list");
                &[]
            }
        }
    }
}

/// The fields of a mapping; none where it is no mapping.
#[derive(Clone, Copy)]
struct Fields<'v>(Option<&'v Map<String, Value>>);

impl<'v> Fields<'v> {
    fn get(self, key: &str) -> Option<&'v Value> {
        self.0?.get(key)
    }
}

/// A stage whose expressions and templates are not read yet.
struct Written<'v> {
    at: String,
    name: String,
    phase: Option<Phase>,
    progress: bool,
    approval: bool,
    timeout: Duration,
    needs_source: bool,
    /// By key: the template, and whether it makes an object.
    templates: BTreeMap<&'v str, (&'v Value, bool)>,
    preconditions: Vec<(String, &'v Value)>,
    success: Vec<(String, &'v Value)>,
    failure: Vec<(String, &'v Value)>,
}

impl Written<'_> {
    fn said(&self) -> Said<'_> {
        let creates_nothing = self.templates.values().all(|(_, creates)| !creates);
        Said { name: &self.name, phase: self.phase, progress: self.progress, creates_nothing }
    }
}

fn is_name_fault(error: &ExpressionError) -> bool {
    matches!(error, ExpressionError::UnknownName { .. } | ExpressionError::UnknownFunction { .. })
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "is empty".to_owned(),
        Value::Array(_) => "is a list".to_owned(),
        Value::Object(_) => "is a mapping".to_owned(),
        Value::String(text) => format!("is `{}`", shorten(text, 64)),
        Value::Bool(_) | Value::Number(_) => format!("is `{value}`"),
    }
}

fn short(text: &str) -> String {
    shorten(text, 100)
}

fn dotted(pointer: &str) -> String {
    PlaybookFault::new("", pointer, "", "").field()
}
