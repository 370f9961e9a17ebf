//! The way to a platform, for who asks it once.

use kube::Config;

use crate::fleet::Clusters;

/// The way to a platform: where it is, and where the clusters of its consumers and providers are.
///
/// Of a [`Config`] alone, the clusters are where [`Clusters::of`] looks for them.
#[derive(Clone, Debug)]
pub struct Access {
    /// The platform's workspace, or its cluster of plain Kubernetes.
    pub config: Config,
    /// Where its clusters are.
    pub clusters: Clusters,
}

impl From<Config> for Access {
    fn from(config: Config) -> Self {
        Self { clusters: Clusters::of(&config), config }
    }
}
