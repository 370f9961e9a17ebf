//! Stories of a market for one brokered API: who offers, orders, changes its mind, and withdraws.

use std::time::Duration;

use broker_core::resource::{Gvr, marker};
use broker_kcp::kcp::Resource;
use serde_json::{Value, json};

use super::playbook::playbook;
use super::story::{Step, Story};
use crate::dice::Dice;
use crate::provider::MANAGED_LABEL;

/// Where everything lives.
const NAMESPACE: &str = "default";

/// Who takes part in a market, and what is ordered there: objects whose one field ends with the name of a zone. Each
/// provider takes the zone of its name, so that who serves an order in the end follows from the order alone.
#[derive(Clone, Debug)]
pub struct Market {
    /// Whose word holds for all moves, and who writes playbooks.
    pub platform: String,
    /// The workspace in which those of all members are.
    pub tree: String,
    /// Who orders.
    pub consumers: Vec<String>,
    /// Who offers.
    pub providers: Vec<String>,
    /// What is ordered.
    pub orders: Resource,
    /// The field of its spec that decides, such as `fqdn`.
    pub field: String,
}

impl Market {
    /// A provider offers what ends with its zone.
    pub fn offer(&self, provider: &str) -> Step {
        let gvr = &self.orders.gvr;
        let object = json!({
            "apiVersion": format!("{}/{}", marker::GROUP, marker::VERSION), "kind": "AcceptAPI",
            "metadata": {"name": "offer", "namespace": NAMESPACE},
            "spec": {
                "gvr": {"group": gvr.group, "version": gvr.version, "resource": gvr.resource},
                "filters": [{"key": self.field, "suffix": zone(provider)}],
            },
        });
        Step::Apply { who: provider.to_owned(), resource: offers(), object }
    }

    /// A provider withdraws its offer.
    pub fn withdraw(&self, provider: &str) -> Step {
        Step::Delete {
            who: provider.to_owned(),
            resource: offers(),
            namespace: NAMESPACE.to_owned(),
            name: "offer".to_owned(),
        }
    }

    /// A consumer orders in the zone of a provider, or moves an order of this name there.
    pub fn order(&self, consumer: &str, name: &str, provider: &str) -> Step {
        self.order_of(consumer, name, format!("{name}-{consumer}{}", zone(provider)))
    }

    fn order_of(&self, consumer: &str, name: &str, what: String) -> Step {
        let mut spec = serde_json::Map::new();
        spec.insert(self.field.clone(), Value::from(what));
        let object = json!({
            "apiVersion": self.orders.gvr.api_version(), "kind": self.orders.kind,
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": spec,
        });
        Step::Apply { who: consumer.to_owned(), resource: self.orders.clone(), object }
    }

    /// A consumer changes an order in a way that its provider still takes.
    pub fn amend(&self, consumer: &str, name: &str, provider: &str) -> Step {
        self.order_of(consumer, name, format!("new-{name}-{consumer}{}", zone(provider)))
    }

    /// A consumer puts a Secret of its own where one would be handed over, one that it once copied from another with all
    /// its labels.
    pub fn obstruct(&self, consumer: &str, secret: &str) -> Step {
        let object = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {"name": secret, "namespace": NAMESPACE, "labels": {MANAGED_LABEL: "true"}},
            "data": {"mine": "bXkgb3duIHNlY3JldA=="},
        });
        Step::Apply { who: consumer.to_owned(), resource: Resource::secrets(), object }
    }

    /// A consumer removes a Secret.
    pub fn clear(&self, consumer: &str, secret: &str) -> Step {
        Step::Delete {
            who: consumer.to_owned(),
            resource: Resource::secrets(),
            namespace: NAMESPACE.to_owned(),
            name: secret.to_owned(),
        }
    }

    /// A consumer deletes an order.
    pub fn cancel(&self, consumer: &str, name: &str) -> Step {
        Step::Delete {
            who: consumer.to_owned(),
            resource: self.orders.clone(),
            namespace: NAMESPACE.to_owned(),
            name: name.to_owned(),
        }
    }

    /// The platform says how orders that hold data move: by a [`SimulatedMover`](super::SimulatedMover), and back by it too,
    /// with the rows that the new copy took.
    pub fn playbook(&self) -> Step {
        self.playbook_of(None, true)
    }

    /// The same for moves to one provider, with two stages that somebody has to approve: `copy`, before the switch, and
    /// `compare`, after it. It may have no way `back`.
    pub fn approved_playbook(&self, to: &str, back: bool) -> Step {
        self.playbook_of(Some(to), back)
    }

    fn playbook_of(&self, third: Option<&str>, back: bool) -> Step {
        let third = third.map(|third| format!("{}:{third}", self.tree));
        let name = if third.is_some() { "approved" } else { "carried" };
        let object = json!({
            "apiVersion": format!("{}/{}", marker::GROUP, marker::VERSION), "kind": "MigrationConfiguration",
            "metadata": {"name": name}, "spec": playbook(&self.orders, third.as_deref(), back),
        });
        let resource = Resource::cluster_scoped(
            Gvr::new(marker::GROUP, marker::VERSION, "migrationconfigurations"),
            "MigrationConfiguration",
        );
        Step::Apply { who: self.platform.clone(), resource, object }
    }

    /// The platform says something of every move: `{"rollback": true}`.
    pub fn word(&self, word: &Value) -> Step {
        let resource =
            Resource::cluster_scoped(Gvr::new(marker::GROUP, marker::VERSION, "migrations"), "Migration");
        Step::MergeAll { who: self.platform.clone(), resource, patch: json!({"spec": word}) }
    }

    /// An order that holds data is served, and moves there and back when it is changed.
    pub fn kept(&self) -> Story {
        let (Some(consumer), [from, to, ..]) = (self.consumers.first(), self.providers.as_slice()) else {
            return Story::default();
        };
        let name = "my-db";
        Story {
            steps: vec![
                self.playbook(),
                self.offer(from),
                self.offer(to),
                self.order(consumer, name, from),
                Step::Settle,
                self.order(consumer, name, to),
                Step::Settle,
                self.order(consumer, name, from),
                Step::Settle,
            ],
        }
    }

    /// An order that holds data begins to move, and waits for approval of its first stage; then this happens.
    fn held_up(&self, back: bool, then: impl FnOnce(&str, &str) -> Vec<Step>) -> Story {
        let (Some(consumer), [from, _, to, ..]) = (self.consumers.first(), self.providers.as_slice()) else {
            return Story::default();
        };
        let name = "my-db";
        let begin = [
            self.playbook(),
            self.approved_playbook(to, back),
            self.offer(from),
            self.offer(to),
            self.order(consumer, name, from),
            Step::Settle,
            self.order(consumer, name, to),
            Step::Settle,
        ];
        let steps = begin.into_iter().chain(then(consumer, from)).chain([Step::Settle]).collect();
        Story { steps }
    }

    /// After the switch of an order that holds data it is called off, which is too late, and called back.
    pub fn recalled(&self) -> Story {
        self.held_up(true, |consumer, from| {
            vec![
                self.word(&json!({"approvedStages": ["copy"]})),
                Step::Settle,
                self.word(&json!({"cancel": true})),
                Step::Settle,
                self.order(consumer, "my-db", from),
                self.word(&json!({"cancel": false, "rollback": true})),
            ]
        })
    }

    /// After the switch of an order that holds data it is called back, and what it was promised since would be lost on the
    /// way; it is left where it is.
    pub fn irrevocable(&self) -> Story {
        self.held_up(false, |_, _| {
            vec![
                self.word(&json!({"approvedStages": ["copy"]})),
                Step::Settle,
                self.word(&json!({"rollback": true})),
                Step::Settle,
                self.word(&json!({"rollback": false, "approvedStages": ["copy", "compare"]})),
            ]
        })
    }

    /// Before the switch of an order that holds data its move is called off.
    pub fn called_off(&self) -> Story {
        self.held_up(true, |consumer, from| {
            vec![self.word(&json!({"cancel": true})), self.order(consumer, "my-db", from)]
        })
    }

    /// After the switch of an order that holds data, and before its move is over, it is deleted.
    pub fn left(&self) -> Story {
        self.held_up(true, |consumer, _| {
            let approve = self.word(&json!({"approvedStages": ["copy"]}));
            vec![approve, Step::Settle, self.cancel(consumer, "my-db")]
        })
    }

    /// Any story of orders that hold data: nobody deletes what others keep, and moves are held up for a while.
    pub fn drawn_kept(&self, dice: &mut Dice) -> Story {
        let mut steps = vec![self.playbook()];
        steps.extend(self.providers.iter().map(|provider| self.offer(provider)));
        steps.extend(self.acts(dice, |draw, [consumer, provider, name]| match draw {
            0..=8 => self.order(consumer, name, provider),
            9 => self.cancel(consumer, name),
            10 => self.withdraw(provider),
            11 => self.offer(provider),
            12 => self.word(&json!({"paused": true})),
            13 => self.word(&json!({"paused": false})),
            _ => Step::Settle,
        }));
        steps.extend(self.providers.iter().map(|provider| self.offer(provider)));
        steps.extend([self.word(&json!({"paused": false})), Step::Settle]);
        Story { steps }
    }

    /// The mission's story: an order is served, moves to another provider when it is changed, and is deleted.
    pub fn classic(&self) -> Story {
        let (Some(consumer), [from, to, ..]) = (self.consumers.first(), self.providers.as_slice()) else {
            return Story::default();
        };
        let name = "my-app-cert";
        Story {
            steps: vec![
                self.offer(from),
                self.offer(to),
                self.order(consumer, name, from),
                Step::Settle,
                self.order(consumer, name, to),
                Step::Settle,
                self.cancel(consumer, name),
                Step::Settle,
            ],
        }
    }

    /// Every consumer orders under the same name from the same provider, at once; then the first one moves away, and at
    /// last the second one is done.
    pub fn namesakes(&self) -> Story {
        let ([one, other, ..], [from, to, ..]) = (self.consumers.as_slice(), self.providers.as_slice())
        else {
            return Story::default();
        };
        let name = "same";
        Story {
            steps: vec![
                self.offer(from),
                self.offer(to),
                self.order(one, name, from),
                self.order(other, name, from),
                Step::Settle,
                self.order(one, name, to),
                Step::Settle,
                self.cancel(other, name),
                Step::Settle,
            ],
        }
    }

    /// A consumer has Secrets of its own where others are to be handed over. For the first it soon makes way, for the second
    /// it never does.
    pub fn obstructed(&self) -> Story {
        let (Some(consumer), Some(provider)) = (self.consumers.first(), self.providers.first()) else {
            return Story::default();
        };
        Story {
            steps: vec![
                self.offer(provider),
                self.obstruct(consumer, "one-key"),
                self.obstruct(consumer, "two-key"),
                self.order(consumer, "one", provider),
                self.order(consumer, "two", provider),
                Step::Wait(Duration::from_secs(5)),
                self.clear(consumer, "one-key"),
                Step::Settle,
            ],
        }
    }

    /// A provider deletes what it provides, and just then the consumer changes its order.
    pub fn crossed(&self) -> Story {
        let (Some(consumer), Some(provider)) = (self.consumers.first(), self.providers.first()) else {
            return Story::default();
        };
        let name = "one";
        Story {
            steps: vec![
                self.offer(provider),
                self.order(consumer, name, provider),
                Step::Settle,
                Step::DeleteAll { who: provider.clone(), resource: self.orders.clone() },
                self.amend(consumer, name, provider),
                Step::Settle,
                self.order(consumer, name, provider),
                Step::DeleteAll { who: provider.clone(), resource: self.orders.clone() },
                Step::Settle,
            ],
        }
    }

    /// Any story. In the end everybody who is ordered from offers, so that every order that is left can be served.
    pub fn drawn(&self, dice: &mut Dice) -> Story {
        let mut steps: Vec<Step> = Vec::new();
        for provider in &self.providers {
            if !dice.once_in(4) {
                steps.push(self.offer(provider));
            }
        }
        steps.extend(self.acts(dice, |draw, [consumer, provider, name]| match draw {
            0..=7 => self.order(consumer, name, provider),
            8..=9 => self.cancel(consumer, name),
            10 => self.withdraw(provider),
            11..=12 => self.offer(provider),
            // Somebody cleans up what is not theirs.
            13 => Step::DeleteAll { who: provider.to_owned(), resource: self.orders.clone() },
            14 => Step::DeleteAll { who: consumer.to_owned(), resource: Resource::secrets() },
            _ => Step::Settle,
        }));
        steps.extend(self.providers.iter().map(|provider| self.offer(provider)));
        steps.push(Step::Settle);
        Story { steps }
    }

    /// A few acts, each what `act` makes of a number below 16, a consumer, a provider and a name, with pauses between them.
    fn acts(&self, dice: &mut Dice, act: impl Fn(u64, [&str; 3]) -> Step) -> Vec<Step> {
        let mut steps = Vec::new();
        for _ in 0..4 + dice.below(8) {
            let (Some(consumer), Some(provider), Some(name)) =
                (dice.one_of(&self.consumers), dice.one_of(&self.providers), dice.one_of(&["one", "two"]))
            else {
                break;
            };
            steps.push(act(dice.below(16), [consumer, provider, name]));
            if !dice.once_in(3) {
                // From "while the answer is on its way" to "long after".
                let longest = dice.one_of(&[5, 50, 500, 5_000, 60_000]).copied().unwrap_or_default();
                steps.push(Step::Wait(dice.span(Duration::ZERO, Duration::from_millis(longest))));
            }
        }
        steps
    }
}

/// What the objects that a provider takes end with.
pub fn zone(provider: &str) -> String {
    format!(".{provider}.corp")
}

fn offers() -> Resource {
    Resource::namespaced(Gvr::new(marker::GROUP, marker::VERSION, "acceptapis"), "AcceptAPI")
}
