//! Custom resources: what their schema fills in, drops and refuses, and what is printed of them.

use serde_json::{Value, json};

use super::broken::{Broken, hold, same};
use super::sample::{DEFINITIONS, GROUP, WIDGETS, config_map, definition, set, widget};
use super::session::{caused_by, eventually, list};
use super::subject::Subject;

/// Defaults are filled in when an object is written, in lists too.
pub async fn defaults_are_filled_in(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let mut object = widget("one", 3);
    set(&mut object, "/spec/parts", json!([{"name": "a"}, {"name": "b", "count": 2}]));
    let made = place.create(WIDGETS, &object).await?;
    let wanted = json!({
        "size": 3, "colour": "blue", "parts": [{"name": "a", "count": 1}, {"name": "b", "count": 2}],
    });
    same(&made["spec"], &wanted, "the spec")
}

/// Fields that the schema does not know are dropped, except where it says to keep them.
pub async fn unknown_fields_are_pruned(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let mut object = widget("one", 3);
    set(&mut object, "/spec/unknown", json!({"a": 1}));
    set(&mut object, "/spec/open", json!({"anything": [1, 2]}));
    set(&mut object, "/extra", json!(true));
    let made = place.create(WIDGETS, &object).await?;
    let wanted = json!({"size": 3, "colour": "blue", "open": {"anything": [1, 2]}});
    same(&made["spec"], &wanted, "the spec")?;
    same(&made["extra"], &Value::Null, "a field beside the spec")
}

/// With strict validation, an unknown field is a `BadRequest` that names it.
pub async fn strict_validation_refuses_unknown_fields(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let mut object = widget("one", 3);
    set(&mut object, "/spec/unknown", json!(1));
    let path = format!("{}?fieldValidation=Strict", place.path(WIDGETS));
    let status = place.session.post(&path, &object).await?.refused(400, "BadRequest")?;
    let message = status["message"].as_str().unwrap_or_default();
    hold(message.contains("unknown field \"spec.unknown\""), "the message names the field", &status)
}

/// Every field with a value that the schema refuses is a cause of its own.
pub async fn invalid_fields_are_told_as_causes(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let path = place.path(WIDGETS);
    let cases = [
        (json!({"size": 0}), vec![("FieldValueInvalid", "spec.size")]),
        (json!({}), vec![("FieldValueRequired", "spec.size")]),
        (json!({"size": "three"}), vec![("FieldValueTypeInvalid", "spec.size")]),
        (json!({"size": 3, "colour": "green"}), vec![("FieldValueNotSupported", "spec.colour")]),
        (json!({"size": 3, "owner": "ME"}), vec![("FieldValueInvalid", "spec.owner")]),
        (json!({"size": 3, "tags": ["x", "x"]}), vec![("FieldValueDuplicate", "spec.tags[1]")]),
        (
            json!({"size": 3, "parts": [{"name": "a"}, {"name": "a"}]}),
            vec![("FieldValueDuplicate", "spec.parts[1]")],
        ),
        (
            json!({"size": 500, "owner": "ME"}),
            vec![("FieldValueInvalid", "spec.owner"), ("FieldValueInvalid", "spec.size")],
        ),
    ];
    for (spec, wanted) in cases {
        let mut object = widget("one", 3);
        set(&mut object, "/spec", spec);
        let status = place.session.post(&path, &object).await?.refused(422, "Invalid")?;
        caused_by(&status, &wanted)?;
    }
    Ok(())
}

/// A rule of the schema that does not hold is a cause with the rule's message.
pub async fn a_rule_that_does_not_hold_is_told(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let mut object = widget("one", 3);
    set(&mut object, "/spec/reserve", json!(4));
    let status = place.session.post(&place.path(WIDGETS), &object).await?.refused(422, "Invalid")?;
    caused_by(&status, &[("FieldValueInvalid", "spec")])?;
    let message = status["details"]["causes"][0]["message"].as_str().unwrap_or_default();
    hold(message.contains("the reserve is larger than the whole"), "the cause is the rule's", &status)
}

/// A body of another kind than the path's is a `BadRequest`.
pub async fn a_body_of_another_kind_is_a_bad_request(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let answer = place.session.post(&place.path(WIDGETS), &config_map("one")).await?;
    answer.refused(400, "BadRequest").map(|_| ())
}

/// A table has the name, the columns of the definition, and a cell of each for every object.
pub async fn a_table_has_the_printer_columns(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    place.create(WIDGETS, &widget("one", 3)).await?;
    let path = place.at(WIDGETS, "one");
    let status = json!({"status": {"phase": "Ready"}});
    place.session.merge(&format!("{path}/status"), &status).await?.coded(200)?;
    for path in [place.path(WIDGETS), path] {
        let table = place.session.table(&path).await?.coded(200)?;
        same(&table["kind"], &json!("Table"), "the kind")?;
        same(&table["apiVersion"], &json!("meta.k8s.io/v1"), "the apiVersion")?;
        let columns: Vec<_> = list(&table["columnDefinitions"]).iter().map(|c| c["name"].clone()).collect();
        same(&json!(columns), &json!(["Name", "Size", "Phase"]), "the columns")?;
        let rows = list(&table["rows"]);
        hold(rows.len() == 1, "there is one row", &table)?;
        same(&table["rows"][0]["cells"], &json!(["one", 3, "Ready"]), "the cells")?;
        let object = &table["rows"][0]["object"];
        same(&object["kind"], &json!("PartialObjectMetadata"), "the kind of a row's object")?;
        same(&object["metadata"]["name"], &json!("one"), "the name of a row's object")?;
    }
    Ok(())
}

/// A new definition becomes established, is discovered and served, and is all gone when it is deleted.
pub async fn a_definition_is_served_from_established_to_deleted(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place().await?;
    // One name per check: the definitions of a cluster are everybody's.
    let word: String = place.namespace.chars().filter(char::is_ascii_alphanumeric).collect();
    let (plural, kind) = (format!("{word}s"), format!("C{}", word.get(1..).unwrap_or_default()));
    let session = &place.session;
    let made = session.post(&DEFINITIONS.path(""), &definition(&plural, &kind)).await?.coded(201)?;
    let name = made["metadata"]["name"].as_str().unwrap_or_default();
    let path = format!("{}/{name}", DEFINITIONS.path(""));
    let established = |found: &Value| {
        list(&found["status"]["conditions"])
            .iter()
            .any(|c| c["type"] == "Established" && c["status"] == "True")
    };
    session.until(&path, "the definition is established", established).await?;
    let objects = format!("/apis/{GROUP}/v1/namespaces/{}/{plural}", place.namespace);
    eventually(|| async { session.get(&objects).await?.coded(200) }).await?;
    let served = |found: &Value| list(&found["resources"]).iter().any(|r| r["name"] == json!(plural));
    let found = session.until(&format!("/apis/{GROUP}/v1"), "it is discovered", served).await?;
    let resource = list(&found["resources"]).iter().find(|r| r["name"] == json!(plural));
    let resource = resource.cloned().unwrap_or_default();
    same(&resource["kind"], &json!(kind), "the kind that is discovered")?;
    same(&resource["namespaced"], &json!(true), "the scope that is discovered")?;
    let mut object = widget("one", 3);
    set(&mut object, "/kind", json!(kind));
    session.post(&objects, &object).await?.coded(201)?;
    session.delete(&path).await?.coded(200)?;
    session.until_gone(&path).await?;
    eventually(|| async { session.get(&objects).await?.coded(404) }).await.map(|_| ())
}

/// A definition whose names another one of its group has is not served until that one is gone.
pub async fn names_that_are_taken_are_not_accepted(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place().await?;
    let word: String = place.namespace.chars().filter(char::is_ascii_alphanumeric).collect();
    let kind = format!("N{}", word.get(1..).unwrap_or_default());
    let session = &place.session;
    let path = |plural: &str| format!("{}/{plural}.{GROUP}", DEFINITIONS.path(""));
    let condition = |found: &Value, kind: &str| {
        list(&found["status"]["conditions"]).iter().find(|c| c["type"] == kind).cloned().unwrap_or_default()
    };
    let (first, second) = (format!("{word}ns"), format!("{word}nz"));
    session.post(&DEFINITIONS.path(""), &definition(&first, &kind)).await?.coded(201)?;
    let accepted = |found: &Value| condition(found, "NamesAccepted")["status"] == "True";
    session.until(&path(&first), "the names of the first are accepted", accepted).await?;
    session.post(&DEFINITIONS.path(""), &definition(&second, &kind)).await?.coded(201)?;
    let refused = |found: &Value| condition(found, "NamesAccepted")["status"] == "False";
    let found = session.until(&path(&second), "the names of the second are not", refused).await?;
    same(
        &condition(&found, "NamesAccepted")["reason"],
        &json!("ListKindConflict"),
        "the last of the reasons",
    )?;
    same(&condition(&found, "Established")["reason"], &json!("NotAccepted"), "why it is not established")?;
    same(&found["status"]["acceptedNames"]["plural"], &json!(second), "the name that nobody has")?;
    same(&found["status"]["acceptedNames"]["kind"], &json!(""), "the kind that it does not get")?;
    session.delete(&path(&first)).await?.accepted()?;
    session.until(&path(&second), "the names are free when the first is gone", accepted).await?;
    session.delete(&path(&second)).await?.accepted()?;
    session.until_gone(&path(&second)).await
}

/// A definition of a group that is Kubernetes' own says who approved of it.
pub async fn a_protected_group_needs_an_approval(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place().await?;
    let mut protected = definition("gauges", "Gauge");
    set(&mut protected, "/metadata/name", json!("gauges.contract.k8s.io"));
    set(&mut protected, "/spec/group", json!("contract.k8s.io"));
    let path = format!("{}?dryRun=All", DEFINITIONS.path(""));
    let refusal = place.session.post(&path, &protected).await?.refused(422, "Invalid")?;
    let field = "metadata.annotations[api-approved.kubernetes.io]";
    caused_by(&refusal, &[("FieldValueRequired", field)])?;
    let approved = json!({"api-approved.kubernetes.io": "unapproved, of the contract"});
    set(&mut protected, "/metadata/annotations", approved);
    place.session.post(&path, &protected).await?.coded(201).map(|_| ())
}
