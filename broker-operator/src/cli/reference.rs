//! The page of the reference with every command, made of the command line.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use clap::{Arg, Command};

use super::command;

const HEAD: &str = "# Command line\n\n\
    Every command with all that can be said to it, as `--help` shows it, made of the command line by a test \
    (`cargo test -p broker-operator --lib generated`). `--help` and `--version` are there for each of them. As `kubectl-broker` on the \
    `PATH` all of them are there as `kubectl broker …`. What `run` can be told elsewhere is in \
    [configuration.md](configuration.md).\n";

/// Compares a page with the one checked in, or writes it where `UPDATE_GENERATED` is set.
pub(crate) fn same_as_checked_in(page: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/reference").join(page);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(&path, text).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == text,
        "docs/reference/{page} is not what the code says: run UPDATE_GENERATED=1 cargo test -p broker-operator --lib \
        generated, and commit it"
    );
}

/// Text that does not break a table.
pub(crate) fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|").replace('<', "&lt;")
}

fn meaning(argument: &Arg) -> String {
    let help = argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
    let mut text = cell(&help);
    if let Some(variable) = argument.get_env() {
        let _ = write!(text, " [env: {}]", variable.display());
    }
    if argument.get_action().takes_values() {
        let joined = |values: Vec<String>| values.join(", ");
        let defaults = argument.get_default_values().iter().map(|value| value.display().to_string());
        let possible =
            argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
        for (word, values) in [("default", joined(defaults.collect())), ("possible values", joined(possible))]
        {
            if !values.is_empty() {
                let _ = write!(text, " [{word}: {values}]");
            }
        }
    }
    text
}

fn section(command: &mut Command, depth: usize, page: &mut String) {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let usage = command.render_usage().to_string();
    let _ = write!(
        page,
        "\n{} {name}\n\n{}\n\n```text\n{usage}\n```\n",
        "#".repeat(depth),
        about.replace('<', "&lt;")
    );
    let told = command
        .get_arguments()
        .filter(|it| !it.is_hide_set() && !["help", "version"].contains(&it.get_id().as_str()));
    let mut rows = String::new();
    for argument in told {
        let short = argument.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
        let name = format!("{short}{argument}").replace('|', "\\|");
        let needed = if argument.is_required_set() { "yes" } else { "" };
        let _ = writeln!(rows, "| `{name}` | {needed} | {} |", meaning(argument));
    }
    if !rows.is_empty() {
        let _ = write!(page, "\n| argument | needed | meaning |\n|---|---|---|\n{rows}");
    }
    if let Some(more) = command.get_after_long_help().or(command.get_after_help()) {
        let _ = write!(page, "\n```text\n{more}\n```\n");
    }
    for below in command.get_subcommands_mut().filter(|it| it.get_name() != "help" && !it.is_hide_set()) {
        section(below, (depth + 1).min(3), page);
    }
}

#[test]
fn generated_reference_of_the_command_line_is_the_one_checked_in() {
    let mut command = command();
    command.build();
    let mut page = HEAD.to_owned();
    section(&mut command, 2, &mut page);
    assert!(page.matches("\n### resource-broker ").count() > 25, "{page}");
    same_as_checked_in("cli.md", &page);
}
