//! One process of this machine, in a group of its own that goes with it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::environment::Environment;

/// A longer line is logged in pieces, in bytes.
const LONGEST_LINE: u64 = 4096;
/// Who left the group may hold its output open. It is not waited for any longer than that.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Shorter values of Secrets, such as a port, are not blotted out: it would make every text unreadable.
const SHORTEST_SECRET: usize = 6;

/// What is to be run.
#[derive(Debug)]
pub(super) struct Order<'a> {
    /// The Job and the container, for the log.
    pub(super) name: &'a str,
    pub(super) program: &'a Path,
    pub(super) arguments: Vec<String>,
    pub(super) environment: Environment,
    pub(super) folder: PathBuf,
    /// Between SIGTERM and SIGKILL.
    pub(super) grace: Duration,
}

/// A process and whatever it started. All of it is killed when this is dropped.
struct Group {
    child: Child,
    id: Option<Pid>,
}

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(id) = self.id {
            // None of it may be left, which is what is wanted.
            kill_process_group(id, signal).ok();
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Runs it to its end. When `stop` is cancelled it is asked to end, and made to when its grace is over.
pub(super) async fn run(order: &Order<'_>, stop: &CancellationToken) -> io::Result<ExitStatus> {
    let mut command = Command::new(order.program);
    command
        .args(&order.arguments)
        .env_clear()
        .env("HOME", &order.folder)
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .envs(&order.environment.variables)
        .current_dir(&order.folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let mut child = command.spawn()?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let id = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
    let mut group = Group { child, id };
    let secrets = &order.environment.secrets;
    let over = CancellationToken::new();
    let ended = async {
        let status = tokio::select! {
            status = group.child.wait() => status,
            () = stop.cancelled() => {
                group.signal(Signal::TERM);
                if let Ok(status) = tokio::time::timeout(order.grace, group.child.wait()).await {
                    status
                } else {
                    group.signal(Signal::KILL);
                    group.child.wait().await
                }
            }
        };
        // A container's end is the end of all that it started.
        group.signal(Signal::KILL);
        over.cancel();
        status
    };
    let said = async {
        tokio::join!(
            tell(out, secrets, |line| tracing::debug!(container = order.name, "{line}")),
            tell(err, secrets, |line| tracing::info!(container = order.name, "{line}")),
        )
    };
    let heard = async {
        tokio::select! {
            _ = said => {}
            () = async { over.cancelled().await; sleep(LAST_WORDS).await } => {}
        }
    };
    let (status, ()) = tokio::join!(ended, heard);
    let status = status?;
    group.id = None;
    Ok(status)
}

/// Hands the lines over, without what is secret.
async fn tell(from: Option<impl AsyncRead + Unpin>, secrets: &[String], say: impl Fn(String)) {
    let Some(from) = from else { return };
    let (mut from, mut line) = (BufReader::new(from), Vec::new());
    loop {
        line.clear();
        match (&mut from).take(LONGEST_LINE).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => say(blotted(String::from_utf8_lossy(&line).trim_end(), secrets)),
        }
    }
}

fn blotted(line: &str, secrets: &[String]) -> String {
    let secrets = secrets.iter().filter(|secret| secret.len() >= SHORTEST_SECRET);
    secrets.fold(line.to_owned(), |line, secret| line.replace(secret.as_str(), "***"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_is_blotted_out_of_what_is_said() {
        let secrets = ["hunter2".to_owned(), "5432".to_owned()];
        assert_eq!(blotted("password hunter2 at 5432", &secrets), "password *** at 5432");
    }
}
