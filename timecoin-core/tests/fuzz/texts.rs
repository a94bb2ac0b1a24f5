//! Texts: what is accepted can be written and read again.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use timecoin_core::params::Chain;
use timecoin_core::types::hash::{ChainId, Hash256};
use timecoin_core::{
    Address, Amount, Genesis, OutPoint, PublicKey, Signature, Txid, secret_from_text,
    secret_to_text,
};

pub(crate) fn genesis_json(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(genesis) = Genesis::from_json(text) else { return };
    assert_eq!(Genesis::from_json(&genesis.to_json()), Ok(genesis.clone()));
    assert_eq!(genesis.check(), Ok(()));
    let chain = Chain::new(genesis.clone()).expect("it was checked");
    assert_eq!(*chain.id(), genesis.chain_id());
    assert!(genesis.allocated() <= genesis.params.supply_max);
}

pub(crate) fn address(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok((network, address)) = Address::parse(text) else { return };
    assert_eq!(address.to_text(network), text.to_lowercase());
    assert_eq!(Address::from_text(text, network), Ok(address));
}

pub(crate) fn amount(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    read_again::<Amount>(text);
}

/// Hashes, keys, signatures, outpoints.
pub(crate) fn names(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    read_again::<Hash256>(text);
    read_again::<Txid>(text);
    read_again::<ChainId>(text);
    read_again::<PublicKey>(text);
    read_again::<Signature>(text);
    read_again::<OutPoint>(text);
    if let Ok(secret) = secret_from_text(text) {
        let again = secret_from_text(&secret_to_text(&secret)).expect("it was written here");
        assert_eq!(*again.to_bytes(), *secret.to_bytes());
    }
}

fn read_again<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    let Ok(value) = text.parse::<T>() else { return };
    let again = value.to_string().parse::<T>();
    assert_eq!(again.ok().as_ref(), Some(&value), "{text}");
}
