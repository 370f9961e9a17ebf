//! Follows all objects of one kind on one server: a list, then a watch from its version, for ever.
//!
//! kube's own watcher is not used because it keeps the versions of lists and bookmarks to itself, and the store needs
//! them to know what its watch has told (see [`crate::store::Table`]).

use std::time::Duration;

use broker_core::resource::Object;
use futures::StreamExt;
use kube::core::WatchEvent;
use tokio::time::Instant;

use super::{ApiError, ApiErrorKind, ClusterApi, Resource, Selector};

/// How long one watch request lives. Servers end idle connections at about five minutes; we go first.
const SPAN: Duration = Duration::from_secs(290);
/// How much later than asked a server may end a watch before the connection counts as dead.
const LATE: Duration = Duration::from_secs(15);
/// How long a watch may show nothing at all before its connection counts as dead: servers send bookmarks about once a
/// minute. It is opened again then, and whether that is answered tells.
const QUIET: Duration = Duration::from_secs(90);
/// A watch that lived shorter than this did not work: the next attempt waits.
const SHORT: Duration = Duration::from_secs(1);
/// The first pause after a failure; each further one in a row doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// News from a server, with listed objects as `T`.
#[derive(Debug)]
pub enum News<T = Object> {
    /// Everything there is, as of a version.
    Listed(Vec<T>, String),
    /// One object was added or changed.
    Applied(Object),
    /// One object was deleted; this was its last state.
    Deleted(Object),
    /// Nothing else happened up to this version.
    Reached(String),
    /// The server is followed: a watch was opened and holds.
    Following,
    /// The server could not be followed just now; it is tried again.
    Failed {
        /// Why.
        error: ApiError,
        /// When the attempt began that failed; of a watch that held, when it broke.
        began: Instant,
    },
}

/// What to follow.
#[derive(Clone, Debug)]
pub struct Feed {
    /// Where: one cluster or every one.
    pub api: ClusterApi,
    /// Which kind.
    pub resource: Resource,
    /// Only objects of this namespace; of every one where it is empty.
    pub namespace: String,
    /// Only these objects.
    pub selector: Selector,
    /// How long a watch may show nothing.
    quiet: Duration,
}

impl Feed {
    /// A feed of the objects of a kind that a selector chooses.
    ///
    /// A server that dies without a word is noticed within about two minutes: after 90 s without so much as a bookmark
    /// a watch is opened anew, and an attempt that is not answered within 30 s has failed.
    pub fn new(api: ClusterApi, resource: Resource, selector: Selector) -> Self {
        Self { api, resource, namespace: String::new(), selector, quiet: QUIET }
    }

    /// The same, of one namespace.
    #[must_use]
    pub fn in_namespace(self, namespace: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), ..self }
    }

    /// Tells `tell` all news, in order, until the future is dropped. Never ends by itself.
    pub async fn follow(&self, tell: impl FnMut(News)) {
        self.follow_as(|object| object, tell).await;
    }

    /// The same for who keeps objects in another form: those of a list come as `keep` made them, page by page.
    pub async fn follow_as<T>(&self, mut keep: impl FnMut(Object) -> T, mut tell: impl FnMut(News<T>)) {
        let mut from: Option<String> = None;
        let mut failures = 0u32;
        loop {
            let began = Instant::now();
            let version = if let Some(version) = from.take() {
                version
            } else {
                match self.api.list_as(&self.resource, &self.namespace, &self.selector, &mut keep).await {
                    Ok((objects, version)) => {
                        failures = 0;
                        tell(News::Listed(objects, version.clone()));
                        version
                    }
                    Err(error) => {
                        let pause = pause(&mut failures, error.retry_after());
                        tell(News::Failed { error, began });
                        tokio::time::sleep(pause).await;
                        continue;
                    }
                }
            };
            let began = Instant::now();
            let Watched { reached, held, end } = self.watch(version, &mut tell).await;
            let asked = end.as_ref().err().and_then(ApiError::retry_after);
            match end {
                Ok(()) => from = Some(reached),
                Err(error) if error.kind() == ApiErrorKind::Expired => {}
                Err(error) => {
                    // A version that the server cannot make sense of does not get better by asking again.
                    from = (error.kind() != ApiErrorKind::Invalid).then_some(reached);
                    let began = if held { Instant::now() } else { began };
                    tell(News::Failed { error, began });
                }
            }
            if began.elapsed() < SHORT || asked.is_some() {
                tokio::time::sleep(pause(&mut failures, asked)).await;
            } else {
                failures = 0;
            }
        }
    }

    /// Watches until the stream ends.
    async fn watch<T>(&self, version: String, tell: &mut impl FnMut(News<T>)) -> Watched {
        let mut watched = Watched { reached: version, held: false, end: Ok(()) };
        watched.end = self.watch_on(&mut watched.reached, &mut watched.held, tell).await;
        watched
    }

    async fn watch_on<T>(
        &self,
        reached: &mut String,
        held: &mut bool,
        tell: &mut impl FnMut(News<T>),
    ) -> Result<(), ApiError> {
        let opened = self.api.watch(&self.resource, &self.namespace, &self.selector, reached, SPAN).await;
        let events = opened?;
        tokio::pin!(events);
        let opened = Instant::now();
        let deadline = opened + SPAN + LATE;
        loop {
            let limit = if *held { deadline.min(Instant::now() + self.quiet) } else { opened + SHORT };
            let event = match tokio::time::timeout_at(limit, events.next()).await {
                Ok(Some(Ok(event))) => event,
                Ok(Some(Err(error))) => return Err(error),
                Ok(None) if !*held => return Err(self.ended_at_once()),
                Err(_) if !*held => {
                    *held = true;
                    tell(News::Following);
                    continue;
                }
                Ok(None) | Err(_) => return Ok(()),
            };
            if !*held && !matches!(event, WatchEvent::Error(_)) {
                *held = true;
                tell(News::Following);
            }
            match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    object.resource_version().clone_into(reached);
                    tell(News::Applied(object));
                }
                WatchEvent::Deleted(object) => {
                    object.resource_version().clone_into(reached);
                    tell(News::Deleted(object));
                }
                WatchEvent::Bookmark(bookmark) => {
                    reached.clone_from(&bookmark.metadata.resource_version);
                    tell(News::Reached(bookmark.metadata.resource_version));
                }
                WatchEvent::Error(status) => {
                    let error = kube::Error::Api(status);
                    let confidential = self.resource.is_confidential();
                    let error = ApiError::from_kube(&error, "watch", self.resource.to_string(), confidential);
                    return Err(error);
                }
            }
        }
    }

    fn ended_at_once(&self) -> ApiError {
        ApiError::new(ApiErrorKind::Unavailable, "watch", self.resource.to_string(), "it was ended at once")
    }
}

/// What became of one watch.
struct Watched {
    /// Up to which version everything was told.
    reached: String,
    /// Whether it ever worked.
    held: bool,
    end: Result<(), ApiError>,
}

/// The next pause: at least what the server asks for.
fn pause(failures: &mut u32, asked: Option<Duration>) -> Duration {
    let pause = FIRST_PAUSE.saturating_mul(2u32.saturating_pow(*failures)).min(LONGEST_PAUSE);
    *failures = failures.saturating_add(1);
    asked.map_or(pause, |asked| asked.max(pause))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use std::sync::{Arc, Mutex};

    use broker_core::resource::Gvr;
    use kube::Config;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::mpsc;

    use super::*;
    use crate::kcp::Connector;
    use crate::metrics::Metrics;

    /// Reads a request and answers it with this, which may be less than a whole answer.
    async fn answer(listener: &TcpListener, text: &str) -> TcpStream {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    #[tokio::test]
    async fn a_server_that_falls_silent_without_a_word_is_noticed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let api = Connector::new(Config::new(url.parse().unwrap()), Arc::new(crate::KubeConnect))
            .at(&url)
            .unwrap()
            .itself();
        let things = Resource::cluster_scoped(Gvr::new("example.com", "v1", "things"), "Thing");
        let feed = Feed { quiet: Duration::from_millis(100), ..Feed::new(api, things, Selector::default()) };
        let (told, mut news) = mpsc::unbounded_channel();
        let following = tokio::spawn(async move {
            feed.follow(|news| {
                told.send(news).ok();
            })
            .await;
        });
        let body = r#"{"kind":"ThingList","metadata":{"resourceVersion":"7"},"items":[]}"#;
        let list =
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        drop(answer(&listener, &list).await);
        // The watch is opened, and then nothing comes any more; the connection stays.
        let silent = answer(&listener, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
        assert!(
            matches!(news.recv().await.unwrap(), News::Listed(objects, version) if objects.is_empty() && version == "7")
        );
        assert!(matches!(news.recv().await.unwrap(), News::Following));
        // It is opened anew, and that fails.
        drop(listener.accept().await.unwrap());
        let failed = news.recv().await.unwrap();
        assert!(matches!(failed, News::Failed { error, .. } if error.kind() == ApiErrorKind::Unavailable));
        // A watch that is ended at once did not work either.
        answer(&listener, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
        assert!(matches!(news.recv().await.unwrap(), News::Failed { .. }));
        following.abort();
        drop(silent);
    }

    /// What a server answers, request after request; and when it was asked, from the first on.
    fn server(answers: Vec<(u16, &'static str, &'static str)>) -> (ClusterApi, Arc<Mutex<Vec<u64>>>) {
        let asked: Arc<Mutex<Vec<u64>>> = Arc::default();
        let (times, began) = (asked.clone(), Instant::now());
        let answers = Mutex::new(answers.into_iter());
        let service = tower::service_fn(move |_: http::Request<kube::client::Body>| {
            times.lock().unwrap().push(began.elapsed().as_secs());
            let next = answers.lock().unwrap().next();
            async move {
                // Whoever asks once more waits.
                let Some((code, retry_after, body)) = next else { return std::future::pending().await };
                let mut answer = http::Response::builder().status(code);
                if !retry_after.is_empty() {
                    answer = answer.header("retry-after", retry_after);
                }
                Ok::<_, std::io::Error>(
                    answer.body(kube::client::Body::from(body.as_bytes().to_vec())).unwrap(),
                )
            }
        });
        (ClusterApi::new(kube::Client::new(service, "default"), String::new(), Metrics::default()), asked)
    }

    #[tokio::test(start_paused = true)]
    async fn each_request_is_counted_by_how_it_ended() {
        let list = r#"{"kind":"ThingList","metadata":{"resourceVersion":"7"},"items":[]}"#;
        let (api, _) = server(vec![(404, "", ""), (200, "", list), (409, "", ""), (200, "", "no JSON")]);
        let things = Resource::cluster_scoped(Gvr::new("example.com", "v1", "things"), "Thing");
        api.get(&things, "", "a").await.unwrap_err();
        api.list(&things, "", &Selector::default()).await.unwrap();
        let thing = Object::named(&things.gvk(), "", "a");
        for _ in 0..3 {
            // Refused, answered with nonsense, and not answered.
            api.replace(&things, &thing, "us").await.unwrap_err();
        }
        let mut registry = prometheus_client::registry::Registry::default();
        api.metrics().register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for series in [
            r#"requests_total{verb="get",outcome="NotFound"} 1"#,
            r#"requests_total{verb="list",outcome="Ok"} 1"#,
            r#"requests_total{verb="replace",outcome="Conflict"} 1"#,
            r#"requests_total{verb="replace",outcome="Unavailable"} 2"#,
            r#"request_duration_seconds_sum{verb="replace"} 30.0"#,
        ] {
            assert!(text.lines().any(|line| line == series), "{series} is not in {text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_asks_for_a_pause_gets_it() {
        let (api, asked) = server(vec![
            // A server too busy to say more than that.
            (429, "7", "Too many requests, please try again later."),
            (
                503,
                "",
                r#"{"kind":"Status","code":503,"message":"no","reason":"ServiceUnavailable","details":{"retryAfterSeconds":5}}"#,
            ),
            (429, "86400", "no"),
            (200, "", r#"{"kind":"ThingList","metadata":{"resourceVersion":"7"},"items":[]}"#),
            (429, "3", "no watch either"),
            // Tomorrow, in the words of a proxy: not understood, so as ever.
            (503, "Wed, 21 Oct 2037 07:28:00 GMT", ""),
        ]);
        let things = Resource::cluster_scoped(Gvr::new("example.com", "v1", "things"), "Thing");
        let feed = Feed::new(api, things, Selector::default());
        let (told, mut news) = mpsc::unbounded_channel();
        let following = tokio::spawn(async move {
            feed.follow(|news| {
                told.send(news).ok();
            })
            .await;
        });
        let mut failures = Vec::new();
        while failures.len() < 5 {
            if let News::Failed { error, .. } = news.recv().await.unwrap() {
                failures.push(error.retry_after().map(|pause| pause.as_secs()));
            }
        }
        assert_eq!(failures, [Some(7), Some(5), Some(60), Some(3), None]);
        tokio::time::sleep(Duration::from_secs(1)).await;
        following.abort();
        assert_eq!(*asked.lock().unwrap(), [0, 7, 12, 72, 72, 75, 75]);
    }
}
