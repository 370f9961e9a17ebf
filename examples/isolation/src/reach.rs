//! What somebody can list in a workspace: by the server's word, and by trying.

use anyhow::bail;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::{ApiResource, DynamicObject, ListParams, PostParams};
use kube::{Api, Client};

/// Whether somebody may list what is somewhere.
#[derive(Debug)]
pub(crate) struct Reach {
    pub(crate) who: &'static str,
    pub(crate) workspace: &'static str,
    /// What people call it.
    pub(crate) what: &'static str,
    pub(crate) may: bool,
}

impl Reach {
    /// Everybody reaches what is in its own workspace, and nothing else.
    pub(crate) fn should(&self) -> bool {
        self.who == self.workspace
    }
}

/// Whether a client may list a kind where it points to, as `kubectl auth can-i list` asks; and whether it can.
pub(crate) async fn may_list(client: &Client, resource: &ApiResource) -> anyhow::Result<bool> {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                verb: Some("list".to_owned()),
                group: Some(resource.group.clone()),
                resource: Some(resource.plural.clone()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let said = match reviews.create(&PostParams::default(), &review).await {
        Ok(review) => review.status.is_some_and(|status| status.allowed),
        // Whoever may not enter a workspace may not even ask there.
        Err(kube::Error::Api(status)) if status.is_forbidden() => false,
        Err(error) => return Err(error.into()),
    };
    let objects: Api<DynamicObject> = Api::all_with(client.clone(), resource);
    let can = match objects.list(&ListParams::default()).await {
        Ok(_) => true,
        Err(kube::Error::Api(status)) if status.is_forbidden() => false,
        Err(error) => return Err(error.into()),
    };
    if said != can {
        bail!("the server says {said} about listing {}, and does {can}", resource.plural);
    }
    Ok(can)
}

/// The reaches as a table: a row for what is where, a column for each who tries.
pub(crate) fn table(reaches: &[Reach]) -> String {
    let mut who: Vec<&str> = Vec::new();
    let mut rows: Vec<(String, Vec<bool>)> = Vec::new();
    for reach in reaches {
        if !who.contains(&reach.who) {
            who.push(reach.who);
        }
        let row = format!("{} of {}", reach.what, reach.workspace);
        match rows.iter_mut().find(|(name, _)| *name == row) {
            Some((_, may)) => may.push(reach.may),
            None => rows.push((row, vec![reach.may])),
        }
    }
    let line = |name: &str, cells: &[&str]| {
        let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:<12}")).collect();
        format!("  {name:<30}  {}", cells.join("  ")).trim_end().to_owned() + "\n"
    };
    let mut text = line("", &who);
    for (name, may) in &rows {
        let cells: Vec<&str> = may.iter().map(|may| if *may { "yes" } else { "no" }).collect();
        text.push_str(&line(name, &cells));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_row_for_what_is_where_and_a_column_for_each() {
        let reach = |who, workspace, may| Reach { who, workspace, what: "Secrets", may };
        let all =
            [reach("acme", "acme", true), reach("globex", "acme", false), reach("acme", "globex", false)];
        let lines: Vec<String> =
            table(&all).lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(lines, ["acme globex", "Secrets of acme yes no", "Secrets of globex no"]);
    }
}
