//! The command `validate`: what is wrong with `AcceptAPIs`, `BrokeredAPIs` and `MigrationConfigurations` in files, or probably
//! not meant, with file, line and column; and in which phase each stage of a playbook runs. Needs no server.

pub(crate) mod brokered;
pub(crate) mod playbooks;
mod schema;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use broker_core::offer::lint::{Finding, Level, lint, shadows};
use broker_core::offer::{Offer, OfferId};
use broker_core::playbook::Playbook;
use broker_core::resource::{ClusterName, Object, marker};
use broker_kcp::api::crds::{crds, to_json};
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::Value;

use crate::files::{FileError, FileObject, Position, files_in, read_located};

/// What `validate` ends with where something is wrong.
const WRONG: u8 = 1;

/// Tell what is wrong with `AcceptAPIs`, `BrokeredAPIs` and `MigrationConfigurations`, or probably not meant.
///
/// Of each playbook it is noted in which phase its stages run. Ends with 0 where nothing is wrong, 1 where something is (with --strict also where something is probably not meant),
/// 2 where a file cannot be read. Objects of other kinds are passed over.
#[derive(Clone, Debug, Args)]
pub struct ValidateArgs {
    /// Files, folders, or - for standard input.
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Let warnings count as errors.
    #[arg(long)]
    strict: bool,
    /// How to print what was found.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

/// A finding, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Located {
    file: String,
    #[serde(flatten)]
    at: Position,
    level: Level,
    rule: String,
    /// The object, as `AcceptAPI ns/name`; empty where the file has none.
    object: String,
    /// The part of it, as `spec.filters[0].suffix`.
    field: String,
    message: String,
}

/// Everything that was found.
#[derive(Debug, Default)]
struct Outcome {
    findings: Vec<Located>,
    notes: Vec<String>,
    objects: usize,
}

/// Validates, and prints what was found.
pub fn validate(args: &ValidateArgs) -> anyhow::Result<ExitCode> {
    let outcome = look(&args.paths)?;
    for note in &outcome.notes {
        eprintln!("note: {note}");
    }
    match args.output {
        Output::Text => print!("{}", text(&outcome)),
        Output::Json => println!("{}", serde_json::to_string_pretty(&outcome.findings)?),
    }
    eprintln!("{}", summary(&outcome));
    let worst = if args.strict { Level::Warning } else { Level::Error };
    let wrong = outcome.findings.iter().any(|finding| finding.level <= worst);
    Ok(if wrong { ExitCode::from(WRONG) } else { ExitCode::SUCCESS })
}

/// Looks at all files. Only what cannot be read at all is an error; what cannot be parsed is found.
fn look(paths: &[PathBuf]) -> Result<Outcome, FileError> {
    let mut outcome = Outcome::default();
    let schemas = schemas();
    let mut offers: Vec<(FileObject, Offer)> = Vec::new();
    let mut books: Vec<(FileObject, Playbook)> = Vec::new();
    for root in paths {
        for path in files_in(root)? {
            match read_located(&path) {
                Ok(objects) => {
                    for object in objects {
                        match outcome.object(&object, &schemas) {
                            Some(Usable::Offer(offer)) => offers.push((object, *offer)),
                            Some(Usable::Playbook(playbook)) => books.push((object, *playbook)),
                            None => {}
                        }
                    }
                }
                Err(error @ FileError::Read { .. }) => return Err(error),
                Err(FileError::Parse { at, message, .. }) => {
                    outcome.findings.push(unreadable(&path, at, "Syntax", message));
                }
                Err(error @ FileError::NoObject { .. }) => {
                    outcome.findings.push(unreadable(&path, None, "NoObject", error.to_string()));
                }
            }
        }
    }
    let parsed: Vec<Offer> = offers.iter().map(|(_, offer)| offer.clone()).collect();
    for (index, finding) in shadows(&parsed) {
        if let Some((object, _)) = offers.get(index) {
            outcome.found(object, finding);
        }
    }
    let parsed: Vec<Playbook> = books.iter().map(|(_, playbook)| playbook.clone()).collect();
    for (index, finding) in playbooks::rivals(&parsed) {
        if let Some((object, _)) = books.get(index) {
            outcome.found(object, finding);
        }
    }
    outcome.findings.sort();
    Ok(outcome)
}

/// What is looked at beside its like.
enum Usable {
    /// An offer that could be chosen.
    Offer(Box<Offer>),
    /// A playbook that could be followed.
    Playbook(Box<Playbook>),
}

impl Outcome {
    /// Looks at one object; what could be used is returned.
    fn object(&mut self, object: &FileObject, schemas: &BTreeMap<String, Value>) -> Option<Usable> {
        let text = |pointer: &str| object.value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let kind = text("/kind");
        let group = text("/apiVersion").split_once('/').map_or("", |(group, _)| group);
        let schema = schemas.get(kind).filter(|_| group == marker::GROUP);
        let (Some(schema), "AcceptAPI" | "BrokeredAPI" | "MigrationConfiguration") = (schema, kind) else {
            self.notes.push(format!("{}: {} is passed over", place(object), called(&object.value)));
            return None;
        };
        self.objects += 1;
        if text("/apiVersion") != format!("{}/{}", marker::GROUP, marker::VERSION) {
            let message =
                format!("is `{}`; accepted: {}/{}", text("/apiVersion"), marker::GROUP, marker::VERSION);
            self.found(object, Finding::new(Level::Error, "Version", "/apiVersion", message));
        }
        if text("/metadata/name").is_empty() {
            self.found(object, Finding::new(Level::Error, "Required", "/metadata/name", "is missing"));
        }
        let mut value = object.value.clone();
        // What a server says of it is not the author's.
        if let Some(fields) = value.as_object_mut() {
            fields.remove("status");
        }
        // Looked at without what is unknown, so that one mistake does not hide the others.
        let by_schema = schema::check(schema, &mut value);
        let (usable, by_meaning) = match kind {
            "AcceptAPI" => accept_api(&value),
            "BrokeredAPI" => (None, brokered::lint(&value)),
            _ => {
                let (playbook, findings) = playbooks::lint(text("/metadata/name"), &value);
                let note = playbook.as_ref().map(playbooks::phases);
                self.notes
                    .extend(note.map(|note| format!("{}: {}: {note}", place(object), called(&object.value))));
                (playbook.map(|playbook| Usable::Playbook(Box::new(playbook))), findings)
            }
        };
        // Where the schema speaks of a part, whatever else is said of it is the same again.
        let known: Vec<(String, String)> =
            by_schema.iter().map(|finding| (finding.pointer.clone(), finding.rule.clone())).collect();
        let again = |finding: &Finding| {
            known.iter().any(|(pointer, rule)| {
                let is_below = finding.pointer.starts_with(&format!("{pointer}/"));
                *pointer == finding.pointer
                    || (finding.pointer == "/spec" && finding.level == Level::Error)
                    || (*rule == finding.rule && rule == "Duplicate" && is_below)
            })
        };
        for finding in by_meaning.into_iter().filter(|finding| !again(finding)).collect::<Vec<_>>() {
            self.found(object, finding);
        }
        for finding in by_schema {
            self.found(object, finding);
        }
        usable
    }

    fn found(&mut self, object: &FileObject, finding: Finding) {
        // An unknown field is found by its name, everything else by its value.
        let at = if finding.rule == schema::UNKNOWN_FIELD {
            object.positions.key(&finding.pointer)
        } else {
            object.positions.value(&finding.pointer)
        };
        self.findings.push(Located {
            file: object.path.display().to_string(),
            at: at.unwrap_or(Position { line: 1, column: 1 }),
            level: finding.level,
            rule: finding.rule,
            object: called(&object.value),
            field: field(&finding.pointer),
            message: finding.message,
        });
    }
}

fn accept_api(value: &Value) -> (Option<Usable>, Vec<Finding>) {
    let Ok(object) = Object::try_from(value.clone()) else { return (None, Vec::new()) };
    let cluster = object.kcp_cluster().unwrap_or_else(|| ClusterName::from("file"));
    let spec = object.get(&["spec"]).cloned().unwrap_or_default();
    let (offer, findings) = lint(OfferId::from(object.key_in(&cluster)), &spec);
    (offer.map(|offer| Usable::Offer(Box::new(offer))), findings)
}

/// The schemas of the broker's own kinds, by kind.
fn schemas() -> BTreeMap<String, Value> {
    crds()
        .iter()
        .filter_map(|crd| {
            let schema = to_json(crd).pointer("/spec/versions/0/schema/openAPIV3Schema")?.clone();
            Some((crd.spec.names.kind.clone(), schema))
        })
        .collect()
}

fn unreadable(path: &Path, at: Option<Position>, rule: &str, message: String) -> Located {
    Located {
        file: path.display().to_string(),
        at: at.unwrap_or(Position { line: 1, column: 1 }),
        level: Level::Error,
        rule: rule.to_owned(),
        object: String::new(),
        field: String::new(),
        message,
    }
}

/// One line for each finding, as compilers write them.
fn text(outcome: &Outcome) -> String {
    let mut text = String::new();
    for finding in &outcome.findings {
        let Located { file, at, level, rule, object, field, message } = finding;
        let about = [object.as_str(), field.as_str()].into_iter().filter(|part| !part.is_empty());
        let about: Vec<&str> = about.collect();
        let colon = if about.is_empty() { "" } else { ": " };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{file}:{}:{}: {level}[{rule}]: {}{colon}{}",
            at.line,
            at.column,
            about.join(" "),
            message.trim_end()
        );
    }
    text
}

fn summary(outcome: &Outcome) -> String {
    let count = |level: Level| outcome.findings.iter().filter(|finding| finding.level == level).count();
    let (errors, warnings, advice) = (count(Level::Error), count(Level::Warning), count(Level::Advice));
    format!("{} objects: {errors} errors, {warnings} warnings, {advice} pieces of advice", outcome.objects)
}

/// `/spec/filters/0/suffix` as people write it.
fn field(pointer: &str) -> String {
    let mut field = String::new();
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        if part.chars().all(|c| c.is_ascii_digit()) {
            let _ = write!(field, "[{part}]");
        } else {
            if !field.is_empty() {
                field.push('.');
            }
            field.push_str(&part);
        }
    }
    field
}

fn called(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let kind = if text("/kind").is_empty() { "an object without kind" } else { text("/kind") };
    match (text("/metadata/namespace"), text("/metadata/name")) {
        (_, "") => kind.to_owned(),
        ("", name) => format!("{kind} {name}"),
        (namespace, name) => format!("{kind} {namespace}/{name}"),
    }
}

fn place(object: &FileObject) -> String {
    let line = object.positions.value("").map_or(1, |at| at.line);
    format!("{}:{line}", object.path.display())
}
