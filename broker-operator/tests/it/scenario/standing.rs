//! How orders stand and what is wrong with them, as the commands `status`, `why` and `clusters` tell it.

use kube::ResourceExt as _;
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::look;
use crate::stage::Stage;

const ORDER: &str = "certificate/my-app-cert";

pub(crate) async fn the_commands_tell_how_orders_stand_and_what_is_wrong_with_them(stage: Stage) {
    let mut world = stage.with_two_authorities().await;
    let (path, internal) = (world.consumer.workspace.clone(), world.internal.workspace.clone());
    world.internal.until_offer("internal-ca-certificates", "True", "ProviderReady").await;
    world.consumer.order("my-app-cert", "app.internal.corp").await;
    world.consumer.until_served("my-app-cert", &world.internal).await;
    world.until_bound().await;
    let copy = world.internal.until_copies(1).await.remove(0);
    let secret = world.consumer.secrets().get("my-app-cert-secret").await.unwrap();
    let commands = stage.commands();
    let ask =
        async |command: &str| commands.as_broker(&[command, ORDER, "--cluster", &path, "-o", "json"]).await;

    // An order that is served: everything that belongs to it, and of its Secrets nothing but names.
    let status = ask("status").await;
    assert_eq!(status.code, 0, "{status:?}");
    let told = status.json();
    assert_eq!((&told["path"], &told["deleting"]), (&json!(path), &json!(false)), "{told}");
    assert_eq!(
        told["handedOver"],
        json!([{"kind": "Secret", "name": "my-app-cert-secret", "present": true}])
    );
    assert_eq!(told["next"]["planned"], json!([]), "{told}");
    let serving = &told["assignment"]["copies"][0];
    assert_eq!(serving["name"], copy.name_any(), "{told}");
    assert_eq!(
        (&serving["state"], &serving["serves"], &serving["provider"]),
        (&json!("Ready"), &json!(true), &json!(internal))
    );
    assert_eq!(serving["names"][0]["present"], true, "{told}");
    let tree = commands.as_broker(&["status", ORDER, "--cluster", &path]).await;
    let line = format!("Certificate default/{} at {internal}: ready, serves", copy.name_any());
    assert!(
        tree.out.starts_with(&format!("certificates.example.com/my-app-cert in namespace default of {path}")),
        "{}",
        tree.out
    );
    assert!(tree.out.contains(&line) && tree.out.contains("└─ broker: Bound"), "{}", tree.out);
    for value in secret.data.unwrap().into_values() {
        let text = String::from_utf8(value.0).unwrap();
        assert!(!status.out.contains(&text) && !tree.out.contains(&text), "a Secret was read out");
    }
    let well = ask("why").await;
    assert_eq!((well.code, &well.json()["reason"]), (0, &json!("Bound")), "{well:?}");

    // All orders, and no copy among them; all clusters.
    let all = commands.as_broker(&["status", "-A", "-o", "json"]).await.json();
    assert_eq!(all.as_array().unwrap().len(), 1, "{all}");
    let row = &all[0];
    assert_eq!(
        (&row["consumer"], &row["provider"], &row["reason"]),
        (&json!(path), &json!(internal), &json!("Bound"))
    );
    assert_eq!(row["ready"], "True", "{all}");
    let of = async |arguments: &[&str]| commands.as_broker(&[&["status", "-A"], arguments].concat()).await;
    assert_eq!(of(&["--cluster", &internal, "-o", "json"]).await.json(), json!([]));
    let unknown = of(&["--resource", "databases.example.com"]).await;
    assert!(unknown.code == 2 && unknown.err.contains("there are: certificates.example.com"), "{unknown:?}");
    assert!(of(&[]).await.out.lines().nth(1).unwrap().contains("my-app-cert"));
    // A wide table tells which offer and which copy as well.
    let (usual, wide) = (of(&[]).await.out, of(&["-o", "wide"]).await.out);
    for word in ["default/internal-ca-certificates", "default/c-"] {
        assert!(wide.contains(word) && !usual.contains(word), "{word} in\n{usual}\nand\n{wide}");
    }
    let offers = commands.as_broker(&["offers", "-o", "wide"]).await.out;
    assert!(offers.contains("spec.fqdn,spec.certType"), "{offers}");
    let clusters = commands.as_broker(&["clusters", "-o", "wide"]).await.out;
    assert!(clusters.lines().next().unwrap().ends_with("OFFERED"), "{clusters}");
    let clusters = commands.as_broker(&["clusters", "-o", "json"]).await.json();
    let called = |path: &str| -> Value {
        let found = clusters.as_array().unwrap().iter().find(|cluster| cluster["path"] == path);
        found.unwrap_or_else(|| panic!("no {path} in {clusters}")).clone()
    };
    let (provider, consumer) = (called(&internal), called(&path));
    assert_eq!(
        (&provider["offers"], &provider["available"], &provider["serves"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(
        (&consumer["orders"], &consumer["serves"], &consumer["contact"]),
        (&json!(1), &json!(0), &json!("Reached"))
    );

    // Followed: it is told again when something changed.
    let mut following = commands.follow(&["status", ORDER, "--cluster", &path, "-w"]);
    following.until("broker: Bound").await;
    world.consumer.change("my-app-cert", "app.example.org").await;
    following.until("broker: NoMatchingOffer").await;
    drop(following);

    // What is wrong, on what evidence.
    let told = |order: &_| look::brokered(order) == "NoMatchingOffer";
    world.consumer.until("my-app-cert", "the order to be told", told).await;
    let wrong = ask("why").await;
    let diagnosis = wrong.json();
    assert_eq!((wrong.code, &diagnosis["reason"]), (1, &json!("NoMatchingOffer")), "{diagnosis}");
    assert!(diagnosis["evidence"].to_string().contains("spec.fqdn is app.example.org"), "{diagnosis}");
    let next = diagnosis["next"][0].as_str().unwrap();
    let next: Vec<&str> = next.split_whitespace().skip(1).collect();
    assert_eq!(commands.as_broker(&next).await.code, 1, "the next command answers");
    assert_eq!(ask("status").await.code, 1, "it is not served as it is");

    // Nobody is at work.
    world.kill_the_operator();
    world.consumer.change("my-app-cert", "app.corp.com").await;
    let alone = ask("why").await.json();
    // The Lease of the one that was killed may last a moment longer.
    assert!(["NoBroker", "BrokerBehind"].contains(&alone["reason"].as_str().unwrap()), "{alone}");
    assert!(alone["evidence"][0].as_str().unwrap().starts_with("a broker would do now: "), "{alone}");
    let unknown = commands.as_broker(&["why", "certificate/none", "--cluster", &path]).await;
    assert_eq!(unknown.code, 2, "{unknown:?}");
    world.start_the_operator();
    world.consumer.until_served("my-app-cert", &world.public).await;
    assert_eq!(world.migrations().list(&ListParams::default()).await.unwrap().items.len(), 1);
    drop(commands);
    stage.close(world).await;
}
