//! The command `completion`: what a shell needs to complete this command line.

use std::io::Write as _;

use clap::Args;
use clap_complete::Shell;

use crate::cli::command;

/// Print what a shell needs to complete this command line.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
    source <(resource-broker completion bash)\n  \
    resource-broker completion zsh > \"${fpath[1]}/_resource-broker\"\n  \
    resource-broker completion fish | source")]
pub struct CompletionArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints it.
pub fn print(args: &CompletionArgs) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command(), "resource-broker", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(())
}
