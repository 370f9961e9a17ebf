//! Checks a server against the contract: `cargo run -p broker-testkit --example contract -- KUBECONFIG [kcp] [WORD]`
//! asks the server of the kubeconfig, which is thrown away afterwards, every sentence with the word in its name.
//! With `kcp`, its URL is a workspace below which more can be made.

use std::time::Instant;

use anyhow::Context as _;
use broker_testkit::contract::{Subject, all};
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1).peekable();
    let file = arguments.next().context("the first argument is a kubeconfig file")?;
    let kubeconfig = Kubeconfig::read_from(file)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    let is_kcp = arguments.next_if(|argument| argument == "kcp").is_some();
    let word = arguments.next().unwrap_or_default();
    let subject = if is_kcp { Subject::kcp(config) } else { Subject::kubernetes(config) };
    let mut broken = 0;
    for sentence in all().filter(|s| subject.has(s.needs()) && s.name().contains(&word)) {
        let start = Instant::now();
        let outcome = sentence.check(&subject).await;
        let name = sentence.name().replace('_', " ");
        println!("{:>7} ms  {}: {name}", start.elapsed().as_millis(), sentence.part());
        if let Err(error) = outcome {
            broken += 1;
            println!("    BROKEN: {}\n      seen: {}", error.claim(), error.seen());
        }
    }
    anyhow::ensure!(broken == 0, "{broken} sentences do not hold");
    Ok(())
}
