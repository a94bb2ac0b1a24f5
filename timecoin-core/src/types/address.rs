//! Who may spend an output: the hash of a public key, shown as bech32m.

use std::fmt;
use std::str::FromStr;

use bech32::{Bech32m, Hrp};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::hash::{Tag, hash};
use super::keys::PublicKey;

/// Bytes of a public-key hash (PROTOCOL 2).
pub const ADDRESS_BYTES: usize = 20;

/// Which of the three kinds of chain an address or a genesis is for.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// Coins with a value.
    Mainnet,
    /// Coins without a value, many machines.
    Testnet,
    /// A chain of one's own, for tests.
    Regtest,
}

impl Network {
    /// The human-readable part of its addresses: `time`, `ttime`, `rtime`.
    pub const fn address_prefix(self) -> &'static str {
        match self {
            Network::Mainnet => "time",
            Network::Testnet => "ttime",
            Network::Regtest => "rtime",
        }
    }

    /// Its lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Network::Mainnet => "mainnet",
            Network::Testnet => "testnet",
            Network::Regtest => "regtest",
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Network {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Network::Mainnet, Network::Testnet, Network::Regtest]
            .into_iter()
            .find(|network| network.name() == text)
            .ok_or_else(|| AddressError::UnknownNetwork(text.to_owned()))
    }
}

/// The 20-byte hash of a public key: what an output is locked to.
///
/// The ledger stores the hash only; the text form needs to know the network:
///
/// ```
/// use timecoin_core::{Address, KeyPair, Network};
/// let address = KeyPair::from_seed(b"alice").address();
/// let text = address.to_text(Network::Regtest);
/// assert!(text.starts_with("rtime1"));
/// assert_eq!(Address::from_text(&text, Network::Regtest), Ok(address));
/// assert!(Address::from_text(&text, Network::Mainnet).is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Address([u8; ADDRESS_BYTES]);

impl Address {
    /// The address of a public key.
    pub fn of(key: &PublicKey) -> Self {
        let digest = hash(Tag::Address, key.as_bytes());
        let mut bytes = [0; ADDRESS_BYTES];
        bytes.copy_from_slice(&digest.as_bytes()[..ADDRESS_BYTES]);
        Address(bytes)
    }

    /// The address with these 20 bytes.
    pub const fn from_bytes(bytes: [u8; ADDRESS_BYTES]) -> Self {
        Address(bytes)
    }

    /// Its 20 bytes.
    pub const fn as_bytes(&self) -> &[u8; ADDRESS_BYTES] {
        &self.0
    }

    /// The bech32m text for `network`.
    pub fn to_text(self, network: Network) -> String {
        let prefix = Hrp::parse(network.address_prefix()).expect("the three prefixes are valid");
        bech32::encode::<Bech32m>(prefix, &self.0).expect("20 bytes are within bech32's limit")
    }

    /// The address that `text` names on `network`.
    ///
    /// # Errors
    /// [`AddressError::Malformed`] for a bad checksum, alphabet or length,
    /// [`AddressError::WrongNetwork`] for an address of another network.
    pub fn from_text(text: &str, network: Network) -> Result<Self, AddressError> {
        let (found, address) = Self::parse(text)?;
        if found != network {
            return Err(AddressError::WrongNetwork { found, expected: network });
        }
        Ok(address)
    }

    /// The address that `text` names, and its network.
    ///
    /// # Errors
    /// [`AddressError::Malformed`].
    pub fn parse(text: &str) -> Result<(Network, Self), AddressError> {
        let malformed = || AddressError::Malformed(text.chars().take(TEXT_SHOWN).collect());
        let checked = bech32::primitives::decode::CheckedHrpstring::new::<Bech32m>(text)
            .map_err(|_| malformed())?;
        let network = [Network::Mainnet, Network::Testnet, Network::Regtest]
            .into_iter()
            .find(|network| checked.hrp().to_lowercase() == network.address_prefix())
            .ok_or_else(malformed)?;
        let bytes: Vec<u8> = checked.byte_iter().collect();
        let bytes = bytes.try_into().map_err(|_| malformed())?;
        let address = Address(bytes);
        // Padding bits and mixed case would give one address two texts.
        if address.to_text(network) != text.to_lowercase() {
            return Err(malformed());
        }
        Ok((network, address))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// Why a text is no address here.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AddressError {
    /// Not bech32m of 20 bytes with a known prefix.
    #[error("`{0}` is no address: the checksum, alphabet, length or prefix is wrong")]
    Malformed(String),
    /// An address of another network.
    #[error("the address is for {found}, this chain is {expected}")]
    WrongNetwork {
        /// What the address is for.
        found: Network,
        /// What was asked for.
        expected: Network,
    },
    /// Not one of the three.
    #[error("`{0}` is no network: use mainnet, testnet or regtest")]
    UnknownNetwork(String),
}

/// Characters of a bad address that an error repeats.
const TEXT_SHOWN: usize = 100;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_form_round_trips(bytes: [u8; 20]) {
            let address = Address::from_bytes(bytes);
            for network in [Network::Mainnet, Network::Testnet, Network::Regtest] {
                let text = address.to_text(network);
                prop_assert_eq!(Address::parse(&text), Ok((network, address)));
                prop_assert_eq!(Address::parse(&text.to_uppercase()), Ok((network, address)));
            }
        }

        #[test]
        fn one_changed_character_is_refused(bytes: [u8; 20], at in 0usize..38, to in "[0-9a-z]") {
            let text = Address::from_bytes(bytes).to_text(Network::Regtest);
            let at = "rtime1".len() + at % (text.len() - "rtime1".len());
            let mut changed = text.clone();
            changed.replace_range(at..=at, &to);
            prop_assume!(changed != text);
            prop_assert!(Address::parse(&changed).is_err());
        }
    }
}
