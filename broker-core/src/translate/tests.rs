//! Tests of translation.
