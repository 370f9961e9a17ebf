//! The example does what its README shows, and stays as short as it promises.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::process::Command;

const README: &str = include_str!("../../README.md");
const MAIN: &str = include_str!("../../src/main.rs");

#[test]
fn its_output_is_the_one_in_the_readme() {
    let run = Command::new(env!("CARGO_BIN_EXE_embed-without-kubernetes")).output().unwrap();
    assert!(run.status.success(), "{run:?}");
    let (_, block) = README.split_once("```text\n").expect("a block of text in the README");
    let (shown, _) = block.split_once("```").expect("its end");
    let printed = String::from_utf8(run.stdout).unwrap();
    assert_eq!(printed, shown, "the README shows another output than:\n{printed}");
}

#[test]
fn it_has_at_most_sixty_lines() {
    assert!(MAIN.lines().count() <= 60, "{}", MAIN.lines().count());
}
