//! Between an order and its copy: names, what goes down, what comes back up, which objects are handed over.
//!
//! All functions are pure; none decides whether something is written, only what it would be.

mod down;
mod fingerprint;
mod names;
mod related;
mod translation;
mod up;
pub mod value_template;

pub use down::desired_copy;
pub use fingerprint::{FINGERPRINT_ANNOTATION, covers, fingerprint};
pub use names::{
    assignment_name, copy_name, copy_serials, helper_namespace, migration_name, migration_serial,
};
pub use related::{Handed, RelatedReference, RelatedRefusal, desired_related, references};
pub(crate) use translation::{OWN_STATUS, in_own_terms};
pub use translation::{Translation, Untranslated, in_order_terms, is_told};
pub use up::{OrderStatus, Told, desired_status};

#[cfg(test)]
mod tests;
