//! What broke in the Go system of the same name where the shell is what matters: `docs/predecessor.md` has the table.

use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Resource, ResourceExt};

use crate::stage::Stage;

/// An API that is not brokered when the broker starts, and orders that come before it.
pub(crate) async fn b11_what_is_missing_when_the_broker_starts_is_followed_when_it_comes(stage: Stage) {
    let mut world = stage.with_two_authorities().await;
    let late = stage.consumer("globex").await;
    world.kill_the_operator();
    let apis = stage.brokered_apis();
    let mut api = apis.list(&ListParams::default()).await.unwrap().items.remove(0);
    apis.delete(&api.name_any(), &DeleteParams::default()).await.unwrap();
    world.start_the_operator();
    late.order("early", "early.internal.corp").await;
    world.consumer.order("my-app-cert", "app.internal.corp").await;

    let metadata = api.meta_mut();
    (metadata.uid, metadata.resource_version, metadata.managed_fields) = (None, None, None);
    apis.create(&PostParams::default(), &api).await.unwrap();
    world.consumer.until_served("my-app-cert", &world.internal).await;
    late.until_served("early", &world.internal).await;
    stage.close(world).await;
}
