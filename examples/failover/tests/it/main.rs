//! The README is true: its command ends well, which it does only where no look at a Secret was in vain, and prints what is
//! shown.

#![allow(missing_docs, clippy::unwrap_used)]

use std::process::Command;

#[test]
fn the_command_prints_what_the_readme_shows() {
    let run = Command::new(env!("CARGO_BIN_EXE_failover")).output().unwrap();
    assert!(run.status.success(), "{run:?}");
    let readme = include_str!("../../README.md");
    let shown = readme.split_once("```text\n").unwrap().1.split_once("```").unwrap().0;
    assert_eq!(String::from_utf8(run.stdout).unwrap(), shown);
}
