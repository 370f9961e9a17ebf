//! Asking for a move: finds the order by its Assignment, and creates the Migration that says so.

use anyhow::bail;
use broker_kcp::api::v1alpha1::{
    Assignment, AssignmentSpec, CopyRef, Migration, MigrationEnd, MigrationOrder, MigrationSpec, OrderRef,
};
use kube::api::{ListParams, PostParams};
use kube::{Api, ResourceExt};

use super::StartArgs;
use crate::platform::Platform;
use crate::survey::clusters;

/// So much of the order's name is in the Migration's.
const LONGEST_STEM: usize = 40;
/// So many orders are told that may be meant.
const MAX_TOLD: usize = 5;

/// Creates the Migration and gives back its name.
pub(super) async fn start(platform: &Platform, args: &StartArgs) -> anyhow::Result<String> {
    let (Some(order), Some(to)) = (&args.order, &args.to) else {
        bail!("an order and --to are needed");
    };
    let api: Api<Assignment> = Api::all(platform.server.client(&platform.workspace)?);
    let all = api
        .list(&ListParams::default())
        .await
        .map_err(|error| platform.failure("listing the Assignments", error))?;
    let consumer = match &args.cluster {
        Some(asked) if !all.iter().any(|it| it.spec.order.cluster_name == *asked) => {
            let known = clusters(platform).await?;
            let Some(id) = known.get(asked) else {
                bail!(
                    "no consumer `{asked}` has an order: name it by its path, such as root:acme, or its id"
                );
            };
            Some(id.clone())
        }
        asked => asked.clone(),
    };
    let wanted = Wanted::parse(order, args.namespace.as_deref(), consumer.as_deref())?;
    let meant = wanted.among(all.iter().map(|assignment| &assignment.spec))?;
    let migration = migration(meant, to, args)?;
    let created = platform.migrations()?.create(&PostParams::default(), &migration).await;
    let created = created.map_err(|error| platform.failure("creating a Migration", error))?;
    Ok(created.name_any())
}

/// Which order is meant.
struct Wanted<'a> {
    resource: Option<&'a str>,
    name: &'a str,
    namespace: Option<&'a str>,
    cluster: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    fn parse(order: &'a str, namespace: Option<&'a str>, cluster: Option<&'a str>) -> anyhow::Result<Self> {
        let (resource, name) = match order.split_once('/') {
            None => (None, order),
            Some((resource, name)) => (Some(resource), name),
        };
        if name.is_empty() || name.contains('/') || resource.is_some_and(str::is_empty) {
            bail!("`{order}` names no order: expected NAME or RESOURCE/NAME, as in database/production-db");
        }
        Ok(Self { resource, name, namespace, cluster })
    }

    fn is(&self, spec: &AssignmentSpec) -> bool {
        let order = &spec.order;
        order.name == self.name
            && self
                .namespace
                .is_none_or(|namespace| order.namespace.as_deref().unwrap_or_default() == namespace)
            && self.cluster.is_none_or(|cluster| order.cluster_name == cluster)
            && self.resource.is_none_or(|asked| is_called(spec, asked))
    }

    fn among<'s>(&self, all: impl Iterator<Item = &'s AssignmentSpec>) -> anyhow::Result<&'s AssignmentSpec> {
        let found: Vec<&AssignmentSpec> = all.filter(|spec| self.is(spec)).collect();
        match found.as_slice() {
            [one] => Ok(one),
            [] => bail!("no order `{}` is served by anybody: see `kubectl get assignments`", self.name),
            several => {
                let told: Vec<String> =
                    several.iter().take(MAX_TOLD).map(|spec| called(&spec.order)).collect();
                bail!(
                    "{} orders are meant: {}; say which with -n, --cluster, or RESOURCE/NAME",
                    several.len(),
                    told.join(", ")
                )
            }
        }
    }
}

fn is_called(spec: &AssignmentSpec, asked: &str) -> bool {
    let gvr = &spec.order.gvr;
    let of_kind = |copy: &CopyRef| copy.gvk.kind.eq_ignore_ascii_case(asked);
    asked == gvr.resource
        || asked == format!("{}.{}", gvr.resource, gvr.group)
        // `database` of `databases`: kinds of copies are those of their orders, but where an offer translates.
        || format!("{asked}s") == gvr.resource
        || spec.copies.iter().any(of_kind)
}

fn called(order: &OrderRef) -> String {
    let namespace = order.namespace.as_deref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
    format!("{}/{namespace}{} of {}", order.gvr.resource, order.name, order.cluster_name)
}

/// What is asked for.
fn migration(spec: &AssignmentSpec, to: &str, args: &StartArgs) -> anyhow::Result<Migration> {
    let order = &spec.order;
    let serving = spec.pointer.as_ref().or_else(|| spec.copies.first());
    let Some(serving) = serving else {
        bail!("the record of {} names nothing that serves it: see `resource-broker recover`", called(order));
    };
    let end = |gvk, cluster: &str| MigrationEnd {
        gvk,
        name: Some(order.name.clone()),
        namespace: order.namespace.clone(),
        cluster_name: cluster.to_owned(),
        offer: None,
    };
    let mut migration = Migration::new(
        "",
        MigrationSpec {
            from: end(Some(serving.gvk.clone()), &serving.cluster_name),
            to: end(None, to),
            order: Some(MigrationOrder {
                cluster_name: order.cluster_name.clone(),
                namespace: order.namespace.clone(),
                name: order.name.clone(),
                uid: None,
                gvr: None,
            }),
            skip_source: args.skip_source.then_some(true),
            allow_loss: args.allow_loss.then_some(true),
            ..MigrationSpec::default()
        },
    );
    migration.metadata.name = None;
    migration.metadata.generate_name = Some(format!("{}-", stem(&order.name)));
    Ok(migration)
}

/// What the Migration's name begins with: a label made of the order's name.
fn stem(name: &str) -> String {
    let label = name.chars().map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' });
    label.take(LONGEST_STEM).collect::<String>().trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use broker_kcp::api::v1alpha1::{Gvk, Gvr};

    use super::*;

    fn spec(cluster: &str, namespace: &str, resource: &str) -> AssignmentSpec {
        let copy = CopyRef {
            cluster_name: "aws-id".to_owned(),
            gvk: Gvk {
                group: "example.com".to_owned(),
                version: "v1".to_owned(),
                kind: "Database".to_owned(),
            },
            name: "c-1".to_owned(),
            ..CopyRef::default()
        };
        AssignmentSpec {
            order: OrderRef {
                cluster_name: cluster.to_owned(),
                gvr: Gvr { group: "example.com".to_owned(), resource: resource.to_owned(), ..Gvr::default() },
                namespace: Some(namespace.to_owned()),
                name: "production-db".to_owned(),
                ..OrderRef::default()
            },
            copies: vec![copy],
            ..AssignmentSpec::default()
        }
    }

    #[test]
    fn an_order_is_found_by_as_much_of_its_name_as_tells_it_from_others() {
        let all = [
            spec("acme", "a", "databases"),
            spec("acme", "b", "databases"),
            spec("globex", "a", "databases"),
        ];
        let find = |order: &str, namespace: Option<&str>, cluster: Option<&str>| {
            Wanted::parse(order, namespace, cluster)
                .and_then(|wanted| wanted.among(all.iter()).map(|spec| called(&spec.order)))
                .map_err(|error| error.to_string())
        };
        for order in ["production-db", "database/production-db", "databases.example.com/production-db"] {
            assert_eq!(
                find(order, Some("a"), Some("globex")),
                Ok("databases/a/production-db of globex".to_owned()),
                "{order}"
            );
        }
        assert!(find("production-db", Some("b"), None).is_ok());
        let several = find("production-db", None, None).unwrap_err();
        assert!(several.starts_with("3 orders are meant: databases/a/production-db of acme, "), "{several}");
        assert!(find("certificate/production-db", None, None).unwrap_err().contains("is served by anybody"));
        for wrong in ["", "database/", "/x", "a/b/c"] {
            assert!(find(wrong, None, None).unwrap_err().contains("names no order"), "{wrong}");
        }
    }

    #[test]
    fn names_of_orders_become_names_of_migrations() {
        for (name, expected) in [
            ("production-db", "production-db"),
            ("a.b_c", "a-b-c"),
            ("-x.", "x"),
            (&"n".repeat(99), &"n".repeat(40)),
        ] {
            assert_eq!(stem(name), expected);
        }
    }
}
