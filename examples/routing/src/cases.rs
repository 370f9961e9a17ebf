//! The use cases as data: who offers what, and what is ordered.

/// A use case: its offers are made, then its steps are taken, then everything of it goes again.
#[derive(Debug)]
pub(crate) struct Case {
    /// What it shows.
    pub(crate) title: &'static str,
    /// The kind that is ordered.
    pub(crate) kind: &'static str,
    /// Who offers what, as YAML.
    pub(crate) offers: &'static [(&'static str, &'static str)],
    /// What happens then.
    pub(crate) steps: &'static [Step],
}

/// One thing that happens.
#[derive(Debug)]
pub(crate) enum Step {
    /// The consumer orders this.
    Order(&'static str),
    /// A provider offers more.
    Offer(&'static str, &'static str),
}

use Step::{Offer, Order};

/// All of them.
pub(crate) const CASES: [Case; 6] = [
    Case {
        title: "Region: the data of EU customers stays in the EU",
        kind: "Database",
        offers: &[
            ("eu", include_str!("../region/eu.yaml")),
            ("us", include_str!("../region/us.yaml")),
            ("on-premises", include_str!("../region/on-premises.yaml")),
        ],
        steps: &[Order(include_str!("../region/orders.yaml"))],
    },
    Case {
        title: "Environment: only production is certified by who is paid for it",
        kind: "Certificate",
        offers: &[
            ("letsencrypt", include_str!("../environment/letsencrypt.yaml")),
            ("enterprise", include_str!("../environment/enterprise.yaml")),
        ],
        steps: &[Order(include_str!("../environment/orders.yaml"))],
    },
    Case {
        title: "Cost: the cheapest of those that fit, and what is placed stays",
        kind: "Database",
        offers: &[("eu", include_str!("../cost/eu.yaml")), ("us", include_str!("../cost/us.yaml"))],
        steps: &[
            Order(include_str!("../cost/first.yaml")),
            Offer("on-premises", include_str!("../cost/on-premises.yaml")),
            Order(include_str!("../cost/second.yaml")),
        ],
    },
    Case {
        title: "Hybrid: one API for the own authority and those in the cloud",
        kind: "Certificate",
        offers: &[
            ("internal-ca", include_str!("../hybrid/internal-ca.yaml")),
            ("letsencrypt", include_str!("../hybrid/letsencrypt.yaml")),
            ("enterprise", include_str!("../hybrid/enterprise.yaml")),
        ],
        steps: &[Order(include_str!("../hybrid/orders.yaml"))],
    },
    Case {
        title: "Machines: provider, region and size",
        kind: "VirtualMachine",
        offers: &[
            ("eu", include_str!("../machines/eu.yaml")),
            ("us", include_str!("../machines/us.yaml")),
            ("on-premises", include_str!("../machines/on-premises.yaml")),
        ],
        steps: &[Order(include_str!("../machines/order.yaml")), Order(include_str!("../machines/more.yaml"))],
    },
    Case {
        title: "Engine and storage: what fits nobody waits until somebody offers it",
        kind: "Database",
        offers: &[("eu", include_str!("../engines/eu.yaml")), ("us", include_str!("../engines/us.yaml"))],
        steps: &[
            Order(include_str!("../engines/orders.yaml")),
            Offer("on-premises", include_str!("../engines/on-premises.yaml")),
        ],
    },
];
