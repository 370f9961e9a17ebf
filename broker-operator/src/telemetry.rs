//! Logs to standard error, as text for people or JSON for programs.

use std::str::FromStr;

use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Log lines cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is not understood.
    #[error(
        "log level {level:?} is not understood: write error, warn, info, debug or trace, or for example info,broker_kcp=debug"
    )]
    Level {
        /// What was given.
        level: String,
    },
    /// Somebody set up logging before.
    #[error("logging was set up before")]
    Twice,
}

/// Sends log lines of this level to standard error from now on. For a process of our own: a program that embeds the
/// broker sets up its own subscriber.
pub fn log_to_stderr(level: &str, format: LogFormat) -> Result<(), TelemetryError> {
    let mut filter = filter(level)?;
    // The client's own line for each failed request says less than ours, at a louder level.
    if !level.contains("kube")
        && let Ok(quiet) = "kube_client::client::builder=off".parse()
    {
        filter = filter.add_directive(quiet);
    }
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    }
    .map_err(|_| TelemetryError::Twice)
}

/// Checks a level, as [`log_to_stderr`] takes it.
pub fn filter(level: &str) -> Result<EnvFilter, TelemetryError> {
    let refused = || TelemetryError::Level { level: level.to_owned() };
    // A lone unknown word is a valid filter: for a target of that name. Nobody means that.
    if !level.contains(['=', ',']) && tracing::Level::from_str(level).is_err() && level != "off" {
        return Err(refused());
    }
    EnvFilter::try_new(level).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_understood_and_typos_refused() {
        for level in ["info", "debug", "off", "info,broker_kcp=debug"] {
            assert!(filter(level).is_ok(), "{level}");
        }
        for level in ["loud", "", "broker_kcp=loud"] {
            assert!(filter(level).is_err(), "{level}");
        }
    }
}
