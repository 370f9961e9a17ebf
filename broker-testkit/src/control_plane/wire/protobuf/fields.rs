//! The field numbers of Kubernetes' published `generated.proto` files, as far as clients send them.

/// How one field is read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Text,
    Number,
    Flag,
    Time,
    MicroTime,
    One(Fields),
    Many(Fields),
    Texts,
    TextMap,
    BytesMap,
    /// A message of one field, which is JSON.
    Json,
}

/// Number, name in JSON and kind of each field of a message.
pub(super) type Fields = &'static [(u64, &'static str, Kind)];

const OWNER: Fields = &[
    (1, "kind", Kind::Text),
    (3, "name", Kind::Text),
    (4, "uid", Kind::Text),
    (5, "apiVersion", Kind::Text),
    (6, "controller", Kind::Flag),
    (7, "blockOwnerDeletion", Kind::Flag),
];
const META: Fields = &[
    (1, "name", Kind::Text),
    (2, "generateName", Kind::Text),
    (3, "namespace", Kind::Text),
    (5, "uid", Kind::Text),
    (6, "resourceVersion", Kind::Text),
    (7, "generation", Kind::Number),
    (8, "creationTimestamp", Kind::Time),
    (9, "deletionTimestamp", Kind::Time),
    (11, "labels", Kind::TextMap),
    (12, "annotations", Kind::TextMap),
    (13, "ownerReferences", Kind::Many(OWNER)),
    (14, "finalizers", Kind::Texts),
    (17, "managedFields", Kind::Many(MANAGED)),
];
const MANAGED: Fields = &[
    (1, "manager", Kind::Text),
    (2, "operation", Kind::Text),
    (3, "apiVersion", Kind::Text),
    (4, "time", Kind::Time),
    (6, "fieldsType", Kind::Text),
    (7, "fieldsV1", Kind::Json),
    (8, "subresource", Kind::Text),
];
const REFERENCE: Fields = &[
    (1, "kind", Kind::Text),
    (2, "namespace", Kind::Text),
    (3, "name", Kind::Text),
    (4, "uid", Kind::Text),
    (5, "apiVersion", Kind::Text),
    (6, "resourceVersion", Kind::Text),
    (7, "fieldPath", Kind::Text),
];
const CONDITION: Fields = &[
    (1, "type", Kind::Text),
    (2, "status", Kind::Text),
    (4, "lastTransitionTime", Kind::Time),
    (5, "reason", Kind::Text),
    (6, "message", Kind::Text),
];
const NAMESPACE_STATUS: Fields = &[(1, "phase", Kind::Text), (2, "conditions", Kind::Many(CONDITION))];
const NAMESPACE: Fields = &[
    (1, "metadata", Kind::One(META)),
    (2, "spec", Kind::One(&[(1, "finalizers", Kind::Texts)])),
    (3, "status", Kind::One(NAMESPACE_STATUS)),
];
const CONFIG_MAP: Fields = &[
    (1, "metadata", Kind::One(META)),
    (2, "data", Kind::TextMap),
    (3, "binaryData", Kind::BytesMap),
    (4, "immutable", Kind::Flag),
];
const SECRET: Fields = &[
    (1, "metadata", Kind::One(META)),
    (2, "data", Kind::BytesMap),
    (3, "type", Kind::Text),
    (4, "stringData", Kind::TextMap),
    (5, "immutable", Kind::Flag),
];
const SERVICE_ACCOUNT: Fields = &[
    (1, "metadata", Kind::One(META)),
    (2, "secrets", Kind::Many(REFERENCE)),
    (3, "imagePullSecrets", Kind::Many(&[(1, "name", Kind::Text)])),
    (4, "automountServiceAccountToken", Kind::Flag),
];
const SOURCE: Fields = &[(1, "component", Kind::Text), (2, "host", Kind::Text)];
const SERIES: Fields = &[(1, "count", Kind::Number), (2, "lastObservedTime", Kind::MicroTime)];
/// Of the group `events.k8s.io`.
const NEWER_EVENT: Fields = &[
    (1, "metadata", Kind::One(META)),
    (2, "eventTime", Kind::MicroTime),
    (3, "series", Kind::One(SERIES)),
    (4, "reportingController", Kind::Text),
    (5, "reportingInstance", Kind::Text),
    (6, "action", Kind::Text),
    (7, "reason", Kind::Text),
    (8, "regarding", Kind::One(REFERENCE)),
    (9, "related", Kind::One(REFERENCE)),
    (10, "note", Kind::Text),
    (11, "type", Kind::Text),
    (12, "deprecatedSource", Kind::One(SOURCE)),
    (13, "deprecatedFirstTimestamp", Kind::Time),
    (14, "deprecatedLastTimestamp", Kind::Time),
    (15, "deprecatedCount", Kind::Number),
];
const EVENT: Fields = &[
    (1, "metadata", Kind::One(META)),
    (2, "involvedObject", Kind::One(REFERENCE)),
    (3, "reason", Kind::Text),
    (4, "message", Kind::Text),
    (5, "source", Kind::One(SOURCE)),
    (6, "firstTimestamp", Kind::Time),
    (7, "lastTimestamp", Kind::Time),
    (8, "count", Kind::Number),
    (9, "type", Kind::Text),
    (10, "eventTime", Kind::MicroTime),
    (11, "series", Kind::One(SERIES)),
    (12, "action", Kind::Text),
    (13, "related", Kind::One(REFERENCE)),
    (14, "reportingComponent", Kind::Text),
    (15, "reportingInstance", Kind::Text),
];
const LEASE_SPEC: Fields = &[
    (1, "holderIdentity", Kind::Text),
    (2, "leaseDurationSeconds", Kind::Number),
    (3, "acquireTime", Kind::MicroTime),
    (4, "renewTime", Kind::MicroTime),
    (5, "leaseTransitions", Kind::Number),
    (6, "strategy", Kind::Text),
    (7, "preferredHolder", Kind::Text),
];
const LEASE: Fields = &[(1, "metadata", Kind::One(META)), (2, "spec", Kind::One(LEASE_SPEC))];
const RULE: Fields = &[
    (1, "verbs", Kind::Texts),
    (2, "apiGroups", Kind::Texts),
    (3, "resources", Kind::Texts),
    (4, "resourceNames", Kind::Texts),
    (5, "nonResourceURLs", Kind::Texts),
];
const REQUIREMENT: Fields =
    &[(1, "key", Kind::Text), (2, "operator", Kind::Text), (3, "values", Kind::Texts)];
const SELECTOR: Fields =
    &[(1, "matchLabels", Kind::TextMap), (2, "matchExpressions", Kind::Many(REQUIREMENT))];
const ROLE: Fields = &[
    (1, "metadata", Kind::One(META)),
    (2, "rules", Kind::Many(RULE)),
    (3, "aggregationRule", Kind::One(&[(1, "clusterRoleSelectors", Kind::Many(SELECTOR))])),
];
const SUBJECT: Fields = &[
    (1, "kind", Kind::Text),
    (2, "apiGroup", Kind::Text),
    (3, "name", Kind::Text),
    (4, "namespace", Kind::Text),
];
const ROLE_REF: Fields = &[(1, "apiGroup", Kind::Text), (2, "kind", Kind::Text), (3, "name", Kind::Text)];
const BINDING: Fields = &[
    (1, "metadata", Kind::One(META)),
    (2, "subjects", Kind::Many(SUBJECT)),
    (3, "roleRef", Kind::One(ROLE_REF)),
];
const TOKEN_SPEC: Fields = &[
    (1, "audiences", Kind::Texts),
    (3, "boundObjectRef", Kind::One(BOUND)),
    (4, "expirationSeconds", Kind::Number),
];
const BOUND: Fields = &[
    (1, "kind", Kind::Text),
    (2, "apiVersion", Kind::Text),
    (3, "name", Kind::Text),
    (4, "uid", Kind::Text),
];
const TOKEN_REQUEST: Fields = &[(1, "metadata", Kind::One(META)), (2, "spec", Kind::One(TOKEN_SPEC))];
const RESOURCE_ATTRIBUTES: Fields = &[
    (1, "namespace", Kind::Text),
    (2, "verb", Kind::Text),
    (3, "group", Kind::Text),
    (4, "version", Kind::Text),
    (5, "resource", Kind::Text),
    (6, "subresource", Kind::Text),
    (7, "name", Kind::Text),
];
const PATH_ATTRIBUTES: Fields = &[(1, "path", Kind::Text), (2, "verb", Kind::Text)];
const SELF_ACCESS: Fields = &[
    (1, "metadata", Kind::One(META)),
    (
        2,
        "spec",
        Kind::One(&[
            (1, "resourceAttributes", Kind::One(RESOURCE_ATTRIBUTES)),
            (2, "nonResourceAttributes", Kind::One(PATH_ATTRIBUTES)),
        ]),
    ),
];
const ACCESS_SPEC: Fields = &[
    (1, "resourceAttributes", Kind::One(RESOURCE_ATTRIBUTES)),
    (2, "nonResourceAttributes", Kind::One(PATH_ATTRIBUTES)),
    (3, "user", Kind::Text),
    (4, "groups", Kind::Texts),
    (6, "uid", Kind::Text),
];
const ACCESS: Fields = &[(1, "metadata", Kind::One(META)), (2, "spec", Kind::One(ACCESS_SPEC))];
const RULES_REVIEW: Fields =
    &[(1, "metadata", Kind::One(META)), (2, "spec", Kind::One(&[(1, "namespace", Kind::Text)]))];
const TOKEN_REVIEW: Fields = &[
    (1, "metadata", Kind::One(META)),
    (2, "spec", Kind::One(&[(1, "token", Kind::Text), (2, "audiences", Kind::Texts)])),
];
const SELF_REVIEW: Fields = &[(1, "metadata", Kind::One(META))];
const DELETE_OPTIONS: Fields = &[
    (1, "gracePeriodSeconds", Kind::Number),
    (2, "preconditions", Kind::One(&[(1, "uid", Kind::Text), (2, "resourceVersion", Kind::Text)])),
    (3, "orphanDependents", Kind::Flag),
    (4, "propagationPolicy", Kind::Text),
    (5, "dryRun", Kind::Texts),
];

/// The fields of a kind; `None` if it is none that clients send in protobuf.
pub(super) fn of(version: &str, kind: &str) -> Option<Fields> {
    Some(match kind {
        "Event" if version == "events.k8s.io/v1" => NEWER_EVENT,
        "Namespace" => NAMESPACE,
        "ConfigMap" => CONFIG_MAP,
        "Secret" => SECRET,
        "ServiceAccount" => SERVICE_ACCOUNT,
        "Event" => EVENT,
        "Lease" => LEASE,
        "Role" | "ClusterRole" => ROLE,
        "RoleBinding" | "ClusterRoleBinding" => BINDING,
        "TokenReview" => TOKEN_REVIEW,
        "TokenRequest" => TOKEN_REQUEST,
        "SelfSubjectAccessReview" => SELF_ACCESS,
        "SubjectAccessReview" | "LocalSubjectAccessReview" => ACCESS,
        "SelfSubjectRulesReview" => RULES_REVIEW,
        "SelfSubjectReview" => SELF_REVIEW,
        "DeleteOptions" => DELETE_OPTIONS,
        _ => return None,
    })
}
