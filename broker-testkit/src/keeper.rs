//! Runs a server of the tests and ends it with them, however they end.
//!
//! The server is a grandchild: a shell between holds the other end of a pipe, and stops the server and removes its
//! folder when the pipe is closed, which the system does when the test process is gone. Where the server ended before, its
//! folder stays until the keeper is dropped: its log says why.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

/// Runs the server until its own standard input ends. Arguments: the folder, the signal that stops it well, and the
/// command. What it says goes to the folder's `log`.
const KEEPER: &str = r#"
trap '' INT HUP
folder=$1 signal=$2; shift 2
rm -f "$folder/stopped"
exec 3<&0
(trap - INT HUP; exec "$@" </dev/null >>"$folder/log" 2>&1 3<&-) & server=$!
{ cat <&3 >/dev/null; true >"$folder/stopped"; kill "-$signal" "$server" 2>/dev/null; } & watch=$!
wait "$server"; code=$?
kill "$watch" 2>/dev/null
[ -e "$folder/keep" ] || [ ! -e "$folder/stopped" ] || rm -rf "$folder"
exit "$code"
"#;

/// A server with a folder of its own, until it is dropped.
#[derive(Debug)]
pub(crate) struct Keeper {
    folder: PathBuf,
    shell: Child,
}

impl Keeper {
    /// Makes a folder for a server; its name begins with `prefix`.
    pub(crate) fn folder(prefix: &str) -> io::Result<PathBuf> {
        Ok(tempfile::Builder::new().prefix(prefix).tempdir()?.keep())
    }

    /// Starts `command` (the program and its arguments), which `signal`, such as `TERM`, stops well. The folder is
    /// removed at the end, unless there is a file `keep` in it by then.
    pub(crate) fn start(folder: PathBuf, signal: &str, command: &Command) -> io::Result<Self> {
        let shell = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(&folder)
            .arg(signal)
            .arg(command.get_program())
            .args(command.get_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { folder, shell })
    }

    /// The server's folder.
    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    /// Leaves the folder behind at the end.
    pub(crate) fn keep(&self) -> io::Result<()> {
        fs::write(self.folder.join("keep"), "")
    }

    /// How the server ended, if it did.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.shell.try_wait()
    }

    /// The end of the server's log, or why it cannot be read.
    pub(crate) fn last_words(&self) -> String {
        const LINES: usize = 15;
        let log = File::open(self.folder.join("log")).and_then(io::read_to_string);
        let text = log.unwrap_or_else(|error| error.to_string());
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Keeper {
    /// Stops the server and waits for its end.
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // An error means that there is no child to wait for.
        self.shell.wait().ok();
        if !self.folder.join("keep").exists() {
            // Mostly gone already.
            fs::remove_dir_all(&self.folder).ok();
        }
    }
}

/// Ports of this machine that are free now. All are held until all are known, so that they differ.
pub(crate) fn free_ports<const N: usize>() -> io::Result<[u16; N]> {
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}
