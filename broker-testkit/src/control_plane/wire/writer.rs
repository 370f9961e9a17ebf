//! Who writes.

use serde_json::Value;

use crate::control_plane::error::ApiError;
use crate::control_plane::kcp::admission;
use crate::control_plane::plane::Plane;
use crate::control_plane::rbac::{self, User};
use crate::control_plane::registry::{Definition, Guard};

/// Somebody who may write what their rights allow, and what kcp does not refuse.
#[derive(Debug, Clone, Copy)]
pub(super) struct Writer<'a> {
    pub(super) plane: &'a Plane,
    pub(super) user: &'a User,
}

impl Guard for Writer<'_> {
    fn authorize(
        &self,
        definition: &Definition,
        cluster: &str,
        before: Option<&Value>,
        after: &Value,
    ) -> Result<(), ApiError> {
        rbac::may_grant(self.plane, self.user, definition, cluster, before, after)
    }

    fn admit(
        &self,
        definition: &Definition,
        cluster: &str,
        before: Option<&Value>,
        after: &Value,
    ) -> Result<(), ApiError> {
        admission::check(self.plane, self.user, cluster, definition, before, after)
    }
}
