//! Faults on command: everything that goes wrong between a controller and its API server, at the very moment that a
//! test names.
//!
//! # The model
//!
//! A controller is what it sends and what it hears. What it sends are **requests**, some of which are **writes**,
//! **lists** or **watches**; what it hears without asking again are the **events** of its watches. Each of these five
//! is counted from the first one on, over all clients of the controller together, so that *the ninth write* means the
//! same moment in every run of a deterministic test. A [`Point`] is such a moment, or a time since the faults were
//! armed; a [`Harm`] is what happens there; a [`Plan`] is a set of both, and can be written down in one line:
//!
//! ```
//! use broker_testkit::fault::Plan;
//!
//! let plan: Plan = "w9!crash-after, r31!too-many(2s), e4!cut".parse()?;
//! assert_eq!(plan.to_string(), "r31!too-many(2s),w9!crash-after,e4!cut");
//! # Ok::<(), broker_testkit::fault::PlanError>(())
//! ```
//!
//! | before the `!` | the harm happens at |
//! |---|---|
//! | `r31` | the 31st request, of any kind |
//! | `w9` | the 9th write (create, update, patch, delete; no dry runs, no reviews of rights) |
//! | `l4` | the 4th list, where every page counts |
//! | `s3` | the 3rd watch (stream) that is opened |
//! | `e4` | the 4th event of any watch, bookmarks included |
//! | `t90s` | 90 seconds after arming |
//!
//! Behind it stands a word, with its parameter in brackets: see [`Harm`]. Durations are whole numbers with the unit
//! `h`, `m`, `s`, `ms`, `us` or `ns`; faults are separated by commas; `none` is the plan without any.
//!
//! # How a test uses it
//!
//! 1. Run the story once with an empty plan, and take the [`Census`]: how many requests, writes, and so on there were.
//! 2. Let it enumerate the plans with one fault each ([`Census::singles`]), and run the story with every one of them.
//! 3. A plan that breaks something is made smaller with [`Plan::shrink`], as long as it still breaks.
//!
//! ```
//! use std::sync::Arc;
//! use broker_testkit::fault::{Injector, Plan};
//!
//! # fn started(client: kube::Client) {}
//! # async fn story(client: kube::Client) -> Result<(), broker_testkit::fault::PlanError> {
//! let injector = Injector::new("w2!crash-after".parse()?);
//! // Whatever the controller gets its clients from, they go through the injector …
//! started(injector.client(client.clone()));
//! // … and when it died, the next one starts where the first left the server.
//! if injector.is_crashed() {
//!     injector.revive();
//!     started(injector.client(client));
//! }
//! injector.quiet();
//! println!("{:?}", injector.injected());
//! # Ok(())
//! # }
//! ```
//!
//! The [`Injector`] sits in the controller's own process, as a tower [`Layer`] below [`kube::Client`]; for a controller
//! in another process, or in another language, a [`Proxy`] carries the same layer before any server.
//!
//! What a transport cannot do by itself (kill a process, turn a clock, change an object) is asked of the world around
//! through [`Hooks`]. A controller that "crashed" gets no answer to anything any more and nothing that it sends reaches
//! the server, whether or not its process is killed at once: this is what makes a crash after the ninth write exact.
//!
//! # What it promises
//!
//! Every fault happens at most once. Nothing here draws random numbers, reads another clock than tokio's, or spawns a
//! task (except for the proxy, which serves connections), so that it runs under paused time and replays. What was done
//! is told by [`Injector::injected`], what was not reached by [`Injector::pending`].

mod answer;
mod asked;
mod body;
mod census;
mod client;
mod effect;
mod harm;
mod hooks;
mod injector;
mod layer;
mod lists;
mod plan;
mod point;
mod proxy;
mod shrink;
mod text;
mod watch;
mod window;

pub use asked::Asked;
pub use body::Body;
pub use census::Census;
pub use harm::{Failure, Harm};
pub use hooks::{Hooks, Jump, SliceChange};
pub use injector::{Injected, Injector};
pub use layer::{Faulty, Layer};
pub use plan::{Fault, Plan};
pub use point::{Point, Series};
pub use proxy::{Proxy, ProxyError};
pub use text::PlanError;
