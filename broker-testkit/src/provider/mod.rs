//! Sample providers: what stands behind an offer in the demo, the tests and the benches.
//!
//! A provider here is an ordinary controller of one cluster. It knows nothing of the broker but the
//! label that lets a Secret be handed over and the shape of `status.relatedResources`; it never looks
//! beyond the cluster its client points to, and at rest it makes no calls.
//!
//! - [`CertificateAuthority`] issues real X.509 certificates for `certificates.example.com`.
//! - [`ScriptedProvider`] serves any other API, and pretends: whatever is ordered is ready at once.
//! - [`verify`] says whether a Secret holds what an authority promised, and [`SecretReader`] asks that
//!   of one Secret without pause while something happens to it.

#[cfg(feature = "postgres")]
pub mod postgres;
pub mod samples;
pub mod verify;

mod authority;
mod issuer;
mod reader;
mod request;
mod scripted;
mod status;
mod write;

pub use authority::{
    AuthorityError, CertificateAuthority, Conduct, FIELD_MANAGER, certificate_resource, secret_name,
};
pub use issuer::{IssueError, Issued, Issuer};
pub use reader::{Handover, ReadReport, ReaderError, SecretReader};
pub use request::{CertificateRequest, Refusal, Usage};
pub use scripted::{ScriptError, ScriptedProvider};

/// Without this label a broker whose claim is limited to labelled Secrets could not see ours.
pub(crate) const MANAGED_LABEL: &str = "broker.platform-mesh.io/managed";
