//! Objects in YAML and JSON files, as people hand them to commands.
//!
//! YAML is read as 1.2 has it (`on` and `014` are text), and what cannot be read is answered with file,
//! line and column.

mod located;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use thiserror::Error;

use located::Document;
pub use located::{Position, Positions, member};

/// The path that stands for standard input.
const STANDARD_INPUT: &str = "-";
/// How the files end that are read in folders.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// A file that cannot be used.
#[derive(Debug, Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("{}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// It is no YAML.
    #[error("{}:{} {message}", path.display(), at.map(|at| format!("{}:{}:", at.line, at.column)).unwrap_or_default())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where, if that is known.
        at: Option<Position>,
        /// What is wrong, with the lines around it.
        message: String,
    },
    /// It holds something else than objects.
    #[error(
        "{}: document {number} is {found}, no object: an object is a mapping with apiVersion and kind",
        path.display()
    )]
    NoObject {
        /// The file.
        path: PathBuf,
        /// Which document, from 1.
        number: usize,
        /// What it is.
        found: &'static str,
    },
}

/// An object of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct FileObject {
    /// The file.
    pub path: PathBuf,
    /// The object.
    pub value: Value,
    /// Where its parts are written.
    pub positions: Positions,
}

/// All objects of a file, `-` for standard input; empty documents are skipped, lists are opened.
pub fn read_objects(path: &Path) -> Result<Vec<Value>, FileError> {
    Ok(read_located(path)?.into_iter().map(|object| object.value).collect())
}

/// The same, with the place of every part.
pub fn read_located(path: &Path) -> Result<Vec<FileObject>, FileError> {
    let text = if path.as_os_str() == STANDARD_INPUT {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(path)
    };
    let text = text.map_err(|error| FileError::Read { path: path.to_owned(), reason: error.to_string() })?;
    parse_located(path, &text)
}

/// The YAML and JSON files of a folder and of all below it, in order; a path to anything else as it is.
pub fn files_in(path: &Path) -> Result<Vec<PathBuf>, FileError> {
    if path.as_os_str() == STANDARD_INPUT || !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let failed = |error: std::io::Error| FileError::Read { path: path.to_owned(), reason: error.to_string() };
    let mut entries: Vec<PathBuf> = std::fs::read_dir(path)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(failed)?;
    entries.sort();
    let mut files = Vec::new();
    for entry in entries {
        let hidden = entry.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        // A link to a folder may lead back up.
        let is_folder = entry.is_dir() && !entry.is_symlink();
        if is_folder && !hidden {
            files.extend(files_in(&entry)?);
        } else if entry.is_file() && entry.extension().is_some_and(|end| ENDINGS.iter().any(|e| end == *e)) {
            files.push(entry);
        }
    }
    Ok(files)
}

/// All objects of a YAML text; `path` names it in errors.
pub fn parse_objects(path: &Path, text: &str) -> Result<Vec<Value>, FileError> {
    Ok(parse_located(path, text)?.into_iter().map(|object| object.value).collect())
}

fn parse_located(path: &Path, text: &str) -> Result<Vec<FileObject>, FileError> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
    };
    let documents: Vec<Document> =
        serde_saphyr::from_multiple_with_options(text, options).map_err(|error| parse_error(path, &error))?;
    let mut objects = Vec::new();
    for (index, document) in documents.into_iter().enumerate() {
        let is_list = document.value.get("kind").and_then(Value::as_str) == Some("List");
        match &document.value {
            Value::Null => {}
            Value::Object(_) if is_list => match document.items() {
                Some(items) => objects.extend(items),
                None => return Err(no_object(path, index, "a List without items")),
            },
            Value::Object(_) => objects.push(document),
            Value::Array(_) => return Err(no_object(path, index, "a list")),
            Value::String(_) => return Err(no_object(path, index, "text")),
            Value::Bool(_) | Value::Number(_) => return Err(no_object(path, index, "a single value")),
        }
    }
    let object = |Document { value, positions }| FileObject { path: path.to_owned(), value, positions };
    Ok(objects.into_iter().map(object).collect())
}

/// The parser's words, with the position where editors and terminals look for it.
fn parse_error(path: &Path, error: &serde_saphyr::Error) -> FileError {
    let message = error.to_string().replace("<input>", &path.display().to_string());
    let at = error.location().map(|at| Position { line: at.line(), column: at.column() });
    let message = match at {
        Some(Position { line, column }) => {
            let told = format!("error: line {line} column {column}: ");
            message.strip_prefix(&told).unwrap_or(&message).to_owned()
        }
        None => message,
    };
    FileError::Parse { path: path.to_owned(), at, message }
}

fn no_object(path: &Path, index: usize, found: &'static str) -> FileError {
    FileError::NoObject { path: path.to_owned(), number: index + 1, found }
}

/// Replaces a file in one step: whoever reads it finds the old or the new one, and only its owner can.
pub fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&partial).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.and_then(|()| std::fs::rename(&partial, path)).inspect_err(|_| {
        // What is reported is why it could not be written; that the rest may be left changes nothing.
        std::fs::remove_file(&partial).ok();
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<Value>, String> {
        let objects = parse_located(Path::new("a.yaml"), text).map_err(|error| error.to_string())?;
        Ok(objects.into_iter().map(|object| object.value).collect())
    }

    #[test]
    fn every_part_is_found_with_its_line_and_column() {
        let text = "kind: A\nspec:\n  list:\n    - key: x\n      a/b: {c: 1}\n---\nkind: List\nitems:\n  - kind: B\n    x: 1\n";
        let objects = parse_located(Path::new("a.yaml"), text).unwrap();
        let at = |object: usize, pointer: &str| {
            let Position { line, column } = objects[object].positions.value(pointer).unwrap();
            (line, column)
        };
        assert_eq!(at(0, "/spec/list/0/key"), (4, 12));
        assert_eq!(at(0, "/spec/list/0/a~1b/c"), (5, 16));
        assert_eq!(at(0, "/spec/list/0/missing"), (4, 7), "what is around it");
        assert_eq!(at(1, "/x"), (10, 8));
        let key = objects[0].positions.key(&member("/spec/list/0", "a/b")).unwrap();
        assert_eq!((key.line, key.column), (5, 7));
    }

    #[test]
    fn folders_are_read_with_all_below_them_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("b");
        std::fs::create_dir(&inside).unwrap();
        for name in ["c.yaml", "b/a.json", "b/b.yml", "a.txt", ".hidden.md"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let found = files_in(folder.path()).unwrap();
        let names: Vec<_> = found.iter().map(|path| path.strip_prefix(folder.path()).unwrap()).collect();
        assert_eq!(names, ["b/a.json", "b/b.yml", "c.yaml"].map(Path::new));
    }

    #[test]
    fn several_documents_and_lists_become_objects() {
        let objects =
            parse("kind: A\n---\n# nothing\n---\nkind: List\nitems: [{kind: B}, {kind: C}]\n").unwrap();
        let kinds: Vec<_> = objects.iter().filter_map(|o| o["kind"].as_str()).collect();
        assert_eq!(kinds, ["A", "B", "C"]);
    }

    #[test]
    fn malformed_yaml_is_answered_with_file_line_and_column() {
        let error = parse("kind: A\nspec:\n  a: [1, 2\n  b: 3\n").unwrap_err();
        assert!(error.starts_with("a.yaml:"), "{error}");
        let position = error.trim_start_matches("a.yaml:");
        assert!(position.starts_with("4:4: illegal"), "{error}");
    }

    #[test]
    fn a_key_written_twice_is_refused() {
        assert!(parse("kind: A\nkind: B\n").unwrap_err().contains("duplicate"));
    }

    #[test]
    fn words_that_old_yaml_took_for_booleans_stay_text() {
        let objects = parse("kind: A\nspec: {a: on, b: 014, c: yes}\n").unwrap();
        assert_eq!(objects[0]["spec"], serde_json::json!({"a": "on", "b": "014", "c": "yes"}));
    }

    #[test]
    fn text_is_no_object() {
        assert!(parse("hello\n").unwrap_err().contains("document 1 is text"));
    }
}
