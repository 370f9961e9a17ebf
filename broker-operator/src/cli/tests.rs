use clap_complete::Shell;

use super::*;

#[test]
fn the_command_line_is_consistent() {
    command().debug_assert();
}

#[test]
fn kubectl_calls_it_by_another_name() {
    let help = |invoked: &str| {
        let mut command = as_called(command(), Some(Path::new(invoked)));
        command.build();
        command.render_usage().to_string()
    };
    assert!(help("/usr/bin/kubectl-broker").starts_with("Usage: kubectl broker <COMMAND>"));
    assert!(help("target/debug/resource-broker").starts_with("Usage: resource-broker <COMMAND>"));
}

#[test]
fn every_shell_can_complete_every_command() {
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command(), "resource-broker", &mut script);
        let script = String::from_utf8(script).unwrap();
        for command in command().get_subcommands() {
            assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
        }
    }
}

#[test]
fn a_cause_that_is_already_told_is_not_told_twice() {
    let error =
        anyhow::anyhow!("connection refused").context("no server: connection refused").context("init failed");
    assert_eq!(explained(&error), "init failed\n  because: no server: connection refused");
}
