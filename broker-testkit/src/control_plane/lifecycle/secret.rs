//! Secrets of type `kubernetes.io/service-account-token` are given a token.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::control_plane::plane::Plane;
use crate::control_plane::rbac;
use crate::control_plane::storage::{ObjectKey, Scope, TableId};
use crate::control_plane::value::{self, text};

/// Fills one Secret, if it asks for a token and has none.
pub(super) fn reconcile(plane: &Plane, key: &ObjectKey) {
    let secrets = TableId::of("", "secrets");
    let Some(secret) = plane.store.get(&secrets, key) else { return };
    if text(&secret, "/type") != "kubernetes.io/service-account-token"
        || secret.pointer("/data/token").is_some()
        || value::is_terminating(&secret)
    {
        return;
    }
    let Some((token, uid)) = rbac::issue_for_secret(plane, key, &secret) else { return };
    plane.modify(&secrets, key, |secret| {
        value::set_annotation(secret, "kubernetes.io/service-account.uid", &uid);
        value::set(secret, &["data", "token"], json!(STANDARD.encode(&token)));
        value::set(secret, &["data", "namespace"], json!(STANDARD.encode(&*key.namespace)));
        value::set(secret, &["data", "ca.crt"], json!(STANDARD.encode(&plane.authority)));
    });
}

/// Fills the Secrets that waited for a service account.
pub(super) fn reconcile_namespace(plane: &Plane, account: &ObjectKey) {
    let scope = Scope::namespace(&account.cluster, &account.namespace);
    for (key, _) in plane.store.list(&TableId::of("", "secrets"), &scope).items {
        reconcile(plane, &key);
    }
}
