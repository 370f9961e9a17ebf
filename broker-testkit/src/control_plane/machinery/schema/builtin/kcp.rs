//! kcp's kinds.

use super::Row;
use super::extensions::{names, printer_column, subresources};
use super::words::{
    Field, atomic, flag, free, keyed, kind, label_selector, list, map, object, one_of, or, ruled, set_of,
    some, text, time,
};
use serde_json::{Value, json};

const APIS: &str = "apis.kcp.io";
const TENANCY: &str = "tenancy.kcp.io";

pub(super) fn rows() -> Vec<Row> {
    vec![
        ("core.kcp.io", "v1alpha1", "LogicalCluster", logical_cluster()),
        (TENANCY, "v1alpha1", "Workspace", workspace()),
        (TENANCY, "v1alpha1", "WorkspaceType", workspace_type()),
        (APIS, "v1alpha1", "APIResourceSchema", api_resource_schema()),
        (APIS, "v1alpha1", "APIExport", older_api_export()),
        (APIS, "v1alpha2", "APIExport", api_export()),
        (APIS, "v1alpha1", "APIBinding", older_api_binding()),
        (APIS, "v1alpha2", "APIBinding", api_binding()),
        (APIS, "v1alpha1", "APIExportEndpointSlice", endpoint_slice()),
    ]
}

fn conditions() -> Value {
    list(&object(vec![
        ("type!", text(), "The type of the condition."),
        ("status!", text(), "True, False or Unknown."),
        ("severity", text(), "How bad it is while not True."),
        ("lastTransitionTime!", time(), "When the status last changed."),
        ("reason", text(), "A word for the reason."),
        ("message", text(), "The reason in full."),
    ]))
}

fn virtual_workspaces() -> Value {
    list(&object(vec![("url!", text(), "The address."), ("type", text(), "What it is for.")]))
}

fn logical_cluster() -> Value {
    let owner = object(vec![
        ("apiVersion!", text(), "The owner's version."),
        ("resource!", text(), "Its resource."),
        ("name!", text(), "Its name."),
        ("namespace", text(), "Its namespace."),
        ("cluster!", text(), "The logical cluster it lives in."),
        ("uid!", text(), "Its uid."),
    ]);
    kind(
        "LogicalCluster describes the logical cluster it is in; there is one, named cluster.",
        vec![
            (
                "spec",
                object(vec![
                    ("directlyDeletable", or(json!(false), flag()), "Whether it may be deleted itself."),
                    ("owner", owner, "The object that stands for it elsewhere."),
                    ("initializers", list(&text()), "What must initialise it."),
                    ("terminators", list(&text()), "What must clean it up."),
                ]),
                "The logical cluster.",
            ),
            (
                "status",
                object(vec![
                    ("URL", text(), "Its address."),
                    (
                        "phase",
                        or(
                            json!("Scheduling"),
                            one_of(&[
                                "Scheduling",
                                "Initializing",
                                "Ready",
                                "Unavailable",
                                "Terminating",
                                "Deleting",
                            ]),
                        ),
                        "Where it stands.",
                    ),
                    ("conditions", conditions(), "What is known of its state."),
                    ("initializers", list(&text()), "What is still to initialise it."),
                    ("terminators", list(&text()), "What is still to clean it up."),
                ]),
                "Its state.",
            ),
        ],
    )
}

fn type_reference() -> Value {
    object(vec![("name!", text(), "The name of the type."), ("path", text(), "The workspace it is in.")])
}

fn workspace() -> Value {
    let mount = object(vec![(
        "ref!",
        object(vec![
            ("apiVersion!", text(), "The version."),
            ("kind!", text(), "The kind."),
            ("name!", text(), "The name."),
            ("namespace", text(), "The namespace."),
        ]),
        "The object it is mounted from.",
    )]);
    let location = object(vec![("selector", label_selector(), "Selects the shard.")]);
    let fixed_type = &[
        ("self.name == oldSelf.name", "name is immutable"),
        ("has(oldSelf.path) == has(self.path)", "path is immutable"),
        ("!has(oldSelf.path) || !has(self.path) || self.path == oldSelf.path", "path is immutable"),
    ];
    kind(
        "Workspace is a place of its own for resources, served at its own address.",
        vec![
            (
                "spec!",
                or(
                    json!({}),
                    ruled(
                        &[
                            ("!has(oldSelf.URL) || has(self.URL)", "URL cannot be unset"),
                            ("!has(oldSelf.cluster) || has(self.cluster)", "cluster cannot be unset"),
                        ],
                        object(vec![
                            ("type", ruled(fixed_type, type_reference()), "Its type."),
                            ("location", location, "Where it should be."),
                            (
                                "cluster",
                                ruled(&[("self == oldSelf", "cluster is immutable")], text()),
                                "The id of its logical cluster; set by the server.",
                            ),
                            ("URL", text(), "Its address; set by the server."),
                            ("mount", mount, "What it is mounted from."),
                        ]),
                    ),
                ),
                "The workspace.",
            ),
            (
                "status",
                or(
                    json!({}),
                    object(vec![
                        (
                            "phase",
                            or(
                                json!("Scheduling"),
                                one_of(&[
                                    "Scheduling",
                                    "Initializing",
                                    "Ready",
                                    "Unavailable",
                                    "Terminating",
                                    "Deleting",
                                ]),
                            ),
                            "Where it stands.",
                        ),
                        ("conditions", conditions(), "What is known of its state."),
                        ("initializers", list(&text()), "What is still to initialise it."),
                        ("terminators", list(&text()), "What is still to clean it up."),
                    ]),
                ),
                "Its state.",
            ),
        ],
    )
}

fn workspace_type() -> Value {
    let limit = || {
        object(vec![
            ("none", flag(), "Whether there may be none at all."),
            ("types", list(&type_reference()), "The only ones there may be."),
        ])
    };
    let binding = object(vec![("path", text(), "Its workspace."), ("export!", text(), "The export.")]);
    kind(
        "WorkspaceType says how workspaces of a type are set up.",
        vec![
            (
                "spec",
                object(vec![
                    ("initializer", flag(), "Whether something initialises them."),
                    ("terminator", flag(), "Whether something cleans them up."),
                    (
                        "extend",
                        object(vec![("with", list(&type_reference()), "The types it builds on.")]),
                        "What it builds on.",
                    ),
                    ("additionalWorkspaceLabels", map(&text()), "Labels they get."),
                    ("defaultChildWorkspaceType", type_reference(), "The type of workspaces made in them."),
                    ("limitAllowedChildren", limit(), "Which types may be in them."),
                    ("limitAllowedParents", limit(), "Which types they may be in."),
                    ("defaultAPIBindings", list(&binding), "The exports they are bound to."),
                    (
                        "defaultAPIBindingLifecycle",
                        one_of(&["InitializeOnly", "Maintain"]),
                        "How long the bindings are looked after.",
                    ),
                    ("authenticationConfigurations", list(&free()), "How people log in."),
                ]),
                "The type.",
            ),
            (
                "status",
                object(vec![
                    ("conditions", conditions(), "What is known of its state."),
                    ("virtualWorkspaces", virtual_workspaces(), "Where its workspaces are initialised."),
                ]),
                "Its state.",
            ),
        ],
    )
}

fn api_resource_schema() -> Value {
    let version = object(vec![
        ("name!", text(), "The version."),
        ("served!", or(json!(true), flag()), "Whether it is served."),
        ("storage!", flag(), "Whether objects are stored in it."),
        ("deprecated", flag(), "Whether its use is warned of."),
        ("deprecationWarning", text(), "The warning."),
        ("schema!", atomic(free()), "The structural schema."),
        ("subresources", subresources(), "The subresources there are."),
        ("additionalPrinterColumns", keyed(&["name"], &printer_column()), "The columns of tables."),
    ]);
    kind(
        "APIResourceSchema is a resource as APIExports offer it; it cannot be changed.",
        vec![(
            "spec",
            object(vec![
                ("group!", text(), "The group."),
                ("names!", names(), "The names."),
                ("scope!", one_of(&["Cluster", "Namespaced"]), "Where objects live."),
                ("versions!", some(keyed(&["name"], &version)), "The versions."),
                ("nameValidation", or(json!("DNS1123Subdomain"), text()), "What names may look like."),
                ("conversion", free(), "How objects are converted between versions."),
            ]),
            "The resource.",
        )],
    )
}

fn claim(more: Vec<Field<'static>>) -> Value {
    let selector = || {
        let mut selector = label_selector();
        if let Some(properties) = selector.get_mut("properties").and_then(Value::as_object_mut) {
            properties
                .insert("matchAll".to_owned(), json!({"type": "boolean", "description": "All objects."}));
        }
        selector
    };
    let mut fields = vec![
        ("group", or(json!(""), text()), "The group of the claimed resource."),
        ("resource!", text(), "The claimed resource."),
        ("verbs!", set_of(&text()), "What the claimer may do."),
        ("identityHash", or(json!(""), text()), "The identity of the export it comes from."),
        ("defaultSelector", selector(), "The objects claimed where bindings are made by themselves."),
    ];
    fields.extend(more.into_iter().map(|(name, schema, description)| {
        if name.starts_with("selector") {
            (name, selector(), description)
        } else {
            (name, schema, description)
        }
    }));
    object(fields)
}

fn older_claim(more: Vec<Field<'static>>) -> Value {
    let mut fields = vec![
        ("group", or(json!(""), text()), "The group of the claimed resource."),
        ("resource!", text(), "The claimed resource."),
        ("all", flag(), "Whether all objects are claimed."),
        ("identityHash", text(), "The identity of the export it comes from."),
        ("resourceSelector", list(&free()), "The objects claimed."),
    ];
    fields.extend(more);
    object(fields)
}

/// A claim of the older version as people make it.
fn older_claim_made(more: Vec<Field<'static>>) -> Value {
    let either =
        "(has(self.all) && self.all) != (has(self.resourceSelector) && size(self.resourceSelector) > 0)";
    ruled(&[(either, "either \"all\" or \"resourceSelector\" must be set")], older_claim(more))
}

fn export_with(more: Vec<Field<'static>>) -> Value {
    let secret = atomic(object(vec![
        ("name", text(), "The Secret's name."),
        ("namespace", text(), "The Secret's namespace."),
    ]));
    let mut spec = vec![
        (
            "identity",
            object(vec![("secretRef", secret, "The Secret it is kept in.")]),
            "The export's identity.",
        ),
        (
            "maximalPermissionPolicy",
            object(vec![("local", free(), "The policy is in the export's workspace.")]),
            "What consumers may do at most.",
        ),
    ];
    spec.extend(more);
    kind(
        "APIExport offers resources to other workspaces.",
        vec![
            ("spec", object(spec), "What is offered."),
            (
                "status",
                object(vec![
                    ("identityHash", text(), "The hash of the identity."),
                    ("conditions", conditions(), "What is known of its state."),
                    ("virtualWorkspaces", virtual_workspaces(), "Where its objects are served; deprecated."),
                ]),
                "Its state.",
            ),
        ],
    )
}

fn api_export() -> Value {
    let storage = object(vec![
        ("crd", free(), "Objects are stored as those of CRDs."),
        ("virtual", free(), "Objects come from elsewhere."),
    ]);
    let one = ("has(self.crd) != has(self.virtual)", "Exactly one of crd or virtual must be set");
    let resource = object(vec![
        ("name!", text(), "The resource."),
        ("group!", text(), "Its group."),
        ("schema!", text(), "Its APIResourceSchema."),
        ("storage", or(json!({"crd": {}}), ruled(&[one], storage)), "How objects are stored."),
    ]);
    export_with(vec![
        ("resources", keyed(&["name", "group"], &resource), "The resources offered."),
        (
            "permissionClaims",
            keyed(&["group", "resource"], &claim(Vec::new())),
            "The resources of its consumers it wants access to.",
        ),
    ])
}

fn older_api_export() -> Value {
    export_with(vec![
        ("latestResourceSchemas", set_of(&text()), "The APIResourceSchemas offered."),
        (
            "permissionClaims",
            keyed(&["group", "resource"], &older_claim_made(Vec::new())),
            "The resources of its consumers it wants access to.",
        ),
    ])
}

/// What is bound, or listed, stays what it is.
const FIXED_REFERENCE: (&str, &str) = ("self == oldSelf", "APIExport reference must not be changed");

fn state() -> Field<'static> {
    ("state!", one_of(&["Accepted", "Rejected"]), "Whether the claim is granted.")
}

fn binding_with(spec_claims: Value, status_claims: &Value) -> Value {
    let export = object(vec![
        ("path", text(), "The export's workspace; the own one if not given."),
        ("name", text(), "The export's name."),
    ]);
    let schema = object(vec![
        ("name!", text(), "The schema's name."),
        ("UID!", text(), "Its uid."),
        ("identityHash!", text(), "The identity it is served under."),
    ]);
    let resource = object(vec![
        ("group!", text(), "The group."),
        ("resource!", text(), "The resource."),
        ("schema!", schema, "The schema it is served by."),
        ("storageVersions", set_of(&text()), "Versions in which objects were ever stored."),
    ]);
    kind(
        "APIBinding makes the resources of an APIExport available.",
        vec![
            (
                "spec!",
                object(vec![
                    (
                        "reference!",
                        ruled(&[FIXED_REFERENCE], object(vec![("export", export, "An APIExport.")])),
                        "What is bound; cannot be changed.",
                    ),
                    ("permissionClaims", spec_claims, "The export's claims, and whether they are granted."),
                ]),
                "What is bound.",
            ),
            (
                "status",
                object(vec![
                    ("phase", one_of(&["", "Binding", "Bound"]), "Where it stands."),
                    ("apiExportClusterName", text(), "The logical cluster of the export."),
                    ("boundResources", keyed(&["group", "resource"], &resource), "The resources bound."),
                    ("conditions", conditions(), "What is known of its state."),
                    ("appliedPermissionClaims", status_claims.clone(), "The claims in effect."),
                    ("exportPermissionClaims", status_claims.clone(), "The claims the export makes."),
                ]),
                "Its state.",
            ),
        ],
    )
}

fn api_binding() -> Value {
    let keys = ["group", "resource", "identityHash"];
    let granted = claim(vec![("selector!", free(), "The objects it is granted for."), state()]);
    let known = claim(vec![("selector", free(), "The objects it is granted for.")]);
    binding_with(keyed(&keys, &granted), &keyed(&keys, &known))
}

fn older_api_binding() -> Value {
    binding_with(list(&older_claim_made(vec![state()])), &list(&older_claim(Vec::new())))
}

fn endpoint_slice() -> Value {
    let export = object(vec![
        ("path", text(), "The export's workspace; the own one if not given."),
        ("name!", text(), "The export's name."),
    ]);
    kind(
        "APIExportEndpointSlice says where the objects of an APIExport are served.",
        vec![
            (
                "spec!",
                object(vec![
                    ("export!", ruled(&[FIXED_REFERENCE], export), "The export."),
                    ("partition", text(), "The partition whose shards are listed."),
                ]),
                "What is asked for.",
            ),
            (
                "status",
                object(vec![
                    (
                        "endpoints",
                        keyed(&["url"], &object(vec![("url!", text(), "The address.")])),
                        "The addresses, one for each shard.",
                    ),
                    ("conditions", conditions(), "What is known of its state."),
                    ("shardSelector", text(), "The shards looked at."),
                ]),
                "What was found.",
            ),
        ],
    )
}
