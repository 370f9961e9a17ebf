//! How large an offer may be: what one provider writes is looked at for every order of an API.
//!
//! The AcceptAPI's own schema states the same limits, so that an API server refuses what would be refused here.

/// The most filters of one offer.
pub const MAX_FILTERS: usize = 1024;
/// The most filters of one offer that have an `expression`: each may take a millisecond for each order.
pub const MAX_EXPRESSIONS: usize = 16;
/// The most values of one `valueIn` or `notIn`.
pub const MAX_VALUES: usize = 256;
/// The longest value, prefix or suffix, in characters.
pub const MAX_TEXT: usize = 512;
/// All keys and texts of one offer together, in bytes: about what an API server stores of one object.
pub const MAX_SIZE: usize = 1 << 20;
/// The longest group, in characters: that of a DNS name.
pub const MAX_GROUP: usize = 253;
/// The longest name of a resource, version or namespace, in characters: that of a DNS label.
pub const MAX_NAME: usize = 63;
/// After so many faults of one offer no further ones are looked for.
pub(super) const MAX_FAULTS: usize = 100;
