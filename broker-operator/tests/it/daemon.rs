//! The broker as a process of its own, whose log is read while it works.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::actors::DEADLINE;
use crate::commands::Commands;

/// A daemon at work. Dropping it kills it.
pub(crate) struct Watched {
    child: Child,
    log: watch::Receiver<Arc<Vec<String>>>,
    reading: JoinHandle<()>,
}

impl Watched {
    /// Starts `run`, with these variables beside those of the process.
    pub(crate) fn start(commands: &Commands, variables: &[(&str, &str)]) -> Self {
        let mut command = commands.daemon_command();
        command.envs(variables.iter().copied()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (writing, log) = watch::channel(Arc::new(Vec::new()));
        let reading = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                writing.send_modify(|log| Arc::make_mut(log).push(line));
            }
        });
        Self { child, log, reading }
    }

    /// Waits until it says that it serves something, and tells where.
    pub(crate) async fn until_serving(&self, what: &str) -> SocketAddr {
        let words = format!("serving {what} address=");
        let address = |line: &String| {
            let (_, rest) = line.split_once(&words)?;
            Some(rest.split(' ').next()?.parse().unwrap())
        };
        let mut log = self.log.clone();
        let served = log.wait_for(|log| log.iter().any(|line| address(line).is_some()));
        let log = tokio::time::timeout(DEADLINE, served).await.expect("it serves nothing").unwrap();
        log.iter().find_map(address).unwrap()
    }

    /// Waits until it has logged so many lines with these words.
    pub(crate) async fn until_logged(&self, words: &str, count: usize) {
        let mut log = self.log.clone();
        let lines = |log: &Vec<String>| log.iter().filter(|line| line.contains(words)).count();
        // Where it ended, no more will come.
        log.wait_for(|log| lines(log) >= count).await.expect("it ended by itself");
    }

    /// Ends it as a power cut would, and gives back what it logged.
    pub(crate) async fn kill(mut self) -> String {
        self.child.kill().await.unwrap();
        self.rest().await
    }

    /// Ends it as Kubernetes does, and gives back what it logged.
    pub(crate) async fn stop(mut self) -> String {
        let id = self.child.id().expect("it ended by itself");
        let told = Command::new("kill").arg(id.to_string()).status().await.unwrap();
        assert!(told.success());
        let status = tokio::time::timeout(DEADLINE, self.child.wait()).await.expect("it does not end");
        let log = self.rest().await;
        assert!(status.unwrap().success(), "it did not end well: {log}");
        log
    }

    async fn rest(&mut self) -> String {
        (&mut self.reading).await.unwrap();
        self.log.borrow().join("\n")
    }
}
