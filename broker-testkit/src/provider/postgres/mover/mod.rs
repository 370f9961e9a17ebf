//! Carries databases from one server to another: a small controller of helper objects.
//!
//! A playbook makes a `DatabaseMove` for each step, in the compute cluster; the mover does what it says and tells how
//! far it is. It has an administrator's way into both servers, as whoever runs databases has; where the databases are
//! it reads from the Secrets with both copies' credentials, which the broker puts beside the helpers.
//!
//! | `spec.step` | does | is `Done` |
//! |---|---|---|
//! | `Replicate` | copies the schema, then all rows by logical replication, while the source takes writes | when the target has everything and follows (`copyProgress` is 100) |
//! | `Compare` | compares every table of the source with the target, which follows it: rows and checksums of all that was not changed at that moment; then waits for what came meanwhile | when all are equal (`identical`) |
//! | `CatchUp` | with the source fenced: waits for the last change to arrive, carries the sequences over, keeps what the target is at that moment | when `lagBytes` is 0 |
//! | `Verify` | after the switch: compares every table of the source with the target as it was at that moment: rows and checksums | when all are equal (`identical`) |
//! | `Unchanged` | on the way back, with the target fenced: compares every table of the target with what it was at that moment | when nothing was written to it since |
//!
//! What the target was when it had caught up is kept by the target's server, so a mover that is killed leaves nothing
//! unknown. Where that server goes down before it is compared, rows that were written since are left out; rows of before
//! that were changed or deleted since cannot be told from a loss then, and are said to differ: nothing goes on or back on
//! a guess, and a person decides.
//!
//! A step that cannot be done is `Failed` and says why. Each can be done again from any point, by another process too.
//! When a `Replicate` is deleted, subscription, slot, publication and what is kept go: at both ends, each as soon as it can
//! be reached.

mod compare;
mod controller;
mod following;
mod kind;
mod moment;
mod replication;
mod schema;
mod steps;

pub use controller::{Mover, MoverError};
pub use kind::{DATABASE_MOVES, database_move_resource};
