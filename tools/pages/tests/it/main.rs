//! Every block of commands of the documentation is run, in the order of its page, against embedded control planes; or it says
//! in a comment before it why not.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod page;
mod run;
mod settings;

use std::collections::BTreeSet;

use page::{Page, pages};
use run::Desk;
use settings::Setting;

/// Runs pages, each in a test of its own with what it takes for granted.
macro_rules! run {
    ($($test:ident: $page:literal with $setting:path),* $(,)?) => {
        /// The pages that are run here.
        const RUN: &[&str] = &[$($page),*];

        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                run(&Page::read($page), $setting).await;
            }
        )*
    };
}

run! {
    the_readme: "README.md" with settings::both_kinds,
    installing: "docs/install.md" with settings::an_empty_kcp,
    plain_kubernetes: "docs/kubernetes.md" with settings::plain_clusters,
    running_the_broker: "docs/platform.md" with settings::a_platform_at_work,
    moving: "docs/playbooks.md" with settings::a_database_that_may_move,
    providing: "docs/providers.md" with settings::offers_in_files,
    translating: "docs/translation.md" with settings::a_kcp_and_definitions,
    failing_over: "examples/failover/README.md" with settings::a_provider_that_fails,
    isolating: "examples/isolation/README.md" with settings::an_empty_kcp,
    the_walkthrough_of_the_certificates: "examples/certificates/README.md" with settings::a_kcp_that_was_started,
}

/// Pages whose blocks are run by tests of their own.
const ELSEWHERE: &[&str] = &["examples/routing/README.md"];

async fn run(page: &Page, setting: impl AsyncFnOnce(&mut Desk) -> Setting) {
    let mut desk = Desk::new();
    let setting = setting(&mut desk).await;
    desk.run(page).await;
    setting.close().await;
}

#[test]
fn every_block_of_commands_is_run_or_says_why_not() {
    let (mut wrong, mut run, mut not_run) = (Vec::new(), 0, 0);
    let mut with_commands = BTreeSet::new();
    for page in pages() {
        for block in page.blocks() {
            let here = format!("{}:{}", page.path, block.line);
            let path = page.path.as_str();
            match block.not_run {
                Some(reason) => {
                    println!("{here}: not run: {reason}");
                    not_run += 1;
                }
                None if RUN.contains(&path) || ELSEWHERE.contains(&path) => {
                    with_commands.insert(path.to_owned());
                    run += 1;
                }
                None => wrong.push(format!("{here}: is not run, and does not say why:\n{}", block.commands)),
            }
        }
    }
    println!("{run} blocks are run, {not_run} are not");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for page in RUN.iter().chain(ELSEWHERE) {
        assert!(with_commands.contains(*page), "{page} has no commands that are run");
    }
}
