//! The command line: which command there is and what happens to its errors. What a command does is in
//! the module of its name.

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

use broker_core::offer::Scheduling;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::{
    clusters, completion, cordon, definitions, explain, init, migrate, offers, plan, recover, run, status,
    support_bundle, uninstall, validate, why,
};

/// Brokers generic APIs: routes what consumers order to the provider that fits, and moves it without a gap.
#[derive(Debug, Parser)]
#[command(name = "resource-broker", version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the broker until it is told to stop.
    Run(run::RunArgs),
    /// Show a certificate ordered, brokered and moved, on an embedded control plane.
    #[cfg(feature = "demo")]
    Demo(crate::demo::DemoArgs),
    /// Prepare kcp workspaces: the platform's, a provider's, a consumer's.
    Init(init::InitArgs),
    /// Print the CustomResourceDefinitions of the broker's own kinds.
    Crds(definitions::CrdsArgs),
    /// List what providers offer, and whether it is available.
    Offers(offers::OffersArgs),
    /// List the clusters that the platform knows, in which roles, and whether they are reached.
    Clusters(clusters::ClustersArgs),
    /// How an order stands, or all of them.
    Status(status::StatusArgs),
    /// Why an order is not served as it should be, on what evidence, and what to run next.
    Why(why::WhyArgs),
    /// Which offer would serve an order, and why not the others.
    Explain(explain::ExplainArgs),
    /// Tell what is wrong with `AcceptAPIs` and `BrokeredAPIs` in files, or probably not meant.
    Validate(validate::ValidateArgs),
    /// What a move would be, and which orders a change of offers or of the platform's word would move.
    Plan(plan::PlanArgs),
    /// Move an order to another provider, follow the move, and steer it.
    Migrate(migrate::MigrateArgs),
    /// Set the records of orders right that say `AssignmentLost`, as after a restored backup.
    Recover(recover::RecoverArgs),
    /// Let go of all orders, before the broker is taken away for good.
    Uninstall(uninstall::UninstallArgs),
    /// Gather what a bug report needs into one file, without Secrets and without what consumers wrote.
    SupportBundle(support_bundle::SupportBundleArgs),
    /// Let a provider keep its orders and get no new ones.
    Cordon(cordon::CordonArgs),
    /// Let a provider get no new orders, and move those that it has.
    Drain(cordon::CordonArgs),
    /// Let a provider take orders again.
    Uncordon(cordon::CordonArgs),
    /// Print what a shell needs to complete this command line.
    Completion(completion::CompletionArgs),
}

/// What a command that answers with its exit status ends with where it has no answer.
const NO_ANSWER: u8 = 2;

/// Runs the command of this process's arguments. Its error is printed, cause by cause.
pub async fn main() -> ExitCode {
    // Boxed: the commands' futures are large, and main's stack is not the place for them.
    let (outcome, failure) = match parse().command {
        Command::Run(args) => (Box::pin(run::run(&args)).await, ExitCode::FAILURE),
        #[cfg(feature = "demo")]
        Command::Demo(args) => plain(Box::pin(crate::demo::demo(&args)).await),
        Command::Init(args) => plain(Box::pin(init::init(&args)).await),
        Command::Crds(args) => plain(definitions::print(&args)),
        Command::Offers(args) => plain(Box::pin(offers::print(&args)).await),
        Command::Clusters(args) => plain(Box::pin(clusters::print(&args)).await),
        Command::Status(args) => (Box::pin(status::status(&args)).await, ExitCode::from(NO_ANSWER)),
        Command::Why(args) => (Box::pin(why::why(&args)).await, ExitCode::from(NO_ANSWER)),
        Command::Explain(args) => (Box::pin(explain::explain(&args)).await, ExitCode::from(NO_ANSWER)),
        Command::Plan(args) => (Box::pin(plan::plan(&args)).await, ExitCode::from(NO_ANSWER)),
        Command::Migrate(args) => (Box::pin(migrate::migrate(&args)).await, ExitCode::from(NO_ANSWER)),
        Command::Recover(args) => (Box::pin(recover::recover(&args)).await, ExitCode::from(NO_ANSWER)),
        Command::Uninstall(args) => (Box::pin(uninstall::uninstall(&args)).await, ExitCode::from(NO_ANSWER)),
        Command::Cordon(args) => plain(Box::pin(cordon::schedule(&args, Scheduling::Cordoned)).await),
        Command::Drain(args) => plain(Box::pin(cordon::schedule(&args, Scheduling::Draining)).await),
        Command::Uncordon(args) => plain(Box::pin(cordon::schedule(&args, Scheduling::Active)).await),
        Command::SupportBundle(args) => plain(Box::pin(support_bundle::write(&args)).await),
        Command::Completion(args) => plain(completion::print(&args)),
        Command::Validate(args) => (validate::validate(&args), ExitCode::from(NO_ANSWER)),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {}", explained(&error));
        failure
    })
}

/// What this process was told. As `kubectl-broker`, which kubectl runs as `kubectl broker`, it is called so in its help.
fn parse() -> Cli {
    let invoked = std::env::args_os().next();
    let command = as_called(command(), invoked.as_deref().map(Path::new));
    Cli::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
}

/// The whole command line.
pub(crate) fn command() -> clap::Command {
    Cli::command().mut_subcommand("run", run::described)
}

fn as_called(command: clap::Command, invoked: Option<&Path>) -> clap::Command {
    match invoked.and_then(Path::file_stem).and_then(OsStr::to_str) {
        Some("kubectl-broker") => command.bin_name("kubectl broker"),
        Some(_) | None => command,
    }
}

/// The outcome of a command that only works or fails, and the exit status of its failure.
fn plain(outcome: anyhow::Result<()>) -> (anyhow::Result<ExitCode>, ExitCode) {
    (outcome.map(|()| ExitCode::SUCCESS), ExitCode::FAILURE)
}

/// The error and its causes, each on a line of its own and none twice.
fn explained(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str("\n  because: ");
            text.push_str(&cause);
        }
    }
    text
}

#[cfg(test)]
#[cfg(feature = "demo")]
mod documentation;
#[cfg(test)]
#[cfg(feature = "demo")]
pub(crate) mod reference;
#[cfg(test)]
mod tests;
