//! The broker's own labels, annotations, finalizers and field managers.
//!
//! A marker is a hint for finding objects, never a proof: what a copy is, is what an Assignment names.

/// API group of the broker's own kinds.
pub const GROUP: &str = "broker.platform-mesh.io";
/// The version of the broker's own kinds.
pub const VERSION: &str = "v1alpha1";
/// Prefix of every label, annotation and finalizer of the broker; such keys are never copied down.
pub const PREFIX: &str = "broker.platform-mesh.io/";
/// Field manager of everything the broker applies, except the fence.
pub const MANAGER: &str = "resource-broker";
/// Field manager of the write fence on a copy.
pub const FENCE_MANAGER: &str = "resource-broker-fence";
/// Label on related objects, at the provider and at the consumer; permission claims are limited to it.
pub const MANAGED_LABEL: &str = "broker.platform-mesh.io/managed";
/// The only value of [`MANAGED_LABEL`].
pub const MANAGED_VALUE: &str = "true";
/// Label on copies and mirrored objects: the name of the Assignment they belong to.
pub const ORDER_LABEL: &str = "broker.platform-mesh.io/order";
/// Annotation on a mirrored object: the key under which the provider named it.
pub const KEY_ANNOTATION: &str = "broker.platform-mesh.io/related-key";
/// Annotation on a copy: the generation of the order that its spec reflects.
pub const ORDER_GENERATION_ANNOTATION: &str = "broker.platform-mesh.io/order-generation";
/// Finalizer on orders: held from before the first remote write until everything written for the order is gone.
pub const ORDER_FINALIZER: &str = "broker.platform-mesh.io/order";
/// Annotation on an order: `"true"` stops every change made for it.
pub const PAUSED_ANNOTATION: &str = "broker.platform-mesh.io/paused";
/// Annotation on an order: `Retain` leaves the copy behind when the order is deleted.
pub const DELETION_POLICY_ANNOTATION: &str = "broker.platform-mesh.io/deletion-policy";
/// Annotation on a schema file: `Free` or `PlaybookOnly`, taken over into the BrokeredAPI.
pub const MOVES_ANNOTATION: &str = "broker.platform-mesh.io/moves";
/// Annotation on a copy: `"true"` asks its provider to take no more writes; it answers in `status.quiesced`.
pub const QUIESCE_ANNOTATION: &str = "broker.platform-mesh.io/quiesce";
/// Label on the helper objects of a move, and on their namespace: the name of the Migration.
pub const MIGRATION_LABEL: &str = "broker.platform-mesh.io/migration";
/// Annotation on a helper object of a move: the key of its template, or its name where it holds credentials.
pub const HELPER_ANNOTATION: &str = "broker.platform-mesh.io/helper";
/// Annotation with which kcp names the logical cluster of an object.
pub const CLUSTER_ANNOTATION: &str = "kcp.io/cluster";
/// On a Secret of the platform's cluster that holds the kubeconfig of a cluster of plain Kubernetes; its value is the
/// cluster's name.
pub const CLUSTER_LABEL: &str = "broker.platform-mesh.io/cluster";
/// Annotation on a copy that outlived its order on purpose: never brokered, never removed by the broker.
pub const RETAINED_ANNOTATION: &str = "broker.platform-mesh.io/retained";
