//! What may be run, by the names that Jobs use.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The programs that a [`JobController`](super::JobController) runs: a Job's word for each, and where it is.
///
/// Whoever allows a shell under some name lets every Job run whatever it likes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Programs(BTreeMap<String, PathBuf>);

impl Programs {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows a program under a name, such as `pg_dump`: the first word of a container's `command`. A path takes the
    /// place of an earlier one of that name.
    #[must_use]
    pub fn allow(mut self, name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        self.0.insert(name.into(), path.into());
        self
    }

    /// Allows programs that are on the `PATH`, under their own names. Those that are not there are left out: a Job that
    /// wants one is refused by name.
    #[must_use]
    pub fn allow_from_path(self, names: &[&str]) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let find = |name: &str| std::env::split_paths(&path).map(|at| at.join(name)).find(|at| at.is_file());
        names.iter().fold(self, |all, name| match find(name) {
            Some(path) => all.allow(*name, path),
            None => all,
        })
    }

    /// Where a program is.
    pub fn find(&self, name: &str) -> Option<&Path> {
        self.0.get(name).map(PathBuf::as_path)
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
