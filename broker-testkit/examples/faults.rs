//! Puts a plan of faults before the server of a kubeconfig, for a controller in any language:
//! `cargo run -p broker-testkit --example faults -- KUBECONFIG FILE [PLAN]` writes the kubeconfig for the controller to
//! FILE, and tells on Ctrl-C what was counted and what happened. A plan is a text such as `w9!crash-after,e4!cut`; see
//! the module `fault` for what can be said.

use anyhow::Context as _;
use broker_testkit::fault::{Injector, Plan, Proxy};
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let original = arguments.next().context("the first argument is the kubeconfig file of the server")?;
    let file = arguments.next().context("the second argument is the kubeconfig file to write")?;
    let plan: Plan = arguments.next().unwrap_or_default().parse()?;
    let kubeconfig = Kubeconfig::read_from(original)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    let injector = Injector::new(plan.clone());
    let proxy = Proxy::before(&config, &injector).await?;
    std::fs::write(&file, proxy.kubeconfig(&config)).with_context(|| format!("writing {file}"))?;
    println!("{plan} before {}, at {} until Ctrl-C; kubeconfig in {file}", config.cluster_url, proxy.url());
    tokio::select! {
        ended = tokio::signal::ctrl_c() => ended?,
        () = async { injector.moments().await; std::future::pending().await } => {}
    }
    println!("counted {:?}", injector.census());
    for injected in injector.injected() {
        println!("happened {injected}");
    }
    println!("not reached {}", injector.pending());
    Ok(())
}
