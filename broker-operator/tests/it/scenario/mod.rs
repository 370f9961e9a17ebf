//! What must hold, told once, for any server.

pub(crate) mod availability;
pub(crate) mod check;
pub(crate) mod deletion;
pub(crate) mod explain;
pub(crate) mod kills;
pub(crate) mod logs;
pub(crate) mod metrics;
pub(crate) mod people;
pub(crate) mod playbooks;
pub(crate) mod ports;
pub(crate) mod predecessor;
pub(crate) mod restart;
pub(crate) mod restore;
pub(crate) mod routing;
pub(crate) mod scheduling;
pub(crate) mod standing;
pub(crate) mod story;
pub(crate) mod trespass;
pub(crate) mod two_leaders;
pub(crate) mod uninstall;
pub(crate) mod usecases;
