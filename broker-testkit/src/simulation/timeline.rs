//! Renders a history.
