//! What the test kit promises, seen from outside.

mod kcp;
mod order_life;
