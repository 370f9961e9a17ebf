//! What is to be followed, from the platform's own objects. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use broker_core::resource::{ClusterName, Gvr, Object, marker};
use serde_json::Value;

use super::Platform;
use crate::kcp::{Resource, Scope};

/// The export through which providers make offers.
pub(super) const OFFERS_EXPORT: &str = "acceptapi";
/// The plural of AcceptAPI.
pub(super) const OFFERS_RESOURCE: &str = "acceptapis";

/// What a plan follows from: the platform's objects, each kind by name.
#[derive(Clone, Debug, Default)]
pub struct PlatformObjects {
    /// The BrokeredAPIs.
    pub brokered_apis: BTreeMap<String, Arc<Object>>,
    /// The APIExports.
    pub exports: BTreeMap<String, Arc<Object>>,
    /// The endpoint slices of exports.
    pub slices: BTreeMap<String, Arc<Object>>,
    /// The APIResourceSchemas; the CustomResourceDefinitions of a platform on plain Kubernetes.
    pub schemas: BTreeMap<String, Arc<Object>>,
}

/// The clusters of a platform on plain Kubernetes, and what tells one state of the way to each from another.
pub type MemberRevisions = BTreeMap<ClusterName, String>;

/// What is to be followed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Brokered API by name → the export that serves it.
    pub apis: BTreeMap<String, String>,
    /// The kinds of providers' own that copies may have, by `<resource>.<group>`.
    pub copies: BTreeMap<String, CopyPlan>,
    /// The exports, by name.
    pub exports: BTreeMap<String, ExportPlan>,
    /// What stands in the way of brokering an API, by its name.
    pub problems: BTreeMap<String, Problem>,
}

/// A kind of providers' own that copies may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyPlan {
    /// The export that serves it.
    pub export: String,
    /// The brokered APIs whose orders may become such copies.
    pub apis: BTreeSet<String>,
}

/// What is to be followed of one export.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportPlan {
    /// The URLs of its virtual workspace: one per shard; none before the first binding.
    pub urls: BTreeSet<String>,
    /// On plain Kubernetes, the clusters in which it may be served.
    pub members: Option<MemberRevisions>,
    /// Its brokered kinds (or AcceptAPI), and those of copies, by `<resource>.<group>`.
    pub kinds: BTreeMap<String, Resource>,
    /// Those of them that only copies have.
    pub copies: BTreeSet<String>,
    /// The kinds it claims in its consumers' workspaces, as (group, resource).
    pub claims: BTreeSet<(String, String)>,
}

/// Why an API cannot be brokered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// There is no such export.
    #[error("the platform workspace has no APIExport {0}")]
    NoExport(String),
    /// The export does not serve the API.
    #[error("the APIExport {export} does not export {api}")]
    NotExported {
        /// The export.
        export: String,
        /// The API.
        api: String,
    },
    /// The export names a schema that is not there.
    #[error("the APIExport {export} names the APIResourceSchema {schema}, which does not exist")]
    NoSchema {
        /// The export.
        export: String,
        /// The schema.
        schema: String,
    },
    /// The schema serves no version.
    #[error("the APIResourceSchema {0} serves no version")]
    NothingServed(String),
    /// The platform on plain Kubernetes does not define the API.
    #[error("the platform's cluster has no CustomResourceDefinition {0} that serves a version")]
    NotDefined(String),
    /// No API of a group is defined.
    #[error("the platform's cluster has no CustomResourceDefinition of the group {0}")]
    GroupNotDefined(String),
}

impl Problem {
    /// A stable word for conditions.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NoExport(_) => "NoExport",
            Self::NotExported { .. } => "NotExported",
            Self::NoSchema { .. } => "NoSchema",
            Self::NothingServed(_) => "NothingServed",
            Self::NotDefined(_) | Self::GroupNotDefined(_) => "NotDefined",
        }
    }
}

impl Plan {
    /// The plan that follows from what the platform holds; for clusters of plain Kubernetes where it has such.
    pub(super) fn of(platform: &Platform, members: Option<&MemberRevisions>) -> Self {
        let named = |cache: &crate::store::Cache| -> Named {
            cache.read().iter().map(|(key, object)| (key.name.clone(), object)).collect()
        };
        let objects = PlatformObjects {
            brokered_apis: named(&platform.brokered_apis),
            exports: named(&platform.exports),
            slices: named(&platform.slices),
            schemas: named(&platform.schemas),
        };
        members.map_or_else(
            || Self::from_objects(&objects),
            |members| Self::on_plain_kubernetes(&objects, members),
        )
    }

    /// The plan that follows from these objects of a platform on plain Kubernetes: each kind is followed in every cluster
    /// that serves it. `spec.export` of a BrokeredAPI means nothing there, and `spec.copyExports` names API groups.
    pub fn on_plain_kubernetes(objects: &PlatformObjects, members: &MemberRevisions) -> Self {
        let mut plan = Self::default();
        let offers = Gvr::new(marker::GROUP, marker::VERSION, OFFERS_RESOURCE);
        let own = Resource::namespaced(offers.clone(), "AcceptAPI");
        plan.follow_in_members(OFFERS_EXPORT, &offers.group_resource(), own, members);
        let brokered = || objects.brokered_apis.iter().filter(|(_, object)| !object.is_deleting());
        for (api, _) in brokered() {
            match objects.schemas.get(api).and_then(|definition| served(definition)) {
                Some(kind) => {
                    plan.follow_in_members(api, api, kind, members);
                    plan.apis.insert(api.clone(), api.clone());
                }
                None => {
                    plan.problems.insert(api.clone(), Problem::NotDefined(api.clone()));
                }
            }
        }
        for (api, object) in brokered().filter(|(api, _)| plan.apis.contains_key(*api)).collect::<Vec<_>>() {
            let groups = object.get(&["spec", "copyExports"]).and_then(Value::as_array);
            for group in groups.into_iter().flatten().filter_map(Value::as_str) {
                let of_group = |found: &&Arc<Object>| found.text(&["spec", "group"]) == Some(group);
                let kinds: Vec<Resource> =
                    objects.schemas.values().filter(of_group).filter_map(|found| served(found)).collect();
                if kinds.is_empty() {
                    plan.problems.insert(api.clone(), Problem::GroupNotDefined(group.to_owned()));
                }
                for kind in kinds {
                    let name = kind.gvr.group_resource();
                    plan.add_copy(api, name.clone(), &name, kind);
                    if let Some(planned) = plan.exports.get_mut(&name) {
                        planned.members = Some(members.clone());
                        planned.claims = claims_in_members();
                    }
                }
            }
        }
        plan
    }

    fn follow_in_members(&mut self, export: &str, kind: &str, resource: Resource, members: &MemberRevisions) {
        let planned = self.exports.entry(export.to_owned()).or_default();
        planned.kinds.insert(kind.to_owned(), resource);
        planned.members = Some(members.clone());
        planned.claims = claims_in_members();
    }

    /// The plan that follows from these objects of the platform workspace.
    pub fn from_objects(objects: &PlatformObjects) -> Self {
        let PlatformObjects { brokered_apis: wanted, exports, slices, schemas } = objects;
        let mut plan = Self::default();
        let offers = Gvr::new(marker::GROUP, marker::VERSION, OFFERS_RESOURCE).group_resource();
        let asked = wanted
            .iter()
            .filter(|(_, api)| !api.is_deleting())
            .map(|(name, api)| {
                (name.clone(), api.text(&["spec", "export"]).unwrap_or(name.as_str()).to_owned())
            })
            .chain([(offers.clone(), OFFERS_EXPORT.to_owned())]);
        for (api, export) in asked {
            match kind_of(&api, &export, exports, schemas) {
                Ok(kind) => {
                    let planned = plan.exports.entry(export.clone()).or_default();
                    planned.kinds.insert(api.clone(), kind);
                    if api != offers {
                        plan.apis.insert(api, export);
                    }
                }
                Err(problem) => {
                    plan.problems.insert(api, problem);
                }
            }
        }
        for (api, object) in wanted {
            if plan.apis.contains_key(api) && !object.is_deleting() {
                plan.add_copies(api, object, exports, schemas);
            }
        }
        for (name, planned) in &mut plan.exports {
            planned.urls = urls_of(name, slices.values().map(AsRef::as_ref));
            planned.claims = exports.get(name).map(|export| claims_of(export)).unwrap_or_default();
        }
        plan
    }

    /// The export through which the objects of a kind are seen, orders and copies alike.
    pub fn export_of(&self, kind: &str) -> Option<&String> {
        self.apis.get(kind).or_else(|| self.copies.get(kind).map(|copies| &copies.export))
    }

    /// The kinds that copies of an API's orders may have beside their own.
    pub fn copies_of<'p>(&'p self, api: &'p str) -> impl Iterator<Item = (&'p String, &'p CopyPlan)> {
        self.copies.iter().filter(move |(kind, copies)| *kind != api && copies.apis.contains(api))
    }

    /// Adds the kinds that orders of an API may be translated into. An export that is not there is told, and keeps no order
    /// from being brokered otherwise.
    fn add_copies(&mut self, api: &str, object: &Object, exports: &Named, schemas: &Named) {
        let names = object.get(&["spec", "copyExports"]).and_then(Value::as_array);
        for name in names.into_iter().flatten().filter_map(Value::as_str) {
            let resources = exports.get(name).map(|export| resources_of(export));
            let Some(resources) = resources else {
                self.problems.insert(api.to_owned(), Problem::NoExport(name.to_owned()));
                continue;
            };
            for kind in resources {
                match kind_of(&kind, name, exports, schemas) {
                    Ok(resource) => self.add_copy(api, kind, name, resource),
                    Err(problem) => {
                        self.problems.insert(api.to_owned(), problem);
                    }
                }
            }
        }
    }

    /// A kind that several exports serve is followed through one of them.
    fn add_copy(&mut self, api: &str, kind: String, export: &str, resource: Resource) {
        let followed = self.export_of(&kind).cloned().unwrap_or_else(|| export.to_owned());
        if followed == export && resource.scope == Scope::Namespaced {
            let planned = self.exports.entry(followed.clone()).or_default();
            planned.kinds.insert(kind.clone(), resource);
            if !self.apis.contains_key(&kind) {
                planned.copies.insert(kind.clone());
            }
            let copies = self.copies.entry(kind);
            let copies = copies.or_insert_with(|| CopyPlan { export: followed, apis: BTreeSet::new() });
            copies.apis.insert(api.to_owned());
        }
    }
}

type Named = BTreeMap<String, std::sync::Arc<Object>>;

fn kind_of(api: &str, export: &str, exports: &Named, schemas: &Named) -> Result<Resource, Problem> {
    let object = exports.get(export).ok_or_else(|| Problem::NoExport(export.to_owned()))?;
    let schema = schema_name(object, api)
        .ok_or_else(|| Problem::NotExported { export: export.to_owned(), api: api.to_owned() })?;
    let schema_object = schemas
        .get(&schema)
        .ok_or_else(|| Problem::NoSchema { export: export.to_owned(), schema: schema.clone() })?;
    served(schema_object).ok_or(Problem::NothingServed(schema))
}

/// What an export serves, as `<resource>.<group>`.
fn resources_of(export: &Object) -> Vec<String> {
    let resources = export.get(&["spec", "resources"]).and_then(Value::as_array);
    let text =
        |entry: &Value, key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    resources
        .into_iter()
        .flatten()
        .map(|entry| Gvr::new(text(entry, "group"), "", text(entry, "name")).group_resource())
        .collect()
}

/// The schema that an export names for `<resource>.<group>`.
fn schema_name(export: &Object, api: &str) -> Option<String> {
    let resources = export.get(&["spec", "resources"])?.as_array()?;
    let text =
        |entry: &Value, key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    resources
        .iter()
        .find(|entry| Gvr::new(text(entry, "group"), "", text(entry, "name")).group_resource() == api)
        .map(|entry| text(entry, "schema"))
        .filter(|schema| !schema.is_empty())
}

/// The kind that a schema serves, in the version it is stored in (or else the first one served).
fn served(schema: &Object) -> Option<Resource> {
    let versions = schema.get(&["spec", "versions"])?.as_array()?;
    let flag = |version: &Value, key: &str| version.get(key).and_then(Value::as_bool).unwrap_or_default();
    let served = || versions.iter().filter(|version| flag(version, "served"));
    let version = served().find(|version| flag(version, "storage")).or_else(|| served().next())?;
    let group = schema.text(&["spec", "group"]).unwrap_or_default();
    let gvr = Gvr::new(
        if group == "core" { "" } else { group },
        version.get("name").and_then(Value::as_str)?,
        schema.text(&["spec", "names", "plural"])?,
    );
    let scope = match schema.text(&["spec", "scope"]) {
        Some("Cluster") => Scope::Cluster,
        _ => Scope::Namespaced,
    };
    Some(Resource { gvr, kind: schema.text(&["spec", "names", "kind"])?.to_owned(), scope })
}

fn urls_of<'s>(export: &str, slices: impl Iterator<Item = &'s Object>) -> BTreeSet<String> {
    slices
        .filter(|slice| slice.text(&["spec", "export", "name"]) == Some(export))
        .filter_map(|slice| slice.get(&["status", "endpoints"])?.as_array())
        .flatten()
        .filter_map(|endpoint| endpoint.get("url").and_then(Value::as_str))
        .filter(|url| !url.is_empty())
        .map(|url| url.trim_end_matches('/').to_owned())
        .collect()
}

/// What a member's kubeconfig lets the broker do needs no asking for.
fn claims_in_members() -> BTreeSet<(String, String)> {
    ["secrets", "configmaps", "events"].map(|resource| (String::new(), resource.to_owned())).into()
}

fn claims_of(export: &Object) -> BTreeSet<(String, String)> {
    let claims = export.get(&["spec", "permissionClaims"]).and_then(Value::as_array);
    let text =
        |claim: &Value, key: &str| claim.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    claims.into_iter().flatten().map(|claim| (text(claim, "group"), text(claim, "resource"))).collect()
}
