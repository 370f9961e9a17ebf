//! The immutable snapshot that orders are matched against.

use std::cmp::Ordering;
use std::sync::Arc;

use rpds::RedBlackTreeMapSync;
use serde_json::Value;

use super::policy::{Policies, Terms};
use super::rank::Rank;
use crate::offer::{
    ApiPattern, Availability, AvailabilityInput, CopyKind, InvalidFilter, Offer, OfferId, Reachability,
    availability,
};
use crate::resource::{ClusterName, Condition, Gvr, Object};

/// One AcceptAPI as observed.
#[derive(Clone, Debug)]
pub struct Offered {
    /// Which AcceptAPI.
    pub id: OfferId,
    /// The API it is about, valid or not: an invalid offer is still explained to orders of that API.
    pub api: ApiPattern,
    /// What parsing its spec gave.
    pub parsed: Result<Arc<Offer>, Vec<InvalidFilter>>,
    /// The condition `Ready` that the provider itself wrote, if any.
    pub ready: Option<Condition>,
    /// The APIs that the provider's cluster serves.
    pub served: Vec<Gvr>,
    /// The kinds that copies of translated orders may have there.
    pub kinds: Vec<CopyKind>,
    /// Whether the provider's cluster answers.
    pub reachability: Reachability,
    /// Orders assigned to it now; with them a capacity is compared.
    pub assigned: u64,
}

impl Offered {
    /// Reads an AcceptAPI of a provider's cluster, whatever is in there.
    ///
    /// Which APIs the cluster serves, whether it answers, and how many orders the offer has, the caller knows: as returned, it
    /// serves nothing, answers, and has none.
    pub fn observe(cluster: &ClusterName, object: &Object) -> Self {
        let spec = object.get(&["spec"]).unwrap_or(&Value::Null);
        Self { ready: object.condition("Ready"), ..Self::parse(OfferId::from(object.key_in(cluster)), spec) }
    }

    /// Reads the spec of an AcceptAPI, whatever is in there; the rest as [`observe`](Self::observe) returns it.
    pub fn parse(id: OfferId, spec: &Value) -> Self {
        let gvr = |field: &str| spec.pointer(&format!("/gvr/{field}"))?.as_str().map(ToOwned::to_owned);
        let api = ApiPattern {
            group: gvr("group"),
            version: gvr("version").filter(|version| !version.is_empty()),
            resource: gvr("resource").unwrap_or_default(),
        };
        Self {
            parsed: Offer::parse_json(id.clone(), spec).map(Arc::new),
            id,
            api,
            ready: None,
            served: Vec::new(),
            kinds: Vec::new(),
            reachability: Reachability::Reachable,
            assigned: 0,
        }
    }

    /// The same, of a provider whose cluster serves these APIs, and the kind of its copies where it translates orders:
    /// without the order's own, or that, it is not available.
    #[must_use]
    pub fn serving(self, apis: impl IntoIterator<Item = Gvr>) -> Self {
        let served: Vec<Gvr> = apis.into_iter().collect();
        let translation = self.parsed.as_ref().ok().and_then(|offer| offer.translation());
        let kinds = translation.map(|translation| {
            let gvk = translation.gvk();
            CopyKind {
                gvr: Gvr::new(&gvk.group, &gvk.version, gvk.kind.to_ascii_lowercase()),
                kind: gvk.kind.clone(),
                apis: served.iter().map(Gvr::group_resource).collect(),
            }
        });
        Self { kinds: kinds.into_iter().collect(), served, ..self }
    }
}

/// One offer of a snapshot, with everything that was decided about it for all orders alike.
#[derive(Clone, Debug)]
pub struct Listing {
    id: OfferId,
    api: ApiPattern,
    offer: Option<Arc<Offer>>,
    terms: Option<Terms>,
    availability: Availability,
    copies: Option<CopyKind>,
    assigned: u64,
    rank: Rank,
    /// The API of which it can be chosen for new orders, whatever is in them.
    open_to: Option<Arc<Gvr>>,
}

impl Listing {
    /// Which AcceptAPI.
    pub fn id(&self) -> &OfferId {
        &self.id
    }

    /// The API it is about, as far as named.
    pub fn api(&self) -> &ApiPattern {
        &self.api
    }

    /// The parsed offer; `None` where the spec is invalid.
    pub fn offer(&self) -> Option<&Arc<Offer>> {
        self.offer.as_ref()
    }

    /// On which terms the platform lets it take part; `None` where it does not, or nobody can tell for which API.
    pub fn terms(&self) -> Option<&Terms> {
        self.terms.as_ref()
    }

    /// Whether it can be chosen at all: what its condition `Available` says.
    pub fn availability(&self) -> &Availability {
        &self.availability
    }

    /// The kind of its copies, where that is the provider's own and the offer can be chosen for it.
    pub fn copies(&self) -> Option<&CopyKind> {
        self.copies.as_ref()
    }

    /// Orders assigned to it.
    pub fn assigned(&self) -> u64 {
        self.assigned
    }

    /// What it competes with.
    pub(super) fn rank(&self) -> &Rank {
        &self.rank
    }

    /// The API of which it can be chosen for new orders, whatever is in them.
    pub(super) fn open_to(&self) -> Option<&Arc<Gvr>> {
        self.open_to.as_ref()
    }

    /// Whether the same was parsed, and the same came of it.
    fn is_same(&self, other: &Self) -> bool {
        let same_offer = match (&self.offer, &other.offer) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        same_offer
            && self.assigned == other.assigned
            && self.api == other.api
            && self.terms == other.terms
            && self.availability == other.availability
            && self.copies == other.copies
    }
}

/// An immutable snapshot of all offers, under the platform's policy.
///
/// Snapshots share what they have in common: the next one, with one offer changed, costs some hundred nanoseconds more
/// for every doubling of their number.
#[derive(Clone, Debug, Default)]
pub struct OfferSet {
    listings: RedBlackTreeMapSync<OfferId, Arc<Listing>>,
    /// The APIs that any of them is about: those of one API name the same one, so that telling them apart takes no look
    /// at names. Never taken back.
    apis: Vec<Arc<Gvr>>,
}

impl OfferSet {
    /// A snapshot; of several offers of one identity the last counts.
    pub fn new(policies: &Policies, offers: impl IntoIterator<Item = Offered>) -> Self {
        Self::default().with(policies, offers)
    }

    /// The snapshot in which these offers are new, or take the place of what they were. The policies are to be those
    /// that the others were listed under. What comes out as it was is shared.
    #[must_use]
    pub fn with(&self, policies: &Policies, offers: impl IntoIterator<Item = Offered>) -> Self {
        let (mut listings, mut apis) = (self.listings.clone(), self.apis.clone());
        for offered in offers {
            let listing = list(policies, offered, &mut apis);
            if !listings.get(&listing.id).is_some_and(|known| known.is_same(&listing)) {
                listings.insert_mut(listing.id.clone(), Arc::new(listing));
            }
        }
        Self { listings, apis }
    }

    /// The snapshot in which this offer is gone.
    #[must_use]
    pub fn without(&self, id: &OfferId) -> Self {
        let mut listings = self.listings.clone();
        listings.remove_mut(id);
        Self { listings, apis: self.apis.clone() }
    }

    /// The offers, in the order of their identities.
    pub fn listings(&self) -> impl Iterator<Item = &Arc<Listing>> {
        self.listings.values()
    }

    /// The offers of one provider, in the order of their identities.
    pub fn of_provider(&self, cluster: &ClusterName) -> impl Iterator<Item = &Arc<Listing>> {
        let first = OfferId::new(cluster.clone(), "", "");
        self.listings.range(first..).map(|(_, listing)| listing).take_while({
            let cluster = cluster.clone();
            move |listing| listing.id().cluster == cluster
        })
    }

    /// One offer.
    pub fn get(&self, id: &OfferId) -> Option<&Arc<Listing>> {
        self.listings.get(id)
    }

    /// The offers that are not what they were in another snapshot, those that are in one of the two alone included.
    pub fn changes_since(&self, other: &Self) -> Vec<OfferId> {
        let (mut ours, mut theirs) = (self.listings.values().peekable(), other.listings.values().peekable());
        let mut changed = Vec::new();
        loop {
            let order = match (ours.peek(), theirs.peek()) {
                (Some(one), Some(two)) => one.id.cmp(&two.id),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return changed,
            };
            let one = if order.is_le() { ours.next() } else { None };
            let two = if order.is_ge() { theirs.next() } else { None };
            match (one, two) {
                (Some(one), Some(two)) if Arc::ptr_eq(one, two) => {}
                (Some(listing), _) | (None, Some(listing)) => changed.push(listing.id.clone()),
                (None, None) => return changed,
            }
        }
    }

    /// How many offers there are, unavailable ones included.
    pub fn len(&self) -> usize {
        self.listings.size()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.listings.is_empty()
    }
}

fn list(policies: &Policies, offered: Offered, apis: &mut Vec<Arc<Gvr>>) -> Listing {
    let availability = availability(&AvailabilityInput {
        parsed: offered.parsed.as_deref().map_err(Vec::as_slice),
        ready: offered.ready.as_ref(),
        policies,
        served: &offered.served,
        kinds: &offered.kinds,
        reachability: offered.reachability,
    });
    let offer = offered.parsed.ok();
    let terms = match (&availability.api, &offer) {
        (Some(api), Some(offer)) => policies.terms(api, offer),
        _ => None,
    };
    let copies = match (&availability.api, &offer) {
        (Some(api), Some(offer)) => offer.copies_among(api, &offered.kinds).cloned(),
        _ => None,
    };
    let assigned = offered.assigned;
    let rank = match (&availability.unavailable, &offer, &terms) {
        (None, Some(offer), Some(terms)) if offer.capacity().is_none_or(|capacity| assigned < capacity) => {
            Rank::of(offer, terms)
        }
        _ => Rank::closed(&offered.id),
    };
    let open_to = availability.api.as_ref().filter(|_| rank.is_open).map(|api| shared(apis, api));
    Listing { id: offered.id, api: offered.api, offer, terms, availability, copies, assigned, rank, open_to }
}

/// The one of these that is this API.
fn shared(apis: &mut Vec<Arc<Gvr>>, api: &Gvr) -> Arc<Gvr> {
    if let Some(known) = apis.iter().find(|known| known.as_ref() == api) {
        return known.clone();
    }
    let new = Arc::new(api.clone());
    apis.push(new.clone());
    new
}
