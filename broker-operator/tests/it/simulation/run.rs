//! One story, played once.

use std::sync::Arc;
use std::time::Duration;

use broker_kcp::Surroundings;
use broker_operator::{LeaderElection, Operator};
use broker_testkit::simulation::history::{Event, History};
use broker_testkit::simulation::{Cast, Manners, SimulatedProvider, Story, StoryError, Weather, World, play};

use super::template::{Template, certificates};

/// What is to be played.
pub(crate) struct Run {
    pub(crate) seed: u64,
    pub(crate) story: Story,
    pub(crate) weather: Weather,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) history: History,
    pub(crate) ended: Result<(), StoryError>,
}

impl Run {
    pub(crate) fn play(self) -> Outcome {
        let template = Template::get();
        play(self.seed, |clock| template.fork(clock), |world| self.scene(template, world)).unwrap()
    }

    async fn scene(self, template: &Template, world: World) -> Outcome {
        let market = Template::market();
        let mut lives = tokio::task::JoinSet::new();
        for name in &market.providers {
            let provider = SimulatedProvider {
                name: name.clone(),
                api: template.agent(&world, name, self.weather),
                resource: certificates(),
                mark: "issuer".to_owned(),
                manners: Manners::PROMPT,
            };
            lives.spawn(provider.serve(world.clock().clone(), world.dice(name)));
        }
        let cast: Cast = market
            .consumers
            .iter()
            .chain(&market.providers)
            .map(|name| (name.clone(), template.owner(&world, name, self.weather)))
            .collect();
        let operator = Operator::builder()
            .config(template.broker.clone())
            .surroundings(Surroundings {
                clock: world.clock().clone(),
                connect: Arc::new(world.wire("operator", self.weather)),
            })
            .leader_election(LeaderElection::Off)
            .identity("operator-1")
            .build()
            .await
            .unwrap();
        lives.spawn(async move {
            operator.run(std::future::pending()).await.unwrap();
        });
        let ended = self.story.play(&world, &cast).await;
        let _ = Duration::ZERO;
        Outcome { history: world.history(), ended }
    }
}

/// One entry for people.
pub(crate) fn line(event: &Event) -> String {
    match event {
        Event::Wrote(write) => format!(
            "WROTE {:?} {:?} {}/{} {}/{} by {:?}",
            write.revision, write.kind, write.cluster, write.resource, write.namespace, write.name, write.by
        ),
        Event::Called(call) => format!(
            "called {} {} {} {}/{} {} -> {:?}",
            call.who, call.verb, call.resource, call.namespace, call.name, call.subresource, call.status
        ),
        Event::Harmed { client, what } => format!("HARM {client} {what}"),
        Event::Said { who, what } => format!("SAID {who}: {what}"),
    }
}
