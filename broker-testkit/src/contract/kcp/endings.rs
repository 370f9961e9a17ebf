//! Endings: what is seen through the virtual workspace when a binding or a whole workspace goes.

use serde_json::{Value, json};

use super::estate::{Accept, GADGETS, Tenant, WORKSPACES, binding_path, gadget};
use crate::contract::broken::Broken;
use crate::contract::sample::held;
use crate::contract::session::{Session, eventually};
use crate::contract::subject::Subject;

const GADGET: &str = "/apis/contract.example.com/v1/namespaces/default/gadgets/one";

/// A workspace of the check's own with a gadget that a finalizer holds, and the same seen from inside.
async fn holding(subject: &Subject) -> Result<(Tenant, Session), Broken> {
    let estate = subject.estate().await?;
    let tenant = Tenant::make(subject).await?;
    tenant.bind(subject, &estate.platform, Accept::Labelled).await?;
    let session = subject.at(&tenant.url)?;
    session.post(&GADGETS.path("default"), &held(gadget("one", 3))).await?.coded(201)?;
    let inside = estate.inside(subject, &tenant.id)?;
    eventually(|| async { inside.get(GADGET).await?.coded(200) }).await?;
    Ok((tenant, inside))
}

/// Waits for the mark of the deletion, and removes the finalizer.
async fn release(inside: &Session) -> Result<(), Broken> {
    let marked = |object: &Value| object["metadata"]["deletionTimestamp"].is_string();
    inside.until(GADGET, "the gadget is being deleted", marked).await?;
    inside.merge(GADGET, &json!({"metadata": {"finalizers": null}})).await?.coded(200).map(|_| ())
}

/// A deleted binding marks the objects of its kinds, and is gone when the last finalizer is.
pub async fn a_deleted_binding_waits_for_the_finalizers_of_its_objects(
    subject: &Subject,
) -> Result<(), Broken> {
    let (tenant, inside) = holding(subject).await?;
    let session = subject.at(&tenant.url)?;
    session.delete(&binding_path()).await?.accepted()?;
    release(&inside).await?;
    session.until_gone(&binding_path()).await?;
    eventually(|| async { session.get(&GADGETS.path("default")).await?.coded(404) }).await.map(|_| ())
}

/// A deleted workspace marks the objects in it, and is gone when the last finalizer is.
pub async fn a_deleted_workspace_waits_for_the_finalizers_in_it(subject: &Subject) -> Result<(), Broken> {
    let (tenant, inside) = holding(subject).await?;
    let above = subject.session()?;
    let path = format!("{}/{}", WORKSPACES.path(""), tenant.name);
    above.delete(&path).await?.accepted()?;
    release(&inside).await?;
    above.until_gone(&path).await
}
