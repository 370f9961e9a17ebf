//! A certificate authority for one cluster: `cargo run -p certificates-example -- --kubeconfig … --name …`.

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    certificates_example::main().await
}
