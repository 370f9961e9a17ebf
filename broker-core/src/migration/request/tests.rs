use super::*;
use crate::resource::{Gvr, ObjectKey};

type Change = Box<dyn Fn(&mut Request)>;

fn gvk(kind: &str) -> Gvk {
    Gvk::new("example.com", "v1", kind)
}

fn candidate(consumer: &str, namespace: &str, provider: &str) -> Candidate {
    Candidate {
        order: OrderIdentity {
            gvr: Gvr::new("example.com", "v1", "databases"),
            key: ObjectKey::new(format!("{consumer}-id"), namespace, "production-db"),
            uid: format!("{consumer}-{namespace}"),
        },
        consumer: vec![format!("root:{consumer}"), format!("{consumer}-id")],
        provider: vec![provider.to_owned(), format!("root:{provider}"), format!("{provider}-id")],
        kinds: vec![gvk("Database")],
    }
}

/// The mission's failover.
fn request() -> Request {
    let end = |cluster: &str| End {
        name: Some("production-db".to_owned()),
        cluster: cluster.to_owned(),
        ..End::default()
    };
    Request {
        name: "failover-migration".to_owned(),
        uid: String::new(),
        resource_version: String::new(),
        created_at: None,
        from: end("failing-provider"),
        to: end("healthy-provider"),
        order: None,
        controls: Controls::default(),
        told: None,
    }
}

#[test]
fn an_order_is_known_by_its_name_and_whoever_serves_it_by_any_of_his_names() {
    let all = || [candidate("acme", "default", "failing-provider"), candidate("globex", "default", "other")];
    for from in ["failing-provider", "root:failing-provider", "failing-provider-id"] {
        let mut request = request();
        request.from.cluster = from.to_owned();
        assert_eq!(request.resolve(all()).unwrap().uid, "acme-default");
    }
}

#[test]
fn what_cannot_be_told_is_answered_with_what_was_found() {
    let order = |cluster: &str| {
        Some(OrderName { cluster: cluster.to_owned(), namespace: None, name: "production-db".to_owned() })
    };
    let cases: [(Change, &str, &str); 9] = [
        (
            Box::new(|it| it.from.name = Some("x".to_owned())),
            "ContradictoryReference",
            "both `x` and `production-db`",
        ),
        (Box::new(|it| (it.from.name, it.to.name) = (None, None)), "UnknownOrder", "spec.from.name"),
        (
            Box::new(|it| {
                it.from.namespace = Some("a".to_owned());
                it.to.namespace = Some("b".to_owned());
            }),
            "ContradictoryReference",
            "as its namespace both `a` and `b`",
        ),
        (Box::new(|it| it.from.namespace = Some("c".to_owned())), "UnknownOrder", "no order c/production-db"),
        (
            Box::new(|it| it.from.cluster = "other".to_owned()),
            "NotServedThere",
            "databases.example.com default/production-db of root:acme by failing-provider",
        ),
        (
            Box::new(|it| it.to.cluster = "failing-provider".to_owned()),
            "ContradictoryReference",
            "both `failing-provider`",
        ),
        (Box::new(|_| ()), "AmbiguousOrder", "default/production-db of root:globex"),
        (
            Box::new(|it| it.from.gvk = Some(gvk("Certificate"))),
            "ContradictoryReference",
            "is example.com/v1",
        ),
        (Box::new(|it| it.name = "a.b".to_owned()), "InvalidName", "at most 56"),
    ];
    for (change, reason, words) in cases {
        let mut request = request();
        change(&mut request);
        let all = ["acme", "globex"].map(|consumer| candidate(consumer, "default", "failing-provider"));
        let answer = request.resolve(all).unwrap_err();
        assert_eq!(answer.reason, reason, "{}", answer.message);
        assert!(answer.message.contains(words), "{}", answer.message);
    }
    // Which one is said.
    for consumer in ["root:globex", "globex-id"] {
        let request = Request { order: order(consumer), ..request() };
        let all = ["acme", "globex"].map(|consumer| candidate(consumer, "default", "failing-provider"));
        assert_eq!(request.resolve(all).unwrap().uid, "globex-default");
    }
}

#[test]
fn a_provider_is_known_by_any_name_that_is_its_alone() {
    let known = || {
        ["a", "b"]
            .map(|id| (ClusterName::from(id), vec![format!("root:{id}"), id.to_owned(), "both".to_owned()]))
    };
    let to = |cluster: &str| {
        let mut request = request();
        request.to.cluster = cluster.to_owned();
        Asked::of(request, known()).target
    };
    assert_eq!(to("root:a"), Ok("a".into()));
    assert_eq!(to("b"), Ok("b".into()));
    for unclear in ["both", "c"] {
        assert_eq!(to(unclear), Err(vec!["root:a".to_owned(), "root:b".to_owned()]), "{unclear}");
    }
}
