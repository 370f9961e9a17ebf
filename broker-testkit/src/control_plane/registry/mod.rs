//! Kinds and what the server does with objects of them: the part between the wire and the storage.

mod builtin;
mod catalog;
mod checks;
mod custom;
mod definition;
mod naming;
mod operation;
mod options;
mod reading;
mod rules;
mod settling;
mod versions;

pub(crate) use catalog::{Catalog, Served, crds};
pub(crate) use custom::from_api_resource_schema;
pub(crate) use definition::{Definition, Origin, READ_VERBS, api_version};
pub(crate) use operation::{Deleted, Guard, Patch, Proposal, Resource, Written};
pub(crate) use options::{DeleteOptions, FieldValidation, WriteOptions};
pub(crate) use reading::{Event, Page, Paging, Selection, Start, Watch, list};
pub(crate) use rules::approval;
