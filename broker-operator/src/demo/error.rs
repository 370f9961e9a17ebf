//! Why the demo could not be played to its end.

use broker_testkit::provider::{AuthorityError, ReaderError};
use broker_testkit::wait::WaitError;
use thiserror::Error;

/// Why the demo could not be played to its end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DemoError {
    /// A sample that comes with this program cannot be read.
    #[error("a sample that comes with this program cannot be read")]
    Sample {
        /// Where and why.
        #[source]
        source: Box<serde_saphyr::Error>,
    },
    /// A workspace's URL cannot be made.
    #[error("no URL for workspace {workspace:?} on {server}")]
    Address {
        /// The workspace.
        workspace: String,
        /// The server.
        server: String,
    },
    /// A call failed.
    #[error("cannot {action} in {workspace}")]
    Call {
        /// What was tried.
        action: &'static str,
        /// Where.
        workspace: String,
        /// The answer.
        #[source]
        source: Box<kube::Error>,
    },
    /// A step did not come in time.
    #[error(transparent)]
    Wait(#[from] Box<WaitError>),
    /// An authority could not be made.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The consumer's Secret could not be read throughout.
    #[error(transparent)]
    Reader(#[from] ReaderError),
    /// Progress could not be written.
    #[error("cannot write the progress")]
    Output(#[from] std::io::Error),
}

impl DemoError {
    /// For `map_err` on a call to a server.
    pub(super) fn call<'a>(
        action: &'static str,
        workspace: &'a str,
    ) -> impl FnOnce(kube::Error) -> Self + 'a {
        move |source| Self::Call { action, workspace: workspace.to_owned(), source: Box::new(source) }
    }
}

impl From<WaitError> for DemoError {
    fn from(error: WaitError) -> Self {
        Self::Wait(Box::new(error))
    }
}
