//! Real ACME (RFC 8555) for tests: [Pebble](https://github.com/letsencrypt/pebble), the small server that Let's Encrypt tests
//! ACME clients with, found on this machine and gone with the test process.
//!
//! It validates what it is asked to certify, by challenges that it looks for on this machine whatever the name is: a name
//! server of its own answers `127.0.0.1` for all names. As it means to, it refuses one nonce in twenty and forgets everything
//! when it ends. Nothing here knows the broker.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use kube::{Client, Config};
use serde_json::json;
use thiserror::Error;
use tokio::time::{Instant, sleep};

use crate::control_plane::tls::Loopback;
use crate::keeper::{Keeper, free_ports};

/// Names a folder with the programs `pebble` and `pebble-challtestsrv` to use instead of those of the `PATH`.
pub const FOLDER_VARIABLE: &str = "RESOURCE_BROKER_PEBBLE";

/// A server that does not answer by then never will.
const START: Duration = Duration::from_secs(30);
/// How often it is asked whether it answers: nothing tells of it.
const LOOK: Duration = Duration::from_millis(50);

/// Why there is no Pebble.
#[derive(Debug, Error)]
pub enum PebbleError {
    /// There is no such program.
    #[error(
        "no {program} to test with: install it (on Debian `apt install pebble`), or set {FOLDER_VARIABLE} to its folder"
    )]
    Program {
        /// Its name.
        program: &'static str,
    },
    /// A file or a process could not be made, or asked.
    #[error("pebble could not be started")]
    Start(#[from] io::Error),
    /// What it serves HTTPS with could not be made.
    #[error("no certificate for pebble to serve with")]
    Certificate(#[from] rcgen::Error),
    /// It ended, or does not answer.
    #[error("pebble {what}; the end of its log:\n{log}")]
    NotReady {
        /// What it did instead.
        what: String,
        /// The end of its log.
        log: String,
    },
    /// It was asked for something, and did not give it.
    #[error("pebble does not tell its root certificate")]
    Root {
        /// Its answer.
        #[source]
        source: Box<kube::Error>,
    },
}

/// What a Pebble is to do.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The port of this machine where it looks for the answers to its `http-01` challenges.
    pub challenges: u16,
    /// How long what it issues lives, in whole seconds.
    pub lifetime: Duration,
    /// The names that it refuses to certify, and those below them.
    pub refused: Vec<String>,
}

impl Settings {
    /// As Let's Encrypt does: for 90 days, and for everybody.
    pub fn new(challenges: u16) -> Self {
        Self { challenges, lifetime: Duration::from_hours(90 * 24), refused: Vec::new() }
    }
}

/// A Pebble with a name server, until it is dropped.
pub struct Pebble {
    settings: Settings,
    loopback: Loopback,
    ports: Ports,
    running: Option<Running>,
}

impl fmt::Debug for Pebble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pebble")
            .field("settings", &self.settings)
            .field("ports", &self.ports)
            .finish_non_exhaustive()
    }
}

struct Running {
    server: Keeper,
    _names: Keeper,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    acme: u16,
    management: u16,
    names: u16,
    names_management: u16,
}

impl Pebble {
    /// Starts a Pebble, and waits until it answers.
    pub async fn start(settings: Settings) -> Result<Self, PebbleError> {
        let [acme, management, names, names_management] = free_ports()?;
        let ports = Ports { acme, management, names, names_management };
        let mut pebble = Self { settings, loopback: Loopback::new("pebble")?, ports, running: None };
        pebble.start_again().await?;
        Ok(pebble)
    }

    /// Starts it again where it was, with nothing that it knew: neither accounts nor its root.
    pub async fn start_again(&mut self) -> Result<(), PebbleError> {
        self.stop();
        let running =
            self.running.insert(Running { _names: self.start_names()?, server: self.start_server()? });
        let deadline = Instant::now() + START;
        let directory = format!("https://127.0.0.1:{}", self.ports.acme);
        let client = client(&directory, &self.loopback)?;
        loop {
            let request = http::Request::get("/dir").body(Vec::new()).map_err(io::Error::other)?;
            if client.request_text(request).await.is_ok() {
                return Ok(());
            }
            let what = match running.server.ended()? {
                Some(status) => format!("ended with {status}"),
                None if Instant::now() > deadline => format!("did not answer after {START:?}"),
                None => {
                    sleep(LOOK).await;
                    continue;
                }
            };
            return Err(PebbleError::NotReady { what, log: running.server.last_words() });
        }
    }

    /// Ends it. Whoever asks it is refused the connection.
    pub fn stop(&mut self) {
        self.running = None;
    }

    /// The address of its directory, which ACME clients begin with.
    pub fn directory(&self) -> String {
        format!("https://127.0.0.1:{}/dir", self.ports.acme)
    }

    /// The certificate in PEM that clients must trust to talk to it. It has nothing to do with what it issues.
    pub fn trust(&self) -> String {
        self.loopback.authority.pem()
    }

    /// The root in PEM of what it issues; another one after each start.
    pub async fn root(&self) -> Result<String, PebbleError> {
        let management = format!("https://127.0.0.1:{}", self.ports.management);
        let request = http::Request::get("/roots/0").body(Vec::new()).map_err(io::Error::other)?;
        let answer = client(&management, &self.loopback)?.request_text(request).await;
        answer.map_err(|source| PebbleError::Root { source: Box::new(source) })
    }

    fn start_names(&self) -> Result<Keeper, PebbleError> {
        let mut command = Command::new(program("pebble-challtestsrv")?);
        // It answers challenges, too, which is for the client to do here.
        command.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""]);
        command.args(["-dns01", &format!("127.0.0.1:{}", self.ports.names)]);
        command.args(["-management", &format!("127.0.0.1:{}", self.ports.names_management)]);
        Ok(Keeper::start(Keeper::folder("pebble-names-")?, "TERM", &command)?)
    }

    fn start_server(&self) -> Result<Keeper, PebbleError> {
        let folder = Keeper::folder("pebble-")?;
        let file = |name: &str| folder.join(name);
        std::fs::write(file("certificate.pem"), self.loopback.certificate.pem())?;
        // The folder is its owner's alone.
        std::fs::write(file("key.pem"), self.loopback.key.serialize_pem())?;
        let config = json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{}", self.ports.acme),
            "managementListenAddress": format!("127.0.0.1:{}", self.ports.management),
            "certificate": file("certificate.pem"),
            "privateKey": file("key.pem"),
            "httpPort": self.settings.challenges,
            "tlsPort": self.settings.challenges,
            "domainBlocklist": self.settings.refused,
            "certificateValidityPeriod": self.settings.lifetime.as_secs(),
        }});
        std::fs::write(file("config.json"), config.to_string())?;
        let mut command = Command::new("env");
        // It looks at a challenge at once, and not after some seconds.
        command.arg("PEBBLE_VA_NOSLEEP=1").arg(program("pebble")?);
        command.args(["-dnsserver", &format!("127.0.0.1:{}", self.ports.names)]);
        command.arg("-config").arg(file("config.json"));
        Ok(Keeper::start(folder, "TERM", &command)?)
    }
}

/// A client of one of its two doors.
fn client(url: &str, trusting: &Loopback) -> Result<Client, PebbleError> {
    let mut config = Config::new(url.parse().map_err(io::Error::other)?);
    config.root_cert = Some(vec![trusting.authority.der().to_vec()]);
    // An answer is asked for again here, where that is wanted.
    config.default_retry = false;
    Ok(Client::try_from(config).map_err(io::Error::other)?)
}

/// Where a program is: in the variable's folder, or in one of the `PATH`.
fn program(name: &'static str) -> Result<PathBuf, PebbleError> {
    let folders = std::env::var_os(FOLDER_VARIABLE).or_else(|| std::env::var_os("PATH")).unwrap_or_default();
    let mut programs = std::env::split_paths(&folders).map(|folder| folder.join(name));
    programs.find(|path| path.is_file()).ok_or(PebbleError::Program { program: name })
}
