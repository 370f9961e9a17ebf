//! `CustomResourceDefinition`.

use super::Row;
use super::words::{flag, free, integer, keyed, kind, list, object, one_of, text, time};
use serde_json::Value;

pub(super) fn rows() -> Vec<Row> {
    vec![("apiextensions.k8s.io", "v1", "CustomResourceDefinition", custom_resource_definition())]
}

/// The names of a kind.
pub(super) fn names() -> Value {
    object(vec![
        ("plural!", text(), "The resource in URLs."),
        ("singular", text(), "The resource in the singular."),
        ("kind!", text(), "The kind."),
        ("listKind", text(), "The kind of lists."),
        ("shortNames", list(&text()), "Short names for command lines."),
        ("categories", list(&text()), "Groups of resources this one belongs to, as all."),
    ])
}

/// `additionalPrinterColumns` of a version.
pub(super) fn printer_column() -> Value {
    object(vec![
        ("name!", text(), "The heading."),
        ("type!", text(), "The type of the cells."),
        ("jsonPath!", text(), "Where the cell's value is found."),
        ("format", text(), "The format of the cells."),
        ("description", text(), "What the column shows."),
        ("priority", integer(), "Columns above 0 are shown in wide output only."),
    ])
}

/// `subresources` of a version.
pub(super) fn subresources() -> Value {
    object(vec![
        ("status", free(), "Whether status is written on its own."),
        (
            "scale",
            object(vec![
                ("specReplicasPath!", text(), "Where the wanted number is."),
                ("statusReplicasPath!", text(), "Where the actual number is."),
                ("labelSelectorPath", text(), "Where the selector is."),
            ]),
            "Where the numbers of the scale subresource are found.",
        ),
    ])
}

fn custom_resource_definition() -> Value {
    let version = object(vec![
        ("name!", text(), "The version, as v1beta1."),
        ("served!", flag(), "Whether it is served."),
        ("storage!", flag(), "Whether objects are stored in it; true for exactly one."),
        ("deprecated", flag(), "Whether its use is warned of."),
        ("deprecationWarning", text(), "The warning."),
        (
            "schema",
            object(vec![("openAPIV3Schema", free(), "The structural schema.")]),
            "The schema for pruning, defaulting and validation.",
        ),
        ("subresources", subresources(), "The subresources there are."),
        ("additionalPrinterColumns", list(&printer_column()), "The columns of tables."),
        (
            "selectableFields",
            list(&object(vec![("jsonPath!", text(), "The field.")])),
            "Fields that field selectors may use.",
        ),
    ]);
    let condition = object(vec![
        ("type!", text(), "The type of the condition."),
        ("status!", text(), "True, False or Unknown."),
        ("lastTransitionTime", time(), "When the status last changed."),
        ("reason", text(), "A word for the reason."),
        ("message", text(), "The reason in full."),
        ("observedGeneration", integer(), "The generation it is about."),
    ]);
    kind(
        "CustomResourceDefinition defines a kind of resource.",
        vec![
            (
                "spec!",
                object(vec![
                    ("group!", text(), "The group."),
                    ("names!", names(), "The names."),
                    ("scope!", one_of(&["Cluster", "Namespaced"]), "Where objects live."),
                    ("versions!", list(&version), "The versions."),
                    ("conversion", free(), "How objects are converted between versions."),
                    ("preserveUnknownFields", flag(), "Whether unknown fields are kept; deprecated."),
                ]),
                "What the kind looks like.",
            ),
            (
                "status",
                object(vec![
                    (
                        "conditions",
                        keyed(&["type"], &condition),
                        "Whether names are accepted and it is served.",
                    ),
                    ("acceptedNames", names(), "The names that are served."),
                    ("storedVersions", list(&text()), "Versions in which objects were ever stored."),
                ]),
                "What is served of it.",
            ),
        ],
    )
}
