//! What can happen.

mod words;

pub(super) use self::words::{examples, fewer, places, shorter};

use std::num::NonZeroU32;
use std::time::Duration;

use super::point::{Point, Series};

/// An answer that says that the server could not do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    /// 500 `InternalError`.
    Internal,
    /// 503 `ServiceUnavailable`.
    Unavailable,
    /// 504 `Timeout`.
    Timeout,
}

impl Failure {
    /// The HTTP status.
    pub const fn code(self) -> u16 {
        match self {
            Self::Internal => 500,
            Self::Unavailable => 503,
            Self::Timeout => 504,
        }
    }
}

/// What happens to a controller at a [`Point`].
///
/// The word that each begins with is that of a [`Plan`](super::Plan)'s text. *At a request* stands for the points `r`, `w`,
/// `l` and `s`. Where nothing else is said, a request that is harmed never reaches the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Harm {
    /// `crash-before`, anywhere: the controller dies before this is sent or heard.
    CrashBefore,
    /// `crash-after`, at a request or event: it dies once the server has done this, before it hears of it; of an event,
    /// right after it heard it.
    CrashAfter,
    /// `unreachable`, at a request: no connection.
    Unreachable,
    /// `lost`, at a request: the server does it, and the connection breaks before the answer.
    Lost,
    /// `conflict`, at a request: 409 `Conflict`.
    Conflict,
    /// `too-many(2s)`, at a request: 429 `TooManyRequests` with `Retry-After`, in seconds rounded up.
    TooMany(Duration),
    /// `500`, `503`, `504`, at a request: the server refuses it.
    Failing(Failure),
    /// `500-after`, `503-after`, `504-after`, at a request: the server does it and says that it could not, as servers
    /// do whose own store answers too late.
    FailingAfter(Failure),
    /// `silence`, at a request: it is swallowed; no answer comes, whatever the patience.
    Silence,
    /// `silence-after`, at a request: the server does it, and no answer comes.
    SilenceAfter,
    /// `slow(200ms)`, at a request: every frame of the answer comes in four pieces, with this pause before each.
    Slow(Duration),
    /// `delay(2s)`, at a request or event: it is held back for so long; others overtake it. Later events of the same
    /// watch wait behind it, those of other watches (and kinds) do not.
    Delay(Duration),
    /// `cut`, at a request or event: the server does it, and the connection breaks in the middle of the answer, or of
    /// the event. Of a watch's opening: of its first event. Below a client in the same process this is a reset, which
    /// it sees as an error; through a proxy the stream is cut short, which kube takes for the end of the watch.
    Cut,
    /// `end`, at a watch's opening or an event: the watch ends, without an error, before it.
    End,
    /// `stall`, at a watch's opening or an event: nothing comes on this watch any more, while it stays open.
    Stall,
    /// `repeat(3)`, at an event: after it, the last 3 events of its watch come again, it included.
    Repeat(NonZeroU32),
    /// `410`, at a request or event: `Expired`; of an event, as an `ERROR` event in its place, which ends the watch.
    Expired,
    /// `stale(3)`, at a list: the objects and the version are those of a replica that lags by the last 3 changes. A
    /// server that cannot look back ([`Lag`](crate::control_plane::Lag)) stands as it was first seen by a list of the
    /// same URL.
    Stale(NonZeroU32),
    /// `401` or `401(30s)`, at a request: the token expires. It is refused for so long, or until another one is sent. At
    /// a moment (`401(30s)` alone): all tokens are.
    Unauthorized(Option<Duration>),
    /// `away(30s)`, anywhere: the server that is spoken with goes away for so long: no connections, and running
    /// watches break. Servers are told apart by host and port, by shard, and by whether workspaces or virtual
    /// workspaces are meant. At a moment: all of them.
    Away(Duration),
    /// `forward(1h)`, anywhere: the clock jumps forward, by [`Hooks`](super::Hooks).
    Forward(Duration),
    /// `back(1h)`, anywhere: the clock jumps back, by [`Hooks`](super::Hooks).
    Back(Duration),
    /// `no-url(30s)`, anywhere: an `APIExportEndpointSlice` loses a URL for so long, by [`Hooks`](super::Hooks).
    SliceLost(Duration),
    /// `new-url`, anywhere: an `APIExportEndpointSlice` gets another URL, by [`Hooks`](super::Hooks).
    SliceMoved,
}

const TWO: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);

impl Harm {
    /// Every harm that the way between controller and server can do by itself, with usual parameters.
    pub const OF_TRANSPORT: &'static [Self] = &[
        Self::CrashBefore,
        Self::CrashAfter,
        Self::Lost,
        Self::Conflict,
        Self::FailingAfter(Failure::Internal),
        Self::FailingAfter(Failure::Timeout),
        Self::SilenceAfter,
        Self::Unreachable,
        Self::TooMany(Duration::from_secs(1)),
        Self::Failing(Failure::Internal),
        Self::Failing(Failure::Unavailable),
        Self::Failing(Failure::Timeout),
        Self::Silence,
        Self::Slow(Duration::from_millis(200)),
        Self::Delay(Duration::from_secs(2)),
        Self::Cut,
        Self::Unauthorized(Some(Duration::from_secs(10))),
        Self::Away(Duration::from_secs(30)),
        Self::Expired,
        Self::Stale(NonZeroU32::MIN),
        Self::Stale(NonZeroU32::MIN.saturating_add(4)),
        Self::End,
        Self::Stall,
        Self::Repeat(NonZeroU32::MIN),
        Self::Repeat(TWO),
    ];

    /// Every harm that the world around must do ([`Hooks`](super::Hooks)), with usual parameters.
    pub const OF_WORLD: &'static [Self] = &[
        Self::Forward(Duration::from_hours(1)),
        Self::Back(Duration::from_hours(1)),
        Self::SliceLost(Duration::from_secs(30)),
        Self::SliceMoved,
    ];

    /// Whether it can happen at such a point.
    pub const fn fits(self, at: Point) -> bool {
        let series = match at {
            Point::Nth(series, _) => series,
            Point::Moment(_) => {
                return self.is_worldly() || matches!(self, Self::CrashBefore | Self::Unauthorized(Some(_)));
            }
        };
        match self {
            Self::CrashBefore
            | Self::CrashAfter
            | Self::Delay(_)
            | Self::Cut
            | Self::Expired
            | Self::Away(_)
            | Self::Forward(_)
            | Self::Back(_)
            | Self::SliceLost(_)
            | Self::SliceMoved => true,
            Self::Unreachable
            | Self::Lost
            | Self::Conflict
            | Self::TooMany(_)
            | Self::Failing(_)
            | Self::FailingAfter(_)
            | Self::Silence
            | Self::SilenceAfter
            | Self::Slow(_)
            | Self::Unauthorized(_) => series.is_asked(),
            Self::End | Self::Stall => matches!(series, Series::Watch | Series::Event),
            Self::Repeat(_) => matches!(series, Series::Event),
            Self::Stale(_) => matches!(series, Series::List),
        }
    }

    /// Whether it happens around the controller, rather than to what it sends or hears just then.
    const fn is_worldly(self) -> bool {
        matches!(
            self,
            Self::Away(_) | Self::Forward(_) | Self::Back(_) | Self::SliceLost(_) | Self::SliceMoved
        )
    }

    /// At which points a census tries it: each of these series, without trying the same twice.
    pub(super) const fn homes(self) -> &'static [Series] {
        match self {
            // A crash between two writes leaves the same behind as one before the second.
            Self::CrashBefore | Self::Lost | Self::Conflict | Self::FailingAfter(_) | Self::SilenceAfter => {
                &[Series::Write]
            }
            Self::CrashAfter => &[Series::Write, Series::Event],
            Self::Expired => &[Series::List, Series::Watch, Series::Event],
            Self::Stale(_) => &[Series::List],
            Self::End | Self::Stall => &[Series::Watch, Series::Event],
            Self::Repeat(_) => &[Series::Event],
            Self::Delay(_) | Self::Cut => &[Series::Request, Series::Event],
            Self::Unreachable
            | Self::TooMany(_)
            | Self::Failing(_)
            | Self::Silence
            | Self::Slow(_)
            | Self::Unauthorized(_)
            | Self::Away(_)
            | Self::Forward(_)
            | Self::Back(_)
            | Self::SliceLost(_)
            | Self::SliceMoved => &[Series::Request],
        }
    }
}
