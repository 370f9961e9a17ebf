//! What kcp adds: workspaces, exports, bindings, and the virtual workspace of an export.

pub mod claims;
pub mod endings;
mod estate;
pub mod exports;
pub mod refusals;
pub mod workspaces;

pub(super) use estate::Estate;
