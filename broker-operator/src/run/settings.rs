//! What `run` can be told, and where from: a flag, else an environment variable, else the configuration file, else the
//! default. Pure.
//!
//! A value that is not understood stops the start. What is said of it fits one line and names where it was given.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use broker_kcp::api::v1alpha1::GoDuration;
use serde_json::{Map, Value};

use crate::telemetry::{LogFormat, filter};

/// Something that can be set, by its name in each place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// As a flag, without dashes.
    pub(super) flag: &'static str,
    /// As an environment variable; `KUBECONFIG` is read by the client itself.
    pub(super) variable: Option<&'static str>,
    /// In the configuration file.
    pub(super) key: &'static str,
    /// Where nothing is said; `None` where there is none.
    pub(super) default: Option<&'static str>,
    /// What is accepted.
    accepted: &'static str,
}

const fn setting(
    flag: &'static str,
    variable: Option<&'static str>,
    key: &'static str,
    default: Option<&'static str>,
    accepted: &'static str,
) -> Setting {
    Setting { flag, variable, key, default, accepted }
}

const BOOL: &str = "true or false";
const FILE: &str = "the path of a file";
const ADDRESS: &str = "an address with a port, such as :8081 or 127.0.0.1:8081, or 0 for none";

const KUBECONFIG: Setting = setting("kubeconfig", None, "kubeconfig", None, FILE);
const COMPUTE: Setting =
    setting("compute-kubeconfig", Some("COMPUTE_KUBECONFIG"), "computeKubeconfig", None, FILE);
const CLUSTERS_NAMESPACE: Setting = setting(
    "clusters-namespace",
    Some("CLUSTERS_NAMESPACE"),
    "clustersNamespace",
    None,
    "the name of a namespace of the platform's cluster",
);
const CLUSTERS_FOLDER: Setting =
    setting("clusters-folder", Some("CLUSTERS_FOLDER"), "clustersFolder", None, "the path of a folder");
const MIGRATION: Setting =
    setting("enable-migration", Some("ENABLE_MIGRATION"), "enableMigration", Some("true"), BOOL);
const INTERVAL: Setting = setting(
    "reconcile-interval",
    Some("RECONCILE_INTERVAL"),
    "reconcileInterval",
    Some("30s"),
    "a duration of at least 1s, such as 30s or 5m",
);
const ELECTION: Setting =
    setting("leader-election", Some("LEADER_ELECTION"), "leaderElection", Some("true"), BOOL);
const METRICS: Setting = setting("metrics-addr", Some("METRICS_ADDR"), "metricsAddr", Some(":8080"), ADDRESS);
const PROBES: Setting =
    setting("health-probe-addr", Some("HEALTH_PROBE_ADDR"), "healthProbeAddr", Some(":8081"), ADDRESS);
const DEBUGGING: Setting =
    setting("debug-endpoints", Some("DEBUG_ENDPOINTS"), "debugEndpoints", Some("false"), BOOL);
const LEVEL: Setting = setting(
    "log-level",
    Some("LOG_LEVEL"),
    "logLevel",
    Some("info"),
    "error, warn, info, debug or trace, or one for each module, such as info,broker_kcp=debug",
);
const FORMAT: Setting = setting("log-format", Some("LOG_FORMAT"), "logFormat", Some("text"), "text or json");

/// Everything that can be set.
pub(super) const SETTINGS: [Setting; 12] = [
    KUBECONFIG,
    COMPUTE,
    CLUSTERS_NAMESPACE,
    CLUSTERS_FOLDER,
    MIGRATION,
    INTERVAL,
    ELECTION,
    METRICS,
    PROBES,
    DEBUGGING,
    LEVEL,
    FORMAT,
];

/// What `run` was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) kubeconfig: Option<PathBuf>,
    pub(super) compute_kubeconfig: Option<PathBuf>,
    pub(super) clusters_namespace: Option<String>,
    pub(super) clusters_folder: Option<PathBuf>,
    pub(super) enable_migration: bool,
    pub(super) reconcile_interval: Duration,
    pub(super) leader_election: bool,
    pub(super) metrics: Option<SocketAddr>,
    pub(super) health_probes: Option<SocketAddr>,
    pub(super) debug_endpoints: bool,
    pub(super) log_level: String,
    pub(super) log_format: LogFormat,
}

/// Why `run` does not begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// A value is not understood.
    #[error("{place} is {found:?}: expected {accepted}")]
    Value {
        /// Where it was given.
        place: Place,
        /// The value.
        found: String,
        /// What is accepted.
        accepted: &'static str,
    },
    /// The configuration file cannot be read.
    #[error("cannot read the configuration file {file}: {why}")]
    File {
        /// The file.
        file: String,
        /// Why.
        why: String,
    },
    /// The configuration file says something that is no setting.
    #[error("`{key}` in {file} is no setting; there are {}", known())]
    Unknown {
        /// The file.
        file: String,
        /// What it says.
        key: String,
    },
}

/// Where a value was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A flag.
    Flag(&'static str),
    /// An environment variable.
    Variable(&'static str),
    /// A key of a configuration file.
    Key(&'static str, String),
    /// Nowhere.
    Default(&'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "--{flag}"),
            Self::Variable(variable) => f.write_str(variable),
            Self::Key(key, file) => write!(f, "`{key}` in {file}"),
            Self::Default(flag) => write!(f, "the default of --{flag}"),
        }
    }
}

fn known() -> String {
    SETTINGS.map(|setting| setting.key).join(", ")
}

/// What was given, wherever.
pub(super) struct Given<'g> {
    /// Flags, by [`Setting::flag`].
    pub(super) flags: BTreeMap<&'static str, String>,
    /// Environment variables.
    pub(super) variable: &'g dyn Fn(&str) -> Option<String>,
    /// The configuration file, and its name.
    pub(super) file: Option<(String, Map<String, Value>)>,
}

impl Given<'_> {
    /// The settings that follow.
    pub(super) fn settle(&self) -> Result<Settings, SettingError> {
        if let Some((file, keys)) = &self.file
            && let Some(key) = keys.keys().find(|key| SETTINGS.iter().all(|setting| setting.key != *key))
        {
            return Err(SettingError::Unknown { file: file.clone(), key: key.clone() });
        }
        if let (Some((place, found)), Some(_)) = (self.find(CLUSTERS_NAMESPACE), self.find(CLUSTERS_FOLDER)) {
            let accepted = "nothing, where a folder with kubeconfigs is given (CLUSTERS_FOLDER)";
            return Err(SettingError::Value { place, found, accepted });
        }
        Ok(Settings {
            kubeconfig: self.read(KUBECONFIG, path)?,
            compute_kubeconfig: self.read(COMPUTE, path)?,
            clusters_namespace: self.read(CLUSTERS_NAMESPACE, namespace)?,
            clusters_folder: self.read(CLUSTERS_FOLDER, path)?,
            enable_migration: self.needed(MIGRATION, truth)?,
            reconcile_interval: self.needed(INTERVAL, interval)?,
            leader_election: self.needed(ELECTION, truth)?,
            metrics: self.needed(METRICS, address)?,
            health_probes: self.needed(PROBES, address)?,
            debug_endpoints: self.needed(DEBUGGING, truth)?,
            log_level: self.needed(LEVEL, level)?,
            log_format: self.needed(FORMAT, format)?,
        })
    }

    fn read<T>(&self, setting: Setting, parse: fn(&str) -> Option<T>) -> Result<Option<T>, SettingError> {
        let Some((place, text)) = self.find(setting) else { return Ok(None) };
        match parse(&text) {
            Some(value) => Ok(Some(value)),
            None => Err(SettingError::Value { place, found: text, accepted: setting.accepted }),
        }
    }

    fn needed<T>(&self, setting: Setting, parse: fn(&str) -> Option<T>) -> Result<T, SettingError> {
        self.read(setting, parse)?.ok_or(SettingError::Value {
            place: Place::Default(setting.flag),
            found: String::new(),
            accepted: setting.accepted,
        })
    }

    /// The value that counts. A variable that is empty says nothing, as Kubernetes components take it.
    fn find(&self, setting: Setting) -> Option<(Place, String)> {
        if let Some(text) = self.flags.get(setting.flag) {
            return Some((Place::Flag(setting.flag), text.clone()));
        }
        let variable = setting.variable.and_then(|name| {
            let text = (self.variable)(name).filter(|text| !text.is_empty())?;
            Some((Place::Variable(name), text))
        });
        let in_file = || {
            let (file, keys) = self.file.as_ref()?;
            let text = match keys.get(setting.key)? {
                Value::Null => return None,
                Value::String(text) => text.clone(),
                other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                    other.to_string()
                }
            };
            Some((Place::Key(setting.key, file.clone()), text))
        };
        let default = || Some((Place::Default(setting.flag), setting.default?.to_owned()));
        variable.or_else(in_file).or_else(default)
    }
}

impl Given<'_> {
    /// Every setting, with what counts and where it was given; nothing of what the named files hold.
    pub(super) fn told(&self) -> Value {
        let told = SETTINGS.map(|setting| {
            let found = self.find(setting).map(|(place, text)| format!("{text} ({place})"));
            (setting.key.to_owned(), found.map_or(Value::Null, Value::String))
        });
        Value::Object(told.into_iter().collect())
    }
}

/// The configuration file as data.
pub(super) fn read_file(path: &Path) -> Result<(String, Map<String, Value>), SettingError> {
    let file = path.display().to_string();
    let failed = |why: String| SettingError::File { file: file.clone(), why };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let value: Value = serde_saphyr::from_str(&text)
        .map_err(|error| failed(error.to_string().lines().next().unwrap_or_default().to_owned()))?;
    match value {
        Value::Null => Ok((file, Map::new())),
        Value::Object(keys) => Ok((file, keys)),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(failed(format!("expected one value for each of {}", known())))
        }
    }
}

fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| PathBuf::from(text))
}

/// A DNS label.
fn namespace(text: &str) -> Option<String> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_name = (1..=63).contains(&text.len()) && text.bytes().all(fits) && !text.starts_with('-');
    is_name.then(|| text.to_owned())
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn interval(text: &str) -> Option<Duration> {
    GoDuration::new(text).parse().ok().filter(|interval| *interval >= Duration::from_secs(1))
}

#[expect(clippy::option_option, reason = "not understood, or nowhere")]
fn address(text: &str) -> Option<Option<SocketAddr>> {
    if text == "0" {
        return Some(None);
    }
    let full = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    full.parse().ok().map(Some)
}

fn level(text: &str) -> Option<String> {
    filter(text).ok().map(|_| text.to_owned())
}

fn format(text: &str) -> Option<LogFormat> {
    match text {
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
