//! The kinds of copies that are not of the orders' own kind.

use std::collections::BTreeSet;

use super::Offer;
use crate::resource::Gvr;

/// A kind that copies may have in a provider's cluster beside the orders' own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CopyKind {
    /// Its resource.
    pub gvr: Gvr,
    /// Its kind.
    pub kind: String,
    /// The brokered APIs, as `<resource>.<group>`, whose orders may become such copies.
    pub apis: BTreeSet<String>,
}

impl Offer {
    /// The kind of its copies for orders of this API, among those that its cluster serves; `None` where it is not there, or the
    /// copies are of the orders' own kind.
    pub(crate) fn copies_among<'k>(&self, api: &Gvr, kinds: &'k [CopyKind]) -> Option<&'k CopyKind> {
        let gvk = self.translation()?.gvk();
        kinds.iter().find(|kind| {
            kind.kind == gvk.kind
                && kind.gvr.group == gvk.group
                && kind.gvr.version == gvk.version
                && kind.apis.contains(&api.group_resource())
        })
    }
}
