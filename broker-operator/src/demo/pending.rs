//! Stands in until the operator is there.
use tokio_util::sync::CancellationToken;
pub(super) struct Operator;
impl Operator {
    pub(super) fn builder() -> Self {
        Self
    }
    pub(super) fn config(self, _: kube::Config) -> Self {
        self
    }
    pub(super) fn build(self) -> Self {
        self
    }
    pub(super) async fn run(self, shutdown: CancellationToken) -> Result<(), std::io::Error> {
        shutdown.cancelled().await;
        Ok(())
    }
}
