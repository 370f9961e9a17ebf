//! From files alone. What files do not tell gets these defaults:
//! - Without a BrokeredAPI in the files every order's API is brokered, and anybody may offer it. With one, only the
//!   APIs that have one are, under its rules.
//! - An offer's provider is the one of its annotation `kcp.io/cluster` (as in the output of `kubectl get`), else it is
//!   called by its file's path without ending, relative to the folder that was named.
//! - Every provider serves every API and the kind that its offer translates into, answers and is ready; no order is
//!   assigned yet. A `status` in a file says nothing.
//! - Fields that a definition (a CustomResourceDefinition or APIResourceSchema) in the files has defaults for get them,
//!   as the API server would set them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use broker_core::matching::{self, ApiPolicy, OfferSet, Offered, route};
use broker_core::offer::OfferId;
use broker_core::order::OrderIdentity;
use broker_core::resource::{ClusterName, Gvr, Object, marker};
use broker_core::translate::assignment_name;
use broker_kcp::kcp::Resource;
use broker_kcp::reconcile::Policies;

use super::Report;
use super::definition::Definition;
use crate::files::{FileObject, files_in, read_located};

/// Namespace of an order that names none.
const NAMESPACE: &str = "default";

/// What was found out.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) reports: Vec<Report>,
    /// What was passed over or assumed.
    pub(super) notes: Vec<String>,
}

/// What the files of offers hold.
#[derive(Default)]
struct Platform {
    offers: Vec<(ClusterName, Object)>,
    brokered: Vec<Arc<Object>>,
    definitions: Vec<Definition>,
}

/// Explains all orders of the files.
pub(super) fn explain(
    orders: &[PathBuf],
    offers: &[PathBuf],
    resource: Option<&str>,
) -> anyhow::Result<Found> {
    let mut found = Found::default();
    let platform = Platform::read(offers, &mut found.notes)?;
    let mut wanted = Vec::new();
    for path in orders.iter().map(|path| files_in(path)).collect::<Result<Vec<_>, _>>()?.into_iter().flatten()
    {
        for object in read_located(&path)? {
            let origin = place(&object);
            let mut order =
                Object::try_from(object.value).with_context(|| format!("{origin}: is no object"))?;
            let kind = order.gvk();
            if kind.group == marker::GROUP || is_definition(&kind.kind) {
                found.notes.push(format!("{origin}: {} {} is no order", kind.kind, order.name()));
                continue;
            }
            if kind.kind.is_empty() || order.name().is_empty() {
                bail!("{origin}: an order has apiVersion, kind and metadata.name");
            }
            let api = platform.api_of(&order, resource).with_context(|| origin.clone())?;
            order.fields_mut().remove("status");
            match platform.definition(&api) {
                Some(definition) => definition.set_defaults(&api.version, order.fields_mut()),
                None => found.notes.push(format!(
                    "no CustomResourceDefinition of {} is in the files: fields of {} {} that the server would set are missing",
                    api.group_resource(), kind.kind, order.name(),
                )),
            }
            wanted.push((api, order));
        }
    }
    let apis: Vec<(Gvr, String)> =
        wanted.iter().map(|(api, order)| (api.clone(), order.gvk().kind)).collect();
    let policies = platform.policies(&apis)?;
    let served: Vec<Gvr> = policies.apis().cloned().collect();
    let offered = platform
        .offers
        .iter()
        .map(|(cluster, object)| Offered::observe(cluster, object).serving(served.clone()));
    let offers = OfferSet::new(&policies, offered);
    for (api, order) in wanted {
        found.reports.push(report(&offers, &api, &order, &mut found.notes));
    }
    found.notes.dedup();
    Ok(found)
}

fn report(offers: &OfferSet, api: &Gvr, order: &Object, notes: &mut Vec<String>) -> Report {
    let cluster = order.kcp_cluster().unwrap_or_else(|| ClusterName::from(""));
    let mut identity = OrderIdentity::of(order, api, &cluster);
    if identity.key.namespace.is_empty() {
        NAMESPACE.clone_into(&mut identity.key.namespace);
    }
    let routing = route(offers, order, api, &assignment_name(&identity), None, &BTreeSet::new());
    let by_lot = routing.explanation.decided_by == Some(broker_core::selection::DecidedBy::Hash);
    if by_lot && order.uid().is_empty() {
        notes.push(format!(
            "{}: the lot among equal offers is drawn by the order's uid, which a new order does not have yet",
            order.name()
        ));
    }
    Report::new(api, &identity.key, routing)
}

impl Platform {
    fn read(paths: &[PathBuf], notes: &mut Vec<String>) -> anyhow::Result<Self> {
        let mut platform = Self::default();
        for root in paths {
            for path in files_in(root)? {
                for object in read_located(&path)? {
                    platform.take(root, object, notes)?;
                }
            }
        }
        let mut known = BTreeSet::new();
        for (cluster, object) in &platform.offers {
            let id = OfferId::from(object.key_in(cluster));
            if !known.insert(id.clone()) {
                notes.push(format!("AcceptAPI {id} is there twice: the last one counts"));
            }
        }
        Ok(platform)
    }

    fn take(&mut self, root: &Path, object: FileObject, notes: &mut Vec<String>) -> anyhow::Result<()> {
        let origin = place(&object);
        let mut parsed = Object::try_from(object.value).with_context(|| format!("{origin}: is no object"))?;
        let kind = parsed.gvk();
        match (kind.group.as_str(), kind.kind.as_str()) {
            (marker::GROUP, "AcceptAPI") => {
                parsed.fields_mut().remove("status");
                let cluster = parsed.kcp_cluster().unwrap_or_else(|| provider(root, &object.path));
                self.offers.push((cluster, parsed));
            }
            (marker::GROUP, "BrokeredAPI") => self.brokered.push(Arc::new(parsed)),
            (_, kind) if is_definition(kind) => {
                self.definitions.push(Definition::read(&parsed).with_context(|| {
                    format!(
                        "{origin}: {} defines no API: spec.group, spec.names or spec.versions is missing",
                        parsed.name()
                    )
                })?);
            }
            (_, kind) => notes.push(format!("{origin}: {kind} {} is passed over", parsed.name())),
        }
        Ok(())
    }

    fn definition(&self, api: &Gvr) -> Option<&Definition> {
        self.definitions.iter().find(|definition| definition.api() == api.group_resource())
    }

    /// Which API an order is of: a definition's, or what offers and BrokeredAPIs call it.
    fn api_of(&self, order: &Object, named: Option<&str>) -> anyhow::Result<Gvr> {
        let kind = order.gvk();
        let gvr = |resource: &str| Gvr::new(&kind.group, &kind.version, resource);
        if let Some(named) = named {
            let (resource, group) = named.split_once('.').unwrap_or((named, ""));
            if group != kind.group && named.contains('.') {
                bail!(
                    "--resource {named} is not of the group of {} {}, `{}`",
                    kind.kind,
                    order.name(),
                    kind.group
                );
            }
            return Ok(gvr(resource));
        }
        let defined = self.definitions.iter().find(|definition| definition.defines(&kind.group, &kind.kind));
        if let Some(definition) = defined {
            return Ok(gvr(definition.resource()));
        }
        let guesses = plurals(&kind.kind);
        let offered = self.offers.iter().filter_map(|(_, offer)| {
            let group = offer.text(&["spec", "gvr", "group"]);
            let fits = group.is_none_or(|group| group == kind.group);
            offer.text(&["spec", "gvr", "resource"]).filter(|_| fits)
        });
        let brokered = self.brokered.iter().filter_map(|api| {
            api.name().split_once('.').filter(|(_, group)| *group == kind.group).map(|(resource, _)| resource)
        });
        let mut named: Vec<&str> = offered.chain(brokered).collect();
        named.sort_unstable();
        named.dedup();
        if let Some(found) = named.iter().find(|resource| guesses.iter().any(|guess| guess == *resource)) {
            return Ok(gvr(found));
        }
        bail!(
            "nothing in the files tells which API {} {} is of (they speak of: {}): say it with --resource, as in --resource {}",
            kind.kind,
            order.name(),
            if named.is_empty() { "none".to_owned() } else { named.join(", ") },
            gvr(guesses.first().map_or("", String::as_str)).group_resource(),
        );
    }

    fn policies(&self, apis: &[(Gvr, String)]) -> anyhow::Result<matching::Policies> {
        if self.brokered.is_empty() {
            return Ok(apis.iter().map(|(api, _)| (api.clone(), ApiPolicy::default())).collect());
        }
        let mut kinds: BTreeMap<String, Resource> = BTreeMap::new();
        for object in &self.brokered {
            let name = object.name();
            let (resource, group) = name.split_once('.').unwrap_or((name, ""));
            // That an order's API is of another name makes offers ambiguous; its version does not.
            let version = self.definitions.iter().find(|definition| definition.api() == name);
            let version = version.and_then(Definition::version).unwrap_or("v1");
            kinds.insert(name.to_owned(), Resource::namespaced(Gvr::new(group, version, resource), ""));
        }
        for (api, kind) in apis {
            kinds.insert(api.group_resource(), Resource::namespaced(api.clone(), kind));
        }
        let policies =
            Policies::read(self.brokered.iter(), &kinds, true, |name: &str| ClusterName::from(name));
        for (api, _) in apis {
            let name = api.group_resource();
            if let Some(problem) = policies.problems.get(&name) {
                bail!("BrokeredAPI {name} cannot be honoured: {}", problem.message);
            }
            if !policies.orders.contains_key(&name) {
                bail!("{name} is not brokered: the files have BrokeredAPIs, but none of that name");
            }
        }
        Ok(policies.offers)
    }
}

fn is_definition(kind: &str) -> bool {
    matches!(kind, "CustomResourceDefinition" | "APIResourceSchema")
}

/// What a provider is called whose offer does not tell.
fn provider(root: &Path, file: &Path) -> ClusterName {
    let relative = file.strip_prefix(root).ok().filter(|path| !path.as_os_str().is_empty());
    let name = match relative {
        Some(inside) => inside.with_extension("").display().to_string(),
        None => file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default(),
    };
    ClusterName::from(if name.is_empty() || name == "-" { "offline".to_owned() } else { name })
}

/// The names that API authors make from a kind.
fn plurals(kind: &str) -> Vec<String> {
    let kind = kind.to_lowercase();
    let mut plurals = vec![format!("{kind}s"), format!("{kind}es")];
    plurals.extend(kind.strip_suffix('y').map(|stem| format!("{stem}ies")));
    plurals.push(kind);
    plurals
}

/// Where an object begins.
fn place(object: &FileObject) -> String {
    let line = object.positions.value("").map_or(1, |at| at.line);
    format!("{}:{line}", object.path.display())
}
