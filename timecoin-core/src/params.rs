//! What all nodes of a chain must agree on: the genesis and its consensus parameters.

use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::types::address::{Address, AddressError, Network};
use crate::types::amount::Amount;
use crate::types::chain::{Epoch, Height, Timestamp};
use crate::types::encode::encode;
use crate::types::hash::{ChainId, Tag, Txid, hash};
use crate::types::keys::{InputSignature, KeyPair, PublicKey};
use crate::types::masternode_set::{Masternode, MasternodeSet, MasternodeSetError};
use crate::types::signature_memo::SignatureMemo;
use crate::types::transaction::{OutPoint, TxOutput};

/// The seed of the masternode key that [`Genesis::regtest`] names when it is given none.
pub const REGTEST_MASTERNODE_SEED: &[u8] = b"regtest masternode";

/// The seed of the key that [`Genesis::regtest`] gives its coins to when it is given none.
pub const REGTEST_WALLET_SEED: &[u8] = b"regtest wallet";

/// When blocks are made.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum BlockProduction {
    /// When the interval has passed, also empty ones, or when enough final transactions wait.
    Interval,
    /// When asked for, or when the protocol needs one; never because time has passed.
    OnDemand,
}

/// The consensus parameters: the same on every node of a chain, part of its identity.
///
/// Times are in milliseconds, sums in base units, sizes in bytes.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainParams {
    /// No more than this is ever issued, allocations included.
    pub supply_max: Amount,
    /// The reward of each of the first `block_reward_halving` blocks.
    pub block_reward: Amount,
    /// After so many blocks the reward halves, again and again; at least 1.
    pub block_reward_halving: u64,
    /// The least fee for 1,000 bytes of transaction.
    pub min_fee_per_kb: Amount,
    /// The least value of an output; at most `supply_max`.
    pub dust_limit: Amount,
    /// Blocks after which a coinbase output can be spent; at most 1,000,000.
    pub coinbase_maturity: u64,
    /// What a registration locks; at least 1 unit, `dust_limit`, and at most `supply_max`.
    pub masternode_collateral: Amount,
    /// The masternode set never shrinks below this; 1 to 200.
    pub masternodes_min: u16,
    /// Blocks in an epoch; at least 1.
    pub epoch_blocks: u64,
    /// When blocks are made.
    pub block_production: BlockProduction,
    /// A block is due so long after its parent; 1 ms to 365 days.
    pub block_interval_ms: u64,
    /// No block is due sooner after its parent; at most `block_interval_ms`.
    pub block_gap_ms_min: u64,
    /// Transactions in a block, coinbase included; 4 to 100,000.
    pub block_transactions_max: u32,
    /// Bytes of the transactions of a block, coinbase included; at most 7,000,000, which fits a
    /// frame, and at least two transactions and a coinbase, and 24,000: what a quorum may have
    /// certified, three quarters of a block (F9), must fit the last one of an epoch.
    pub block_bytes_max: u32,
    /// Bytes of a transaction.
    pub transaction_bytes_max: u32,
    /// Inputs of a transaction.
    pub transaction_inputs_max: u32,
    /// Outputs of a transaction.
    pub transaction_outputs_max: u32,
    /// How far a block's timestamp may lie ahead of a masternode's clock; 1 ms to a day.
    pub clock_drift_ms_max: u64,
    /// After so long a proposer may include a transaction that is not certified (F7); at most 365
    /// days.
    pub contest_grace_ms: u64,
}

impl ChainParams {
    /// The parameters that a network of this kind starts with (PROTOCOL 8).
    pub fn new(network: Network) -> Self {
        let (interval_s, epoch_blocks) = match network {
            Network::Mainnet => (600, 144),
            Network::Testnet => (10, 144),
            Network::Regtest => (1, 20),
        };
        ChainParams {
            supply_max: Amount::from_time(100_000_000),
            block_reward: Amount::from_time(50),
            block_reward_halving: 210_000,
            min_fee_per_kb: Amount::from_units(1_000),
            dust_limit: Amount::from_units(500),
            coinbase_maturity: if network == Network::Regtest { 10 } else { 100 },
            masternode_collateral: Amount::from_time(1_000),
            masternodes_min: 1,
            epoch_blocks,
            block_production: BlockProduction::Interval,
            block_interval_ms: interval_s * 1_000,
            block_gap_ms_min: if network == Network::Regtest { 0 } else { 1_000 },
            block_transactions_max: 10_000,
            block_bytes_max: 4_000_000,
            transaction_bytes_max: 100_000,
            transaction_inputs_max: 256,
            transaction_outputs_max: 256,
            clock_drift_ms_max: 15_000,
            contest_grace_ms: 3_000,
        }
    }

    /// The epoch whose masternodes decide the block at `height`; genesis counts as epoch 0.
    pub fn epoch_of(&self, height: Height) -> Epoch {
        Epoch(height.0.saturating_sub(1) / self.epoch_blocks)
    }

    /// Whether the block at `height` closes its epoch.
    pub fn is_epoch_end(&self, height: Height) -> bool {
        height.0 > 0 && height.0.is_multiple_of(self.epoch_blocks)
    }

    /// The last height of the epoch of a height.
    pub fn epoch_end(&self, height: Height) -> Height {
        let epochs = height.0.saturating_sub(1) / self.epoch_blocks + 1;
        Height(epochs.saturating_mul(self.epoch_blocks))
    }

    /// Each number by itself, and how it goes with the others.
    fn check_ranges(&self, n_masternodes: usize) -> Result<(), GenesisError> {
        let transactions = u64::from(self.transaction_bytes_max) * 2 + COINBASE_BYTES_MAX;
        let ranges: [(&'static str, u64, u64, u64, &'static str); 12] = [
            (
                "masternodes_min",
                self.masternodes_min.into(),
                1,
                n_masternodes as u64,
                "1 to the number of masternodes",
            ),
            ("epoch_blocks", self.epoch_blocks, 1, u64::MAX, "at least 1"),
            ("block_reward_halving", self.block_reward_halving, 1, u64::MAX, "at least 1"),
            ("coinbase_maturity", self.coinbase_maturity, 0, 1_000_000, "at most 1000000"),
            (
                "block_transactions_max",
                self.block_transactions_max.into(),
                4,
                100_000,
                "4 to 100000",
            ),
            (
                "transaction_bytes_max",
                self.transaction_bytes_max.into(),
                1_000,
                1_000_000,
                "1000 to 1000000",
            ),
            (
                "block_bytes_max",
                self.block_bytes_max.into(),
                transactions.max(COINBASE_BYTES_MAX * 4),
                7_000_000,
                "24000, and two transactions and 6000 for the coinbase, to 7000000",
            ),
            ("transaction_inputs_max", self.transaction_inputs_max.into(), 1, 10_000, "1 to 10000"),
            (
                "transaction_outputs_max",
                self.transaction_outputs_max.into(),
                200,
                10_000,
                "200, one for each masternode, to 10000",
            ),
            ("block_interval_ms", self.block_interval_ms, 1, YEAR_MS, "1 to 31536000000"),
            ("clock_drift_ms_max", self.clock_drift_ms_max, 1, 86_400_000, "1 to 86400000"),
            ("contest_grace_ms", self.contest_grace_ms, 0, YEAR_MS, "at most 31536000000"),
        ];
        for (name, value, least, most, range) in ranges {
            if value < least || value > most {
                return Err(GenesisError::Parameter { name, value, range });
            }
        }
        let (gap_ms, interval_ms) = (self.block_gap_ms_min, self.block_interval_ms);
        if gap_ms > interval_ms {
            return Err(GenesisError::GapAboveInterval { gap_ms, interval_ms });
        }
        Ok(())
    }

    fn check_sums(&self) -> Result<(), GenesisError> {
        let (collateral, supply_max) = (self.masternode_collateral, self.supply_max);
        for (name, value) in [
            ("block_reward", self.block_reward),
            ("min_fee_per_kb", self.min_fee_per_kb),
            ("dust_limit", self.dust_limit),
            ("masternode_collateral", collateral),
        ] {
            if value > supply_max {
                return Err(GenesisError::AboveSupply { name, value, supply_max });
            }
        }
        // Whatever the dust limit: masternodes that cost nothing are as many as one likes.
        let dust_limit = self.dust_limit.max(Amount::from_units(1));
        if collateral < dust_limit {
            return Err(GenesisError::CollateralBelowDust { collateral, dust_limit });
        }
        Ok(())
    }

    /// The least fee of a transaction of so many bytes, rounded up.
    pub fn fee_required(&self, bytes: usize) -> Amount {
        let fee = (bytes as u128 * u128::from(self.min_fee_per_kb.units())).div_ceil(1_000);
        Amount::from_units(u64::try_from(fee).unwrap_or(u64::MAX))
    }
}

/// Coins that exist from the start.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Allocation {
    /// Whose they are.
    pub address: Address,
    /// How many.
    pub value: Amount,
}

/// Where a chain starts. Its hash is the chain's identity.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Genesis {
    /// The kind of network, which addresses show.
    pub network: Network,
    /// When the chain starts.
    pub timestamp: Timestamp,
    /// Coins that exist from the start.
    pub allocations: Vec<Allocation>,
    /// The masternodes of the first epoch, ascending by consensus key.
    pub masternodes: Vec<Masternode>,
    /// What all nodes must agree on.
    pub params: ChainParams,
}

/// Why a genesis can't start a chain.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GenesisError {
    /// Not the JSON of a genesis.
    #[error("malformed genesis: {0}")]
    Malformed(String),
    /// An address in it is not one of its network.
    #[error("genesis address: {0}")]
    Address(#[from] AddressError),
    /// Its masternodes are no set.
    #[error("genesis masternodes: {0}")]
    Masternodes(#[from] MasternodeSetError),
    /// The chain id it states is not its hash.
    #[error("the genesis states chain id {stated}, its hash is {computed}")]
    ChainId {
        /// What the file says.
        stated: ChainId,
        /// What it hashes to.
        computed: ChainId,
    },
    /// A parameter out of its range.
    #[error("genesis parameter {name} is {value}: {range}")]
    Parameter {
        /// Which.
        name: &'static str,
        /// What it is.
        value: u64,
        /// What it may be.
        range: &'static str,
    },
    /// A registration would lock an output that is too small to exist.
    #[error("masternode_collateral of {collateral} is below dust_limit of {dust_limit}")]
    CollateralBelowDust {
        /// What a registration locks.
        collateral: Amount,
        /// The least value of an output.
        dust_limit: Amount,
    },
    /// A sum that is more than all the coins there can be.
    #[error("{name} of {value} exceeds supply_max of {supply_max}")]
    AboveSupply {
        /// Which parameter.
        name: &'static str,
        /// What it is.
        value: Amount,
        /// The cap.
        supply_max: Amount,
    },
    /// No block could be due when it is due.
    #[error("block_gap_ms_min of {gap_ms} exceeds block_interval_ms of {interval_ms}")]
    GapAboveInterval {
        /// `block_gap_ms_min`.
        gap_ms: u64,
        /// `block_interval_ms`.
        interval_ms: u64,
    },
    /// A coin that is too small to exist.
    #[error("allocation {index} of {value} is below dust_limit of {dust_limit}")]
    AllocationBelowDust {
        /// Its position.
        index: usize,
        /// Its value.
        value: Amount,
        /// The least value of an output.
        dust_limit: Amount,
    },
    /// More coins than the supply allows.
    #[error("the allocations exceed supply_max of {supply_max}")]
    Supply {
        /// The cap.
        supply_max: Amount,
    },
}

/// The text form of an allocation.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AllocationText {
    address: String,
    value: Amount,
}

/// The text form of a masternode.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MasternodeText {
    consensus_key: PublicKey,
    payout: String,
    #[serde(default)]
    network_address: String,
}

/// The text form of a genesis.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GenesisText {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chain_id: Option<ChainId>,
    network: Network,
    timestamp: Timestamp,
    allocations: Vec<AllocationText>,
    masternodes: Vec<MasternodeText>,
    params: ChainParams,
}

impl Genesis {
    /// A chain of one's own: coins for `wallets`, 1,000,000 TIME each, and votes for
    /// `masternodes`, whose rewards go to the addresses of their keys.
    ///
    /// # Errors
    /// [`GenesisError::Masternodes`] for none, too many, or one twice.
    pub fn regtest(masternodes: &[PublicKey], wallets: &[Address]) -> Result<Self, GenesisError> {
        let mut masternodes: Vec<Masternode> = masternodes
            .iter()
            .map(|&consensus_key| Masternode {
                consensus_key,
                payout: Address::of(&consensus_key),
                network_address: String::new(),
            })
            .collect();
        masternodes.sort_by_key(|masternode| masternode.consensus_key);
        let value = Amount::from_time(1_000_000);
        let genesis = Genesis {
            network: Network::Regtest,
            timestamp: REGTEST_START,
            allocations: wallets.iter().map(|&address| Allocation { address, value }).collect(),
            masternodes,
            params: ChainParams::new(Network::Regtest),
        };
        genesis.check()?;
        Ok(genesis)
    }

    /// The regtest chain with one masternode and one wallet, both with well-known keys.
    pub fn regtest_solo() -> Self {
        let masternode = KeyPair::from_seed(REGTEST_MASTERNODE_SEED).public();
        let wallet = KeyPair::from_seed(REGTEST_WALLET_SEED).address();
        Self::regtest(&[masternode], &[wallet]).expect("one good key is a masternode set")
    }

    /// The hash of everything in it: the identity of the chain.
    pub fn chain_id(&self) -> ChainId {
        hash(Tag::Genesis, &encode(self)).into()
    }

    /// The masternodes of the first epoch.
    ///
    /// # Errors
    /// [`GenesisError::Masternodes`]; never after [`Genesis::check`].
    pub fn masternode_set(&self) -> Result<MasternodeSet, GenesisError> {
        Ok(MasternodeSet::new(self.masternodes.clone())?)
    }

    /// The outputs that exist at height 0.
    pub fn outputs(&self) -> impl Iterator<Item = (OutPoint, TxOutput)> + '_ {
        let txid = Txid::from_bytes(*self.chain_id().as_bytes());
        (0u32..).zip(&self.allocations).map(move |(vout, allocation)| {
            let Allocation { address, value } = *allocation;
            (OutPoint { txid, vout }, TxOutput { value, address })
        })
    }

    /// The sum of the allocations; saturates, which [`Genesis::check`] refuses.
    pub fn allocated(&self) -> Amount {
        self.allocations.iter().map(|allocation| allocation.value).sum()
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// [`GenesisError`]; everything that [`Genesis::check`] refuses is refused.
    pub fn from_json(json: &str) -> Result<Self, GenesisError> {
        let text: GenesisText =
            serde_json::from_str(json).map_err(|e| GenesisError::Malformed(e.to_string()))?;
        let network = text.network;
        let allocation = |a: AllocationText| -> Result<Allocation, GenesisError> {
            Ok(Allocation { address: Address::from_text(&a.address, network)?, value: a.value })
        };
        let masternode = |m: MasternodeText| -> Result<Masternode, GenesisError> {
            Ok(Masternode {
                consensus_key: m.consensus_key,
                payout: Address::from_text(&m.payout, network)?,
                network_address: m.network_address,
            })
        };
        let mut masternodes: Vec<Masternode> =
            text.masternodes.into_iter().map(masternode).collect::<Result<_, _>>()?;
        masternodes.sort_by_key(|masternode| masternode.consensus_key);
        let genesis = Genesis {
            network,
            timestamp: text.timestamp,
            allocations: text.allocations.into_iter().map(allocation).collect::<Result<_, _>>()?,
            masternodes,
            params: text.params,
        };
        genesis.check()?;
        let computed = genesis.chain_id();
        match text.chain_id {
            Some(stated) if stated != computed => Err(GenesisError::ChainId { stated, computed }),
            _ => Ok(genesis),
        }
    }

    /// The JSON form, with the chain id.
    pub fn to_json(&self) -> String {
        let text = GenesisText {
            chain_id: Some(self.chain_id()),
            network: self.network,
            timestamp: self.timestamp,
            allocations: self
                .allocations
                .iter()
                .map(|a| AllocationText {
                    address: a.address.to_text(self.network),
                    value: a.value,
                })
                .collect(),
            masternodes: self
                .masternodes
                .iter()
                .map(|m| MasternodeText {
                    consensus_key: m.consensus_key,
                    payout: m.payout.to_text(self.network),
                    network_address: m.network_address.clone(),
                })
                .collect(),
            params: self.params.clone(),
        };
        serde_json::to_string_pretty(&text).expect("a genesis has no key that JSON lacks")
    }

    /// Checks every range and rule that a chain can't start without.
    ///
    /// # Errors
    /// [`GenesisError`], the first that is found.
    pub fn check(&self) -> Result<(), GenesisError> {
        let set = self.masternode_set()?;
        let sorted = set.members() == self.masternodes.as_slice();
        if !sorted {
            return Err(MasternodeSetError::Order { index: 0 }.into());
        }
        self.params.check_ranges(set.len())?;
        let (name, value) = ("timestamp", self.timestamp.0);
        if value > TIMESTAMP_MAX {
            let range = "at most 253402300799000, the end of the year 9999";
            return Err(GenesisError::Parameter { name, value, range });
        }
        self.params.check_sums()?;
        self.check_allocations()
    }

    fn check_allocations(&self) -> Result<(), GenesisError> {
        let ChainParams { supply_max, dust_limit, .. } = self.params;
        for (index, &Allocation { value, .. }) in self.allocations.iter().enumerate() {
            if value < dust_limit {
                return Err(GenesisError::AllocationBelowDust { index, value, dust_limit });
            }
        }
        let allocated = Amount::checked_sum(self.allocations.iter().map(|a| a.value));
        if allocated.is_none_or(|sum| sum > supply_max) {
            return Err(GenesisError::Supply { supply_max });
        }
        Ok(())
    }
}

/// A chain's genesis with what is computed from it once; cheap to clone.
#[derive(Clone, Debug)]
pub struct Chain(Arc<ChainInner>);

#[derive(Debug)]
struct ChainInner {
    genesis: Genesis,
    id: ChainId,
    set: MasternodeSet,
    memo: Option<Arc<dyn SignatureMemo>>,
}

impl Chain {
    /// The chain that starts with `genesis`.
    ///
    /// # Errors
    /// [`GenesisError`] as [`Genesis::check`].
    pub fn new(genesis: Genesis) -> Result<Self, GenesisError> {
        genesis.check()?;
        let (id, set) = (genesis.chain_id(), genesis.masternode_set()?);
        Ok(Chain(Arc::new(ChainInner { genesis, id, set, memo: None })))
    }

    /// The same chain, where signatures that `memo` remembers need not be verified.
    pub fn with_signature_memo(&self, memo: &Arc<dyn SignatureMemo>) -> Self {
        let ChainInner { genesis, id, set, .. } = &*self.0;
        let (genesis, set) = (genesis.clone(), set.with_memo(memo));
        let memo = Some(Arc::clone(memo));
        Chain(Arc::new(ChainInner { genesis, id: *id, set, memo }))
    }

    /// Whether the signature of an input is known to be valid, because this process made it.
    pub fn is_remembered(&self, item: &InputSignature) -> bool {
        let made = self.0.memo.as_ref().map(|memo| memo.find(&item.key, item.message.as_bytes()));
        made.flatten() == Some(item.signature)
    }

    /// Its identity.
    pub fn id(&self) -> &ChainId {
        &self.0.id
    }

    /// Where it starts.
    pub fn genesis(&self) -> &Genesis {
        &self.0.genesis
    }

    /// Its consensus parameters.
    pub fn params(&self) -> &ChainParams {
        &self.0.genesis.params
    }

    /// The masternodes of epoch 0.
    pub fn first_set(&self) -> &MasternodeSet {
        &self.0.set
    }

    /// Its kind of network.
    pub fn network(&self) -> Network {
        self.0.genesis.network
    }
}

/// Room for a coinbase that pays 200 masternodes and the proposer: 5,649 bytes.
const COINBASE_BYTES_MAX: u64 = 6_000;

const YEAR_MS: u64 = 365 * 86_400_000;

/// The end of the year 9999: what comes after has room in 64 bits.
const TIMESTAMP_MAX: u64 = 253_402_300_799_000;

/// When regtest chains start: 2024-01-01T00:00:00Z, so that a chain made anew is the same.
const REGTEST_START: Timestamp = Timestamp(1_704_067_200_000);

#[cfg(test)]
mod tests;
