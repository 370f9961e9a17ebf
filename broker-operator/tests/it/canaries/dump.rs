//! Everything that somebody can read in a workspace: every object of every kind, as the server writes it, with
//! `managedFields`, Secrets and Events.

use futures::future::join_all;
use kube::api::{ApiResource, DynamicObject};
use kube::discovery::{Discovery, verbs};
use kube::{Client, Resource as _};

/// The kinds of a workspace that can be listed.
pub(super) async fn kinds(client: &Client) -> Vec<ApiResource> {
    let discovery = Discovery::new(client.clone()).run().await.unwrap();
    let all = discovery.groups().flat_map(kube::discovery::ApiGroup::recommended_resources);
    let listed = all.filter(|(_, capabilities)| capabilities.supports_operation(verbs::LIST));
    listed.map(|(kind, _)| kind).collect()
}

/// What is there of these kinds, as text.
pub(super) async fn dump(client: &Client, kinds: &[ApiResource]) -> String {
    let lists = kinds.iter().map(|kind| async move {
        let url = DynamicObject::url_path(kind, None);
        let request = http::Request::get(url.as_str()).body(Vec::new()).unwrap();
        // What cannot be listed cannot be read.
        client.request_text(request).await.unwrap_or_default()
    });
    join_all(lists).await.join("\n")
}
