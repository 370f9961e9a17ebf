//! A control plane as a process, for controllers in any language: `broker-control-plane --kubeconfig FILE`.
//!
//! The kubeconfig appears when requests are answered, whole or not at all, readable by its owner alone. SIGTERM or
//! SIGINT ends the program; open watches are ended as a server that shuts down ends them.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use broker_testkit::control_plane::ControlPlane;
use clap::Parser;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Longer than it takes to end every watch. Who still sends a request by then is cut off.
const PATIENCE: Duration = Duration::from_secs(5);
/// What clusters are called in kubeconfigs of this program.
const OURS: &str = "embedded";

/// Serves an empty Kubernetes API (and kcp's) from memory, on 127.0.0.1, until it is told to stop.
///
/// Without --kcp the kubeconfig is of a plain Kubernetes cluster. With it there is a context for the workspace `root`
/// and for each of --workspace, named by their paths; the last is the current one.
#[derive(Debug, Parser)]
#[command(
    name = "broker-control-plane",
    version,
    after_help = "Examples:\n  \
    broker-control-plane --kubeconfig /tmp/kubeconfig\n  \
    broker-control-plane --kubeconfig /tmp/kubeconfig --workspace root:platform --workspace root:consumer"
)]
struct Arguments {
    /// The kubeconfig to write as soon as requests are answered. A file that this program did not write is not replaced.
    #[arg(long, value_name = "FILE")]
    kubeconfig: PathBuf,
    /// The port to listen on; a free one where it is 0.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Make the kubeconfig one of kcp.
    #[arg(long)]
    kcp: bool,
    /// A workspace to make, such as root:a:b, with those above it; implies --kcp. May be given several times.
    #[arg(long = "workspace", value_name = "PATH")]
    workspaces: Vec<String>,
    /// A further shard of kcp: workspaces of these names that are made from now on live there. May be given several
    /// times; implies --kcp.
    #[arg(long = "shard", value_name = "NAME=WORKSPACE,…", value_parser = shard)]
    shards: Vec<Shard>,
    /// How many changes of each resource can be replayed to watches; older ones are 410 Expired.
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000)]
    replayable_changes: usize,
    /// Refuse streamed lists (`sendInitialEvents`), as kcp and older servers do.
    #[arg(long)]
    no_streaming_lists: bool,
}

/// A shard, and the names of the workspaces that are made there.
#[derive(Clone, Debug)]
struct Shard {
    name: String,
    workspaces: Vec<String>,
}

fn shard(text: &str) -> Result<Shard, String> {
    let (name, workspaces) = text.split_once('=').ok_or("it is NAME=WORKSPACE,…")?;
    let workspaces: Vec<String> = workspaces.split(',').map(str::to_owned).collect();
    if name.is_empty()
        || name.contains('/')
        || workspaces.iter().any(|name| name.is_empty() || name.contains(':'))
    {
        return Err("it is NAME=WORKSPACE,…, with the last part of each workspace's path".to_owned());
    }
    Ok(Shard { name: name.to_owned(), workspaces })
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("broker-control-plane: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    // Before anything is served: who sends a signal then means this program.
    let mut told_to_stop = ToldToStop::new()?;
    let file = Destination::prepare(&arguments.kubeconfig)?;
    let server = ControlPlane::builder()
        .port(arguments.port)
        .replayable_changes(arguments.replayable_changes)
        .streaming_lists(!arguments.no_streaming_lists)
        .start()
        .await?;
    for Shard { name, workspaces } in &arguments.shards {
        let workspaces: Vec<&str> = workspaces.iter().map(String::as_str).collect();
        server.serve_shard(name, server.url(), &workspaces);
    }
    file.write(&kubeconfig(&server, arguments)?)?;
    // A reader that is gone is no reason to stop.
    writeln!(io::stdout(), "serving {}; kubeconfig in {}", server.url(), arguments.kubeconfig.display()).ok();
    told_to_stop.wait().await;
    tokio::select! {
        () = server.shutdown() => {}
        () = tokio::time::sleep(PATIENCE) => {}
        () = told_to_stop.wait() => {}
    }
    Ok(())
}

/// The kubeconfig that the arguments ask for; makes the workspaces.
fn kubeconfig(server: &ControlPlane, arguments: &Arguments) -> anyhow::Result<String> {
    if !arguments.kcp && arguments.workspaces.is_empty() && arguments.shards.is_empty() {
        return Ok(server.plain_kubeconfig());
    }
    let mut config: Value = serde_saphyr::from_str(&server.plain_kubeconfig())?;
    let authority = config.pointer("/clusters/0/cluster/certificate-authority-data").cloned();
    let (mut clusters, mut contexts) = (Vec::new(), Vec::new());
    let root = "root".to_owned();
    for path in std::iter::once(&root).chain(&arguments.workspaces) {
        if server.create_workspace(path).is_none() {
            bail!("{path} is no path of a workspace: it begins with root, as root:a:b");
        }
        let url = format!("{}/clusters/{path}", server.url());
        let name = format!("{OURS}:{path}");
        clusters
            .push(json!({"name": name, "cluster": {"server": url, "certificate-authority-data": authority}}));
        contexts.push(json!({"name": path, "context": {"cluster": name, "user": OURS}}));
    }
    let current = arguments.workspaces.last().unwrap_or(&root);
    if let Some(config) = config.as_object_mut() {
        config.insert("clusters".to_owned(), Value::Array(clusters));
        config.insert("contexts".to_owned(), Value::Array(contexts));
        config.insert("current-context".to_owned(), json!(current));
    }
    Ok(serde_saphyr::to_string(&config)?)
}

/// Where the kubeconfig will be. Whether it can be written there is known before anything is served.
struct Destination<'a> {
    path: &'a Path,
    /// Beside it, so that it can be put there in one step; nobody but the owner can read it.
    draft: NamedTempFile,
}

impl<'a> Destination<'a> {
    fn prepare(path: &'a Path) -> anyhow::Result<Self> {
        let whatever = || format!("{}", path.display());
        match fs::read_to_string(path) {
            Ok(found) => ensure!(
                is_ours(&found),
                "{} is there, and not of this program: it would be lost",
                path.display()
            ),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(whatever),
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        ensure!(path.file_name().is_some(), "{} is no name of a file", path.display());
        let draft =
            NamedTempFile::new_in(folder).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path, draft })
    }

    fn write(mut self, content: &str) -> anyhow::Result<()> {
        let whatever = || format!("cannot write {}", self.path.display());
        self.draft.write_all(content.as_bytes()).with_context(whatever)?;
        self.draft.persist(self.path).map_err(|error| error.error).with_context(whatever)?;
        Ok(())
    }
}

/// Whether a kubeconfig is one of this program's, or empty: nothing is lost when it is replaced.
fn is_ours(text: &str) -> bool {
    if text.trim().is_empty() {
        return true;
    }
    let found: Value = serde_saphyr::from_str(text).unwrap_or_default();
    let clusters = found.get("clusters").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let named = |cluster: &Value| {
        let name = cluster.get("name").and_then(Value::as_str).unwrap_or_default();
        name == OURS || name.starts_with(&format!("{OURS}:"))
    };
    !clusters.is_empty() && clusters.iter().all(named)
}

/// SIGTERM and SIGINT.
struct ToldToStop {
    terminate: Signal,
    interrupt: Signal,
}

impl ToldToStop {
    fn new() -> anyhow::Result<Self> {
        let terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
        let interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
        Ok(Self { terminate, interrupt })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
