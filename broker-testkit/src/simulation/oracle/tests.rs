mod consumer;
mod ending;
mod moving;
mod placement;
mod rest;
mod secrecy;
pub(in crate::simulation) mod story;
