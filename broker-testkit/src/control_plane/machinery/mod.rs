//! What a Kubernetes API server computes about objects, without any I/O.
//!
//! Pure functions over [`serde_json::Value`]: structural schemas, server-side apply, patches, tables,
//! OpenAPI documents and selectors. This room knows nothing of storage, watches, connections,
//! workspaces or rights; it reads no clock (times are handed in) and keeps no state.
//!
//! A write usually goes through it like this:
//!
//! | request | calls, in order |
//! |---|---|
//! | `POST`, `PUT` | [`schema::Schema::unknown_fields`], [`schema::Schema::prune`], [`schema::Schema::fill_defaults`], [`apply::record_update`], the server's own rules, [`schema::Schema::validate`] |
//! | `PATCH` json, merge, strategic | [`patch`], then as `PUT` |
//! | `PATCH` apply | [`apply::apply`], then [`schema::Schema::prune`], [`schema::Schema::fill_defaults_after_apply`], the server's own rules, validation |
//!
//! Two things a real server shows here. Ownership is recorded before the server puts back what the endpoint may not
//! write: whoever sends labels to `status` is noted as their owner, though they do not change. And nulls are removed
//! by `POST`, `PUT` and the older patches only: what apply leaves null is refused by validation.

pub mod apply;
pub mod openapi;
pub mod patch;
pub mod schema;
pub mod selector;
pub mod table;
pub(crate) mod value;
