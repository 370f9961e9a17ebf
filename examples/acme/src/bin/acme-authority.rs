//! A provider of certificates for one cluster, that orders them by ACME: `acme-authority --kubeconfig … --directory …`.
//!
//! It serves the `certificates.example.com` of the cluster or workspace that the kubeconfig points to, until Ctrl-C. Its
//! account at the ACME server is made at the first order, and kept in the Secret `acme-account`.

use std::net::SocketAddr;
use std::path::PathBuf;

use acme_example::{Authority, Directory, Responder};
use anyhow::Context as _;
use clap::Parser;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Orders certificates by ACME for the Certificates (example.com/v1alpha1) of one cluster or workspace.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The provider's kubeconfig; else $KUBECONFIG, else ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The context to use; else the kubeconfig's current one.
    #[arg(long)]
    context: Option<String>,
    /// What the authority calls itself: the status's issuer.
    #[arg(long, default_value = "letsencrypt")]
    name: String,
    /// The ACME server's directory. By using it you agree to its terms of service.
    #[arg(
        long,
        value_name = "URL",
        default_value = "https://acme-staging-v02.api.letsencrypt.org/directory"
    )]
    directory: String,
    /// Trust only servers that these certificates (PEM) signed for.
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// Where the ACME server may write to the account's owner.
    #[arg(long, value_name = "ADDRESS")]
    contact: Option<String>,
    /// Where challenges are answered. The names must lead to it, at port 80.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:80")]
    listen: SocketAddr,
    /// The namespace of the Secret with the account.
    #[arg(long, default_value = "default")]
    namespace: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    rustls::crypto::ring::default_provider().install_default().ok();

    let client = Client::try_from(config(&arguments).await?)?;
    let trust = arguments
        .trust
        .as_ref()
        .map(|path| std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display())));
    let directory = Directory::new(&arguments.directory, trust.transpose()?.as_deref())?;
    let responder = Responder::bind(arguments.listen)
        .await
        .with_context(|| format!("cannot listen at {}", arguments.listen))?;
    let authority = Authority::new(&arguments.name, directory, responder.challenges())
        .contact(arguments.contact.clone())
        .namespace(&arguments.namespace);

    let shutdown = CancellationToken::new();
    let answering = CancellationToken::new();
    let responding = tokio::spawn(responder.run(answering.clone()));
    let serving = tokio::spawn(authority.run(client, shutdown.clone()));
    let interrupted = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            shutdown.cancel();
        }
    });
    // What is being ordered then still needs its answers.
    serving.await??;
    answering.cancel();
    responding.await?;
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
