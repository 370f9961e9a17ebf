//! The sample API and its objects, as YAML: what `examples/certificates` holds for people's hands.

/// The CRD of `certificates.example.com`; moves freely, `certType` defaults to `server`.
pub const CERTIFICATES: &str = include_str!("samples/certificates.yaml");
/// The AcceptAPI of an authority for names below `.internal.corp`: `internal-ca-certificates`.
pub const OFFER_INTERNAL: &str = include_str!("samples/offer-internal.yaml");
/// The AcceptAPI of an authority for names below `.corp.com`: `public-ca-certificates`.
pub const OFFER_PUBLIC: &str = include_str!("samples/offer-public.yaml");
/// The mission's order, `my-app-cert` for `app.internal.corp`.
pub const ORDER: &str = include_str!("samples/order.yaml");
