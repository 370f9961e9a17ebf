//! The files of this example are those that the demo and the tests use.

#![allow(missing_docs)]

use broker_testkit::provider::samples;

#[test]
fn the_files_here_are_the_samples_of_the_testkit() {
    assert_eq!(include_str!("../../certificates.yaml"), samples::CERTIFICATES);
    assert_eq!(include_str!("../../offer-internal.yaml"), samples::OFFER_INTERNAL);
    assert_eq!(include_str!("../../offer-public.yaml"), samples::OFFER_PUBLIC);
    assert_eq!(include_str!("../../order.yaml"), samples::ORDER);
}
