//! A platform whose internal authority is the real cert-manager: for the example's command and its tests.

mod scene;

pub use scene::{
    CONSUMER, EXPORT, INTERNAL, OFFER, ORDER, PUBLIC, SECRET, Scene, of_cert_manager, set_up_authority,
};
