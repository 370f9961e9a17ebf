//! The README is true on both servers: its command ends well, which it does only where everybody reaches what is its own and
//! nothing else, and prints what is shown.

#![allow(missing_docs, clippy::unwrap_used)]

use std::process::Command;

fn prints_what_the_readme_shows(arguments: &[&str]) {
    let run = Command::new(env!("CARGO_BIN_EXE_isolation")).args(arguments).output().unwrap();
    assert!(run.status.success(), "{run:?}");
    let readme = include_str!("../../README.md");
    let shown = readme.split_once("```text\n").unwrap().1.split_once("```").unwrap().0;
    assert_eq!(String::from_utf8(run.stdout).unwrap(), shown);
}

#[test]
fn nobody_sees_more_than_its_own_on_the_embedded_control_plane() {
    prints_what_the_readme_shows(&[]);
}

#[test]
fn nobody_sees_more_than_its_own_on_kcp() {
    prints_what_the_readme_shows(&["--kcp"]);
}
