//! Objects in YAML and JSON files, as people hand them to commands.
//!
//! YAML is read as 1.2 has it (`on` and `014` are text), and what cannot be read is answered with file,
//! line and column.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use thiserror::Error;

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
    #[error("{}:{position} {message}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// `line:column:`, where it is known.
        position: String,
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

/// All objects of a file, `-` for standard input; empty documents are skipped, lists are opened.
pub fn read_objects(path: &Path) -> Result<Vec<Value>, FileError> {
    let text = if path.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(path)
    };
    let text = text.map_err(|error| FileError::Read { path: path.to_owned(), reason: error.to_string() })?;
    parse_objects(path, &text)
}

/// All objects of a YAML text; `path` names it in errors.
pub fn parse_objects(path: &Path, text: &str) -> Result<Vec<Value>, FileError> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
    };
    let documents: Vec<Value> =
        serde_saphyr::from_multiple_with_options(text, options).map_err(|error| parse_error(path, &error))?;
    let mut objects = Vec::new();
    for (index, document) in documents.into_iter().enumerate() {
        let is_list = document.get("kind").and_then(Value::as_str) == Some("List");
        match document {
            Value::Null => {}
            Value::Object(mut list) if is_list => match list.remove("items") {
                Some(Value::Array(items)) => objects.extend(items),
                _ => return Err(no_object(path, index, "a List without items")),
            },
            Value::Object(_) => objects.push(document),
            Value::Array(_) => return Err(no_object(path, index, "a list")),
            Value::String(_) => return Err(no_object(path, index, "text")),
            Value::Bool(_) | Value::Number(_) => return Err(no_object(path, index, "a single value")),
        }
    }
    Ok(objects)
}

/// The parser's words, with the position where editors and terminals look for it.
fn parse_error(path: &Path, error: &serde_saphyr::Error) -> FileError {
    let message = error.to_string().replace("<input>", &path.display().to_string());
    let at = error.location().map(|at| (at.line(), at.column()));
    let (position, message) = match at {
        Some((line, column)) => {
            let told = format!("error: line {line} column {column}: ");
            (format!("{line}:{column}:"), message.strip_prefix(&told).unwrap_or(&message).to_owned())
        }
        None => (String::new(), message),
    };
    FileError::Parse { path: path.to_owned(), position, message }
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
        parse_objects(Path::new("a.yaml"), text).map_err(|error| error.to_string())
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
