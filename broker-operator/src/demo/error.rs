//! Why the demo could not be played to its end.

use broker_testkit::provider::{AuthorityError, ReaderError};
use broker_testkit::wait::WaitError;
use thiserror::Error;

use crate::files::FileError;
use crate::init::{DefinitionError, InitError};

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
    /// A sample that comes with this program defines no API to broker.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// A workspace could not be prepared.
    #[error(transparent)]
    Init(#[from] InitError),
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
    /// A file is no YAML of objects.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no such thing on the stage.
    #[error("there is no {what} here")]
    Unknown {
        /// What was asked for.
        what: String,
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
