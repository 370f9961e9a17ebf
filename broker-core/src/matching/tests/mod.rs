//! Verdicts as tables; what must hold for all of them as properties.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    clippy::too_many_lines,
    reason = "tests may fail loudly, and tables are long"
)]

mod collisions;
mod index;
mod orders;
mod properties;
mod verdicts;
mod voices;
