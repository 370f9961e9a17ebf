//! What the documentation links to is there, all of its pages are in the book, and its commands are commands.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().canonicalize().unwrap()
}

/// A page, by its path from the repository's root.
struct Page {
    path: PathBuf,
    text: String,
}

impl Page {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(root().join(path)).unwrap();
        Self { path: path.to_owned(), text }
    }

    /// Each line, with its number and whether it is in a block of code.
    fn lines(&self) -> impl Iterator<Item = (usize, bool, &str)> {
        let mut in_code = false;
        self.text.lines().enumerate().map(move |(at, line)| {
            let fence = line.trim_start().starts_with("```");
            in_code ^= fence;
            (at + 1, in_code || fence, line)
        })
    }

    /// Where its links lead, as written, with the number of the line.
    fn links(&self) -> Vec<(usize, String)> {
        let prose = self.lines().filter(|(_, in_code, _)| !in_code);
        let links = prose.flat_map(|(at, _, line)| {
            let without_code: String = line.split('`').step_by(2).collect::<Vec<_>>().join("");
            let targets = without_code
                .split("](")
                .skip(1)
                .map(|rest| rest.split([')', ' ']).next().unwrap().to_owned());
            targets.map(move |target| (at, target)).collect::<Vec<_>>()
        });
        links.filter(|(_, target)| !target.contains("://")).collect()
    }

    /// What a link may name after `#`.
    fn anchors(&self) -> BTreeSet<String> {
        let mut anchors = BTreeSet::new();
        let headings = self.lines().filter(|(_, in_code, line)| !in_code && line.starts_with('#'));
        for (_, _, line) in headings {
            let words = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
            let anchor: String =
                words.chars().filter(|sign| sign.is_alphanumeric() || "-_".contains(*sign)).collect();
            let more = (1..).map(|number| format!("{anchor}-{number}"));
            let free = std::iter::once(anchor.clone()).chain(more).find(|name| !anchors.contains(name));
            anchors.extend(free);
        }
        anchors
    }

    /// The lines of its blocks of code, those that go on in the next one put together.
    fn code(&self) -> Vec<(usize, String)> {
        let mut code: Vec<(usize, String)> = Vec::new();
        let mut goes_on = false;
        for (at, _, line) in self.lines().filter(|(_, in_code, _)| *in_code) {
            let (text, more) = line.strip_suffix('\\').map_or((line, false), |text| (text, true));
            match code.last_mut() {
                Some((_, before)) if goes_on => before.push_str(text),
                _ => code.push((at, text.to_owned())),
            }
            goes_on = more;
        }
        code
    }

    /// What stands between backticks in its prose.
    fn spans(&self) -> impl Iterator<Item = (usize, &str)> {
        let prose = self.lines().filter(|(_, in_code, _)| !in_code);
        prose.flat_map(|(at, _, line)| line.split('`').skip(1).step_by(2).map(move |span| (at, span)))
    }
}

/// The Markdown below a folder; neither what mdBook made, nor what a link leads to.
fn markdown(folder: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root().join(folder)).unwrap().map(Result::unwrap) {
        let path = format!("{folder}/{}", entry.file_name().display());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && path != "docs/book" {
            markdown(&path, found);
        } else if kind.is_file() && Path::new(&path).extension() == Some(OsStr::new("md")) {
            found.push(path.into());
        }
    }
}

fn pages() -> Vec<Page> {
    let mut paths: Vec<PathBuf> =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]
            .map(Into::into)
            .into();
    for folder in ["docs", "examples"] {
        markdown(folder, &mut paths);
    }
    paths.iter().map(|path| Page::read(path)).collect()
}

/// The words of a command of ours: what a shell would make of the line, without what follows the command.
fn ours(line: &str) -> Option<Vec<String>> {
    let line = line.split(['|', '>', '&', ';']).next().unwrap_or_default();
    let line = line.split(" #").next().unwrap_or_default();
    let is_variable = |word: &&str| word.split_once('=').is_some_and(|(name, _)| !name.contains('-'));
    let words: Vec<&str> = line.split_whitespace().skip_while(is_variable).collect();
    let rest = match words.as_slice() {
        ["resource-broker", rest @ ..] | ["kubectl", "broker", rest @ ..] => rest,
        ["cargo", "run", more @ ..] if more.contains(&"broker-operator") => {
            more.split(|word| *word == "--").nth(1)?
        }
        _ => return None,
    };
    let words = std::iter::once("resource-broker").chain(rest.iter().copied());
    Some(words.map(|word| word.trim_matches(['"', '\'']).to_owned()).collect())
}

/// What is not known of a command that is only named, with some of its flags perhaps, as in prose.
fn unknown(named: &str) -> Option<String> {
    let mut at = command();
    at.build();
    let words = named.split(' ').take_while(|word| !["|", "\\|", "…"].contains(word));
    for word in words.skip(1) {
        let flag = word.split(['=', '…']).next().unwrap_or_default();
        let known = |name: &str| at.get_arguments().any(|it| it.get_long() == Some(name));
        let known_short = |name: &str| {
            at.get_arguments().any(|it| it.get_short().map(String::from).as_deref() == Some(name))
        };
        if let Some(name) = flag.strip_prefix("--") {
            if !known(name) {
                return Some(format!("{} has no --{name}", at.get_name()));
            }
        } else if let Some(name) = flag.strip_prefix('-').filter(|name| !name.is_empty()) {
            if !known_short(name) {
                return Some(format!("{} has no -{name}", at.get_name()));
            }
        } else if at.has_subcommands() {
            let choices: Vec<&str> = word.split('|').collect();
            match choices.iter().find(|choice| at.find_subcommand(choice).is_none()) {
                None => at = at.find_subcommand(choices[0]).unwrap().clone(),
                // What stands for an argument.
                Some(_) if at.get_positionals().next().is_some() => {}
                Some(none) => return Some(format!("{} has no {none}", at.get_name())),
            }
        }
    }
    None
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let script = fs::read_to_string(root().join("tools/book-links.sh")).unwrap();
    let (mut wrong, mut links) = (Vec::new(), 0);
    for page in pages() {
        for (at, target) in page.links() {
            links += 1;
            let here = format!("{}:{at}: {target}", page.path.display());
            let (file, anchor) =
                target.split_once('#').map_or((target.as_str(), None), |(f, a)| (f, Some(a)));
            let folder = root().join(page.path.parent().unwrap());
            let path = if file.is_empty() { root().join(&page.path) } else { folder.join(file) };
            let Ok(path) = path.canonicalize() else {
                wrong.push(format!("{here}: no such file"));
                continue;
            };
            let Ok(path) = path.strip_prefix(root()) else {
                wrong.push(format!("{here}: outside of the repository"));
                continue;
            };
            if anchor.is_some_and(|anchor| !Page::read(path).anchors().contains(anchor)) {
                wrong.push(format!("{here}: no such heading"));
            }
            let first = path.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
            let stays = ["docs", "examples"].contains(&first.as_str()) || !page.path.starts_with("docs");
            let known = first.split('.').next().is_some_and(|name| script.contains(name));
            if !stays && !known && !first.starts_with("broker-") {
                wrong.push(format!("{here}: tools/book-links.sh knows nothing of {first}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(links > 200, "{links}");
}

#[test]
fn every_page_is_in_the_book_once() {
    let summary = Page::read(Path::new("docs/SUMMARY.md"));
    let mut listed: Vec<String> = summary.links().into_iter().map(|(_, target)| target).collect();
    let mut there = Vec::new();
    markdown("docs", &mut there);
    let mut there: Vec<String> = there
        .iter()
        .map(|path| path.strip_prefix("docs").unwrap().display().to_string())
        .filter(|page| page != "SUMMARY.md")
        .collect();
    let examples = fs::read_dir(root().join("examples")).unwrap().map(|entry| entry.unwrap().file_name());
    there.extend(examples.map(|name| format!("examples/{}/README.md", name.display())));
    listed.sort();
    there.sort();
    assert_eq!(listed, there);
}

#[test]
fn the_commands_of_the_documentation_are_commands() {
    let (mut wrong, mut commands) = (Vec::new(), 0);
    let mut with_commands = BTreeSet::new();
    for page in pages() {
        for (at, line) in page.code() {
            // Output that is cut short, and the usage of a command, are none.
            let is_sketch = |word: &String| word.ends_with('…') || word.starts_with('<');
            let Some(words) = ours(&line).filter(|words| !words.iter().any(is_sketch)) else { continue };
            if let Err(error) = Cli::try_parse_from(words) {
                wrong.push(format!("{}:{at}: {line}: {error}", page.path.display()));
            }
            commands += 1;
            with_commands.insert(page.path.display().to_string());
        }
        for (at, span) in page.spans().filter(|(_, span)| span.starts_with("resource-broker ")) {
            wrong.extend(unknown(span).map(|why| format!("{}:{at}: {span}: {why}", page.path.display())));
            commands += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(commands > 120, "{commands}");
    for page in
        ["README.md", "docs/install.md", "docs/kubernetes.md", "docs/platform.md", "docs/playbooks.md"]
    {
        assert!(with_commands.contains(page), "{page}: {with_commands:?}");
    }
}

#[test]
fn what_is_no_command_is_noticed() {
    let parses = |line: &str| ours(line).map(|words| Cli::try_parse_from(words).is_ok());
    assert_eq!(parses("LOG_FORMAT=json resource-broker run --check & broker=$!"), Some(true));
    assert_eq!(parses("kubectl broker status -A   # all"), Some(true));
    assert_eq!(parses("resource-broker statu -A"), Some(false));
    assert_eq!(parses("resource-broker migrate pause"), Some(false));
    assert_eq!(parses("kubectl get pods"), None);
    assert_eq!(unknown("resource-broker init platform|provider --write-kubeconfig"), None);
    assert_eq!(unknown("resource-broker init platform|cloud"), Some("init has no cloud".to_owned()));
    assert_eq!(unknown("resource-broker plan --now"), Some("plan has no --now".to_owned()));
}

/// A row of a table that is a whole command can be run, but where it says that it has no room for all.
#[test]
fn the_counterparts_of_the_go_systems_commands_are_commands() {
    let page = Page::read(Path::new("docs/counterparts.md"));
    let spans = page.spans().filter(|(_, span)| !span.ends_with('…'));
    let commands: Vec<_> =
        spans.filter_map(|(at, span)| Some((at, span, ours(&span.replace("\\|", "|"))?))).collect();
    assert!(commands.len() > 10, "{}", commands.len());
    for (at, span, words) in commands {
        let parsed = Cli::try_parse_from(words).map_err(|error| error.to_string());
        assert!(parsed.is_ok(), "{at}: {span}: {}", parsed.err().unwrap_or_default());
    }
}

#[test]
fn the_files_and_packages_that_commands_name_are_there() {
    let packages: BTreeSet<String> = ["", "examples"]
        .iter()
        .flat_map(|folder| fs::read_dir(root().join(folder)).unwrap())
        .filter_map(|entry| fs::read_to_string(entry.unwrap().path().join("Cargo.toml")).ok())
        .filter_map(|text| Some(text.split_once("name = \"")?.1.split('"').next()?.to_owned()))
        .collect();
    let (mut wrong, mut named) = (Vec::new(), 0);
    for page in pages() {
        let folder = page.path.parent().unwrap().to_owned();
        for (at, line) in page.code() {
            let here = format!("{}:{at}: {line}", page.path.display());
            let words: Vec<&str> = line.split([' ', '=', '"', '\'']).collect();
            let is_path = |word: &&&str| {
                let first = word.split_once('/').map(|(first, _)| first);
                ["examples", "deploy", "tools", "docs"].map(Some).contains(&first)
                    && word.chars().all(|sign| sign.is_ascii_alphanumeric() || "/._-".contains(sign))
            };
            for path in words.iter().filter(is_path) {
                named += 1;
                if !root().join(path).exists() && !root().join(&folder).join(path).exists() {
                    wrong.push(format!("{here}: no such file: {path}"));
                }
            }
            let asked = words.windows(2).filter(|pair| words.first() == Some(&"cargo") && pair[0] == "-p");
            for package in asked.map(|pair| pair[1]) {
                named += 1;
                if !packages.contains(package) {
                    wrong.push(format!("{here}: no such package: {package}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(named > 30, "{named}");
}
