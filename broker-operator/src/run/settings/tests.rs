#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use serde_json::json;

use super::*;

/// What follows from these flags, variables and this file.
fn settled(
    flags: &[(&'static str, &str)],
    variables: &[(&str, &str)],
    keys: &Value,
) -> Result<Settings, String> {
    let variable =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let flags = flags.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let given = Given {
        flags,
        variable: &variable,
        file: Some(("broker.yaml".to_owned(), keys.as_object().cloned().unwrap_or_default())),
    };
    given.settle().map_err(|error| error.to_string())
}

#[test]
fn without_a_word_the_missions_defaults_hold() {
    let settings = settled(&[], &[], &json!({})).unwrap();
    let expected = Settings {
        kubeconfig: None,
        compute_kubeconfig: None,
        clusters_namespace: None,
        clusters_folder: None,
        enable_migration: true,
        reconcile_interval: Duration::from_secs(30),
        leader_election: true,
        metrics: "0.0.0.0:8080".parse().ok(),
        health_probes: "0.0.0.0:8081".parse().ok(),
        debug_endpoints: false,
        log_level: "info".to_owned(),
        log_format: LogFormat::Text,
    };
    assert_eq!(settings, expected);
}

#[test]
fn a_flag_beats_a_variable_and_that_the_file() {
    let keys =
        json!({"reconcileInterval": "1m", "enableMigration": false, "logFormat": "json", "logLevel": null});
    let variables = [("RECONCILE_INTERVAL", "2m"), ("LOG_FORMAT", "")];
    let settings = settled(&[("reconcile-interval", "3m")], &variables, &keys).unwrap();
    assert_eq!(settings.reconcile_interval, Duration::from_mins(3));
    let settings = settled(&[], &variables, &keys).unwrap();
    assert_eq!((settings.reconcile_interval, settings.enable_migration), (Duration::from_mins(2), false));
    assert_eq!((settings.log_format, settings.log_level.as_str()), (LogFormat::Json, "info"));
    assert_eq!(settled(&[], &[], &keys).unwrap().reconcile_interval, Duration::from_mins(1));
}

#[test]
fn a_wrong_value_is_told_in_one_line_with_its_place_and_what_is_accepted() {
    let told = |flags: &[(&'static str, &str)], variables: &[(&str, &str)], keys: &Value| {
        settled(flags, variables, keys).unwrap_err()
    };
    let none = json!({});
    assert_eq!(
        told(&[], &[("ENABLE_MIGRATION", "maybe")], &none),
        "ENABLE_MIGRATION is \"maybe\": expected true or false"
    );
    assert_eq!(
        told(&[("reconcile-interval", "30")], &[], &none),
        "--reconcile-interval is \"30\": expected a duration of at least 1s, such as 30s or 5m"
    );
    assert_eq!(
        told(&[], &[], &json!({"metricsAddr": 8080})),
        "`metricsAddr` in broker.yaml is \"8080\": expected an address with a port, such as :8081 or 127.0.0.1:8081, or 0 for none"
    );
    assert!(
        told(&[], &[("LOG_LEVEL", "loud")], &none).starts_with("LOG_LEVEL is \"loud\": expected error, warn")
    );
    assert_eq!(told(&[], &[("LOG_FORMAT", "xml")], &none), "LOG_FORMAT is \"xml\": expected text or json");
    assert_eq!(
        told(&[], &[], &json!({"leaderElection": ["true"]})),
        "`leaderElection` in broker.yaml is \"[\\\"true\\\"]\": expected true or false"
    );
    assert_eq!(
        told(&[], &[("CLUSTERS_FOLDER", "/clusters")], &json!({"clustersNamespace": "broker"})),
        "`clustersNamespace` in broker.yaml is \"broker\": expected nothing, where a folder with kubeconfigs is given (CLUSTERS_FOLDER)"
    );
    let unknown = told(&[], &[], &json!({"reconcileIntervall": "30s"}));
    assert!(
        unknown.starts_with("`reconcileIntervall` in broker.yaml is no setting; there are kubeconfig, "),
        "{unknown}"
    );
    for variable in SETTINGS.iter().filter_map(|setting| setting.variable) {
        let lines = settled(&[], &[(variable, "\n")], &none).map_or_else(|text| text.lines().count(), |_| 1);
        assert_eq!(lines, 1, "{variable}");
    }
}

#[test]
fn addresses_intervals_and_truths_are_read_as_kubernetes_components_read_them() {
    assert_eq!(address("0"), Some(None));
    assert_eq!(address(":8081"), Some("0.0.0.0:8081".parse().ok()));
    assert_eq!(address("[::1]:80"), Some("[::1]:80".parse().ok()));
    for wrong in ["", "8081", "localhost", ":99999", "off"] {
        assert_eq!(address(wrong), None, "{wrong}");
    }
    assert_eq!(interval("1m"), Some(Duration::from_mins(1)));
    for wrong in ["30", "0", "10ms", "soon"] {
        assert_eq!(interval(wrong), None, "{wrong}");
    }
    assert_eq!(
        (truth("True"), truth("false"), truth("yes"), truth("1")),
        (Some(true), Some(false), None, None)
    );
}

#[test]
fn a_file_that_cannot_be_read_is_told_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broker.yaml");
    let told = |text: &str| {
        std::fs::write(&path, text).unwrap();
        read_file(&path).map_err(|error| error.to_string())
    };
    assert_eq!(
        told("enableMigration: false\n").unwrap().1,
        json!({"enableMigration": false}).as_object().cloned().unwrap()
    );
    assert!(told("# nothing\n").unwrap().1.is_empty());
    for wrong in ["- a\n", "just words", "a: [", "a: 1\na: 2\n"] {
        let error = told(wrong).unwrap_err();
        assert!(error.starts_with("cannot read the configuration file /"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(read_file(&path).is_err());
}

#[cfg(feature = "demo")]
#[test]
fn generated_reference_of_the_settings_is_the_one_checked_in() {
    use std::fmt::Write as _;

    use clap::Args as _;

    use crate::cli::reference::{cell, same_as_checked_in};
    use crate::run::RunArgs;

    let mut page = "# Configuration\n\n\
        What `resource-broker run` can be told, made of the code by a test (`cargo test -p broker-operator --lib generated`). A \
        flag beats a variable, that beats a key of the YAML file that `--config` (`RESOURCE_BROKER_CONFIG`) names, and that beats \
        the default; a variable that is empty says nothing. What is not understood stops the start, see \
        [platform.md](../platform.md#the-daemon).\n\n\
        | flag | variable | key | default | accepted | meaning |\n|---|---|---|---|---|---|\n"
        .to_owned();
    let arguments = RunArgs::augment_args(clap::Command::new("run"));
    let code = |text: Option<&str>| text.map(|text| format!("`{text}`")).unwrap_or_default();
    for setting in SETTINGS {
        let argument = arguments.get_arguments().find(|it| it.get_long() == Some(setting.flag)).unwrap();
        let _ = writeln!(
            page,
            "| `--{}` | {} | `{}` | {} | {} | {} |",
            setting.flag,
            code(setting.variable),
            setting.key,
            code(setting.default),
            cell(setting.accepted),
            cell(&argument.get_help().unwrap().to_string()),
        );
    }
    same_as_checked_in("configuration.md", &page);
}
