//! The commands `cordon`, `drain` and `uncordon`: whether a provider takes orders, by the platform's word.
//!
//! They change `BrokeredAPI.spec.providers`, so they need no access to the provider, and a provider cannot undo them.

mod change;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::bail;
use broker_core::offer::Scheduling;
use broker_kcp::api::v1alpha1::{Assignment, BrokeredApi, Moves};
use clap::Args;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use self::change::{Change, Target, change, made_by};
use crate::init::Server;
use crate::offers::providers;
use crate::platform::{MembersArgs, Platform};

/// The field manager of what is written here: by it a rule is known again that a cordon made.
const MANAGER: &str = "resource-broker-cordon";
/// Somebody else may write meanwhile; nobody writes that often.
const TRIES: usize = 10;

/// Which provider, and for which APIs.
#[derive(Clone, Debug, Args)]
pub struct CordonArgs {
    /// The provider: the alias of a BrokeredAPI, or its workspace's path or id.
    #[arg(value_name = "PROVIDER")]
    provider: String,
    /// Only for this API, as in certificates.example.com [default: all brokered APIs].
    #[arg(long = "api", value_name = "RESOURCE.GROUP")]
    apis: Vec<String>,
    /// Show what would be changed, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// A kubeconfig that may update brokeredapis in the platform's workspace (the broker's own may not); else
    /// $KUBECONFIG, else ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The path of the platform's workspace [default: the one the kubeconfig points to].
    #[arg(long, value_name = "PATH")]
    workspace: Option<String>,
    #[command(flatten)]
    clusters: MembersArgs,
}

/// Has the platform say of a provider whether it takes orders, and tells what that does.
pub async fn schedule(args: &CordonArgs, wanted: Scheduling) -> anyhow::Result<()> {
    let platform =
        Platform::open(args.kubeconfig.as_deref(), args.workspace.as_deref(), &args.clusters).await?;
    for line in apply(&platform, args, wanted).await? {
        println!("{line}");
    }
    Ok(())
}

/// The same for a platform that is known; returns what to tell.
async fn apply(platform: &Platform, args: &CordonArgs, wanted: Scheduling) -> anyhow::Result<Vec<String>> {
    let Platform { server, workspace, .. } = platform;
    let api: Api<BrokeredApi> = Api::all(server.client(workspace)?);
    let failed = |what: &str, error| server.failure(format!("{what} in {workspace}"), error);
    let all =
        api.list(&ListParams::default()).await.map_err(|error| failed("listing the BrokeredAPIs", error))?;
    let names = chosen(&all.items, &args.apis, workspace)?;
    let known = providers(platform).await?;
    let target = target(&args.provider, &all.items, &known)?;
    let called = target.path.clone().unwrap_or_else(|| target.id.clone());
    let assignments: Api<Assignment> = Api::all(server.client(workspace)?);
    let assignments = assignments
        .list(&ListParams::default())
        .await
        .map_err(|error| failed("listing the Assignments", error))?;
    let mut lines = Vec::new();
    for name in names {
        let (outcome, moves) = write(server, workspace, &api, &name, &target, wanted, args.dry_run).await?;
        let orders = orders_of(&assignments.items, &name, &target.id);
        lines.push(format!("{name}: {}", told(&outcome, &called, wanted, orders, moves, args.dry_run)));
        if let (true, Change::Rules { rules, .. }) = (args.dry_run, &outcome) {
            let shown = serde_saphyr::to_string(&json!({"spec": {"providers": rules}}))?;
            lines.extend(shown.lines().map(|line| format!("  {line}")));
        }
    }
    Ok(lines)
}

/// Writes one BrokeredAPI, again where somebody else wrote meanwhile.
async fn write(
    server: &Server,
    workspace: &str,
    api: &Api<BrokeredApi>,
    name: &str,
    target: &Target,
    wanted: Scheduling,
    dry_run: bool,
) -> anyhow::Result<(Change, Moves)> {
    let failed =
        |what: &str, error| server.failure(format!("{what} BrokeredAPI {name} in {workspace}"), error);
    for _ in 0..TRIES {
        let found = api.get(name).await.map_err(|error| failed("reading", error))?;
        let version = found.resource_version();
        let moves = found.spec.moves;
        let object = serde_json::to_value(&found)?;
        let rules = object.pointer("/spec/providers").and_then(Value::as_array).cloned().unwrap_or_default();
        let outcome = change(&rules, target, wanted, &made_by(MANAGER, &object));
        let Change::Rules { rules, .. } = &outcome else { return Ok((outcome, moves)) };
        if dry_run {
            return Ok((outcome, moves));
        }
        // The version makes it a conflict where the list is not the one that was looked at any more.
        let patch = json!({
            "metadata": { "resourceVersion": version },
            "spec": { "providers": if rules.is_empty() { Value::Null } else { json!(rules) } },
        });
        let parameters = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        match api.patch(name, &parameters, &Patch::Merge(&patch)).await {
            Ok(_) => return Ok((outcome, moves)),
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => return Err(failed("changing", error).into()),
        }
    }
    bail!("BrokeredAPI {name} was changed by somebody else {TRIES} times in a row: try again")
}

/// The APIs that are meant.
fn chosen(all: &[BrokeredApi], asked: &[String], workspace: &str) -> anyhow::Result<Vec<String>> {
    let names: Vec<String> = all.iter().map(ResourceExt::name_any).collect();
    if names.is_empty() {
        bail!("{workspace} has no BrokeredAPI: is it the platform's workspace?");
    }
    if let Some(unknown) = asked.iter().find(|asked| !names.contains(asked)) {
        bail!("there is no BrokeredAPI {unknown}; there are: {}", names.join(", "));
    }
    Ok(if asked.is_empty() { names } else { asked.to_vec() })
}

/// The provider that is meant: by the alias of a rule, or by its path or id.
fn target(asked: &str, apis: &[BrokeredApi], known: &BTreeMap<String, String>) -> anyhow::Result<Target> {
    let rules = || apis.iter().flat_map(|api| &api.spec.providers).filter(|rule| rule.cluster != "*");
    let mut aliased: Vec<Target> = rules()
        .filter(|rule| rule.alias.as_deref() == Some(asked))
        .map(|rule| named(&rule.cluster, known))
        .collect();
    aliased.dedup();
    match aliased.as_slice() {
        [one] => return Ok(one.clone()),
        [] => {}
        several => {
            let names: Vec<&str> = several.iter().map(|target| target.id.as_str()).collect();
            bail!(
                "`{asked}` is the alias of several providers: name one by path or id: {}",
                names.join(", ")
            );
        }
    }
    let target = named(asked, known);
    let is_known = known.contains_key(&target.id) || rules().any(|rule| rule.cluster == asked);
    if !is_known {
        let mut names: Vec<&str> = known.values().map(String::as_str).collect();
        names.sort_unstable();
        bail!("no provider is called `{asked}`; those that may offer are: {}", names.join(", "));
    }
    Ok(target)
}

/// A provider by its path or id.
fn named(name: &str, known: &BTreeMap<String, String>) -> Target {
    let by_path = known.iter().find(|(_, path)| *path == name).map(|(id, _)| id.clone());
    let id = by_path.unwrap_or_else(|| name.to_owned());
    Target { path: known.get(&id).filter(|path| **path != id).cloned(), id }
}

/// How many orders of an API a provider serves.
fn orders_of(assignments: &[Assignment], api: &str, provider: &str) -> usize {
    let of_api = |assignment: &&Assignment| {
        let gvr = &assignment.spec.order.gvr;
        let name = if gvr.group.is_empty() {
            gvr.resource.clone()
        } else {
            format!("{}.{}", gvr.resource, gvr.group)
        };
        name == api
    };
    let served = |assignment: &&Assignment| {
        assignment.spec.offer.as_ref().is_some_and(|offer| offer.cluster_name == provider)
    };
    assignments.iter().filter(of_api).filter(served).count()
}

/// What was done, and what becomes of the orders that are there.
fn told(
    outcome: &Change,
    provider: &str,
    wanted: Scheduling,
    orders: usize,
    moves: Moves,
    dry_run: bool,
) -> String {
    let is = if dry_run { "would be" } else { "is" };
    let (noun, stay, go) = if orders == 1 { ("order", "stays", "moves") } else { ("orders", "stay", "move") };
    let word = match wanted {
        Scheduling::Active => "active",
        Scheduling::Cordoned => "cordoned",
        Scheduling::Draining => "draining",
    };
    match outcome {
        Change::Nothing => format!("{provider} is {word} already; nothing is changed"),
        Change::NotAllowed => {
            format!(
                "{provider} may not offer this API: there is nothing to change, and a rule would let it in"
            )
        }
        Change::Rules { before, .. } => {
            let effect = match (wanted, orders, moves) {
                (Scheduling::Active, _, _) => "it takes orders again".to_owned(),
                (Scheduling::Cordoned, _, _) => format!("its {orders} {noun} {stay}, it gets no new ones"),
                (Scheduling::Draining, 0, _) => "it serves no order, and gets no new ones".to_owned(),
                (Scheduling::Draining, _, Moves::Free) => {
                    format!("its {orders} {noun} {go} where another offer fits, it gets no new ones")
                }
                (Scheduling::Draining, _, Moves::PlaybookOnly) => format!(
                    "its {orders} {noun} {go} where another offer fits and a playbook allows it, it gets no new ones"
                ),
            };
            format!("{provider} {is} {word} (was {}): {effect}", before.as_str())
        }
    }
}
