//! The platform on which every simulated story is played, prepared once and forked for each.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use broker_core::resource::Gvr;
use broker_kcp::kcp::{ClusterApi, Connector, Resource};
use broker_operator::demo::stage::{PLATFORM, Stage};
use broker_operator::init::Server;
use broker_testkit::control_plane::ControlPlane;
use broker_testkit::provider::samples;
use broker_testkit::simulation::{Market, SimulatedClock, Weather, Wire, World, play};
use kube::Config;

/// Long enough to be told from none; simulated time costs nothing.
pub(crate) const GRACE: Duration = Duration::from_secs(30);
const CONSUMERS: [&str; 2] = ["acme", "globex"];
const PROVIDERS: [&str; 3] = ["internal-ca", "public-ca", "third-ca"];

/// A prepared control plane, and how everybody gets into it.
pub(crate) struct Template {
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
    pub(crate) fn get() -> &'static Self {
        static TEMPLATE: OnceLock<Template> = OnceLock::new();
        TEMPLATE.get_or_init(|| {
            // A thread of its own: who asks first may be on a runtime already.
            std::thread::scope(|scope| scope.spawn(Self::prepare).join().unwrap())
        })
    }

    fn prepare() -> Self {
        let found =
            |clock: Arc<SimulatedClock>| ControlPlane::builder().clock(clock).seed(1).start_in_process();
        play(1, found, |world| async move { Self::prepare_in(&world).await }).unwrap()
    }

    async fn prepare_in(world: &World) -> Self {
        let wire = world.wire("init", Weather::STILL);
        let server = Server::from_config(world.plane().admin_config()).through(Arc::new(wire));
        let stage = Stage::build_on(server.clone(), "root", GRACE, &[samples::CERTIFICATES]).await.unwrap();
        let mut agents = BTreeMap::new();
        for name in PROVIDERS {
            agents.insert(name.to_owned(), stage.agent_config(name).await.unwrap());
        }
        for name in CONSUMERS {
            stage.consumer(name).await.unwrap();
        }
        let all = [PLATFORM].into_iter().chain(CONSUMERS).chain(PROVIDERS);
        let owners: BTreeMap<String, Config> =
            all.map(|name| (name.to_owned(), server.config(&stage.path(name)).unwrap())).collect();
        let cluster = |name: &String| (name.clone(), world.plane().cluster(&stage.path(name)).unwrap());
        let clusters = owners.keys().map(cluster).collect();
        world.rest(Duration::from_mins(1), Duration::from_mins(10)).await.unwrap();
        let plane = world.plane().fork(world.clock().clone());
        Self { plane, broker: stage.broker().clone(), owners, agents, clusters }
    }

    /// A copy of the prepared control plane for one story.
    pub(crate) fn fork(&self, clock: Arc<SimulatedClock>) -> ControlPlane {
        self.plane.fork(clock)
    }

    /// The market of the sample API.
    pub(crate) fn market() -> Market {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Market {
            consumers: names(&CONSUMERS),
            providers: names(&PROVIDERS),
            orders: certificates(),
            field: "fqdn".to_owned(),
        }
    }

    /// An owner's way to its workspace.
    pub(crate) fn owner(&self, world: &World, name: &str, weather: Weather) -> ClusterApi {
        home(self.owners.get(name).unwrap(), world.wire(name, weather))
    }

    /// The way of a provider's agent to its workspace.
    pub(crate) fn agent(&self, world: &World, name: &str, weather: Weather) -> ClusterApi {
        home(self.agents.get(name).unwrap(), world.wire(&format!("{name}'s agent"), weather))
    }
}

fn home(config: &Config, wire: Wire) -> ClusterApi {
    Connector::new(config.clone(), Arc::new(wire)).home().unwrap().itself()
}

/// What is ordered.
pub(crate) fn certificates() -> Resource {
    Resource::namespaced(Gvr::new("example.com", "v1alpha1", "certificates"), "Certificate")
}
