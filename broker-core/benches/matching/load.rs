//! The sets of offers and orders that are measured.

use std::sync::{Arc, LazyLock};

use broker_core::matching::{ApiPolicy, OfferSet, Offered, Policies};
use broker_core::offer::{ApiPattern, Offer, OfferId, Reachability};
use broker_core::resource::{Gvk, Gvr, Object};
use serde_json::{Value, json};

/// Orders that are asked about, in turn.
const ORDERS: usize = 4_096;

static API: LazyLock<Gvr> = LazyLock::new(|| Gvr::new("example.com", "v1alpha1", "certificates"));

/// One kind of set: what the n-th of so many offers filters on, and what an order has in it.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) name: &'static str,
    pub(crate) pathological: bool,
    /// Number of offers, where it is not the usual one.
    pub(crate) size: Option<usize>,
    filters: fn(&mut Sequence, usize) -> Value,
    spec: fn(&mut Sequence, usize) -> Value,
}

/// Ten offers for each domain, of which about two fit an order.
pub(crate) const SELECTIVE: Load = Load {
    name: "selective: a domain for every ten",
    pathological: false,
    size: None,
    filters: |random, size| {
        let (domain, low) = (random.below(size.div_ceil(10) as u64), random.below(400));
        json!([
            {"key": "spec.fqdn", "suffix": format!(".c{domain}.example.com")},
            {"key": "spec.certType", "valueIn": [TYPES[random.below(6) as usize], TYPES[random.below(6) as usize]]},
            {"key": "spec.storage", "boundary": {"min": format!("{low}Gi"), "max": format!("{}Gi", low + 500)}},
        ])
    },
    spec: |random, size| {
        json!({
            "fqdn": format!("app-{}.c{}.example.com", random.below(1000), random.below(size.div_ceil(10) as u64)),
            "certType": TYPES[random.below(6) as usize], "storage": format!("{}Gi", 200 + random.below(400)), "validity": "90d",
        })
    },
};

/// Two domains, three types: thousands fit every order.
pub(crate) const ADVERSE: Load = Load {
    name: "adverse: two domains, three types",
    pathological: false,
    size: None,
    filters: |random, _| {
        let without = random.below(3) as usize;
        let types: Vec<&str> =
            TYPES[..3].iter().enumerate().filter(|(n, _)| *n != without).map(|(_, t)| *t).collect();
        json!([
            {"key": "spec.fqdn", "suffix": DOMAINS[random.below(2) as usize]},
            {"key": "spec.certType", "valueIn": types},
            {"key": "spec.storage", "boundary": {"max": format!("{}Gi", 100 + random.below(1000))}},
        ])
    },
    spec: |random, _| {
        json!({
            "fqdn": format!("app-{}{}", random.below(1000), DOMAINS[random.below(2) as usize]),
            "certType": TYPES[random.below(3) as usize], "storage": format!("{}Gi", 50 + random.below(300)), "validity": "90d",
        })
    },
};

const DOMAINS: [&str; 2] = [".internal.corp", ".corp.com"];
const TYPES: [&str; 6] = ["server", "client", "ca", "code", "mail", "device"];

const fn hurting(
    name: &'static str,
    filters: fn(&mut Sequence, usize) -> Value,
    spec: fn(&mut Sequence, usize) -> Value,
) -> Load {
    Load { name, pathological: true, size: None, filters, spec }
}

fn plain(random: &mut Sequence, _: usize) -> Value {
    json!({"fqdn": format!("app-{}.corp.com", random.below(1000)), "certType": "server", "storage": "100Gi"})
}

/// What a hostile or merely unlucky platform looks like.
pub(crate) const PATHOLOGICAL: &[Load] = &[
    hurting(
        "every offer the same suffix",
        |_, _| json!([{"key": "spec.fqdn", "suffix": ".corp.com"}]),
        plain,
    ),
    hurting(
        "every offer the same suffix, and none fits",
        |random, _| {
            let low = 101 + random.below(400);
            json!([{"key": "spec.fqdn", "suffix": ".corp.com"}, {"key": "spec.storage", "boundary": {"min": format!("{low}Gi")}}])
        },
        plain,
    ),
    hurting("one value in all", |_, _| json!([{"key": "spec.certType", "valueIn": ["server"]}]), plain),
    hurting("no filters at all", |_, _| json!([]), plain),
    hurting(
        "bounds alone",
        |random, _| json!([{"key": "spec.storage", "boundary": {"min": random.below(200), "max": 200 + random.below(100)}}]),
        plain,
    ),
    hurting(
        "a key for every offer, that nobody has",
        |random, _| json!([{"key": format!("spec.key-{}", random.next()), "valueIn": ["x"]}]),
        plain,
    ),
    hurting(
        "an expression each",
        |random, _| json!([{"key": "", "expression": format!("self.spec.certType == 'server' && size(self.spec.fqdn) > {}", random.below(40))}]),
        plain,
    ),
    hurting(
        "optional fields only",
        |random, _| json!([{"key": "spec.tier", "valueIn": [format!("t{}", random.below(100))], "optional": true}]),
        plain,
    ),
    Load {
        name: "a thousand filters on each of ten",
        pathological: true,
        size: Some(10),
        filters: |_, _| (0..1000).map(|n| json!({"key": "spec.fqdn", "notIn": [format!("x{n}")]})).collect(),
        spec: plain,
    },
    Load {
        name: "a thousand filters on a thousand fields, on each of ten",
        pathological: true,
        size: Some(10),
        filters: |_, _| (0..1000).map(|n| json!({"key": format!("spec.f{n}"), "valueIn": ["x"]})).collect(),
        spec: |_, _| Value::Object((0..1000).map(|n| (format!("f{n}"), "x".into())).collect()),
    },
    Load {
        name: "one single offer",
        pathological: true,
        size: Some(1),
        filters: |_, _| json!([{"key": "spec.fqdn", "suffix": ".corp.com"}]),
        spec: plain,
    },
];

impl Load {
    pub(crate) fn offered(&self, id: OfferId, n: usize, of: usize) -> Offered {
        let spec = json!({
            "gvr": {"group": API.group, "resource": API.resource},
            "filters": (self.filters)(&mut Sequence::new(n as u64), of),
        });
        Offered {
            parsed: Offer::parse_json(id.clone(), &spec).map(Arc::new),
            id,
            api: ApiPattern { group: Some(API.group.clone()), version: None, resource: API.resource.clone() },
            ready: None,
            served: vec![API.clone()],
            kinds: Vec::new(),
            reachability: Reachability::Reachable,
            assigned: 0,
        }
    }

    pub(crate) fn offers(&self, size: usize) -> OfferSet {
        OfferSet::new(&policies(), (0..size).map(|n| self.offered(id(n), n, size)))
    }

    pub(crate) fn order(&self, n: usize, offers: usize) -> Object {
        let mut order = Object::named(&Gvk::new("example.com", "v1alpha1", "Certificate"), "team", "order");
        order.set(&["metadata", "uid"], format!("uid-{n}").into());
        order.set(&["metadata", "labels"], json!({"region": "eu-central-1", "team": "web"}));
        order.set(&["spec"], (self.spec)(&mut Sequence::new((1 << 40) | n as u64), offers));
        order
    }

    pub(crate) fn orders(&self, offers: usize) -> Vec<Arc<Object>> {
        (0..ORDERS).map(|n| Arc::new(self.order(n, offers))).collect()
    }
}

/// The n-th offer.
pub(crate) fn id(n: usize) -> OfferId {
    OfferId::new(format!("provider-{n}"), "offers", "certificates")
}

pub(crate) fn api() -> &'static Gvr {
    &API
}

pub(crate) fn policies() -> Policies {
    Policies::from_iter([(API.clone(), ApiPolicy::default())])
}

/// Numbers that look random and are the same every time (`SplitMix64`).
pub(crate) struct Sequence(u64);

impl Sequence {
    pub(crate) fn new(seed: u64) -> Self {
        // Seeds that are neighbours must not give sequences that are.
        Self(Self(seed).next().rotate_left(17))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}
