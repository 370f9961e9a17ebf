//! What the world around the controller does.

use std::time::Duration;

/// How the clock jumps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jump {
    /// It is later than it was.
    Forward(Duration),
    /// It is earlier than it was.
    Back(Duration),
}

/// What happens to an `APIExportEndpointSlice`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SliceChange {
    /// It loses a URL, which comes back after this time.
    Lost(Duration),
    /// Its URL becomes another one, which leads to the same place.
    Moved,
}

/// What a transport cannot do by itself, done by the world around the controller.
///
/// The methods are called in the middle of a request, in a poll: they say what is to happen to whoever makes it happen
/// (a task, a notification), and return at once. Each answers whether it does so; what it does not is not counted as
/// injected.
pub trait Hooks: Send + Sync {
    /// The controller died. It gets no answers any more, whether or not anything is done about it: this is the time to
    /// stop its tasks or to kill its process, and to start the next one
    /// ([`Injector::revive`](super::Injector::revive)).
    fn crash(&self) {}

    /// The controller's clock jumps.
    fn clock_jumps(&self, jump: Jump) -> bool {
        let _ = jump;
        false
    }

    /// An `APIExportEndpointSlice` changes.
    fn slice_changes(&self, change: SliceChange) -> bool {
        let _ = change;
        false
    }
}
