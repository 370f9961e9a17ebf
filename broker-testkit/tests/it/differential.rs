//! The embedded control plane and a real Kubernetes play the same sequences.

use broker_kcp::Connect as _;
use broker_testkit::contract::differential::{Campaign, Pair, found};
use broker_testkit::control_plane::ControlPlane;
use broker_testkit::kubernetes::Kubernetes;

/// The embedded control plane first.
async fn pair() -> (ControlPlane, Pair) {
    rustls::crypto::ring::default_provider().install_default().ok();
    let kubernetes = Kubernetes::shared().await.unwrap_or_else(|error| panic!("{error}"));
    let plane = ControlPlane::builder().start_in_process();
    let embedded = plane.in_process().connect(plane.admin_config()).unwrap();
    let pair = Pair::new(embedded, kubernetes.admin().await.unwrap()).await;
    (plane, pair.unwrap_or_else(|broken| panic!("{broken}")))
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_control_plane_says_what_kubernetes_says() {
    let (_plane, pair) = pair().await;
    let campaign = Campaign {
        seed: number("DIFFERENTIAL_SEED", 1),
        from: number("DIFFERENTIAL_FROM", 0),
        sequences: number("DIFFERENTIAL_SEQUENCES", 2_000),
        stages: 8,
        shrinks: true,
    };
    println!("{campaign:?}");
    let report = campaign.run(&pair, |_| ()).await.unwrap_or_else(|broken| panic!("{broken}"));
    println!("{report}");
    assert!(report.disagreements.is_empty(), "the servers disagree");
}

#[tokio::test]
async fn what_the_servers_disagreed_about_once_they_agree_about() {
    let (_plane, pair) = pair().await;
    let stage = pair.stage("found").await.unwrap();
    let mut disagreements = Vec::new();
    for (name, sequence) in found().unwrap() {
        let played = stage.play(&sequence).await.unwrap_or_else(|broken| panic!("{name}: {broken}"));
        if let Some(disagreement) = played.disagreement {
            disagreements.push(format!("{}:\n{disagreement}", name.replace('_', " ")));
        }
    }
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
}
