//! Transactions: what they say, their two ids, and what their signatures sign.

use std::fmt;
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use super::address::Address;
use super::amount::Amount;
use super::chain::Height;
use super::encode::encode_into;
use super::evidence::Evidence;
use super::hash::{ChainId, Hash256, Hasher, Tag, Txid, Wtxid, hash};
use super::keys::{InputSignature, KeyPair, PublicKey, Signature};

/// The only version of transactions there is.
pub const TRANSACTION_VERSION: u16 = 1;

/// One output of one transaction.
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
pub struct OutPoint {
    /// The transaction that made the output.
    pub txid: Txid,
    /// The position of the output in it, from 0.
    pub vout: u32,
}

impl OutPoint {
    /// The output at `vout` of `txid`.
    pub const fn new(txid: Txid, vout: u32) -> Self {
        OutPoint { txid, vout }
    }
}

impl fmt::Display for OutPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.txid, self.vout)
    }
}

/// A text is not `txid:vout`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no outpoint: write `<64 hex digits>:<number>`")]
pub struct ParseOutPointError(String);

impl FromStr for OutPoint {
    type Err = ParseOutPointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || ParseOutPointError(text.chars().take(100).collect());
        let (txid, vout) = text.split_once(':').ok_or_else(malformed)?;
        let canonical = vout == "0" || !vout.starts_with(['0', '+']);
        if !canonical {
            return Err(malformed());
        }
        let txid = txid.parse().map_err(|_| malformed())?;
        let vout = vout.parse().map_err(|_| malformed())?;
        Ok(OutPoint { txid, vout })
    }
}

/// Money locked to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct TxOutput {
    /// How much.
    pub value: Amount,
    /// Whose key may spend it.
    pub address: Address,
}

/// An output that is spent, and the right to spend it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct TxInput {
    /// The output to spend.
    pub previous_output: OutPoint,
    /// The key whose hash the output is locked to.
    pub public_key: PublicKey,
    /// Its signature of [`Transaction::sighash`].
    pub signature: Signature,
}

/// Locks collateral and asks for a place in the masternode set.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Registration {
    /// The key that will sign votes; it names the masternode.
    pub consensus_key: PublicKey,
    /// Where rewards are paid.
    pub payout: Address,
    /// `host:port` of the masternode, or empty; at most 128 bytes.
    pub network_address: String,
    /// Which output of this transaction is the collateral.
    pub collateral_vout: u32,
    /// The consensus key's signature of [`Transaction::registration_message`].
    pub proof: Signature,
}

/// What a transaction is for. What few have is boxed, since all have room for it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum TxKind {
    /// Moves money.
    Transfer,
    /// Pays the reward and the fees of the block at `height`; the first transaction of each block.
    Coinbase {
        /// The height of its block, which makes its id unique.
        height: Height,
    },
    /// Adds a masternode.
    RegisterMasternode(Box<Registration>),
    /// Takes a masternode out of the set.
    DeregisterMasternode {
        /// Which one.
        consensus_key: PublicKey,
        /// The consensus key's signature of [`Transaction::registration_message`].
        proof: Box<Signature>,
    },
    /// Proves that a masternode contradicted itself, which removes it. No inputs, no outputs.
    Evidence(Box<Evidence>),
}

/// A transfer of money or a change of the masternode set.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Transaction {
    /// [`TRANSACTION_VERSION`].
    pub version: u16,
    /// What is spent.
    pub inputs: Vec<TxInput>,
    /// What is made.
    pub outputs: Vec<TxOutput>,
    /// The first height whose block may hold it; 0 for any.
    pub lock_time: Height,
    /// What it is for.
    pub kind: TxKind,
}

impl Transaction {
    /// An unsigned transfer; [`Transaction::sign_input`] completes it.
    pub fn transfer(inputs: &[(OutPoint, PublicKey)], outputs: Vec<TxOutput>) -> Self {
        Self::unsigned(inputs, outputs, TxKind::Transfer)
    }

    /// An unsigned transaction of any kind.
    pub fn unsigned(
        inputs: &[(OutPoint, PublicKey)],
        outputs: Vec<TxOutput>,
        kind: TxKind,
    ) -> Self {
        let inputs = inputs
            .iter()
            .map(|&(previous_output, public_key)| TxInput {
                previous_output,
                public_key,
                signature: Signature::from_bytes([0; 64]),
            })
            .collect();
        let version = TRANSACTION_VERSION;
        Transaction { version, inputs, outputs, lock_time: Height::ZERO, kind }
    }

    /// Its id: the hash of everything but signatures, so that nobody can change it by signing
    /// differently.
    pub fn txid(&self) -> Txid {
        let mut bytes = Vec::with_capacity(TXID_BYTES_USUAL);
        encode_into(&self.version, &mut bytes);
        let n_inputs = u32::try_from(self.inputs.len()).expect("no memory holds 2^32 inputs");
        encode_into(&n_inputs, &mut bytes);
        for input in &self.inputs {
            encode_into(&(input.previous_output, input.public_key), &mut bytes);
        }
        encode_into(&self.outputs, &mut bytes);
        encode_into(&self.lock_time, &mut bytes);
        self.kind.encode_unsigned(&mut bytes);
        hash(Tag::Txid, &bytes).into()
    }

    /// The hash of all its bytes, signatures included.
    pub fn wtxid(&self) -> Wtxid {
        self.wtxid_and_bytes().0
    }

    /// [`Transaction::wtxid`], and the length of what it hashes.
    pub fn wtxid_and_bytes(&self) -> (Wtxid, usize) {
        let mut bytes = Vec::with_capacity(BYTES_USUAL);
        encode_into(self, &mut bytes);
        (hash(Tag::Wtxid, &bytes).into(), bytes.len())
    }

    /// The hash of its outputs, part of every [`Transaction::sighash`].
    pub fn outputs_hash(&self) -> Hash256 {
        let mut hasher = Hasher::new(Tag::Outputs);
        self.outputs.serialize(&mut hasher).expect("a hasher takes all bytes");
        hasher.finish()
    }

    /// What the signature of input `index` signs: chain id, txid, index, hash of all outputs.
    pub fn sighash(chain_id: &ChainId, txid: &Txid, index: u32, outputs: &Hash256) -> Hash256 {
        let mut bytes = [0; 100];
        bytes[..32].copy_from_slice(chain_id.as_bytes());
        bytes[32..64].copy_from_slice(txid.as_bytes());
        bytes[64..68].copy_from_slice(&index.to_le_bytes());
        bytes[68..].copy_from_slice(outputs.as_bytes());
        hash(Tag::Sighash, &bytes)
    }

    /// What the proof in a registration or deregistration signs: chain id and txid.
    pub fn registration_message(chain_id: &ChainId, txid: &Txid) -> Hash256 {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(chain_id.as_bytes());
        bytes[32..].copy_from_slice(txid.as_bytes());
        hash(Tag::Registration, &bytes)
    }

    /// Signs input `index`, whose `public_key` is set, with `keys`.
    ///
    /// # Panics
    /// If there is no such input.
    pub fn sign_input(&mut self, chain_id: &ChainId, index: usize, keys: &KeyPair) {
        let position = u32::try_from(index).expect("an input index fits 32 bits");
        let message = Self::sighash(chain_id, &self.txid(), position, &self.outputs_hash());
        self.inputs[index].signature = keys.sign(message.as_bytes());
    }

    /// Signs all inputs with the one key that owns them.
    pub fn sign_all(&mut self, chain_id: &ChainId, keys: &KeyPair) {
        let (txid, outputs) = (self.txid(), self.outputs_hash());
        for (index, input) in (0u32..).zip(&mut self.inputs) {
            let message = Self::sighash(chain_id, &txid, index, &outputs);
            input.signature = keys.sign(message.as_bytes());
        }
    }

    /// The signatures that must hold for the inputs, in order.
    pub fn input_signatures<'a>(
        &'a self,
        chain_id: &'a ChainId,
        txid: &'a Txid,
    ) -> impl Iterator<Item = InputSignature> + 'a {
        let outputs = self.outputs_hash();
        (0u32..).zip(&self.inputs).map(move |(index, input)| InputSignature {
            key: input.public_key,
            message: Self::sighash(chain_id, txid, index, &outputs),
            signature: input.signature,
        })
    }

    /// Everything that only one transaction of a chain may take: the outputs it spends, and for
    /// a change of the masternode set the name of that masternode.
    ///
    /// Two transactions conflict exactly when they claim the same. The name stands as an
    /// outpoint that no transaction can make, so that one table of locks serves both.
    pub fn claims(&self) -> impl Iterator<Item = OutPoint> + Clone + '_ {
        let name = match &self.kind {
            TxKind::RegisterMasternode(registration) => Some(&registration.consensus_key),
            TxKind::DeregisterMasternode { consensus_key, .. } => Some(consensus_key),
            TxKind::Transfer | TxKind::Coinbase { .. } | TxKind::Evidence(_) => None,
        };
        let inputs = self.inputs.iter().map(|input| input.previous_output);
        inputs.chain(name.map(masternode_claim))
    }

    /// The sum of its outputs, or nothing where it overflows.
    pub fn output_value(&self) -> Option<Amount> {
        Amount::checked_sum(self.outputs.iter().map(|output| output.value))
    }
}

impl TxKind {
    /// Whether this is the reward of a block.
    pub fn is_coinbase(&self) -> bool {
        matches!(self, TxKind::Coinbase { .. })
    }

    fn encode_unsigned(&self, bytes: &mut Vec<u8>) {
        match self {
            TxKind::Transfer => encode_into(&0u8, bytes),
            TxKind::Coinbase { height } => encode_into(&(1u8, height), bytes),
            TxKind::RegisterMasternode(registration) => {
                let Registration {
                    consensus_key, payout, network_address, collateral_vout, ..
                } = &**registration;
                let named = (consensus_key, payout, network_address, collateral_vout);
                encode_into(&(2u8, named), bytes);
            }
            TxKind::DeregisterMasternode { consensus_key, .. } => {
                encode_into(&(3u8, consensus_key), bytes);
            }
            TxKind::Evidence(evidence) => encode_into(&(4u8, evidence.id()), bytes),
        }
    }
}

/// The claim on the name of a masternode: no transaction has this id and this output.
pub fn masternode_claim(consensus_key: &PublicKey) -> OutPoint {
    let digest = hash(Tag::Registration, consensus_key.as_bytes());
    OutPoint { txid: digest.into(), vout: u32::MAX }
}

/// Room for the id of a transfer with one input and two outputs without growing.
const TXID_BYTES_USUAL: usize = 192;

/// Room for all of it.
const BYTES_USUAL: usize = 256;
