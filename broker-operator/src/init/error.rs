//! Why a workspace cannot be prepared, told so that the person can do something about it.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use super::DefinitionError;

/// Why a workspace cannot be prepared.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InitError {
    /// The server does not answer.
    #[error(
        "no answer from {url}: {cause}\n  tried: {what}, with {origin}\n  check that the server runs, that this address can be reached from here, and that the kubeconfig is the server's own"
    )]
    Unreachable {
        /// What was asked for.
        what: String,
        /// The server.
        url: String,
        /// Where its address comes from.
        origin: String,
        /// Why.
        cause: String,
    },
    /// The server refuses.
    #[error("{what}: {message}{hint}")]
    Refused {
        /// What was asked for.
        what: String,
        /// The server's words.
        message: String,
        /// What may help.
        hint: &'static str,
        /// The HTTP status.
        code: u16,
    },
    /// The server answers with something else than was asked for.
    #[error("{what}: the answer cannot be used: {cause}")]
    Answer {
        /// What was asked for.
        what: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The answer is none of kcp.
    #[error("{url} is no kcp: it serves no workspaces (tenancy.kcp.io). `init` prepares kcp workspaces")]
    NoKcp {
        /// The server.
        url: String,
    },
    /// Something is not in force in time.
    #[error("waited {deadline:?} for {what}; last seen: {seen}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// For how long.
        deadline: Duration,
        /// What was there instead.
        seen: String,
    },
    /// An API cannot be brokered.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// The platform brokers nothing yet.
    #[error(
        "{platform} brokers no API yet: run `init platform --workspace {platform} --api FILE` first, or name the APIs with --api"
    )]
    NothingBrokered {
        /// The platform's workspace.
        platform: String,
    },
    /// A workspace's name is none.
    #[error(
        "{path:?} is no workspace path: write names separated by colons, from the root, as in root:platform"
    )]
    Path {
        /// What was written.
        path: String,
    },
    /// There is no usable kubeconfig.
    #[error("{origin} cannot be used: {reason}")]
    Kubeconfig {
        /// Which one.
        origin: String,
        /// Why.
        reason: String,
    },
    /// A kubeconfig cannot be written.
    #[error("{}: {reason}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}
