//! The shell on kube-rs, alone: no operator decides, no provider works.

use broker_core::resource::{ClusterName, Object, ObjectRef};
use broker_kcp::Surroundings;
use broker_kcp::reconcile::{
    KcpMigrationExecutor, KcpOrderObserver, KcpPlaybooks, KcpProviderRegistry, Options, Service,
};
use broker_testkit::contract::ports::{Broken, Ground, Shell, check};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, PostParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;
use tokio::sync::watch;

use crate::actors::{Consumer, DEADLINE};
use crate::stage::Stage;

struct Kcp {
    executor: KcpMigrationExecutor,
    observer: KcpOrderObserver,
    ground: Ground,
    consumer: Consumer,
    provider: Client,
    compute: Client,
}

impl Shell for Kcp {
    type Executor = KcpMigrationExecutor;
    type Observer = KcpOrderObserver;

    fn executor(&self) -> &KcpMigrationExecutor {
        &self.executor
    }

    fn observer(&self) -> &KcpOrderObserver {
        &self.observer
    }

    fn ground(&self) -> &Ground {
        &self.ground
    }

    async fn order(&self, order: &Object) -> Result<Object, Broken> {
        let order: DynamicObject = serde_json::from_value(order.clone().into_value()).unwrap();
        Ok(read(&self.consumer.orders().create(&PostParams::default(), &order).await.unwrap()))
    }

    async fn look(&self, object: &ObjectRef) -> Result<Option<Object>, Broken> {
        let (key, gvk) = (&object.key, &object.gvk);
        let client = match &key.cluster {
            cluster if *cluster == self.ground.consumer => &self.consumer.client,
            cluster if *cluster == self.ground.provider => &self.provider,
            _ => &self.compute,
        };
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(&gvk.group, &gvk.version, &gvk.kind));
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &key.namespace, &kind);
        Ok(api.get_opt(&key.name).await.unwrap().as_ref().map(read))
    }
}

fn read(object: &DynamicObject) -> Object {
    Object::try_from(serde_json::to_value(object).unwrap()).unwrap()
}

/// The id of the logical cluster behind a workspace.
async fn cluster_of(client: &Client) -> ClusterName {
    let namespace = Api::<Namespace>::all(client.clone()).get("default").await.unwrap();
    namespace.annotations()["kcp.io/cluster"].as_str().into()
}

pub(crate) async fn the_shell_on_kube_rs_keeps_the_contract_of_the_ports(stage: Stage) {
    let (compute, config) = stage.compute().await;
    let (consumer, provider) = (stage.consumer("acme").await, stage.provider_at_rest("internal-ca").await);

    // One service follows everything and writes nothing; the executor is one of its fleet that leads.
    let (_idle, idle) = watch::channel(false);
    let (_leads, leads) = watch::channel(true);
    let options = Options { compute: Some(config), ..Options::default() };
    let service = Service::new(stage.broker(), Surroundings::default(), options, idle).unwrap();
    let fleet = service.fleet().clone();
    let registry = KcpProviderRegistry::new(fleet.clone(), true);
    let playbooks = KcpPlaybooks::new(&fleet);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let following = tokio::spawn(async move {
        service.run(async { drop(stopped.await) }).await;
    });

    let ground = Ground {
        gvr: broker_core::resource::Gvr::new("example.com", "v1alpha1", "certificates"),
        kind: "Certificate".to_owned(),
        spec: json!({ "fqdn": "app.internal.corp", "validity": "90d", "certType": "server" }),
        other_spec: json!({ "fqdn": "app.corp.com", "validity": "30d", "certType": "client" }),
        status: json!({ "observedGeneration": 1, "issuer": "Internal CA" }),
        namespace: "default".to_owned(),
        consumer: cluster_of(&consumer.client).await,
        provider: cluster_of(&provider).await,
        compute: "compute".into(),
    };
    let both = [ground.consumer.clone(), ground.provider.clone()];
    let api = ground.gvr.group_resource();
    let bound = || fleet.exports().iter().any(|export| both.iter().all(|cluster| export.is_bound(cluster)));
    // Nobody is told when a fleet has seen a binding.
    let started = tokio::time::Instant::now();
    while !bound() || !fleet.is_synced(&api) {
        assert!(started.elapsed() < DEADLINE, "the broker does not see both workspaces");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let shell = Kcp {
        executor: KcpMigrationExecutor::new(fleet.clone(), leads),
        observer: KcpOrderObserver::new(fleet, registry, playbooks),
        ground,
        consumer,
        provider,
        compute,
    };
    let checked = check(&shell).await.unwrap_or_else(|broken| panic!("{broken}"));
    assert_eq!(checked, 24);
    drop(stop);
    following.await.unwrap();
    stage.shut_down().await;
}
