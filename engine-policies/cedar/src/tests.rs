use super::Policy;

#[test]
fn cases() {
    portcullis_policy::test::cases::<Policy>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"));
}
