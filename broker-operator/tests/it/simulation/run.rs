//! One case, played once: a story, the faults in it, and what came of both.

use std::sync::Arc;
use std::time::Duration;

use broker_core::resource::Gvr;
use broker_kcp::kcp::{ClusterApi, Resource, Selector};
use broker_kcp::{Connect, Surroundings};
use broker_operator::demo::stage::PLATFORM;
use broker_operator::{LeaderElection, Operator};
use broker_testkit::fault::{Census, Harm, Hooks, Injected, Injector, Jump, Plan, SliceChange};
use broker_testkit::simulation::history::History;
use broker_testkit::simulation::{
    Cast, Manners, SimulatedClock, SimulatedMover, SimulatedProvider, SimulatedUser, Stores, Story, Weather,
    World, play,
};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tower::Layer as _;

use super::lawful;
use super::state::State;
use super::template::{COMPUTE, Goods, Template};
use super::verdict;

/// How long it takes until a dead operator is replaced.
const ABSENCE: Duration = Duration::from_secs(1);
/// For so long everything is looked at once more after it came to rest: several resyncs, and every lost connection.
const AFTERMATH: Duration = Duration::from_mins(6);
/// How long a mover needs for a step.
const MOVES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(400));
/// From one write of a user to the next.
const PACE: Duration = Duration::from_millis(50);

/// What is to be played.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) goods: Goods,
    pub(crate) seed: u64,
    pub(crate) story: Story,
    pub(crate) manners: Vec<Manners>,
    pub(crate) weather: Weather,
    pub(crate) plan: Plan,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) history: History,
    pub(crate) census: Census,
    pub(crate) injected: Vec<Injected>,
    /// How it all stands in the end, without what differs from one good run to another.
    pub(crate) end: State,
    /// How many rows users were promised.
    pub(crate) promised: usize,
    /// What is wrong with it.
    pub(crate) problems: Vec<String>,
}

/// What a transport cannot do, and asks for.
#[derive(Debug)]
enum Deed {
    Crash,
    Slice(SliceChange),
}

struct Around {
    deeds: UnboundedSender<Deed>,
    clock: Arc<SimulatedClock>,
}

impl Hooks for Around {
    fn crash(&self) {
        self.deeds.send(Deed::Crash).ok();
    }

    fn clock_jumps(&self, jump: Jump) -> bool {
        let millis = |span: Duration| i64::try_from(span.as_millis()).unwrap();
        self.clock.jump(match jump {
            Jump::Forward(span) => millis(span),
            Jump::Back(span) => -millis(span),
        });
        true
    }

    fn slice_changes(&self, change: SliceChange) -> bool {
        self.deeds.send(Deed::Slice(change)).is_ok()
    }
}

impl Run {
    pub(crate) fn play(self) -> Outcome {
        let template = Template::of(self.goods);
        play(self.seed, |clock| template.fork(clock), |world| self.scene(template, world)).unwrap()
    }

    async fn scene(self, template: &'static Template, world: World) -> Outcome {
        let market = template.market();
        let mut lives = JoinSet::new();
        let stores = (self.goods == Goods::Kept).then(Stores::default);
        for (name, manners) in market.providers.iter().zip(&self.manners) {
            let provider = SimulatedProvider {
                name: name.clone(),
                api: template.agent(&world, name, self.weather),
                resource: market.orders.clone(),
                mark: self.goods.mark().to_owned(),
                stores: stores.clone(),
                manners: manners.clone(),
            };
            lives.spawn(provider.serve(world.clock().clone(), world.dice(name)));
        }
        let mut users = Vec::new();
        if let Some(stores) = stores {
            let compute = template.owner(&world, COMPUTE, self.weather);
            let mover = SimulatedMover { api: compute, stores: stores.clone(), takes: MOVES };
            lives.spawn(mover.serve(world.dice("mover")));
            for name in &market.consumers {
                let home = template.user(&world, name, self.weather);
                let user = SimulatedUser::new(name, home, market.orders.clone(), stores.clone(), PACE);
                lives.spawn(user.clone().work());
                users.push(user);
            }
        }
        let people = market.consumers.iter().chain(&market.providers).chain([&market.platform]);
        let cast: Cast =
            people.map(|name| (name.clone(), template.owner(&world, name, self.weather))).collect();
        let (deeds, asked) = unbounded_channel();
        let around = Around { deeds, clock: world.clock().clone() };
        let injector = Injector::with_hooks(self.plan.clone(), Arc::new(around));
        lives.spawn(operators(template, world.clone(), injector.clone(), self.weather, asked));
        lives.spawn({
            let injector = injector.clone();
            async move { injector.moments().await }
        });
        let mut problems = Vec::new();
        if let Err(error) = self.story.play(&world, &cast).await {
            problems.push(format!("the story could not be played: {error}"));
        }
        injector.quiet();
        world.journal().say("story", "the faults are over");
        // Whose clock went back waits so much longer for what is due; and only then the rest of it begins.
        let late = self.plan.faults().map(|fault| behind(fault.harm())).sum::<Duration>();
        let silence = Duration::from_mins(3) + late;
        if let Err(error) = world.rest(silence, Duration::from_mins(20) + late + silence).await {
            problems.push(error.to_string());
        }
        world.journal().say("story", "nothing may be written from here on");
        let rested = world.journal().len();
        tokio::time::sleep(AFTERMATH).await;
        problems.extend(users.iter().flat_map(SimulatedUser::problems));
        let history = world.history();
        let end = State::of(&history, template);
        let broken = verdict::broken(verdict::setting(template, &self.plan), template, &history, rested);
        problems.extend(broken.iter().map(ToString::to_string));
        problems.extend(lawful::breaches(&history));
        let promised = users.iter().map(SimulatedUser::acknowledged).sum();
        let (census, injected) = (injector.census(), injector.injected());
        Outcome { history, census, injected, end, promised, problems }
    }
}

/// By how much a fault sets the clock back.
fn behind(harm: Harm) -> Duration {
    if let Harm::Back(span) = harm { span } else { Duration::ZERO }
}

/// One operator after the other, as something outside starts a new one whenever one died.
async fn operators(
    template: &'static Template,
    world: World,
    injector: Injector,
    weather: Weather,
    mut asked: UnboundedReceiver<Deed>,
) {
    for life in 1.. {
        let wire = world.wire(&format!("operator-{life}"), weather);
        let connect: Arc<dyn Connect> = Arc::new(injector.layer().layer(wire));
        let operator = Operator::builder()
            .config(template.broker.clone())
            .surroundings(Surroundings { clock: world.clock().clone(), connect, ..Surroundings::default() })
            .leader_election(LeaderElection::Off)
            .identity(format!("operator-{life}"));
        let operator = match template.compute() {
            Some(config) => operator.compute(config.clone()),
            None => operator,
        };
        let operator = operator.build().await.unwrap();
        let running = tokio::spawn(operator.run(std::future::pending()));
        loop {
            match asked.recv().await {
                Some(Deed::Crash) => break,
                Some(Deed::Slice(change)) => {
                    world.journal().harmed("operator", format!("{change:?}"));
                    let platform = template.owner(&world, PLATFORM, Weather::STILL);
                    tokio::spawn(change_slices(platform, change));
                }
                None => return,
            }
        }
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled(), "the operator ended by itself");
        world.journal().say("operator", "died");
        tokio::time::sleep(ABSENCE).await;
        injector.revive();
    }
}

/// Changes where the exports' virtual workspaces are said to be.
async fn change_slices(platform: ClusterApi, change: SliceChange) {
    let slices = Resource::cluster_scoped(
        Gvr::new("apis.kcp.io", "v1alpha1", "apiexportendpointslices"),
        "APIExportEndpointSlice",
    );
    let (all, _) = platform.list(&slices, "", &Selector::default()).await.unwrap();
    for slice in all {
        let before = slice.get(&["status", "endpoints"]).cloned().unwrap_or_default();
        let say = |endpoints: Value| {
            let (slices, platform, name) = (slices.clone(), platform.clone(), slice.name().to_owned());
            async move {
                let patch = json!({"status": {"endpoints": endpoints}});
                platform.merge_status(&slices, "", &name, &patch, "kcp").await.unwrap();
            }
        };
        match change {
            SliceChange::Lost(span) => {
                say(json!([])).await;
                tokio::time::sleep(span).await;
                say(before).await;
            }
            SliceChange::Moved => {
                let text = before.to_string().replace("control-plane.invalid", "elsewhere.invalid");
                say(serde_json::from_str(&text).unwrap()).await;
            }
        }
    }
}
