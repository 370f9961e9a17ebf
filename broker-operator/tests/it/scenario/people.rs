//! Moves that a person asks for: as the mission writes them, and by the command line.

use broker_kcp::api::v1alpha1::{ConditionStatus, Migration, MigrationState};
use broker_operator::files::read_objects;
use broker_testkit::wait::until;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::actors::DEADLINE;
use crate::look;
use crate::stage::{Stage, World};

/// The order of the mission's failover, and what the mission calls it.
const ORDER: &str = "production-db";
const FAILOVER: &str = "failover-migration";

/// The mission's failover, as `kubectl apply --server-side` sends it.
async fn apply_the_missions_failover(migrations: &Api<Migration>) {
    let path = format!("{}/tests/it/mission/migration.yaml", env!("CARGO_MANIFEST_DIR"));
    let missions = read_objects(path.as_ref()).unwrap();
    let failover = missions.iter().find(|object| object["metadata"]["name"] == FAILOVER).unwrap();
    let parameters = PatchParams::apply("kubectl");
    migrations.patch(FAILOVER, &parameters, &Patch::Apply(failover)).await.unwrap();
}

/// Two providers by the mission's names, either of which serves the order; it is served by the failing one.
async fn an_order_of_the_failing_provider(stage: &Stage) -> World {
    let world = stage.with_two_authorities().await;
    stage
        .decree(json!({ "providers": [
            { "cluster": "*" },
            { "cluster": world.internal.workspace, "alias": "failing-provider" },
            { "cluster": world.public.workspace, "alias": "healthy-provider" },
        ]}))
        .await;
    world.consumer.order(ORDER, "db.internal.corp").await;
    world.consumer.until_served(ORDER, &world.internal).await;
    world.until_bound().await;
    world.public.offer("internal-too", json!([{ "key": "fqdn", "suffix": ".internal.corp" }])).await;
    world.public.until_offer("internal-too", "True", "ProviderReady").await;
    world
}

/// Waits until a Migration is in this state, and returns it.
async fn until_state(migrations: &Api<Migration>, name: &str, state: MigrationState) -> Migration {
    let is = |found: Option<&Migration>| {
        found.and_then(|found| found.status.as_ref()).is_some_and(|status| status.state == Some(state))
    };
    let found = until(migrations, name, &format!("{name} to be {state:?}"), DEADLINE, is).await;
    found.unwrap_or_else(|error| panic!("{error}")).unwrap()
}

/// Waits until a Migration says `Ready=False` for this reason, and returns the message.
async fn until_refused(migrations: &Api<Migration>, name: &str, reason: &str) -> String {
    let said = |found: &Migration| {
        let status = found.status.as_ref()?;
        let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready")?;
        let fits = ready.status == ConditionStatus::False && ready.reason.as_deref() == Some(reason);
        fits.then(|| ready.message.clone().unwrap_or_default())
    };
    let what = format!("{name} to say {reason}");
    let found = until(migrations, name, &what, DEADLINE, |found| found.and_then(said).is_some()).await;
    said(&found.unwrap_or_else(|error| panic!("{error}")).unwrap()).unwrap()
}

pub(crate) async fn the_missions_failover_moves_the_order_and_it_stays_there(stage: Stage) {
    let world = an_order_of_the_failing_provider(&stage).await;
    let migrations = world.migrations();
    apply_the_missions_failover(&migrations).await;
    let migration = until_state(&migrations, FAILOVER, MigrationState::Completed).await;
    let receipt = migration.status.clone().unwrap().receipt.unwrap();
    assert!(receipt.started_at.is_some() && receipt.switched_at.is_some(), "{receipt:?}");
    assert!(receipt.completed_at.is_some() && receipt.switch_pause_millis.is_some(), "{receipt:?}");
    assert_eq!(receipt.loss, None);
    world.consumer.until_served(ORDER, &world.public).await;
    world.internal.until_copies(0).await;
    world.until_bound().await;

    // Applied again it is the same object, and nothing begins anew.
    apply_the_missions_failover(&migrations).await;
    let again = migrations.get(FAILOVER).await.unwrap();
    assert_eq!(again.status, migration.status);
    let changed = Patch::Merge(json!({ "spec": { "to": { "clusterName": "failing-provider" } } }));
    let refused = migrations.patch(FAILOVER, &PatchParams::default(), &changed).await.unwrap_err();
    assert!(refused.to_string().contains("make another one"), "{refused}");

    // The order goes, and what was asked for stays for whoever asked.
    world.consumer.delete(ORDER).await;
    world.consumer.until_gone(ORDER).await;
    world.until_providers_are_clean().await;
    migrations.delete(FAILOVER, &DeleteParams::default()).await.unwrap();
    world.until_nothing_is_left().await;
    stage.close(world).await;
}

pub(crate) async fn a_failover_that_may_mean_two_orders_says_so_and_begins_when_one_is_named(stage: Stage) {
    let world = an_order_of_the_failing_provider(&stage).await;
    let globex = stage.consumer("globex").await;
    // Whoever serves it, two are called so once the failing provider does.
    world.public.withdraw("internal-too").await;
    globex.order(ORDER, "other.internal.corp").await;
    globex.until_served(ORDER, &world.internal).await;
    let migrations = world.migrations();
    apply_the_missions_failover(&migrations).await;
    let told = until_refused(&migrations, FAILOVER, "AmbiguousOrder").await;
    for consumer in [&world.consumer, &globex] {
        let candidate = format!("default/{ORDER} of {}", consumer.workspace);
        assert!(told.contains(&candidate), "{told}");
    }

    // Which one is said, and nobody takes it yet.
    let order = json!({ "clusterName": globex.workspace, "name": ORDER });
    let named = Patch::Merge(json!({ "spec": { "order": order } }));
    migrations.patch(FAILOVER, &PatchParams::default(), &named).await.unwrap();
    let told = until_refused(&migrations, FAILOVER, "NotFeasible").await;
    assert!(told.contains("spec.fqdn is `other.internal.corp`"), "{told}");
    world.public.offer("internal-too", json!([{ "key": "fqdn", "suffix": ".internal.corp" }])).await;
    until_state(&migrations, FAILOVER, MigrationState::Completed).await;
    globex.until_served(ORDER, &world.public).await;
    let other = world.consumer.orders().get(ORDER).await.unwrap();
    assert!(look::served_by(&other, "Internal CA"), "the other order is not touched");
    stage.close(world).await;
}

pub(crate) async fn the_command_moves_an_order_follows_the_move_and_steers_it(stage: Stage) {
    let world = an_order_of_the_failing_provider(&stage).await;
    let commands = stage.commands();
    let path = world.consumer.workspace.as_str();

    // What cannot be is told at once, before anything is written.
    for (arguments, words) in [
        (vec!["migrate", "certificate/none", "--to", "healthy-provider"], "no order `none` is served"),
        (vec!["migrate", ORDER, "--to", "healthy-provider", "--cluster", "root:nowhere"], "root:nowhere"),
        (vec!["migrate", "watch", "nothing"], "there is no Migration nothing"),
        (vec!["migrate", "pause", "nothing"], "there is no Migration nothing"),
    ] {
        let ran = commands.as_admin(&arguments).await;
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains(words), "{ran:?}");
    }

    // By a playbook that waits for a person.
    let certificate = json!({ "group": "example.com", "version": "v1alpha1", "kind": "Certificate" });
    let playbook = json!({
        "apiVersion": "broker.platform-mesh.io/v1alpha1",
        "kind": "MigrationConfiguration",
        "metadata": { "name": "certificates" },
        "spec": { "from": certificate, "to": certificate, "stages": [
            { "name": "look", "phase": "Initial", "approval": "Required" },
        ] },
    });
    let playbook = serde_json::from_value(playbook).unwrap();
    stage.configurations().create(&PostParams::default(), &playbook).await.unwrap();
    stage.decree(json!({ "fence": "BestEffort" })).await;
    let start = async |order: &str| {
        let ran = commands
            .as_admin(&["migrate", order, "--to", "healthy-provider", "-n", "default", "--cluster", path])
            .await;
        assert_eq!(ran.code, 0, "{ran:?}");
        let name = ran.out.trim().to_owned();
        assert!(name.starts_with(&format!("{ORDER}-")), "{ran:?}");
        name
    };
    let migrations = world.migrations();
    let in_stage = async |name: &str| {
        let is = |found: Option<&Migration>| {
            found
                .and_then(|found| found.status.as_ref())
                .and_then(|status| status.message.as_ref())
                .is_some_and(|message| message.contains("approval"))
        };
        let found = until(&migrations, name, "the stage to wait for approval", DEADLINE, is).await;
        found.unwrap_or_else(|error| panic!("{error}"));
    };
    let say = async |arguments: &[&str], words: &str| {
        let ran = commands.as_admin(arguments).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.out.contains(words), "{ran:?}");
    };
    let cancelled = start(&format!("certificate/{ORDER}")).await;
    in_stage(&cancelled).await;
    let ran = commands.as_admin(&["migrate", "rollback", &cancelled]).await;
    assert!(ran.code == 2 && ran.err.contains("migrate cancel"), "{ran:?}");
    say(&["migrate", "cancel", &cancelled], "is being called off").await;
    let ran = commands.as_admin(&["migrate", "watch", &cancelled]).await;
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.out.contains("Cancelled 0/1"), "{ran:?}");
    world.public.until_copies(0).await;

    // Held up, let go, approved, and followed to its end.
    let moved = start(ORDER).await;
    in_stage(&moved).await;
    say(&["migrate", "pause", &moved], "is paused").await;
    say(&["migrate", "pause", &moved], "paused already").await;
    say(&["migrate", "approve", &moved], "stage look of").await;
    say(&["migrate", "resume", &moved], "goes on").await;
    let ran = commands.as_admin(&["migrate", "watch", &moved, "-o", "json"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let last: Value = serde_json::from_str(ran.out.lines().last().unwrap()).unwrap();
    assert_eq!((&last["metadata"]["name"], &last["status"]["state"]), (&json!(moved), &json!("Completed")));
    world.consumer.until_served(ORDER, &world.public).await;
    let ran = commands.as_admin(&["migrate", "cancel", &moved]).await;
    assert!(ran.code == 2 && ran.err.contains("is over: Completed"), "{ran:?}");
    let names: Vec<String> =
        migrations.list(&ListParams::default()).await.unwrap().iter().map(ResourceExt::name_any).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    drop(commands);
    stage.close(world).await;
}

pub(crate) async fn plan_tells_what_would_move_and_what_would_hold_it_up_and_writes_nothing(stage: Stage) {
    let world = an_order_of_the_failing_provider(&stage).await;
    let commands = stage.commands();
    let path = world.consumer.workspace.as_str();
    let order = format!("certificate/{ORDER}");
    let one = async |to: &str| commands.as_broker(&["plan", &order, "--cluster", path, "--to", to]).await;
    let ran = one("healthy-provider").await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let (from, to) = (&world.internal.workspace, &world.public.workspace);
    assert!(
        ran.out.contains(&format!("It would move from {from} to default/internal-too of {to}.")),
        "{ran:?}"
    );
    assert!(ran.out.contains("No playbook"), "{ran:?}");
    let ran = one("nobody").await;
    assert!(ran.code == 1 && ran.out.contains("UnknownProvider"), "{ran:?}");
    let ran = one("failing-provider").await;
    assert!(ran.code == 1 && ran.out.contains("ContradictoryReference"), "{ran:?}");

    // An offer that would no longer take the order.
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, object: Value| {
        let file = folder.path().join(name);
        std::fs::write(&file, object.to_string()).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let narrower = write(
        "offer.json",
        json!({
            "apiVersion": "broker.platform-mesh.io/v1alpha1", "kind": "AcceptAPI",
            "metadata": { "name": "internal-ca-certificates", "namespace": "default" },
            "spec": {
                "gvr": { "group": "example.com", "version": "v1alpha1", "resource": "certificates" },
                "filters": [{ "key": "fqdn", "suffix": ".elsewhere" }],
            },
        }),
    );
    let changed = async |file: &str| {
        commands.as_broker(&["plan", "-f", file, "--provider", "failing-provider", "-o", "json"]).await
    };
    let ran = changed(&narrower).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let told = ran.json();
    assert_eq!(told["orders"].as_array().unwrap().len(), 1, "{told}");
    assert_eq!((&told["orders"][0]["name"], &told["orders"][0]["outcome"]), (&json!(ORDER), &json!("Moves")));
    assert_eq!(told["orders"][0]["to"], format!("default/internal-too of {to}"));
    assert_eq!(told["concurrentMoves"]["certificates.example.com"], 10);

    // The platform's word, in a file that asks for a playbook and drains the provider.
    let mut brokered =
        serde_json::to_value(stage.brokered_apis().get("certificates.example.com").await.unwrap()).unwrap();
    brokered["spec"]["moves"] = json!("PlaybookOnly");
    brokered["spec"]["providers"][1]["scheduling"] = json!("Draining");
    let draining = write("brokered.json", brokered);
    let ran = changed(&draining).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(ran.json()["orders"][0]["outcome"], "NoPlaybook", "{ran:?}");

    // With a playbook: its stages, what it makes, and that writes are held up.
    stage.decree(json!({ "moves": "PlaybookOnly" })).await;
    let certificate = json!({ "group": "example.com", "version": "v1alpha1", "kind": "Certificate" });
    let playbook = json!({
        "apiVersion": "broker.platform-mesh.io/v1alpha1", "kind": "MigrationConfiguration",
        "metadata": { "name": "certificates" },
        "spec": { "from": certificate, "to": certificate, "stages": [
            {
                "name": "copy", "phase": "Initial", "successConditions": ["status.copyProgress == 100"],
                "templates": { "mover": { "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "mover" } } },
            },
            { "name": "catch-up", "phase": "Cutover" },
        ] },
    });
    let playbook = serde_json::from_value(playbook).unwrap();
    stage.configurations().create(&PostParams::default(), &playbook).await.unwrap();
    let ran = one("healthy-provider").await;
    assert_eq!(ran.code, 0, "{ran:?}");
    for words in [
        "By the playbook certificates: it is for Certificate to Certificate",
        "ConfigMap mover",
        "status.copyProgress == 100",
        "takes no more writes from the first Cutover stage on",
    ] {
        assert!(ran.out.contains(words), "{words}: {}", ran.out);
    }
    let without = ["plan", &order, "--cluster", path, "--to", "healthy-provider", "--no-compute"];
    let ran = commands.as_broker(&without).await;
    assert!(ran.code == 1 && ran.out.contains("NoComputeCluster"), "{ran:?}");
    let wrong =
        write("other.json", json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "x" } }));
    let ran = changed(&wrong).await;
    assert!(ran.code == 2 && ran.err.contains("Secret x says nothing"), "{ran:?}");

    assert!(world.migrations().list(&ListParams::default()).await.unwrap().items.is_empty());
    let still = world.consumer.orders().get(ORDER).await.unwrap();
    assert!(look::served_by(&still, "Internal CA"));
    drop(commands);
    stage.close(world).await;
}
