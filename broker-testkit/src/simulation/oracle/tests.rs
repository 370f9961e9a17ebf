mod consumer;
mod ending;
mod moving;
mod placement;
mod rest;
mod secrecy;
mod story;
