//! Core kinds, Leases, Events and RBAC.

use super::Row;
use super::words::{
    atomic, flag, integer, keyed, kind, label_selector, list, map, merged_by, object, one_of, or, text,
    text_of, time,
};
use serde_json::{Value, json};

const RBAC: &str = "rbac.authorization.k8s.io";

pub(super) fn rows() -> Vec<Row> {
    vec![
        ("", "v1", "Namespace", namespace()),
        ("", "v1", "ConfigMap", config_map()),
        ("", "v1", "Secret", secret()),
        ("", "v1", "ServiceAccount", service_account()),
        ("", "v1", "Event", event()),
        ("events.k8s.io", "v1", "Event", newer_event()),
        ("coordination.k8s.io", "v1", "Lease", lease()),
        (RBAC, "v1", "Role", role()),
        (RBAC, "v1", "ClusterRole", cluster_role()),
        (RBAC, "v1", "RoleBinding", binding("RoleBinding grants the rights of a role within a namespace.")),
        (RBAC, "v1", "ClusterRoleBinding", binding("ClusterRoleBinding grants the rights of a ClusterRole.")),
    ]
}

fn namespace() -> Value {
    let condition = object(vec![
        ("type!", text(), "The type of the condition."),
        ("status!", text(), "True, False or Unknown."),
        ("lastTransitionTime", time(), "When the status last changed."),
        ("reason", text(), "A word for the reason."),
        ("message", text(), "The reason in full."),
    ]);
    kind(
        "Namespace provides a scope for names.",
        vec![
            (
                "spec",
                object(vec![(
                    "finalizers",
                    list(&text()),
                    "Must be empty before the namespace is removed from storage.",
                )]),
                "The desired behaviour of the namespace.",
            ),
            (
                "status",
                object(vec![
                    ("phase", text(), "Active or Terminating."),
                    (
                        "conditions",
                        merged_by("type", keyed(&["type"], &condition)),
                        "What is known of the namespace's state.",
                    ),
                ]),
                "The current state of the namespace.",
            ),
        ],
    )
}

fn config_map() -> Value {
    kind(
        "ConfigMap holds configuration data for others to read.",
        vec![
            ("data", map(&text()), "The configuration data."),
            ("binaryData", map(&text_of("byte")), "Configuration data that is not UTF-8, in base64."),
            ("immutable", flag(), "Whether the data can no longer be changed."),
        ],
    )
}

fn secret() -> Value {
    kind(
        "Secret holds secret data of a certain type.",
        vec![
            ("data", map(&text_of("byte")), "The secret data, each value in base64."),
            ("stringData", map(&text()), "Secret data in plain text; only written, never shown."),
            ("type", or(json!("Opaque"), text()), "The type of the secret data."),
            ("immutable", flag(), "Whether the data can no longer be changed."),
        ],
    )
}

fn object_reference() -> Vec<super::words::Field<'static>> {
    vec![
        ("apiVersion", text(), "The version of the referred object."),
        ("kind", text(), "Its kind."),
        ("name", text(), "Its name."),
        ("namespace", text(), "Its namespace."),
        ("uid", text(), "Its uid."),
        ("resourceVersion", text(), "Its version in storage."),
        ("fieldPath", text(), "The part of it that is meant."),
    ]
}

fn service_account() -> Value {
    let secret = atomic(object(object_reference()));
    let pull_secret = atomic(object(vec![("name", text(), "The name of the Secret.")]));
    kind(
        "ServiceAccount is an identity for programs.",
        vec![
            (
                "secrets",
                merged_by("name", keyed(&["name"], &secret)),
                "Secrets that programs under this account may use.",
            ),
            ("imagePullSecrets", list(&pull_secret), "Secrets for pulling images."),
            ("automountServiceAccountToken", flag(), "Whether a token is mounted into pods."),
        ],
    )
}

fn event() -> Value {
    let series = object(vec![
        ("count", integer(), "How often it occurred."),
        ("lastObservedTime", text_of("date-time"), "When it was last seen."),
    ]);
    let source = object(vec![
        ("component", text(), "The reporting component."),
        ("host", text(), "The reporting node."),
    ]);
    kind(
        "Event reports something that happened to an object.",
        vec![
            ("involvedObject!", atomic(object(object_reference())), "The object it is about."),
            ("reason", text(), "A word for the reason."),
            ("message", text(), "What happened."),
            ("source", source, "Who reports it (older form)."),
            ("firstTimestamp", time(), "When it was first seen."),
            ("lastTimestamp", time(), "When it was last seen."),
            ("count", integer(), "How often it occurred."),
            ("type", text(), "Normal or Warning."),
            ("eventTime", time(), "When it was first seen, in microseconds."),
            ("series", series, "The series this event is part of."),
            ("action", text(), "What was done or failed."),
            ("related", atomic(object(object_reference())), "A second object it is about."),
            ("reportingComponent", or(json!(""), text()), "The controller that reports it."),
            ("reportingInstance", or(json!(""), text()), "The controller's instance."),
        ],
    )
}

fn newer_event() -> Value {
    let series = object(vec![
        ("count!", integer(), "How often it occurred."),
        ("lastObservedTime!", time(), "When it was last seen."),
    ]);
    let source = object(vec![
        ("component", text(), "The reporting component."),
        ("host", text(), "The reporting node."),
    ]);
    kind(
        "Event reports something that happened to an object.",
        vec![
            ("eventTime", time(), "When it was first seen, in microseconds."),
            ("series", series, "The series this event is part of."),
            ("reportingController", text(), "The controller that reports it."),
            ("reportingInstance", text(), "The controller's instance."),
            ("action", text(), "What was done or failed."),
            ("reason", text(), "A word for the reason."),
            ("regarding", atomic(object(object_reference())), "The object it is about."),
            ("related", atomic(object(object_reference())), "A second object it is about."),
            ("note", text(), "What happened."),
            ("type", text(), "Normal or Warning."),
            ("deprecatedSource", source, "Who reports it (older form)."),
            ("deprecatedFirstTimestamp", time(), "When it was first seen (older form)."),
            ("deprecatedLastTimestamp", time(), "When it was last seen (older form)."),
            ("deprecatedCount", integer(), "How often it occurred (older form)."),
        ],
    )
}

fn lease() -> Value {
    kind(
        "Lease is held by one at a time.",
        vec![(
            "spec",
            object(vec![
                ("holderIdentity", text(), "Who holds it."),
                ("leaseDurationSeconds", integer(), "How long others wait after the last renewal."),
                ("acquireTime", time(), "When the holder got it."),
                ("renewTime", time(), "When the holder last renewed it."),
                ("leaseTransitions", integer(), "How often the holder changed."),
                ("strategy", text(), "How the holder is chosen."),
                ("preferredHolder", text(), "Who should get it next."),
            ]),
            "The lease.",
        )],
    )
}

fn rules() -> Value {
    list(&object(vec![
        ("verbs!", list(&text()), "What may be done; * is everything."),
        ("apiGroups", list(&text()), "The groups of the resources."),
        ("resources", list(&text()), "The resources."),
        ("resourceNames", list(&text()), "The only names it applies to; empty for all."),
        ("nonResourceURLs", list(&text()), "Paths that are no resources."),
    ]))
}

fn role() -> Value {
    kind("Role is a set of rights within a namespace.", vec![("rules", rules(), "The rights.")])
}

fn cluster_role() -> Value {
    kind(
        "ClusterRole is a set of rights.",
        vec![
            ("rules", rules(), "The rights."),
            (
                "aggregationRule",
                object(vec![(
                    "clusterRoleSelectors",
                    list(&label_selector()),
                    "Selects the ClusterRoles whose rules make up this one's.",
                )]),
                "Where the rules come from if they are not given.",
            ),
        ],
    )
}

fn binding(description: &str) -> Value {
    let subject = atomic(object(vec![
        ("kind!", one_of(&["User", "Group", "ServiceAccount"]), "The kind of subject."),
        ("name!", text(), "Its name."),
        ("apiGroup", text(), "The subject's group."),
        ("namespace", text(), "The namespace of a ServiceAccount."),
    ]));
    let role = atomic(object(vec![
        ("apiGroup", text(), "The role's group."),
        ("kind!", text(), "Role or ClusterRole."),
        ("name!", text(), "The role's name."),
    ]));
    kind(
        description,
        vec![
            ("subjects", list(&subject), "Who gets the rights."),
            ("roleRef!", role, "The role; cannot be changed."),
        ],
    )
}
