//! The command `certificate-authority`: a certificate authority for one cluster.
//!
//! It serves the `certificates.example.com` of the cluster or workspace that the kubeconfig points to,
//! until Ctrl-C. Its root is made at the start and lives as long as the process: the next one is another
//! authority, and issues everything anew.

use std::path::PathBuf;

use anyhow::Context as _;
use broker_testkit::provider::CertificateAuthority;
use clap::Parser;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Issues X.509 certificates for the Certificates (example.com/v1alpha1) of one cluster or workspace.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The provider's kubeconfig; else $KUBECONFIG, else ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The context to use; else the kubeconfig's current one.
    #[arg(long)]
    context: Option<String>,
    /// The name of the authority: its root's common name and the status's issuer.
    #[arg(long, default_value = "Internal CA")]
    name: String,
    /// Write the root certificate here, for those who want to verify against it.
    #[arg(long, value_name = "FILE")]
    write_root: Option<PathBuf>,
}

/// Runs the command with the arguments of this process.
pub async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    rustls::crypto::ring::default_provider().install_default().ok();

    let client = Client::try_from(config(&arguments).await?)?;
    let authority = CertificateAuthority::new(&arguments.name)?;
    if let Some(path) = &arguments.write_root {
        std::fs::write(path, authority.certificate().pem())
            .with_context(|| format!("cannot write the root certificate to {}", path.display()))?;
    }

    let shutdown = CancellationToken::new();
    let serving = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { authority.run(client, shutdown).await }
    });
    let interrupted = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            shutdown.cancel();
        }
    });
    serving.await??;
    interrupted.abort();
    Ok(())
}

async fn config(arguments: &Arguments) -> anyhow::Result<Config> {
    let kubeconfig = match &arguments.kubeconfig {
        Some(path) => Kubeconfig::read_from(path)
            .with_context(|| format!("cannot read kubeconfig {}", path.display()))?,
        None => Kubeconfig::read().context("cannot read a kubeconfig; name one with --kubeconfig")?,
    };
    let options = KubeConfigOptions { context: arguments.context.clone(), ..KubeConfigOptions::default() };
    Config::from_custom_kubeconfig(kubeconfig, &options).await.context("the kubeconfig cannot be used")
}
