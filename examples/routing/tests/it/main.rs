//! The README is true: its command prints what it shows, and every command of its walkthrough, run as it stands
//! there, prints what stands below it.
//!
//! With `UPDATE_README=1` what is printed is written into the README instead. With `KUBECONFIG_OF_KCP=<an
//! administrator's kubeconfig>` the walkthrough is made on that kcp.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Comes between the outputs of two blocks.
const MARK: &str = "-- end of the block --";

fn readme() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")
}

/// A block of commands, and where in the README the block is that shows their output.
struct Block {
    commands: String,
    shown: Option<std::ops::Range<usize>>,
}

/// The blocks of a part of the README, from one heading to another.
fn blocks(readme: &str, from: &str, to: &str) -> Vec<Block> {
    const SH: &str = "\n```sh\n";
    const TEXT: &str = "\n```text\n";
    const END: &str = "```\n";
    let end = readme.find(to).unwrap();
    let mut at = readme.find(from).unwrap();
    let mut blocks = Vec::new();
    while let Some(found) = readme[at..end].find(SH) {
        let start = at + found + SH.len();
        let stop = start + readme[start..].find(END).unwrap();
        at = stop + END.len();
        let shown = readme[at..].strip_prefix(TEXT).map(|rest| {
            let start = at + TEXT.len();
            start..start + rest.find(END).unwrap()
        });
        blocks.push(Block { commands: readme[start..stop].to_owned(), shown });
    }
    blocks
}

/// Compares what was printed with what the README shows, or writes it there.
fn compare(readme: &str, printed: &[(&Block, String)]) {
    let update = std::env::var_os("UPDATE_README").is_some();
    let mut updated = readme.to_owned();
    for (block, printed) in printed.iter().rev() {
        let Some(shown) = block.shown.clone() else { continue };
        if update {
            updated.replace_range(shown, printed);
        } else {
            assert_eq!(
                *printed, readme[shown],
                "the README shows another output of\n{}\nthan:\n{printed}",
                block.commands
            );
        }
    }
    if update {
        std::fs::write(self::readme(), updated).unwrap();
    }
}

#[test]
fn the_readme_is_true() {
    the_command_prints_what_the_readme_shows();
    every_command_of_the_walkthrough_prints_what_the_readme_shows();
}

fn the_command_prints_what_the_readme_shows() {
    let readme = std::fs::read_to_string(self::readme()).unwrap();
    let blocks = blocks(&readme, "## By one command", "## By hand");
    let run = Command::new(env!("CARGO_BIN_EXE_routing")).output().unwrap();
    assert!(run.status.success(), "{run:?}");
    compare(&readme, &[(&blocks[0], String::from_utf8(run.stdout).unwrap())]);
}

fn every_command_of_the_walkthrough_prints_what_the_readme_shows() {
    let readme = std::fs::read_to_string(self::readme()).unwrap();
    let blocks = blocks(&readme, "## By hand", "## On a real kcp");
    // The first of them opens the market, in a terminal of its own.
    let (opening, walk) = blocks.split_first().unwrap();
    assert!(opening.commands.contains("--keep /tmp/market.kubeconfig"));
    assert!(walk.len() > 20, "{} blocks", walk.len());

    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("market.kubeconfig").display().to_string();
    let mut market = Command::new(env!("CARGO_BIN_EXE_routing"));
    market.args(["--keep", &kubeconfig]);
    if let Some(admin) = std::env::var_os("KUBECONFIG_OF_KCP") {
        market.arg("--kcp").arg(admin);
    }
    let mut market = market.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(market.stdout.take().unwrap()).lines();
    let opened = lines.next().map(Result::unwrap);

    let mut script = String::from("set -eu -o pipefail\n");
    for block in walk {
        let commands = block.commands.replace("/tmp/market.kubeconfig", &kubeconfig);
        writeln!(script, "{commands}\necho '{MARK}'").unwrap();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut bash = Command::new("bash");
    let walked = bash.args(["-c", &format!("exec 2>&1\n{script}")]).current_dir(root).output().unwrap();
    market.kill().unwrap();
    market.wait().unwrap();

    assert!(opened.is_some_and(|line| line.starts_with("The market is open.")));
    let printed = String::from_utf8(walked.stdout).unwrap();
    assert!(walked.status.success(), "the walkthrough ended with {}:\n{printed}", walked.status);
    let mark = format!("{MARK}\n");
    let printed: Vec<(&Block, String)> =
        walk.iter().zip(printed.split(&mark).map(ToOwned::to_owned)).collect();
    compare(&readme, &printed);
}
