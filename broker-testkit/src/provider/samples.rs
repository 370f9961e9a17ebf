//! The sample APIs and their objects, as YAML: certificates, which `examples/certificates` holds for people's hands, and
//! databases, which `examples/postgres` plays with.

/// The CRD of `certificates.example.com`; moves freely, `certType` defaults to `server`.
pub const CERTIFICATES: &str = include_str!("samples/certificates.yaml");
/// The AcceptAPI of an authority for names below `.internal.corp`: `internal-ca-certificates`.
pub const OFFER_INTERNAL: &str = include_str!("samples/offer-internal.yaml");
/// The AcceptAPI of an authority for names below `.corp.com`: `public-ca-certificates`.
pub const OFFER_PUBLIC: &str = include_str!("samples/offer-public.yaml");
/// The mission's order, `my-app-cert` for `app.internal.corp`.
pub const ORDER: &str = include_str!("samples/order.yaml");
/// The CRD of `databases.example.com`; they hold data.
pub const DATABASES: &str = include_str!("samples/databases.yaml");
/// The AcceptAPI of a provider for databases whose region begins with `eu-`: `databases-eu`.
pub const OFFER_DATABASES_EU: &str = include_str!("samples/offer-databases-eu.yaml");
/// The AcceptAPI of a provider for databases whose region begins with `us-`: `databases-us`.
pub const OFFER_DATABASES_US: &str = include_str!("samples/offer-databases-us.yaml");
/// The mission's order, `customer-a-db` in `eu-central-1`.
pub const DATABASE: &str = include_str!("samples/database.yaml");
/// The MigrationConfiguration by which databases move while they are written to.
pub const DATABASES_PLAYBOOK: &str = include_str!("samples/databases-playbook.yaml");
/// The MigrationConfiguration by which databases move by a dump, with Jobs alone, while writes are held up.
pub const DATABASES_DUMP_PLAYBOOK: &str = include_str!("samples/databases-dump-playbook.yaml");
