use broker_testkit::provider::samples;

use super::*;

fn certificate() -> ApiDefinition {
    ApiDefinition::parse("a.yaml", &serde_saphyr::from_str(samples::CERTIFICATES).unwrap()).unwrap()
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

#[test]
fn the_platform_exports_accept_api_and_each_api() {
    let objects = exports(&[certificate()]).unwrap();
    let exports = of_kind(&objects, "APIExport");
    let names: Vec<_> = exports.iter().map(|export| export["metadata"]["name"].clone()).collect();
    assert_eq!(names, ["acceptapi", "certificates.example.com"]);
    let resource = &exports[1]["spec"]["resources"][0];
    assert_eq!((&resource["group"], &resource["name"]), (&json!("example.com"), &json!("certificates")));
    let schemas = of_kind(&objects, "APIResourceSchema");
    assert!(schemas.iter().any(|schema| schema["metadata"]["name"] == resource["schema"]));
}

#[test]
fn a_binding_gives_secrets_and_config_maps_with_the_managed_label_only() {
    let objects = bindings(Role::Consumer, "root:platform", &["certificates.example.com".to_owned()].into());
    assert_eq!(objects.len(), 1);
    for claim in objects[0]["spec"]["permissionClaims"].as_array().unwrap() {
        let sensitive = claim["resource"] == "secrets" || claim["resource"] == "configmaps";
        let expected = if sensitive {
            json!({"matchLabels": {"broker.platform-mesh.io/managed": "true"}})
        } else {
            json!({"matchAll": true})
        };
        assert_eq!(claim["selector"], expected, "{claim}");
    }
}

#[test]
fn what_a_binding_accepts_is_what_the_export_claims() {
    let exported = exports(&[certificate()]).unwrap();
    let apis = ["certificates.example.com".to_owned()].into();
    for binding in bindings(Role::Provider, "root:platform", &apis) {
        let export = exported
            .iter()
            .find(|e| e["kind"] == "APIExport" && e["metadata"] == binding["metadata"])
            .unwrap();
        let mut accepted = binding["spec"]["permissionClaims"].clone();
        for claim in accepted.as_array_mut().unwrap() {
            let claim = claim.as_object_mut().unwrap();
            claim.remove("selector");
            claim.remove("state");
        }
        assert_eq!(accepted, export["spec"]["permissionClaims"]);
    }
}

#[test]
fn a_consumer_binds_no_accept_api() {
    let apis = ["certificates.example.com".to_owned()].into();
    let names = |role| -> Vec<String> {
        let all = bindings(role, "root:platform", &apis);
        all.iter().map(|b| b["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(Role::Consumer), ["certificates.example.com"]);
    assert_eq!(names(Role::Provider), ["acceptapi", "certificates.example.com"]);
}

#[test]
fn answers_given_before_are_kept() {
    let mut binding = binding("root:platform", "certificates.example.com");
    let answer: AcceptedClaim = serde_json::from_value(json!({
        "resource": "secrets", "verbs": ["*"], "selector": {"matchAll": true}, "state": "Accepted",
    }))
    .unwrap();
    keep_answers(&mut binding, &[answer]);
    let claims = binding["spec"]["permissionClaims"].as_array().unwrap();
    assert_eq!(claims.len(), API_CLAIMS.len());
    assert_eq!(claims[0]["selector"], json!({"matchAll": true}));
    assert_ne!(claims[1]["selector"], json!({"matchAll": true}));
}

#[test]
fn the_broker_may_touch_the_content_of_its_exports_and_of_no_other() {
    let objects = broker_rights(&["certificates.example.com".to_owned()].into());
    let role = of_kind(&objects, "ClusterRole")[0];
    for rule in role["rules"].as_array().unwrap() {
        assert_ne!(rule["resources"], json!(["*"]), "{rule}");
        assert!(!rule["resources"].as_array().unwrap().contains(&json!("secrets")), "{rule}");
        if rule["resources"] == json!(["apiexports/content"]) {
            assert_eq!(rule["resourceNames"], json!(["acceptapi", "certificates.example.com"]));
        }
    }
}

#[test]
fn kinds_that_copies_may_have_are_served_together() {
    let text = certificate().schema().to_string();
    let other: Value =
        serde_json::from_str(&text.replace("certificates", "issuers").replace("Certificate", "Issuer"))
            .unwrap();
    let copies = CopyExport::parse("own", "own.yaml", &[certificate().schema().clone(), other]).unwrap();
    let objects = copy_exports(&[copies]);
    assert_eq!(of_kind(&objects, "APIResourceSchema").len(), 2);
    let export = of_kind(&objects, "APIExport")[0];
    assert_eq!(export["metadata"]["name"], "own");
    let kinds = kinds_of(export);
    assert_eq!(
        kinds.iter().map(|(_, resource)| resource.as_str()).collect::<Vec<_>>(),
        ["certificates", "issuers"]
    );
    assert_eq!(export["spec"]["permissionClaims"].as_array().unwrap().len(), API_CLAIMS.len());

    let rights = member_rights(Role::Provider, &BTreeSet::new(), &kinds.into_iter().collect());
    let role = of_kind(&rights, "ClusterRole")[0];
    let rules = role["rules"].as_array().unwrap();
    assert!(
        rules.iter().any(|rule| rule["resources"][0] == "issuers" && rule["verbs"] == json!(["*"])),
        "{rules:?}"
    );
}

#[test]
fn moves_come_from_the_command_then_from_the_file_then_from_the_default() {
    let moves = |api: &ApiDefinition, asked| brokered_api(api, asked, &BTreeSet::new())["spec"].clone();
    let api = certificate();
    assert_eq!(moves(&api, Some(Moves::PlaybookOnly)), json!({"moves": "PlaybookOnly"}));
    assert_eq!(moves(&api, None), json!({"moves": "Free"}));
    let mut schema = api.schema().clone();
    schema["metadata"]["annotations"] = json!({});
    let silent = ApiDefinition::parse("a.yaml", &schema).unwrap();
    assert_eq!(moves(&silent, None), json!({}));
}

#[test]
fn a_path_is_names_separated_by_colons() {
    for path in ["root", "root:platform", "root:orgs:acme-1", "1bln138vpc9wk34n"] {
        assert!(check_path(path).is_ok(), "{path}");
    }
    for path in ["", "root:", ":a", "root::a", "root/a", "root:A", "root:a b"] {
        assert!(check_path(path).is_err(), "{path}");
    }
}

#[test]
fn every_workspace_of_a_path_is_an_object_of_its_parent() {
    let all = workspaces("root:orgs:acme");
    let pairs: Vec<_> =
        all.iter().map(|(parent, object)| (parent.as_str(), object["metadata"]["name"].clone())).collect();
    assert_eq!(pairs, [("root", json!("orgs")), ("root:orgs", json!("acme"))]);
}
