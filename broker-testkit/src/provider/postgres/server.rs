//! A real PostgreSQL server: made on free ports in a folder of its own, gone with the test process.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::PostgresError;
use super::session::{Account, Session};
use crate::keeper::{Keeper, free_ports};

/// Names the folder with `initdb` and `postgres` to use instead of those of the `PATH`.
pub const BINARIES_VARIABLE: &str = "RESOURCE_BROKER_POSTGRES";

/// The administrator of every server, and the database it connects to for what is nobody's own.
const ADMINISTRATOR: &str = "administrator";
const MAINTENANCE: &str = "postgres";
/// Where Debian keeps what it does not put on the `PATH`, by version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// PostgreSQL refuses to run as root; tests in containers often do.
const SERVER_USER: &str = "postgres";
/// How long a start may take: under a second on an idle machine, more while everything else compiles.
const START: Duration = Duration::from_mins(1);
/// What a server says whose memory is still held by processes of one that was killed.
const STILL_HELD: &str = "pre-existing shared memory block";
/// The pause before a server that starts is asked again: there is nothing to watch before it serves.
const ASKED_AGAIN: Duration = Duration::from_millis(30);

/// What a server needs for logical replication and for fences, and where it listens.
const SETTINGS: [&str; 11] = [
    "listen_addresses=127.0.0.1",
    "wal_level=logical",
    "max_prepared_transactions=64",
    "max_replication_slots=64",
    "max_wal_senders=64",
    "max_logical_replication_workers=24",
    "max_worker_processes=48",
    "max_connections=200",
    "max_wal_size=4GB",
    "lc_messages=C",
    // What waits for a fence is not done later for somebody who has gone.
    "client_connection_check_interval=500ms",
];

/// A running server. It stops, and its data is removed, when this is dropped or the process ends.
#[derive(Debug)]
pub struct PostgresServer {
    name: String,
    folder: PathBuf,
    port: u16,
    password: String,
    keeper: Option<Keeper>,
}

impl PostgresServer {
    /// Makes a server and waits until it takes connections. The name is for people.
    ///
    /// # Errors
    ///
    /// [`PostgresError::Missing`] where PostgreSQL (15 or later) is not installed, [`PostgresError::Server`] with the
    /// end of its log where it does not start.
    pub async fn start(name: &str) -> Result<Self, PostgresError> {
        let folder = Keeper::folder("postgres-")?;
        let [port] = free_ports()?;
        let password = Uuid::new_v4().simple().to_string();
        let mut server = Self { name: name.to_owned(), folder, port, password, keeper: None };
        let made = tokio::task::spawn_blocking({
            let (folder, password) = (server.folder.clone(), server.password.clone());
            move || initialize(&folder, &password)
        });
        if let Err(error) = made.await.map_err(io::Error::other)? {
            fs::remove_dir_all(&server.folder).ok();
            return Err(error);
        }
        server.restart().await?;
        Ok(server)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port of 127.0.0.1 on which it listens, also when it runs again.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its administrator's way in: may do everything there.
    pub fn administrator(&self) -> Account {
        Account {
            host: Ipv4Addr::LOCALHOST.to_string(),
            port: self.port,
            user: ADMINISTRATOR.to_owned(),
            password: self.password.clone(),
            database: MAINTENANCE.to_owned(),
        }
    }

    /// Starts it again after [`PostgresServer::kill`], and waits until it takes connections.
    ///
    /// # Errors
    ///
    /// As for [`PostgresServer::start`].
    pub async fn restart(&mut self) -> Result<(), PostgresError> {
        let data = self.folder.join("data");
        let mut command = as_server_user(&self.folder, "postgres")?;
        command.arg("-D").arg(&data).args(["-p", &self.port.to_string()]).arg("-k").arg(&self.folder);
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        let start = || Keeper::start(self.folder.clone(), "INT", &command);
        let mut keeper = start()?;
        let deadline = Instant::now() + START;
        let failed = |what: String, keeper: &Keeper| PostgresError::Server { what, log: keeper.last_words() };
        while let Err(error) = Session::open(&self.administrator()).await {
            let is_over = Instant::now() > deadline;
            if let Some(status) = keeper.ended()? {
                // What a killed server leaves behind notices a moment later.
                if is_over || !keeper.last_words().contains(STILL_HELD) {
                    return Err(failed(format!("ended with {status}"), &keeper));
                }
                keeper = start()?;
            }
            if is_over {
                return Err(failed(format!("took no connection within {START:?} ({error})"), &keeper));
            }
            sleep(ASKED_AGAIN).await;
        }
        fs::remove_file(self.folder.join("keep")).ok();
        self.keeper = Some(keeper);
        Ok(())
    }

    /// Ends it as a failure of its machine would: without a goodbye to anybody. Its data stays.
    ///
    /// # Errors
    ///
    /// Where its process cannot be found.
    pub async fn kill(&mut self) -> Result<(), PostgresError> {
        let Some(keeper) = self.keeper.take() else { return Ok(()) };
        keeper.keep()?;
        let pid = fs::read_to_string(self.folder.join("data").join("postmaster.pid"))?;
        let pid = pid.lines().next().unwrap_or_default().trim().to_owned();
        let ended = tokio::task::spawn_blocking(move || {
            let killed = Command::new("kill").args(["-KILL", &pid]).status();
            // Waits for the end of the process.
            drop(keeper);
            killed
        });
        ended.await.map_err(io::Error::other)??;
        Ok(())
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        let was_killed = self.keeper.is_none();
        drop(self.keeper.take());
        if was_killed {
            fs::remove_dir_all(&self.folder).ok();
        }
    }
}

/// Makes the files of a server in `folder`.
fn initialize(folder: &Path, password: &str) -> Result<(), PostgresError> {
    let secret = folder.join("password");
    fs::write(&secret, password)?;
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
    if let Some((user, group)) = server_user(folder)? {
        for path in [folder, &secret] {
            chown(path, Some(user), Some(group))?;
        }
    }
    let output = as_server_user(folder, "initdb")?
        .arg("-D")
        .arg(folder.join("data"))
        .args(["-U", ADMINISTRATOR, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"])
        .arg("--pwfile")
        .arg(&secret)
        .output()?;
    fs::remove_file(&secret)?;
    if !output.status.success() {
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(PostgresError::Server { what: format!("could not be made: {}", output.status), log });
    }
    Ok(())
}

/// A command that runs as somebody who may run a server.
fn as_server_user(folder: &Path, program: &str) -> Result<Command, PostgresError> {
    let program = find(program)?;
    let is_root = fs::metadata("/proc/self").or_else(|_| fs::metadata(folder)).is_ok_and(|of| of.uid() == 0);
    if !is_root {
        return Ok(Command::new(program));
    }
    let mut command = Command::new("setpriv");
    command.args([
        format!("--reuid={SERVER_USER}"),
        format!("--regid={SERVER_USER}"),
        "--clear-groups".to_owned(),
    ]);
    command.arg(program);
    Ok(command)
}

/// Who runs servers here, where that is not who runs this.
fn server_user(folder: &Path) -> Result<Option<(u32, u32)>, PostgresError> {
    if fs::metadata(folder)?.uid() != 0 {
        return Ok(None);
    }
    let ask = |flag: &str| -> Result<u32, PostgresError> {
        let output = Command::new("id").args([flag, SERVER_USER]).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        text.trim().parse().map_err(|_| {
            PostgresError::Missing(format!(
                "PostgreSQL does not run as root, and there is no user {SERVER_USER} to run it"
            ))
        })
    };
    Ok(Some((ask("-u")?, ask("-g")?)))
}

/// Where one of PostgreSQL's programs is: in the variable's folder, on the `PATH`, or where Debian has it.
pub(super) fn find(program: &str) -> Result<PathBuf, PostgresError> {
    let is_file = |folder: PathBuf| Some(folder.join(program)).filter(|path| path.is_file());
    if let Some(folder) = std::env::var_os(BINARIES_VARIABLE) {
        let folder = PathBuf::from(folder);
        return is_file(folder.clone()).ok_or_else(|| {
            PostgresError::Missing(format!(
                "{BINARIES_VARIABLE} names {}: no {program} there",
                folder.display()
            ))
        });
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut versions: Vec<PathBuf> = fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    versions.sort();
    std::env::split_paths(&path).chain(versions.into_iter().rev()).find_map(is_file).ok_or_else(|| {
        PostgresError::Missing(format!(
            "no {program} to be found: install PostgreSQL, or set {BINARIES_VARIABLE} to the folder it is in"
        ))
    })
}
