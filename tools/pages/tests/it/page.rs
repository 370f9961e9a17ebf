//! The pages of the documentation, and the blocks of commands in them.

use std::fs;
use std::path::{Path, PathBuf};

/// What stands before a block that is not run, and why.
const NOT_RUN: &str = "<!-- not run here: ";

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A page, by its path from the repository's root.
pub(crate) struct Page {
    pub(crate) path: String,
    text: String,
}

/// A block of commands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// The number of its first line.
    pub(crate) line: usize,
    pub(crate) commands: String,
    /// Why it is not run, as the page says.
    pub(crate) not_run: Option<String>,
    /// What it prints, as the page shows it in a block of text right after it.
    pub(crate) shown: Option<String>,
}

impl Page {
    pub(crate) fn read(path: &str) -> Self {
        Self { path: path.to_owned(), text: fs::read_to_string(root().join(path)).unwrap() }
    }

    /// The blocks of commands, in their order.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut before = "";
        // Whether nothing but empty lines came after the last block of commands.
        let mut is_next = false;
        let mut lines = self.text.lines().enumerate();
        while let Some((at, line)) = lines.next() {
            let indent = line.len() - line.trim_start().len();
            let Some(language) = line.trim_start().strip_prefix("```") else {
                if !line.trim().is_empty() {
                    before = line.trim();
                    is_next = false;
                }
                continue;
            };
            let inside: Vec<&str> =
                lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```").collect();
            let strange = ["bash", "shell", "console", "zsh"];
            assert!(!strange.contains(&language), "{}:{}: blocks of commands are sh", self.path, at + 1);
            if language == "sh" {
                let commands: Vec<&str> =
                    inside.iter().map(|line| line.get(indent..).unwrap_or("")).collect();
                let reason = before.strip_prefix(NOT_RUN).and_then(|rest| rest.strip_suffix(" -->"));
                blocks.push(Block {
                    line: at + 2,
                    commands: commands.join("\n"),
                    not_run: reason.map(ToOwned::to_owned),
                    shown: None,
                });
            } else if let (true, "text", Some(last)) = (is_next, language, blocks.last_mut()) {
                last.shown = Some(inside.join("\n") + "\n");
            }
            is_next = language == "sh";
            before = "";
        }
        blocks
    }
}

/// All pages with commands: the repository's own, the book's, and the examples'.
pub(crate) fn pages() -> Vec<Page> {
    let mut paths = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned(), "SECURITY.md".to_owned()];
    for folder in ["docs", "docs/runbooks", "docs/reference", "examples"] {
        let mut found: Vec<String> = fs::read_dir(root().join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        found.sort();
        for name in found {
            let path = if folder == "examples" {
                format!("{folder}/{name}/README.md")
            } else {
                format!("{folder}/{name}")
            };
            if Path::new(&path).extension().is_some_and(|ending| ending == "md") {
                paths.push(path);
            }
        }
    }
    paths.iter().map(|path| Page::read(path)).collect()
}

#[test]
fn a_block_is_found_with_its_line_and_why_it_is_not_run() {
    let text = "A\n\n```sh\nfirst \\\n  more\n```\n\n<!-- not run here: it takes an hour -->\n```sh\nsecond\n```\n\n\
                ```text\nprinted\n```\n- in a list\n\n  ```sh\n  third\n  ```\n";
    let page = Page { path: "page.md".to_owned(), text: text.to_owned() };
    let block = |line, commands: &str, not_run: Option<&str>, shown: Option<&str>| Block {
        line,
        commands: commands.to_owned(),
        not_run: not_run.map(ToOwned::to_owned),
        shown: shown.map(ToOwned::to_owned),
    };
    let expected = [
        block(4, "first \\\n  more", None, None),
        block(10, "second", Some("it takes an hour"), Some("printed\n")),
        block(19, "third", None, None),
    ];
    assert_eq!(page.blocks(), expected);
}
