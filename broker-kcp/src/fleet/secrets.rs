//! The clusters of plain Kubernetes whose kubeconfigs lie in Secrets of the platform's cluster.

use std::collections::BTreeMap;

use broker_core::resource::{ClusterName, Object, marker};
use k8s_openapi::ByteString;
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;
use tokio::sync::watch;

use super::follow::{Contact, Refused};
use super::health::Beat;
use super::member::{Member, Members, members};
use crate::kcp::feed::{Feed, News};
use crate::kcp::{ClusterApi, Resource, Selector};
use crate::store::Source;

/// Where in a Secret a kubeconfig lies: as one writes it, or as the Cluster API does.
const KEYS: [&str; 2] = ["kubeconfig", "value"];

/// One cluster that a Secret tells of.
#[derive(Clone, PartialEq, Eq)]
struct Told {
    name: ClusterName,
    kubeconfig: Result<String, String>,
}

/// Follows the Secrets of a namespace, and tells which clusters there are, until dropped.
pub(super) async fn follow(
    api: ClusterApi,
    namespace: &str,
    source: Source,
    beat: Beat,
    tell: &watch::Sender<Option<Members>>,
) {
    let secrets = Resource::secrets();
    let mut contact = Contact::new(&api, secrets.clone(), source, beat, Refused::Answers);
    let feed = Feed::new(api, secrets, Selector::labels(marker::CLUSTER_LABEL)).in_namespace(namespace);
    let (told, mut telling) = watch::channel(None::<BTreeMap<String, Told>>);
    let following = feed.follow(|news| match news {
        News::Listed(objects, _) => {
            let found = objects.iter().map(|object| (object.name().to_owned(), read(object))).collect();
            told.send_if_modified(|known| known.replace(found) != *known);
        }
        News::Applied(object) => {
            let (name, found) = (object.name().to_owned(), read(&object));
            told.send_if_modified(|known| {
                known.get_or_insert_default().insert(name, found.clone()) != Some(found)
            });
        }
        News::Deleted(object) => {
            told.send_if_modified(|known| {
                known.as_mut().is_some_and(|known| known.remove(object.name()).is_some())
            });
        }
        News::Reached(_) => {}
        News::Following => contact.following(),
        News::Failed { error, began } => contact.failed(&error, began),
    });
    let telling = async {
        while telling.changed().await.is_ok() {
            let found = telling.borrow_and_update().clone();
            if let Some(found) = found {
                tell.send_replace(Some(clusters(found.into_values()).await));
            }
        }
    };
    tokio::join!(following, telling);
}

/// The clusters that these Secrets tell of, each labelled [`marker::CLUSTER_LABEL`].
pub async fn members_of(secrets: &[Object]) -> Members {
    let mut found: Vec<(&str, Told)> = secrets.iter().map(|secret| (secret.name(), read(secret))).collect();
    found.sort_by_key(|(name, _)| *name);
    clusters(found.into_iter().map(|(_, told)| told)).await
}

/// What a Secret says.
fn read(secret: &Object) -> Told {
    let label = secret.label(marker::CLUSTER_LABEL).filter(|name| !name.is_empty());
    let name = ClusterName::from(label.unwrap_or_else(|| secret.name()));
    let data = KEYS.into_iter().find_map(|key| secret.get(&["data", key]));
    let text = data
        .and_then(|data| serde_json::from_value::<ByteString>(Value::clone(data)).ok())
        .and_then(|ByteString(bytes)| String::from_utf8(bytes).ok());
    let kubeconfig = text.ok_or_else(|| {
        format!("the Secret {} has no kubeconfig in its key `kubeconfig` (or `value`)", secret.name())
    });
    Told { name, kubeconfig }
}

/// The clusters that these tell of.
async fn clusters(found: impl Iterator<Item = Told>) -> Members {
    let mut told = Vec::new();
    for Told { name, kubeconfig } in found {
        let member = match kubeconfig {
            Ok(text) => Member::new(configuration(&text).await, text),
            Err(why) => Member::new(Err(why.clone()), why),
        };
        told.push((name, member));
    }
    members(told)
}

/// A kubeconfig that says all by itself. Whoever may write such a Secret must not make the broker run programs, read its
/// files or trust whoever answers.
async fn configuration(text: &str) -> Result<Config, String> {
    let kubeconfig = Kubeconfig::from_yaml(text).map_err(|_| "it is no kubeconfig".to_owned())?;
    for user in &kubeconfig.auth_infos {
        let Some(user) = &user.auth_info else { continue };
        if user.exec.is_some() || user.auth_provider.is_some() {
            return Err(
                "it runs a program to log in, which is not done for a kubeconfig in a Secret".to_owned()
            );
        }
        if [&user.token_file, &user.client_certificate, &user.client_key].into_iter().any(Option::is_some) {
            return Err("it names files; give their contents (client-certificate-data, token)".to_owned());
        }
    }
    for cluster in kubeconfig.clusters.iter().filter_map(|named| named.cluster.as_ref()) {
        if cluster.certificate_authority.is_some() {
            return Err("it names a file; give its contents (certificate-authority-data)".to_owned());
        }
        if cluster.insecure_skip_tls_verify == Some(true) {
            return Err("it trusts whoever answers (insecure-skip-tls-verify)".to_owned());
        }
    }
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(|error| format!("it cannot be used: {error}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may fail loudly")]

    use serde_json::json;

    use super::*;

    fn kubeconfig(server: &str, cluster: &str, user: &str) -> String {
        format!(
            "{{apiVersion: v1, kind: Config, current-context: c, contexts: [{{name: c, context: {{cluster: k, user: u}}}}], \
             clusters: [{{name: k, cluster: {{server: '{server}'{cluster}}}}}], users: [{{name: u, user: {{{user}}}}}]}}"
        )
    }

    fn secret(name: &str, label: &str, data: &Value) -> Object {
        Object::try_from(json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": name, "labels": {marker::CLUSTER_LABEL: label}}, "data": data,
        }))
        .unwrap()
    }

    fn encoded(text: &str) -> Value {
        serde_json::to_value(ByteString(text.as_bytes().to_vec())).unwrap()
    }

    #[tokio::test]
    async fn a_secret_tells_of_a_cluster_by_its_label_and_a_bad_one_harms_no_other() {
        let good = kubeconfig("https://one:6443", "", "token: t");
        let same = kubeconfig("https://one:6443", "", "token: another");
        let found = [
            secret("a", "eu", &json!({"kubeconfig": encoded(&good)})),
            secret("b", "", &json!({"value": encoded(&kubeconfig("https://two:6443", "", "token: t"))})),
            secret("c", "eu", &json!({"kubeconfig": encoded(&good)})),
            secret("d", "us", &json!({"kubeconfig": encoded(&same)})),
            secret("e", "empty", &json!({})),
            secret("f", "nonsense", &json!({"kubeconfig": encoded("[")})),
        ];
        let members = clusters(found.iter().map(read)).await;
        let why = |name: &str| members[&ClusterName::from(name)].config.as_ref().unwrap_err().clone();
        let url =
            |name: &str| members[&ClusterName::from(name)].config.as_ref().unwrap().cluster_url.to_string();
        assert_eq!(members.len(), 5);
        assert_eq!((url("eu"), url("b")), ("https://one:6443/".to_owned(), "https://two:6443/".to_owned()));
        assert_eq!(why("us"), "its server is that of the cluster eu");
        assert!(why("empty").contains("no kubeconfig in its key `kubeconfig`"), "{}", why("empty"));
        assert_eq!(why("nonsense"), "it is no kubeconfig");
        let eu = &members[&ClusterName::from("eu")];
        assert_ne!(
            eu.revision,
            Member::new(Err(String::new()), same).revision,
            "a renewed token is another way"
        );
    }

    #[tokio::test]
    async fn a_kubeconfig_in_a_secret_runs_no_program_and_reads_no_file() {
        let exec = "exec: {apiVersion: client.authentication.k8s.io/v1, command: touch, args: [x]}";
        for (cluster, user, said) in [
            ("", exec, "runs a program"),
            ("", "auth-provider: {name: gcp, config: {}}", "runs a program"),
            ("", "tokenFile: /etc/passwd", "names files"),
            ("", "client-certificate: a.pem, client-key: a.key", "names files"),
            (", certificate-authority: ca.pem", "token: t", "names a file"),
            (", insecure-skip-tls-verify: true", "token: t", "trusts whoever answers"),
        ] {
            let why = configuration(&kubeconfig("https://one:6443", cluster, user)).await.unwrap_err();
            assert!(why.contains(said), "{user} {cluster}: {why}");
        }
    }
}
