//! What a network of one seed begins with: keys, wallets, and the genesis that names them. The
//! same for a simulation and for real nodes, so that the same payments have the same ids.

use std::time::Duration;

use super::workload::{Coin, Wallets};
use crate::params::{Allocation, BlockProduction, Chain, Genesis, GenesisError};
use crate::types::amount::Amount;
use crate::types::chain::millis;
use crate::types::keys::{KeyPair, PublicKey};

/// What a network is founded on.
pub(crate) struct FoundingPlan {
    pub(crate) seed: u64,
    pub(crate) masternodes: usize,
    pub(crate) observers: usize,
    pub(crate) wallets: usize,
    pub(crate) coins_per_wallet: usize,
    pub(crate) epoch_blocks: u64,
    pub(crate) block_interval: Duration,
    pub(crate) block_production: BlockProduction,
    pub(crate) edit_genesis: fn(&mut Genesis),
}

/// A network before anything happens.
pub(crate) struct Founding {
    pub(crate) chain: Chain,
    /// Of all nodes: the masternodes in the order of their keys, then the observers.
    pub(crate) keys: Vec<KeyPair>,
    /// With the coins of the genesis.
    pub(crate) wallets: Wallets,
}

impl Founding {
    pub(crate) fn new(plan: &FoundingPlan) -> Result<Self, GenesisError> {
        let seed = plan.seed;
        let key = |kind: &str, index: usize| {
            KeyPair::from_seed(format!("{kind} {index} of seed {seed}").as_bytes())
        };
        let mut keys: Vec<KeyPair> =
            (0..plan.masternodes).map(|index| key("masternode", index)).collect();
        keys.sort_by_key(KeyPair::public);
        let mut wallets = Wallets::new(seed, plan.wallets);
        let chain = Chain::new(genesis(plan, &keys, &wallets)?)?;
        for (outpoint, output) in chain.genesis().outputs() {
            wallets.give(&output.address, Coin { outpoint, value: output.value });
        }
        keys.extend((0..plan.observers).map(|index| key("observer", index)));
        Ok(Founding { chain, keys, wallets })
    }
}

fn genesis(
    plan: &FoundingPlan,
    keys: &[KeyPair],
    wallets: &Wallets,
) -> Result<Genesis, GenesisError> {
    let publics: Vec<PublicKey> = keys.iter().map(KeyPair::public).collect();
    let mut genesis = Genesis::regtest(&publics, &[])?;
    let coins = std::iter::repeat_n((), plan.coins_per_wallet);
    genesis.allocations = coins
        .flat_map(|()| &wallets.all)
        .map(|wallet| Allocation { address: wallet.address(), value: COIN })
        .collect();
    genesis.params.epoch_blocks = plan.epoch_blocks;
    genesis.params.block_interval_ms = millis(plan.block_interval);
    genesis.params.block_production = plan.block_production;
    (plan.edit_genesis)(&mut genesis);
    Ok(genesis)
}

/// The value of each coin that the genesis gives out.
const COIN: Amount = Amount::from_time(10_000);
