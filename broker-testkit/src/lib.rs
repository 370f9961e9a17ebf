//! What the resource broker is tested with, for embedders and for controllers of other people's.
//!
//! | module | use it when |
//! |---|---|
//! | [`control_plane`] | a test needs a Kubernetes or kcp API server in milliseconds, in its own process |
//! | [`kcp`] | a test needs the real kcp: built on demand, one for each test binary |
//! | [`cert_manager`] | software that people run is to provide: cert-manager's own controllers, at work in any cluster or workspace |
//! | [`pebble`] | something orders certificates by ACME: Let's Encrypt's small server for tests, at work |
//! | [`kubernetes`] | a test needs the real Kubernetes API server and its controllers, without nodes |
//! | [`helm`] | a chart is to be linted and rendered by the real helm |
//! | [`contract`] | you want to know whether a server keeps the promises that controllers live on |
//! | [`memory`] | a decision of the broker is to be tried without any server |
//! | [`fault`] | something is to go wrong at exactly this write, request or event: crashes, lost replies, lies, silence |
//! | [`gate`] | a server is to go down, or fall silent, while a test looks on |
//! | [`compute`] | Jobs of a test are to be run: as processes of this machine, and programs that you allowed |
//! | [`provider`] | something must provide: a certificate authority with real X.509, and a reader that counts bad reads |
//! | `simulation` (feature) | whole histories are to replay from one number, judged by an oracle and shown to people |
//! | [`wait`] | a test waits for a condition: by watch, with a deadline and a useful last word |

pub mod cert_manager;
pub mod compute;
pub mod contract;
pub mod control_plane;
mod dice;
pub mod fault;
pub mod gate;
pub mod helm;
pub mod kcp;
mod keeper;
pub mod kubernetes;
pub mod memory;
pub mod pebble;
pub mod provider;
#[cfg(feature = "simulation")]
pub mod simulation;
mod tool;
pub mod wait;

pub use dice::Dice;
