//! Who writes.

use crate::control_plane::error::ApiError;
use crate::control_plane::kcp::admission;
use crate::control_plane::plane::Plane;
use crate::control_plane::rbac::{self, User};
use crate::control_plane::registry::{Guard, Proposal};

/// Somebody who may write what their rights allow, and what kcp does not refuse.
#[derive(Debug, Clone, Copy)]
pub(super) struct Writer<'a> {
    pub(super) plane: &'a Plane,
    pub(super) user: &'a User,
}

impl Guard for Writer<'_> {
    fn authorize(&self, proposal: &Proposal<'_>) -> Result<(), ApiError> {
        rbac::may_grant(self.plane, self.user, proposal)
    }

    fn admit(&self, proposal: &Proposal<'_>) -> Result<(), ApiError> {
        admission::check(self.plane, self.user, proposal)
    }
}
