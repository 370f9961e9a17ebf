//! What holds for a while: servers that are away, tokens that are not accepted.

use std::time::Duration;

use http::HeaderValue;
use tokio::time::Instant;

use super::asked::Place;

/// Until when something holds; for ever where there is no time.
#[derive(Clone, Copy)]
struct Until(Option<Instant>);

impl Until {
    fn passed(self) -> bool {
        self.0.is_some_and(|end| end <= Instant::now())
    }
}

/// All that holds now.
#[derive(Default)]
pub(super) struct Windows {
    away: Vec<(Option<Place>, Until)>,
    /// Tokens are kept as they are sent, and shown to nobody.
    expired: Vec<(Option<Token>, Until)>,
}

/// What a request says about who sends it, which may be nothing.
pub(super) type Token = Option<HeaderValue>;

impl Windows {
    /// A place goes away, or all of them do.
    pub(super) fn leave(&mut self, place: Option<Place>, span: Duration) {
        self.away.push((place, Until(Instant::now().checked_add(span))));
    }

    /// A token expires, or all of them do.
    pub(super) fn expire(&mut self, token: Option<Token>, span: Option<Duration>) {
        self.expired.push((token, Until(span.and_then(|span| Instant::now().checked_add(span)))));
    }

    /// Whether a place is away.
    pub(super) fn lacks(&self, place: &Place) -> bool {
        let about = |gone: &Option<Place>| gone.as_ref().is_none_or(|gone| gone == place);
        self.away.iter().any(|(gone, until)| about(gone) && !until.passed())
    }

    /// Whether a token is not accepted.
    pub(super) fn refuses(&self, token: &Token) -> bool {
        let about = |old: &Option<Token>| old.as_ref().is_none_or(|old| old == token);
        self.expired.iter().any(|(old, until)| about(old) && !until.passed())
    }
}
