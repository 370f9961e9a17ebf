//! The platforms on which simulated stories are played, each prepared once and forked for each story: one brokers
//! certificates, which move freely, the other databases, which hold data and move by a playbook.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use broker_core::resource::Gvr;
use broker_kcp::api::v1alpha1::Moves;
use broker_kcp::kcp::{ClusterApi, Connector, Resource};
use broker_operator::demo::stage::{PLATFORM, Stage};
use broker_operator::init::Server;
use broker_testkit::control_plane::ControlPlane;
use broker_testkit::provider::samples;
use broker_testkit::simulation::oracle::Brokered;
use broker_testkit::simulation::{Market, SimulatedClock, Weather, Wire, World, play};
use kube::Config;

/// Long enough to be told from none; simulated time costs nothing.
pub(crate) const GRACE: Duration = Duration::from_secs(30);
const CONSUMERS: [&str; 2] = ["acme", "globex"];
const PROVIDERS: [&str; 3] = ["internal-ca", "public-ca", "third-ca"];
/// Where all workspaces are.
const TREE: &str = "root";
/// Where helper objects of moves are.
pub(crate) const COMPUTE: &str = "compute";

/// What is brokered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Goods {
    /// Certificates: a copy is as good as another.
    Free,
    /// Databases: what is in them moves with them.
    Kept,
}

/// A prepared control plane, and how everybody gets into it.
pub(crate) struct Template {
    pub(crate) goods: Goods,
    plane: ControlPlane,
    /// What the operator runs with.
    pub(crate) broker: Config,
    /// The owners of all workspaces, by name.
    owners: BTreeMap<String, Config>,
    /// The agents of the providers, with no more rights than they need.
    agents: BTreeMap<String, Config>,
    /// Logical clusters by member.
    pub(crate) clusters: BTreeMap<String, String>,
}

impl Template {
    /// The one of this process. The same in every process.
    pub(crate) fn of(goods: Goods) -> &'static Self {
        static FREE: OnceLock<Template> = OnceLock::new();
        static KEPT: OnceLock<Template> = OnceLock::new();
        let template = match goods {
            Goods::Free => &FREE,
            Goods::Kept => &KEPT,
        };
        template.get_or_init(|| {
            // A thread of its own: who asks first may be on a runtime already.
            std::thread::scope(|scope| scope.spawn(|| Self::prepare(goods)).join().unwrap())
        })
    }

    fn prepare(goods: Goods) -> Self {
        let found =
            |clock: Arc<SimulatedClock>| ControlPlane::builder().clock(clock).seed(1).start_in_process();
        play(1, found, |world| async move { Self::prepare_in(&world, goods).await }).unwrap()
    }

    async fn prepare_in(world: &World, goods: Goods) -> Self {
        let wire = world.wire("init", Weather::STILL);
        let server = Server::from_config(world.plane().admin_config()).through(Arc::new(wire));
        let stage = Stage::build_on(server.clone(), TREE, GRACE, &[goods.definition()]).await.unwrap();
        let mut agents = BTreeMap::new();
        for name in PROVIDERS {
            agents.insert(name.to_owned(), stage.agent_config(name).await.unwrap());
        }
        let members = CONSUMERS.into_iter().chain((goods == Goods::Kept).then_some(COMPUTE));
        for name in members.clone() {
            stage.consumer(name).await.unwrap();
        }
        let all = [PLATFORM].into_iter().chain(members).chain(PROVIDERS);
        let owners: BTreeMap<String, Config> =
            all.map(|name| (name.to_owned(), server.config(&stage.path(name)).unwrap())).collect();
        let cluster = |name: &String| (name.clone(), world.plane().cluster(&stage.path(name)).unwrap());
        let clusters = owners.keys().map(cluster).collect();
        world.rest(Duration::from_mins(1), Duration::from_mins(10)).await.unwrap();
        let plane = world.plane().fork(world.clock().clone());
        Self { goods, plane, broker: stage.broker().clone(), owners, agents, clusters }
    }

    /// A copy of the prepared control plane for one story.
    pub(crate) fn fork(&self, clock: Arc<SimulatedClock>) -> ControlPlane {
        self.plane.fork(clock)
    }

    /// The market of what is brokered.
    pub(crate) fn market(&self) -> Market {
        self.goods.market()
    }

    /// How the operator gets to the cluster for helper objects, where there is one.
    pub(crate) fn compute(&self) -> Option<&Config> {
        self.owners.get(COMPUTE)
    }

    /// An owner's way to its workspace.
    pub(crate) fn owner(&self, world: &World, name: &str, weather: Weather) -> ClusterApi {
        home(self.owners.get(name).unwrap(), world.wire(name, weather))
    }

    /// The way of a consumer's own program, which is another than its owner's.
    pub(crate) fn user(&self, world: &World, name: &str, weather: Weather) -> ClusterApi {
        home(self.owners.get(name).unwrap(), world.wire(&format!("{name}'s program"), weather))
    }

    /// The way of a provider's agent to its workspace.
    pub(crate) fn agent(&self, world: &World, name: &str, weather: Weather) -> ClusterApi {
        home(self.agents.get(name).unwrap(), world.wire(&format!("{name}'s agent"), weather))
    }
}

fn home(config: &Config, wire: Wire) -> ClusterApi {
    Connector::new(config.clone(), Arc::new(wire)).home().unwrap().itself()
}

impl Goods {
    /// The API, as a CRD.
    fn definition(self) -> &'static str {
        match self {
            Self::Free => samples::CERTIFICATES,
            Self::Kept => samples::DATABASES,
        }
    }

    pub(crate) fn market(self) -> Market {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let (resource, kind, field) = match self {
            Self::Free => ("certificates", "Certificate", "fqdn"),
            Self::Kept => ("databases", "Database", "engine"),
        };
        Market {
            platform: PLATFORM.to_owned(),
            tree: TREE.to_owned(),
            consumers: names(&CONSUMERS),
            providers: names(&PROVIDERS),
            orders: Resource::namespaced(Gvr::new("example.com", "v1alpha1", resource), kind),
            field: field.to_owned(),
        }
    }

    /// The field of a status that says who serves.
    pub(crate) fn mark(self) -> &'static str {
        match self {
            Self::Free => "issuer",
            Self::Kept => "zone",
        }
    }

    /// What was promised of it.
    pub(crate) fn brokered(self) -> Brokered {
        match self {
            Self::Free => Brokered::certificates(GRACE),
            Self::Kept => Brokered {
                resource: "databases".to_owned(),
                kind: "Database".to_owned(),
                moves: Moves::PlaybookOnly,
                ..Brokered::certificates(GRACE)
            },
        }
    }
}
