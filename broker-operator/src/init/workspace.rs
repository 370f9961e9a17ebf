//! Workspaces: found, or made with their parents.

use std::time::Duration;

use broker_kcp::kcp::api::{LogicalCluster, Workspace};
use futures::StreamExt as _;
use kube::Api;
use kube::api::PostParams;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::wait::await_condition;
use kube::runtime::watcher::{self, watcher};

use super::apply::{Action, Session};
use super::{InitError, plan};

/// How long a workspace may take; 3 to 5 s on an idle server.
const READY: Duration = Duration::from_mins(1);

impl Session {
    /// Makes the workspace and its parents where they are missing, and waits until it is ready.
    pub(super) async fn ensure_workspace(&mut self, path: &str) -> Result<(), InitError> {
        plan::check_path(path)?;
        if self.is_there(path).await? {
            self.note("workspace", path, Action::Unchanged);
            return Ok(());
        }
        let mut parent: Option<String> = None;
        for name in path.split(':') {
            let Some(above) = &parent else {
                parent = Some(name.to_owned());
                continue;
            };
            let child = format!("{above}:{name}");
            let action = self.ensure_child(above, name).await?;
            if action == Action::Created || child == path {
                self.note("workspace", &child, action);
            }
            if action == Action::Created && child != path {
                self.until_served(&child).await?;
            }
            parent = Some(child);
        }
        Ok(())
    }

    /// Whether the workspace is there and can be entered. "Forbidden" is kcp's answer for one that is not.
    async fn is_there(&self, path: &str) -> Result<bool, InitError> {
        let api: Api<LogicalCluster> = Api::all(self.server.client(path)?);
        match api.get("cluster").await {
            Ok(cluster) => {
                Ok(cluster.status.and_then(|status| status.phase).is_some_and(|phase| phase == "Ready"))
            }
            Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => Ok(false),
            Err(error) => Err(self.server.failure(format!("looking for workspace {path}"), error)),
        }
    }

    /// Waits until a new workspace can have workspaces below it: it is Ready a little before that.
    async fn until_served(&self, path: &str) -> Result<(), InitError> {
        let api: Api<Workspace> = Api::all(self.server.client(path)?);
        let events = watcher(api, watcher::Config::default()).default_backoff();
        let listed = events.filter(|event| std::future::ready(matches!(event, Ok(watcher::Event::InitDone))));
        match tokio::time::timeout(READY, std::pin::pin!(listed).next()).await {
            Ok(_) => Ok(()),
            Err(_) => Err(InitError::Timeout {
                what: format!("workspaces to be served in {path}"),
                deadline: READY,
                seen: "errors only".to_owned(),
            }),
        }
    }

    async fn ensure_child(&mut self, parent: &str, name: &str) -> Result<Action, InitError> {
        let api: Api<Workspace> = Api::all(self.server.client(parent)?);
        let what = format!("workspace {parent}:{name}");
        let found = match api.get_opt(name).await {
            Ok(found) => found,
            Err(error) => return Err(self.server.failure(format!("reading {what}"), error)),
        };
        let action = if found.is_some() {
            Action::Unchanged
        } else {
            match api.create(&PostParams::default(), &plan::workspace(name)).await {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.code == 404 => {
                    return Err(InitError::NoKcp { url: self.server.url().to_owned() });
                }
                // Somebody else was faster: that is as good.
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(error) => return Err(self.server.failure(format!("making {what}"), error)),
            }
            Action::Created
        };
        let is_ready = |found: Option<&Workspace>| {
            found.and_then(|w| w.status.as_ref()).and_then(|s| s.phase.as_deref()) == Some("Ready")
        };
        let ready = await_condition(api.clone(), name, is_ready);
        match tokio::time::timeout(READY, ready).await {
            Ok(Ok(_)) => Ok(action),
            Ok(Err(error)) => Err(InitError::Timeout { what, deadline: READY, seen: error.to_string() }),
            Err(_) => {
                let last = api.get_opt(name).await.ok().flatten();
                let phase = last.and_then(|w| w.status).and_then(|s| s.phase);
                Err(InitError::Timeout {
                    what: format!("{what} to be ready"),
                    deadline: READY,
                    seen: format!("phase {}", phase.unwrap_or_else(|| "unknown".to_owned())),
                })
            }
        }
    }
}
