//! What was read of each order, kept for the next question about it.
//!
//! An order is asked about far more often than it changes: whenever an offer does, and now and then in any case.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::offer::ReadOrder;
use crate::port::OrderAddress;
use crate::resource::Object;

/// One reading per order, of the object that was observed last.
#[derive(Debug, Default)]
pub(super) struct Readings {
    readings: Mutex<BTreeMap<OrderAddress, Arc<ReadOrder>>>,
}

impl Readings {
    /// The reading of an order as it is now: the one that is kept, where the object is the same one.
    pub(super) fn of(&self, address: &OrderAddress, object: Option<&Arc<Object>>) -> Option<Arc<ReadOrder>> {
        // Nothing panics while it is held; and what is in it only saves work.
        let mut readings = self.readings.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(object) = object else {
            readings.remove(address);
            return None;
        };
        if let Some(kept) = readings.get(address).filter(|kept| Arc::ptr_eq(kept.object(), object)) {
            return Some(kept.clone());
        }
        let reading = Arc::new(ReadOrder::new(object.clone()));
        readings.insert(address.clone(), reading.clone());
        Some(reading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::{Gvk, Gvr, ObjectKey};

    #[test]
    fn a_reading_is_kept_while_the_object_is_the_same_and_forgotten_with_the_order() {
        let gvk = Gvk::new("example.com", "v1alpha1", "Widget");
        let object = || Arc::new(Object::named(&gvk, "team", "order"));
        let address = OrderAddress {
            gvr: Gvr::new("example.com", "v1alpha1", "widgets"),
            key: ObjectKey::new("consumer", "team", "order"),
            uid: None,
        };
        let readings = Readings::default();
        let (first, next) = (object(), object());
        let read = readings.of(&address, Some(&first)).unwrap();
        assert!(Arc::ptr_eq(&read, &readings.of(&address, Some(&first)).unwrap()));
        drop(read);
        let read = readings.of(&address, Some(&next)).unwrap();
        assert!(Arc::ptr_eq(read.object(), &next));
        assert!(readings.of(&address, None).is_none());
        // Nothing is kept of it: the object can go.
        drop(read);
        assert_eq!((Arc::strong_count(&first), Arc::strong_count(&next)), (1, 1));
    }
}
