//! The command `init`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use broker_kcp::api::v1alpha1::Moves;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

use super::{
    ApiDefinition, Change, ClusterOptions, CopyExport, DefinitionError, Init, InitError, JoinOptions,
    MemberOptions, PlatformOptions, Role, Server,
};
use crate::files::read_objects;

/// Prepare kcp workspaces: the platform's, a provider's, a consumer's; or clusters of plain Kubernetes.
#[derive(Clone, Debug, Args)]
pub struct InitArgs {
    #[command(subcommand)]
    role: RoleArgs,
}

#[derive(Clone, Debug, Subcommand)]
enum RoleArgs {
    /// Prepare the platform: schemas, exports, the broker's own kinds, and the broker's access.
    Platform(PlatformArgs),
    /// Prepare a provider: it binds AcceptAPI and the APIs it may offer.
    Provider(ProviderArgs),
    /// Prepare a consumer: it binds the APIs it may order.
    Consumer(MemberArgs),
    /// Prepare a cluster of plain Kubernetes as a platform: definitions, the broker's own kinds, and the broker's access.
    Cluster(ClusterArgs),
    /// Have a cluster of plain Kubernetes take part in such a platform: it may order, offer and serve.
    #[command(after_help = "Example:\n  \
        resource-broker init join eu-1 --kubeconfig platform.kubeconfig --member eu-1.kubeconfig")]
    Join(JoinArgs),
}

/// How a platform on plain Kubernetes is prepared.
#[derive(Clone, Debug, Args)]
struct ClusterArgs {
    /// The kubeconfig of somebody who administers the platform's cluster; else $KUBECONFIG, else ~/.kube/config, else the
    /// pod's account.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The namespace of the broker, its Lease and the kubeconfigs of clusters; made where it is missing.
    #[arg(long, value_name = "NAMESPACE", default_value = "resource-broker")]
    namespace: String,
    /// A file with CustomResourceDefinitions or APIResourceSchemas of the APIs to broker; may be given several times.
    #[arg(long, value_name = "FILE")]
    api: Vec<PathBuf>,
    /// Whether orders may move without a playbook [default: what the file's annotation says, else playbook-only].
    #[arg(long, value_enum, ignore_case = true)]
    moves: Option<MovesArg>,
    /// A file with CustomResourceDefinitions of providers' own kinds, which orders may be translated into; may be given
    /// several times.
    #[arg(long, value_name = "FILE")]
    copies: Vec<PathBuf>,
    /// Write a kubeconfig for the broker here: `resource-broker run --kubeconfig FILE`.
    #[arg(long, value_name = "FILE")]
    write_kubeconfig: Option<PathBuf>,
}

/// How a cluster of plain Kubernetes takes part.
#[derive(Clone, Debug, Args)]
struct JoinArgs {
    /// What the cluster is called, for good.
    #[arg(value_name = "NAME", value_parser = cluster_name)]
    name: String,
    /// The kubeconfig of somebody who administers the platform's cluster; else $KUBECONFIG, else ~/.kube/config, else the
    /// pod's account.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The kubeconfig of somebody who administers the cluster that joins. The broker reaches it at the address in it.
    #[arg(long, value_name = "FILE")]
    member: PathBuf,
    /// The namespace of the broker, in both clusters; made where it is missing.
    #[arg(long, value_name = "NAMESPACE", default_value = "resource-broker")]
    namespace: String,
}

/// What all three take.
#[derive(Clone, Debug, Args)]
struct CommonArgs {
    /// The kubeconfig of somebody who administers the workspaces; else $KUBECONFIG, else ~/.kube/config, else the
    /// pod's account.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The path of the workspace to prepare, such as root:acme; made where it or its parents are missing.
    #[arg(long, value_name = "PATH")]
    workspace: String,
    /// A file with CustomResourceDefinitions or APIResourceSchemas; may be given several times.
    #[arg(long, value_name = "FILE")]
    api: Vec<PathBuf>,
    /// Print the objects as YAML and change nothing.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Debug, Args)]
struct PlatformArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// Whether orders may move without a playbook [default: what the file's annotation says, else
    /// playbook-only].
    #[arg(long, value_enum, ignore_case = true)]
    moves: Option<MovesArg>,
    /// Serve the kinds of a file by an export of this name, such as cert-manager.io=crds.yaml, and let orders of the APIs
    /// given be translated into them; may be given several times.
    #[arg(long, value_name = "EXPORT=FILE", value_parser = named_file)]
    copies: Vec<(String, PathBuf)>,
    /// Write a kubeconfig for the broker here: `resource-broker run --kubeconfig FILE`.
    #[arg(long, value_name = "FILE")]
    write_kubeconfig: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
struct MemberArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// The path of the platform's workspace.
    #[arg(long, value_name = "PATH", default_value = "root:platform")]
    platform: String,
    /// Make a ServiceAccount for the workspace's own programs and people, and write its kubeconfig here.
    #[arg(long, value_name = "FILE")]
    write_kubeconfig: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
struct ProviderArgs {
    #[command(flatten)]
    member: MemberArgs,
    /// Bind this export of the platform, too, whose kinds orders are translated into here; may be given several times.
    #[arg(long, value_name = "EXPORT")]
    copies: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MovesArg {
    /// Objects hold no data: replace, switch, remove.
    #[value(name = "Free", alias = "free")]
    Free,
    /// Objects hold data: move only by a MigrationConfiguration.
    #[value(name = "PlaybookOnly", aliases = ["playbook-only", "playbookonly"])]
    PlaybookOnly,
}

impl From<MovesArg> for Moves {
    fn from(moves: MovesArg) -> Self {
        match moves {
            MovesArg::Free => Self::Free,
            MovesArg::PlaybookOnly => Self::PlaybookOnly,
        }
    }
}

/// Prepares a workspace or a cluster and prints what changed.
pub async fn init(args: &InitArgs) -> anyhow::Result<()> {
    match &args.role {
        RoleArgs::Platform(args) => platform(args).await?,
        RoleArgs::Provider(args) => member(Role::Provider, &args.member, &args.copies).await?,
        RoleArgs::Consumer(args) => member(Role::Consumer, args, &[]).await?,
        RoleArgs::Cluster(args) => cluster(args).await?,
        RoleArgs::Join(args) => join(args).await?,
    }
    Ok(())
}

async fn platform(args: &PlatformArgs) -> Result<(), anyhow::Error> {
    let options = PlatformOptions {
        workspace: args.common.workspace.clone(),
        apis: definitions(&args.common.api)?,
        moves: args.moves.map(Moves::from),
        copies: copies(&args.copies)?,
    };
    if args.common.dry_run {
        return print_objects(&Init::platform_objects(&options)?);
    }
    let init = connect(&args.common).await?;
    init.platform(&options).await?;
    if let Some(path) = &args.write_kubeconfig {
        let (credentials, _) = init.broker_credentials(&options.workspace).await?;
        print_change(&credentials.write(path)?);
    }
    Ok(())
}

async fn member(role: Role, args: &MemberArgs, copies: &[String]) -> Result<(), anyhow::Error> {
    let options = MemberOptions {
        workspace: args.common.workspace.clone(),
        platform: args.platform.clone(),
        apis: definitions(&args.common.api)?.iter().map(|api| api.name().to_owned()).collect(),
        copies: copies.to_vec(),
    };
    let init = connect(&args.common).await?;
    if args.common.dry_run {
        return print_objects(&init.member_objects(role, &options).await?);
    }
    init.member(role, &options).await?;
    if let Some(path) = &args.write_kubeconfig {
        let (credentials, _) = init.member_credentials(role, &options).await?;
        print_change(&credentials.write(path)?);
    }
    Ok(())
}

async fn cluster(args: &ClusterArgs) -> Result<(), anyhow::Error> {
    let mut copies = Vec::new();
    for file in &args.copies {
        copies.extend(read_objects(file)?);
    }
    let options = ClusterOptions {
        namespace: args.namespace.clone(),
        apis: definitions(&args.api)?,
        moves: args.moves.map(Moves::from),
        copies,
    };
    let server = Server::from_kubeconfig(args.kubeconfig.as_deref()).await?;
    let init = Init::new(server).on_change(print_change);
    init.cluster(&options).await?;
    if let Some(path) = &args.write_kubeconfig {
        let (credentials, _) = init.cluster_credentials(&options.namespace).await?;
        print_change(&credentials.write(path)?);
    }
    Ok(())
}

async fn join(args: &JoinArgs) -> Result<(), anyhow::Error> {
    let server = Server::from_kubeconfig(args.kubeconfig.as_deref()).await?;
    let member = Server::from_kubeconfig(Some(&args.member)).await?;
    let options = JoinOptions { name: args.name.clone(), namespace: args.namespace.clone() };
    Init::new(server).on_change(print_change).join(&member, &options).await?;
    Ok(())
}

/// A name that a label can have and a Secret can be called after.
fn cluster_name(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=50).contains(&text.len())
        && text.bytes().all(fits)
        && !text.starts_with('-')
        && !text.ends_with('-')
    {
        Ok(text.to_owned())
    } else {
        Err("write at most 50 lower-case letters, digits and dashes, such as eu-1".to_owned())
    }
}

async fn connect(args: &CommonArgs) -> Result<Init, InitError> {
    let server = Server::from_kubeconfig(args.kubeconfig.as_deref()).await?;
    Ok(Init::new(server).on_change(print_change))
}

/// The APIs of the files.
fn definitions(files: &[PathBuf]) -> anyhow::Result<Vec<ApiDefinition>> {
    let mut all = Vec::new();
    let mut names = BTreeSet::new();
    for file in files {
        let origin = file.display().to_string();
        let objects = read_objects(file)?;
        if objects.is_empty() {
            return Err(DefinitionError::Empty { origin }.into());
        }
        for object in objects {
            let api = ApiDefinition::parse(&origin, &object)?;
            if !names.insert(api.name().to_owned()) {
                return Err(DefinitionError::Twice { origin, name: api.name().to_owned() }.into());
            }
            all.push(api);
        }
    }
    Ok(all)
}

/// The exports of kinds that copies may have.
fn copies(given: &[(String, PathBuf)]) -> anyhow::Result<Vec<CopyExport>> {
    let read = |(name, file): &(String, PathBuf)| {
        Ok(CopyExport::parse(name, &file.display().to_string(), &read_objects(file)?)?)
    };
    given.iter().map(read).collect()
}

fn named_file(text: &str) -> Result<(String, PathBuf), String> {
    let (name, file) = text.split_once('=').ok_or("write EXPORT=FILE, such as cert-manager.io=crds.yaml")?;
    Ok((name.to_owned(), PathBuf::from(file)))
}

fn print_change(change: &Change) {
    println!("{change}");
}

fn print_objects(objects: &[(String, Value)]) -> anyhow::Result<()> {
    for (workspace, object) in objects {
        println!("---\n# in workspace {workspace}\n{}", serde_saphyr::to_string(object)?.trim_end());
    }
    Ok(())
}
