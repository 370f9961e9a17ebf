//! Runs the blocks of a page, one after the other, in one shell.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;

use crate::page::{Block, Page, root};

/// Longer than any page takes on a busy machine.
const DEADLINE: Duration = Duration::from_mins(5);
/// What `run` serves until it is stopped: it goes into the background where a page does not put it there itself, and the
/// page goes on when it is ready.
const PRELUDE: &str = r#"
set -eu -o pipefail
shopt -s expand_aliases
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
# What is built is there already.
cargo() { [ "$1" = build ] || { echo "cargo $1 is not for here" >&2; return 1; }; }
# A page gives a name to the program that it built; the one of the PATH is that program.
alias() { :; }
serving() {
    until curl --silent --fail --output /dev/null "http://$HEALTH_PROBE_ADDR/readyz"; do
        kill -0 "$1" || { echo "the broker has ended" >&2; return 1; }
        sleep 0.1
    done
}
"#;

/// A folder to run a page in: the repository's folders, the programs, and what the page takes for granted.
pub(crate) struct Desk {
    folder: TempDir,
    probes: u16,
    metrics: u16,
    prelude: String,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["examples", "deploy", "docs", "tools"] {
            symlink(root().join(name), folder.path().join(name)).unwrap();
        }
        fs::create_dir(folder.path().join("programs")).unwrap();
        for name in ["resource-broker", "kubectl-broker", "certificate-authority"] {
            symlink(env!("CARGO_BIN_EXE_actor"), folder.path().join("programs").join(name)).unwrap();
        }
        let [probes, metrics] = free_ports();
        Self { folder, probes, metrics, prelude: PRELUDE.to_owned() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Puts a file there.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Has the shell do this before the page.
    pub(crate) fn before(&mut self, commands: &str) {
        writeln!(self.prelude, "{commands}").unwrap();
    }

    /// Runs a page's blocks, but for those that say that they are not run, and compares what they print with what is shown.
    pub(crate) async fn run(&self, page: &Page) {
        let mut script = self.prelude.clone();
        let blocks = page.blocks();
        let blocks: Vec<&Block> = blocks.iter().filter(|block| block.not_run.is_none()).collect();
        let heading = |block: &Block| format!("== {}:{}", page.path, block.line);
        for block in &blocks {
            writeln!(script, "echo '{}'", heading(block)).unwrap();
            script.push_str(&self.commands_of(block));
        }
        script.push_str("echo '== '\n");
        self.write("page.sh", &script);
        let path = std::env::var("PATH").unwrap();
        let mut bash = tokio::process::Command::new("bash");
        bash.arg("page.sh")
            .current_dir(self.path())
            .env("PATH", format!("{}:{path}", self.path().join("programs").display()))
            .env("HOME", self.path())
            .env("HEALTH_PROBE_ADDR", format!("127.0.0.1:{}", self.probes))
            .env("METRICS_ADDR", format!("127.0.0.1:{}", self.metrics))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = fs::File::create(self.path().join("page.log")).unwrap();
        bash.stdout(output.try_clone().unwrap()).stderr(output);
        let ended = tokio::time::timeout(DEADLINE, bash.status()).await;
        let printed = fs::read_to_string(self.path().join("page.log")).unwrap();
        let status = ended.unwrap_or_else(|_| panic!("{} does not end:\n{printed}", page.path)).unwrap();
        assert!(status.success(), "{} ended with {status}:\n{printed}", page.path);
        for block in blocks {
            let Some(shown) = &block.shown else { continue };
            let (_, after) = printed.split_once(&(heading(block) + "\n")).unwrap();
            let (output, _) = after.split_once("== ").unwrap();
            assert_eq!(output, shown, "{}: what is printed is not what is shown", heading(block));
        }
    }

    /// A block's commands as they are run here.
    fn commands_of(&self, block: &Block) -> String {
        let mut commands = String::new();
        let mut served = false;
        for line in block.commands.lines() {
            // The ports that a page names are somebody else's on this machine.
            let line = line
                .replace("127.0.0.1:8081", &format!("127.0.0.1:{}", self.probes))
                .replace("127.0.0.1:8080", &format!("127.0.0.1:{}", self.metrics))
                .replace("/tmp/", &format!("{}/", self.path().display()));
            commands.push_str(&line);
            if line.starts_with("resource-broker run ") && !line.contains(" --check") && !line.contains(" & ")
            {
                commands.push_str(" & served=$!; serving \"$served\"");
                served = true;
            }
            commands.push('\n');
        }
        if served {
            commands.push_str("kill \"$served\"; wait \"$served\"\n");
        }
        commands
    }
}

/// Ports of this machine that are free now.
fn free_ports() -> [u16; 2] {
    let held = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}
