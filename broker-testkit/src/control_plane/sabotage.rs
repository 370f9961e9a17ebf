//! Known mistakes, to be switched on one at a time in tests of this crate: whoever compares control planes is shown to
//! notice.
//!
//! Each is asked for at the very place where it could be made, by [`is`]. Outside this crate's own tests the answer is
//! always no, and the compiler takes the question out.

/// A mistake that somebody could make here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// A write that changes nothing gets a new version.
    NoChangeIsAChange,
    /// What is no longer applied stays.
    AppliedFieldsStay,
    /// Conflicts with other managers are not noticed.
    ConflictsOverlooked,
    /// An object goes although finalizers hold it.
    FinalizersIgnored,
    /// A write on top of an older version is taken.
    StaleWritesTaken,
    /// A watch does not tell that an object left its selection.
    LeavingUnseen,
    /// Fields that the schema does not know stay.
    UnknownFieldsStay,
    /// The pages of a list are of different moments.
    PagesDrift,
}

/// Whether this bug is switched on: never outside this crate's own tests.
#[cfg(not(test))]
pub(crate) const fn is(_: Bug) -> bool {
    false
}

#[cfg(test)]
pub(crate) use selected::{Sabotaged, is};

#[cfg(test)]
mod selected {
    use std::cell::Cell;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use http::{Request, Response};
    use http_body_util::BodyExt as _;
    use hyper::body::{Bytes, Frame};
    use kube::client::Body;
    use tower::Service;

    use super::Bug;
    use crate::control_plane::InProcess;
    use crate::control_plane::wire::response::Body as Answer;

    thread_local! {
        static SELECTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Whether this bug is switched on, on this thread.
    pub(crate) fn is(bug: Bug) -> bool {
        SELECTED.get() == Some(bug)
    }

    /// A control plane with a bug: it is switched on while a request is answered.
    #[derive(Clone, Debug)]
    pub(crate) struct Sabotaged {
        pub(crate) plane: InProcess,
        pub(crate) bug: Bug,
    }

    impl Service<Request<Body>> for Sabotaged {
        type Response = Response<Answer>;
        type Error = Infallible;
        type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<Body>) -> Self::Future {
            let (mut answer, bug) = (self.plane.call(request), self.bug);
            Box::pin(async move {
                let answer =
                    std::future::poll_fn(|context| with(bug, || answer.as_mut().poll(context))).await;
                answer.map(|answer| answer.map(|body| SabotagedBody { body, bug }.boxed_unsync()))
            })
        }
    }

    fn with<T>(bug: Bug, work: impl FnOnce() -> T) -> T {
        SELECTED.set(Some(bug));
        let done = work();
        SELECTED.set(None);
        done
    }

    /// A watch goes on after its request was answered.
    struct SabotagedBody {
        body: Answer,
        bug: Bug,
    }

    impl hyper::body::Body for SabotagedBody {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let bug = self.bug;
            with(bug, || Pin::new(&mut self.body).poll_frame(context))
        }
    }
}
