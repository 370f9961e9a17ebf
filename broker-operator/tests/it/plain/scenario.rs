//! What people see on plain Kubernetes.

use broker_kcp::api::v1alpha1::{Migration, MigrationConfiguration, MigrationState};
use broker_testkit::gate::Passage;
use broker_testkit::provider::samples;
use broker_testkit::wait::{until, until_all};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, DynamicObject, ListParams, ObjectMeta, PostParams};
use kube::runtime::watcher;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use super::stage::{NAMESPACE, Plain};
use crate::actors::DEADLINE;
use crate::look;
use crate::pod::Pod;
use crate::scenario::playbooks::{OF_A_MOVE, finish, until_mover, with_a_mover};

pub(crate) async fn orders_of_one_cluster_are_served_by_others_and_move_between_them(plain: Plain) {
    let one = plain.provider("one", "Internal CA").await;
    let two = plain.provider("two", "Public CA").await;
    one.0.offer(samples::OFFER_INTERNAL).await.unwrap();
    two.0.offer(samples::OFFER_PUBLIC).await.unwrap();
    let consumer = plain.consumer("acme").await;
    let operator = plain.operator();
    one.until_offer("internal-ca-certificates", "True", "ProviderReady").await;
    two.until_offer("public-ca-certificates", "True", "ProviderReady").await;

    consumer.order("my-app-cert", "app.internal.corp").await;
    let (order, secret) = consumer.until_served("my-app-cert", &one).await;
    assert_eq!(secret.name_any(), "my-app-cert-secret");
    assert_eq!(secret.owner_references()[0].uid, order.uid().unwrap());
    let copies = one.until_copies(1).await;
    assert!(look::tells_nothing_of(&copies[0], "my-app-cert", "acme"), "{:?}", copies[0].metadata);
    assert_eq!(copies[0].data["spec"], order.data["spec"]);
    assert_eq!(two.copy_names().await, Vec::<String>::new());

    // It moves, and its Secret can be used at every instant.
    let reader = consumer.keep_reading("my-app-cert-secret", &[&one, &two]);
    consumer.change("my-app-cert", "app.corp.com").await;
    consumer.until_served("my-app-cert", &two).await;
    one.until_copies(0).await;
    let report = reader.finish().await.unwrap();
    assert_eq!(report.bad(), 0, "{report}");
    let served: Vec<&str> = report.handovers.iter().map(|handover| handover.authority.as_str()).collect();
    assert_eq!(served, ["Internal CA", "Public CA"]);

    consumer.delete("my-app-cert").await;
    consumer.until_gone("my-app-cert").await;
    two.until_copies(0).await;
    consumer.until_no_mirrors().await;
    plain.until_no_records().await;
    plain.close(operator).await;
}

pub(crate) async fn clusters_come_and_go_while_the_broker_runs(plain: Plain) {
    // A kubeconfig that is of no use harms no other.
    let nonsense = Secret {
        metadata: ObjectMeta {
            name: Some("cluster-nonsense".to_owned()),
            labels: Some([("broker.platform-mesh.io/cluster".to_owned(), "nonsense".to_owned())].into()),
            ..ObjectMeta::default()
        },
        data: Some([("kubeconfig".to_owned(), ByteString(b"[".to_vec()))].into()),
        ..Secret::default()
    };
    plain.kubeconfigs().create(&PostParams::default(), &nonsense).await.unwrap();
    // Nor does one whose token nobody knows.
    plain.join("two").await;
    let mut stranger = plain.kubeconfigs().get("cluster-two").await.unwrap();
    let known = String::from_utf8(stranger.data.take().unwrap().remove("kubeconfig").unwrap().0).unwrap();
    let mut kubeconfig: Value = serde_json::from_str(&known).unwrap();
    kubeconfig["users"][0]["user"]["token"] = json!("nonsense");
    stranger.data = Some([("kubeconfig".to_owned(), ByteString(kubeconfig.to_string().into_bytes()))].into());
    plain.kubeconfigs().replace("cluster-two", &PostParams::default(), &stranger).await.unwrap();
    let consumer = plain.consumer("acme").await;
    let operator = plain.operator();
    consumer.order("my-app-cert", "app.internal.corp").await;
    let waits = |order: &DynamicObject| look::says(order, "Brokered", "False", "NoMatchingOffer");
    consumer.until("my-app-cert", "no offer", waits).await;

    // A provider joins: its offer is seen at once.
    let one = plain.provider("one", "Internal CA").await;
    one.0.offer(samples::OFFER_INTERNAL).await.unwrap();
    consumer.until_served("my-app-cert", &one).await;
    let copies = one.until_copies(1).await;

    // It leaves. Nobody knows what became of it: what serves stays, and so does what the consumer holds.
    plain.leave("one").await;
    let silent = |order: &DynamicObject| look::says(order, "Brokered", "Unknown", "ProviderUnreachable");
    consumer.until("my-app-cert", "the order to say that its provider is silent", silent).await;
    consumer.order("second", "second.internal.corp").await;
    consumer.until("second", "no offer", waits).await;
    let records = plain.assignments().list(&ListParams::default()).await.unwrap();
    let kept = records.iter().find(|record| record.spec.order.name == "my-app-cert").unwrap();
    assert_eq!(kept.spec.copies.len(), 1, "{:?}", kept.spec);
    assert_eq!(one.until_copies(1).await[0].uid(), copies[0].uid());
    consumer.secrets().get("my-app-cert-secret").await.unwrap();

    // It is back, and goes on where it was.
    plain.join("one").await;
    consumer.until_served("second", &one).await;
    assert!(one.until_copies(2).await.iter().any(|copy| copy.uid() == copies[0].uid()));

    // Its token is replaced: by the new one the broker goes on.
    let tokens: Api<Secret> = Api::namespaced(plain.client("one"), NAMESPACE);
    tokens.delete("resource-broker-member-token", &DeleteParams::default()).await.unwrap();
    plain.join("one").await;
    consumer.order("third", "third.internal.corp").await;
    consumer.until_served("third", &one).await;
    consumer.delete("third").await;
    consumer.until_gone("third").await;

    // Nor does a consumer's order go with its cluster.
    plain.leave("acme").await;
    consumer.delete("second").await;
    plain.join("acme").await;
    consumer.until_gone("second").await;
    one.until_copies(1).await;
    consumer.delete("my-app-cert").await;
    consumer.until_gone("my-app-cert").await;
    one.until_copies(0).await;
    plain.until_no_records().await;
    plain.close(operator).await;
}

pub(crate) async fn a_cluster_that_does_not_answer_is_waited_for_and_the_others_go_on(mut plain: Plain) {
    let gate = plain.behind_a_gate("one").await;
    let one = plain.provider("one", "Internal CA").await;
    let two = plain.provider("two", "Public CA").await;
    one.offer("first", json!([{"key": "fqdn", "suffix": ".internal.corp"}])).await;
    two.offer("second", json!([{"key": "fqdn", "suffix": ".public.corp"}])).await;
    let consumer = plain.consumer("acme").await;
    let operator = plain.operator();
    consumer.order("my-app-cert", "app.internal.corp").await;
    consumer.until_served("my-app-cert", &one).await;
    let copies = one.until_copies(1).await;
    plain.until_providers_reachable("True").await;
    let reader = consumer.keep_reading("my-app-cert-secret", &[&one]);

    gate.set(Passage::Cut);
    let silent = |order: &DynamicObject| look::says(order, "Brokered", "Unknown", "ProviderUnreachable");
    consumer.until("my-app-cert", "the order to say that its provider is silent", silent).await;
    plain.until_providers_reachable("False").await;
    consumer.order("another", "another.public.corp").await;
    consumer.until_served("another", &two).await;

    // A broker that starts meanwhile knows no more, and moves nothing.
    operator.stop().await;
    let operator = plain.operator();
    consumer.order("third", "third.public.corp").await;
    consumer.until_served("third", &two).await;
    consumer.until("my-app-cert", "the order to say that its provider is silent", silent).await;

    gate.set(Passage::Open);
    consumer.until_served("my-app-cert", &one).await;
    plain.until_providers_reachable("True").await;
    assert_eq!(one.until_copies(1).await[0].uid(), copies[0].uid());
    let report = reader.finish().await.unwrap();
    assert_eq!(report.bad(), 0, "{report}");
    plain.close(operator).await;
}

pub(crate) async fn orders_of_the_same_name_in_two_clusters_never_mix(plain: Plain) {
    let one = plain.provider("one", "Internal CA").await;
    one.0.offer(samples::OFFER_INTERNAL).await.unwrap();
    let consumers = [plain.consumer("acme").await, plain.consumer("two").await];
    let operator = plain.operator();
    for (consumer, fqdn) in consumers.iter().zip(["acme.internal.corp", "two.internal.corp"]) {
        consumer.order("my-app-cert", fqdn).await;
    }
    let mut keys = Vec::new();
    for consumer in &consumers {
        let (_, secret) = consumer.until_served("my-app-cert", &one).await;
        keys.push(look::entry(&secret, "tls.key"));
    }
    assert_ne!(keys[0], keys[1]);
    let copies = one.until_copies(2).await;
    for (copy, consumer) in copies.iter().zip(["acme", "two"]) {
        assert!(look::tells_nothing_of(copy, "my-app-cert", consumer), "{:?}", copy.metadata);
    }
    consumers[0].delete("my-app-cert").await;
    consumers[0].until_gone("my-app-cert").await;
    one.until_copies(1).await;
    let (_, secret) = consumers[1].until_served("my-app-cert", &one).await;
    assert_eq!(look::entry(&secret, "tls.key"), keys[1]);
    plain.close(operator).await;
}

/// The account of its Pod says where the platform is, and who asks: to `run`, and to whoever runs a command there.
pub(crate) async fn in_a_pod_the_binary_needs_no_kubeconfig(plain: Plain) {
    let one = plain.provider("one", "Internal CA").await;
    one.0.offer(samples::OFFER_INTERNAL).await.unwrap();
    let consumer = plain.consumer("acme").await;
    let commands = plain.commands().await;
    let pod = Pod::of(&commands.broker, NAMESPACE);
    let checked = pod.run(&["run", "--check"]).await;
    assert_eq!(checked.code, 0, "{checked:?}");
    let mut broker = pod.daemon();
    consumer.order("my-app-cert", "app.internal.corp").await;
    consumer.until_served("my-app-cert", &one).await;
    let status = pod.run(&["status", "-A", "-o", "json"]).await;
    assert_eq!((status.code, &status.json()[0]["provider"]), (0, &json!("one")), "{status:?}");
    let offers = pod.run(&["offers", "-o", "json"]).await;
    assert_eq!(offers.code, 0, "{offers:?}");
    broker.stop().await;
    plain.shut_down().await;
}

pub(crate) async fn the_binary_works_and_the_commands_tell_how_it_is(plain: Plain) {
    let one = plain.provider("one", "Internal CA").await;
    one.0.offer(samples::OFFER_INTERNAL).await.unwrap();
    let consumer = plain.consumer("acme").await;
    let commands = plain.commands().await;

    // The rights that were given are all that it needs.
    let checked = commands.run_as_broker(&["--check"], &[]).await;
    assert_eq!(checked.code, 0, "{checked:?}");
    for line in [
        "ok       BrokeredAPI certificates.example.com",
        "ok       cluster acme serves acceptapis.broker.platform-mesh.io, certificates.example.com",
        "rights in cluster one",
    ] {
        assert!(checked.out.contains(line), "{line}: {}", checked.out);
    }
    let mut broker = commands.daemon();
    consumer.order("my-app-cert", "app.internal.corp").await;
    consumer.until_served("my-app-cert", &one).await;

    let ask = async |arguments: &[&str]| {
        let ran = commands.as_broker(&[arguments, &["-o", "json"]].concat()).await;
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        ran.json()
    };
    let all = ask(&["status", "-A"]).await;
    assert_eq!((&all[0]["consumer"], &all[0]["provider"]), (&json!("acme"), &json!("one")), "{all}");
    let order = ["certificate/my-app-cert", "--cluster", "acme"];
    let status = ask(&[&["status"], &order[..]].concat()).await;
    assert_eq!(status["assignment"]["copies"][0]["provider"], "one", "{status}");
    assert_eq!(ask(&[&["why"], &order[..]].concat()).await["reason"], "Bound");
    let explained = ask(&[&["explain"], &order[..]].concat()).await;
    assert!(explained.to_string().contains("internal-ca-certificates"), "{explained}");
    let clusters = ask(&["clusters"]).await;
    let roles = clusters.as_array().unwrap().iter().map(|cluster| {
        (cluster["id"].as_str().unwrap(), cluster["serves"].clone(), cluster["orders"].clone())
    });
    assert_eq!(
        roles.collect::<Vec<_>>(),
        [("acme", json!(0), json!(1)), ("one", json!(1), json!(0))],
        "{clusters}"
    );
    let offers = ask(&["offers"]).await;
    assert_eq!(offers["items"][0]["metadata"]["name"], "internal-ca-certificates", "{offers}");
    broker.stop().await;

    // The same by files in a folder, while a cluster comes.
    let folder = tempfile::tempdir().unwrap();
    let write = async |name: &str| {
        let secret = plain.kubeconfigs().get(&format!("cluster-{name}")).await.unwrap();
        let file = folder.path().join(format!("{name}.kubeconfig"));
        std::fs::write(file, &secret.data.unwrap()["kubeconfig"].0).unwrap();
    };
    write("one").await;
    let mut broker = commands.daemon_with(&[("CLUSTERS_FOLDER", folder.path().to_str().unwrap())]);
    write("acme").await;
    consumer.order("second", "second.internal.corp").await;
    consumer.until_served("second", &one).await;
    // The commands look where the broker does: there are no Secrets any more.
    plain.leave("one").await;
    plain.leave("acme").await;
    let place = ["--clusters-folder", folder.path().to_str().unwrap()];
    let all = ask(&[&["status", "-A"], &place[..]].concat()).await;
    let served = all.as_array().unwrap().iter().map(|row| (row["name"].as_str(), row["provider"].as_str()));
    let expected = ["my-app-cert", "second"].map(|name| (Some(name), Some("one")));
    assert_eq!(served.collect::<Vec<_>>(), expected, "{all}");
    assert_eq!(ask(&[&["why"], &order[..], &place[..]].concat()).await["reason"], "Bound");
    let explained = ask(&[&["explain"], &order[..], &place[..]].concat()).await;
    assert!(explained.to_string().contains("internal-ca-certificates"), "{explained}");
    let clusters = ask(&[&["clusters"], &place[..]].concat()).await;
    let names: Vec<_> = clusters.as_array().unwrap().iter().map(|cluster| &cluster["id"]).collect();
    assert_eq!(names, ["acme", "one"], "{clusters}");
    let leaving = commands.as_admin(&[&["uninstall"], &place[..]].concat()).await;
    assert!(leaving.out.contains("second"), "{leaving:?}");
    broker.stop().await;
    drop(commands);
    plain.shut_down().await;
}

pub(crate) async fn a_definition_that_is_deleted_takes_its_orders_along(plain: Plain) {
    let one = plain.provider("one", "Internal CA").await;
    one.0.offer(samples::OFFER_INTERNAL).await.unwrap();
    let consumers = [plain.consumer("acme").await, plain.consumer("two").await];
    let operator = plain.operator();
    for consumer in &consumers {
        consumer.order("my-app-cert", "app.internal.corp").await;
        consumer.until_served("my-app-cert", &one).await;
    }
    let definitions: Api<CustomResourceDefinition> = Api::all(plain.client("acme"));
    let name = "certificates.example.com";
    definitions.delete(name, &DeleteParams::default()).await.unwrap();
    let gone =
        until(&definitions, name, "the definition to be gone", DEADLINE, |found| found.is_none()).await;
    gone.unwrap_or_else(|error| panic!("{error}"));
    consumers[0].until_no_mirrors().await;
    one.until_copies(1).await;
    consumers[1].until_served("my-app-cert", &one).await;

    // Defined anew, it goes on.
    plain.join("acme").await;
    consumers[0].order("my-app-cert", "app.internal.corp").await;
    consumers[0].until_served("my-app-cert", &one).await;

    // A provider that takes the definition away is left with nothing, and its consumers are told.
    let definitions: Api<CustomResourceDefinition> = Api::all(plain.client("one"));
    definitions.delete(name, &DeleteParams::default()).await.unwrap();
    for consumer in &consumers {
        let unserved = |order: &DynamicObject| look::says(order, "Brokered", "False", "NoMatchingOffer");
        consumer.until("my-app-cert", "the order to be told", unserved).await;
        consumer.delete("my-app-cert").await;
        consumer.until_gone("my-app-cert").await;
    }
    let gone =
        until(&definitions, name, "the definition to be gone", DEADLINE, |found| found.is_none()).await;
    gone.unwrap_or_else(|error| panic!("{error}"));
    plain.until_no_records().await;
    plain.close(operator).await;
}

pub(crate) async fn the_commands_that_change_something_work_among_clusters(plain: Plain) {
    let one = plain.provider("one", "Internal CA").await;
    let two = plain.provider("two", "Public CA").await;
    one.0.offer(samples::OFFER_INTERNAL).await.unwrap();
    let consumer = plain.consumer("acme").await;
    let commands = plain.commands().await;
    let operator = plain.operator();
    consumer.order("my-app-cert", "app.internal.corp").await;
    consumer.until_served("my-app-cert", &one).await;
    two.0.offer(samples::OFFER_INTERNAL).await.unwrap();
    two.until_offer("internal-ca-certificates", "True", "ProviderReady").await;
    let done = async |arguments: &[&str], words: &str| {
        let ran = commands.as_admin(arguments).await;
        assert!(ran.code == 0 && ran.out.contains(words), "{arguments:?}: {ran:?}");
        ran.out
    };

    // A provider that takes no more orders keeps those it has, and takes orders again.
    done(&["cordon", "two"], "two is cordoned (was Active)").await;
    two.until_offer("internal-ca-certificates", "False", "Cordoned").await;
    done(&["uncordon", "two"], "two is active (was Cordoned)").await;
    two.until_offer("internal-ca-certificates", "True", "ProviderReady").await;

    // A person has the order moved.
    let order = ["certificate/my-app-cert", "--cluster", "acme"];
    let to_two = [&order[..], &["--to", "two"]].concat();
    let words = "It would move from one to default/internal-ca-certificates of two.";
    done(&[&["plan"], &to_two[..]].concat(), words).await;
    let reader = consumer.keep_reading("my-app-cert-secret", &[&one, &two]);
    let begun = done(&[&["migrate"], &to_two[..], &["-n", "default"]].concat(), "my-app-cert-").await;
    done(&["migrate", "watch", begun.trim()], "Completed").await;
    consumer.until_served("my-app-cert", &two).await;
    one.until_copies(0).await;
    let report = reader.finish().await.unwrap();
    assert_eq!(report.bad(), 0, "{report}");

    // Its provider is emptied: it moves back, and stays when the provider takes orders again.
    one.until_offer("internal-ca-certificates", "True", "ProviderReady").await;
    done(&["drain", "two"], "two is draining (was Active)").await;
    consumer.until_served("my-app-cert", &one).await;
    two.until_copies(0).await;
    done(&["uncordon", "two"], "two is active (was Draining)").await;
    two.until_offer("internal-ca-certificates", "True", "ProviderReady").await;

    // Its record is lost, and written anew; the copy that serves is taken up again.
    operator.stop().await;
    let copy = one.until_copies(1).await[0].uid();
    plain.assignments().delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
    plain.until_no_records().await;
    done(&["recover", "--all", "--dry-run"], "my-app-cert").await;
    done(&[&["recover"], &order[..]].concat(), "serves it: ready").await;
    let operator = plain.operator();
    consumer.until_served("my-app-cert", &one).await;
    assert_eq!(one.until_copies(1).await[0].uid(), copy);

    // The broker is taken away: copies and Secrets stay, and nothing waits for it.
    operator.stop().await;
    done(&["uninstall", "--yes"], "my-app-cert").await;
    assert_eq!(one.until_copies(1).await[0].uid(), copy);
    consumer.secrets().get("my-app-cert-secret").await.unwrap();
    consumer.delete("my-app-cert").await;
    consumer.until_gone("my-app-cert").await;
    drop(commands);
    plain.shut_down().await;
}

pub(crate) async fn an_order_that_holds_data_moves_by_its_playbook_between_clusters(plain: Plain) {
    let one = plain.provider("one", "Internal CA").await;
    let two = plain.provider("two", "Public CA").await;
    one.0.offer(samples::OFFER_INTERNAL).await.unwrap();
    two.0.offer(samples::OFFER_PUBLIC).await.unwrap();
    let consumer = plain.consumer("acme").await;
    plain.decree(json!({"moves": "PlaybookOnly", "fence": "BestEffort"})).await;
    let playbooks: Api<MigrationConfiguration> = Api::all(plain.platform_client());
    playbooks.create(&PostParams::default(), &serde_json::from_value(with_a_mover()).unwrap()).await.unwrap();
    let operator = plain.operator_with(Some(plain.compute().await));
    consumer.order("my-app-cert", "app.internal.corp").await;
    consumer.until_served("my-app-cert", &one).await;

    // What holds its data stays until the helper, which has both sides' credentials, is done.
    let reader = consumer.keep_reading("my-app-cert-secret", &[&one, &two]);
    consumer.change("my-app-cert", "app.corp.com").await;
    let mover = until_mover(&plain.platform_client()).await;
    let order = consumer.orders().get("my-app-cert").await.unwrap();
    assert_eq!(order.data["status"]["issuer"], "Internal CA", "{}", order.data["status"]);
    finish(&plain.platform_client(), &mover).await;
    consumer.until_served("my-app-cert", &two).await;
    one.until_copies(0).await;
    let report = reader.finish().await.unwrap();
    assert_eq!(report.bad(), 0, "{report}");

    // The helpers are gone with the move, whose record stays.
    let of_a_move = watcher::Config::default().labels(OF_A_MOVE);
    let namespaces: Api<Namespace> = Api::all(plain.platform_client());
    let gone = until_all(&namespaces, of_a_move, "no helpers", DEADLINE, |all| {
        all.iter().all(|namespace| namespace.metadata.deletion_timestamp.is_some())
    });
    gone.await.unwrap_or_else(|error| panic!("{error}"));
    let moves: Api<Migration> = Api::all(plain.platform_client());
    let over = |all: &[Migration]| {
        let states = all.iter().filter_map(|one| one.status.as_ref()?.state);
        states.eq([MigrationState::Completed])
    };
    let all = watcher::Config::default();
    let ended = until_all(&moves, all, "the move to be recorded as completed", DEADLINE, over).await;
    ended.unwrap_or_else(|error| panic!("{error}"));
    consumer.delete("my-app-cert").await;
    consumer.until_gone("my-app-cert").await;
    two.until_copies(0).await;
    plain.close(operator).await;
}
