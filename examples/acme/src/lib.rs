//! A provider of certificates that orders them by ACME (RFC 8555): for the example's commands and its tests.
//!
//! [`Authority`] is an ordinary controller of one cluster. It knows nothing of the broker but the label that lets a Secret
//! be handed over and the shape of `status.relatedResources`.

mod account;
mod authority;
mod certificate;
mod challenge;
mod directory;
mod issue;
mod scene;
mod status;
mod trouble;

pub use authority::{Authority, AuthorityError};
pub use certificate::{Leaf, chains_to, leaf};
pub use challenge::{Challenges, Responder};
pub use directory::{Directory, DirectoryError};
pub use scene::{CONSUMER, INTERNAL, OFFER, PUBLIC, Scene, Sight, judge};
