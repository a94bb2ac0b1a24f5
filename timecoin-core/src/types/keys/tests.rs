//! Both signature rules on every odd encoding.

use super::*;

#[test]
fn signature_is_valid_by_both_rules() {
    let pair = KeyPair::from(SecretKey::from_seed(b"a"));
    let message = hash(Tag::Sighash, b"m");
    let signature = pair.sign(message.as_bytes());
    let item = InputSignature { key: pair.public(), message, signature };
    assert_eq!(verify_strict(&pair.public(), message.as_bytes(), &signature), Ok(()));
    assert_eq!(verify_input(&item), Ok(()));
    assert_eq!(verify_inputs(&[item; 10]), Ok(()));
}
