//! `/metrics`, for Prometheus and whoever reads its format.

use std::fmt;

use broker_kcp::metrics::PREFIX;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Method, StatusCode};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use crate::http::{Answer, text as plain};

/// The type of an answer in the format of `OpenMetrics`.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Shows this registry which build runs, and whether it leads.
pub(crate) fn register(registry: &mut Registry, leading: watch::Receiver<bool>) {
    let registry = registry.sub_registry_with_prefix(PREFIX);
    let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "The version that runs", build);
    registry.register_collector(Box::new(Leading(leading)));
}

#[derive(Debug)]
struct Leading(watch::Receiver<bool>);

impl Collector for Leading {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let help = "Whether this process holds the lead and writes";
        let mut metric = encoder.encode_descriptor("leading", help, None, MetricType::Gauge)?;
        metric.encode_gauge(&u32::from(*self.0.borrow()))
    }
}

/// The answer to a scrape: `OpenMetrics` for those who ask for it, else the text format of Prometheus.
pub(crate) fn answer(request: &Parts, registry: &Registry) -> Answer {
    if request.uri.path() != "/metrics" {
        return plain(StatusCode::NOT_FOUND, "there is /metrics");
    }
    if request.method != Method::GET && request.method != Method::HEAD {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered");
    }
    let accepted = request.headers.get_all(ACCEPT).iter();
    let openmetrics = accepted.filter_map(|accept| accept.to_str().ok()).any(|accept| {
        // Who prefers what by how much is not weighed: whoever knows it prefers it.
        accept.contains("application/openmetrics-text")
    });
    let mut body = String::new();
    let (written, format) = if openmetrics {
        (text::encode(&mut body, registry), OPENMETRICS)
    } else {
        (prometheus_text::encode(&mut body, registry), prometheus_text::CONTENT_TYPE)
    };
    if written.is_err() {
        return plain(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written");
    }
    let mut answer = plain(StatusCode::OK, body);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format));
    answer
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http_body_util::BodyExt as _;

    use super::*;

    async fn asked(path: &str, accept: &str) -> (u16, String, String) {
        let mut registry = Registry::default();
        let (_leading, watched) = watch::channel(true);
        register(&mut registry, watched);
        let request = Request::get(path).header(ACCEPT, accept).body(()).unwrap();
        let answer = answer(&request.into_parts().0, &registry);
        let format = answer.headers().get(CONTENT_TYPE).map(|it| it.to_str().unwrap().to_owned());
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, format.unwrap_or_default(), String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn everybody_gets_the_format_that_they_can_read() {
        let version = env!("CARGO_PKG_VERSION");
        let (status, format, body) = asked("/metrics", "*/*").await;
        assert_eq!((status, format.as_str()), (200, "text/plain; version=0.0.4; charset=utf-8"));
        assert!(body.contains("# TYPE resource_broker_leading gauge\nresource_broker_leading 1\n"), "{body}");
        assert!(body.contains(&format!("resource_broker_build_info{{version=\"{version}\"}} 1\n")), "{body}");
        assert!(!body.contains("# EOF"), "{body}");
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;q=0.5,*/*;q=0.1";
        let (status, format, body) = asked("/metrics", prometheus).await;
        assert_eq!((status, format.as_str()), (200, OPENMETRICS));
        assert!(body.ends_with("# EOF\n"), "{body}");
        assert_eq!(asked("/", "*/*").await.0, 404);
    }
}
