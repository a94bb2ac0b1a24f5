//! The ledger a second time, slow and obvious: one map, one rule after the other, everything
//! recomputed. It shares the types with the real one and none of its code paths.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::commitment::UtxoSetHash;
use crate::ledger::state::{LedgerState, utxo_element};
use crate::ledger::view::{Origin, Utxo};
use crate::params::{Chain, ChainParams};
use crate::types::address::Address;
use crate::types::amount::Amount;
use crate::types::block::Block;
use crate::types::chain::{Height, Timestamp};
use crate::types::encode::encode;
use crate::types::hash::{BlockHash, EvidenceId, Hash256, Hasher, Tag, Txid, hash};
use crate::types::keys::{InputSignature, PublicKey, verify_input};
use crate::types::masternode_set::{Masternode, MasternodeSet};
use crate::types::transaction::{OutPoint, Transaction, TxKind, TxOutput};

/// A registered masternode.
#[derive(Clone, Debug)]
struct Member {
    masternode: Masternode,
    collateral: Option<OutPoint>,
    sequence: u64,
    is_active: bool,
    is_leaving: bool,
    is_faulty: bool,
}

/// The whole state of the ledger.
#[derive(Clone, Debug)]
pub(super) struct SlowLedger {
    outputs: Outputs,
    members: BTreeMap<PublicKey, Member>,
    n_registered: u64,
    evidence: BTreeSet<EvidenceId>,
    set: MasternodeSet,
    tip_set: MasternodeSet,
    height: Height,
    tip: BlockHash,
    time: Timestamp,
    issued: u128,
}

/// The unspent outputs with their sum and their hash, kept up to date with each change.
#[derive(Clone, Debug, Default)]
struct Outputs {
    all: BTreeMap<OutPoint, Utxo>,
    total: u128,
    hash: UtxoSetHash,
}

impl Outputs {
    fn insert(&mut self, outpoint: OutPoint, utxo: Utxo) {
        if let Some(replaced) = self.all.insert(outpoint, utxo) {
            self.uncount(&outpoint, &replaced);
        }
        self.total += u128::from(utxo.output.value.units());
        self.hash.insert(&utxo_element(&outpoint, &utxo));
    }

    fn remove(&mut self, outpoint: &OutPoint) {
        if let Some(removed) = self.all.remove(outpoint) {
            self.uncount(outpoint, &removed);
        }
    }

    fn uncount(&mut self, outpoint: &OutPoint, utxo: &Utxo) {
        self.total -= u128::from(utxo.output.value.units());
        self.hash.remove(&utxo_element(outpoint, utxo));
    }

    /// Computes sum and hash anew.
    fn recount(&self) -> Verdict {
        let mut anew = Outputs::default();
        self.all.iter().for_each(|(outpoint, utxo)| anew.insert(*outpoint, *utxo));
        require(anew.total == self.total, "the sum of the outputs was kept wrongly")?;
        require(anew.hash == self.hash, "the hash of the outputs was kept wrongly")
    }
}

type Verdict = Result<(), String>;

fn require(holds: bool, what: &str) -> Verdict {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

impl SlowLedger {
    pub(super) fn new(chain: &Chain) -> Self {
        let genesis = chain.genesis();
        let output = |output| Utxo { output, height: Height::ZERO, origin: Origin::Transfer };
        let members = (0u64..).zip(&genesis.masternodes).map(|(sequence, masternode)| {
            let member = Member {
                masternode: masternode.clone(),
                collateral: None,
                sequence,
                is_active: true,
                is_leaving: false,
                is_faulty: false,
            };
            (masternode.consensus_key, member)
        });
        let mut outputs = Outputs::default();
        genesis.outputs().for_each(|(outpoint, o)| outputs.insert(outpoint, output(o)));
        SlowLedger {
            outputs,
            members: members.collect(),
            n_registered: genesis.masternodes.len() as u64,
            evidence: BTreeSet::new(),
            set: chain.first_set().clone(),
            tip_set: chain.first_set().clone(),
            height: Height::ZERO,
            tip: BlockHash::from_genesis(chain.id()),
            time: genesis.timestamp,
            issued: u128::from(genesis.allocated().units()),
        }
    }

    /// I2: applies a block, where it is valid.
    pub(super) fn apply(&mut self, chain: &Chain, block: &Block) -> Verdict {
        let params = chain.params();
        let header = &block.header;
        let height = self.height.next();
        require(header.height == height && header.parent == self.tip, "it is not the next block")?;
        require(header.chain_id == *chain.id() && header.version == 1, "wrong chain or version")?;
        require(header.timestamp > self.time, "its time is not after the parent's")?;
        require(header.masternode_set == self.set.hash(), "it names another masternode set")?;
        let proposer = self.set.members().iter().find(|m| m.consensus_key == header.proposer);
        let payout = proposer.map(|member| member.payout).ok_or("its proposer is no member")?;
        require(header.merkle_root.as_bytes() == &slow_root(block), "wrong merkle root")?;
        require(block.transactions.len() <= params.block_transactions_max as usize, "too many")?;
        let bytes: usize = block.transactions.iter().map(|tx| encode(&**tx).len()).sum();
        require(bytes <= params.block_bytes_max as usize, "too large")?;
        let (coinbase, others) = block.transactions.split_first().ok_or("it is empty")?;
        let mut fees: u128 = 0;
        for transaction in others {
            fees += self.apply_transaction(chain, transaction, height)?;
        }
        self.apply_coinbase(params, coinbase, block, payout, fees)?;
        self.tip_set = self.set.clone();
        if height.0.is_multiple_of(params.epoch_blocks) {
            self.begin_epoch(params)?;
        }
        require(header.next_masternode_set == self.set.hash(), "it names another next set")?;
        require(header.registry.as_bytes() == &self.registry_hash(), "it names another registry")?;
        (self.height, self.tip, self.time) = (height, header.hash(), header.timestamp);
        Ok(())
    }

    fn apply_transaction(
        &mut self,
        chain: &Chain,
        transaction: &Transaction,
        height: Height,
    ) -> Result<u128, String> {
        let params = chain.params();
        let txid = transaction.txid();
        let at = |what: &str| format!("{txid}: {what}");
        require(transaction.version == 1, &at("version"))?;
        require(transaction.lock_time <= height, &at("locked"))?;
        let size = encode(transaction).len();
        require(size <= params.transaction_bytes_max as usize, &at("too large"))?;
        if let TxKind::Evidence(evidence) = &transaction.kind {
            let sets = [&self.set, &self.tip_set];
            let proven = sets.iter().any(|set| evidence.verify(chain.id(), set).is_ok());
            require(proven && transaction.inputs.is_empty(), &at("unproven evidence"))?;
            require(transaction.outputs.is_empty(), &at("evidence with outputs"))?;
            let member = self.members.get_mut(&evidence.offender).ok_or(at("no such member"))?;
            require(!member.is_faulty, &at("evidence again"))?;
            member.is_faulty = true;
            self.evidence.insert(evidence.id());
            return Ok(0);
        }
        require(!transaction.inputs.is_empty(), &at("no inputs"))?;
        let mut spent: u128 = 0;
        let mut seen = BTreeSet::new();
        for (index, input) in (0u32..).zip(&transaction.inputs) {
            let outpoint = input.previous_output;
            require(seen.insert(outpoint), &at("an input twice"))?;
            let utxo =
                self.outputs.all.get(&outpoint).copied().ok_or(at("an input is not unspent"))?;
            require(Address::of(&input.public_key) == utxo.output.address, &at("wrong key"))?;
            let message =
                Transaction::sighash(chain.id(), &txid, index, &transaction.outputs_hash());
            let item =
                InputSignature { key: input.public_key, message, signature: input.signature };
            let holds = chain.is_remembered(&item) || verify_input(&item).is_ok();
            require(holds, &at("a signature does not hold"))?;
            if utxo.origin == Origin::Coinbase {
                let ripe = utxo.height.0 + params.coinbase_maturity <= height.0;
                require(ripe, &at("an immature coinbase"))?;
            }
            let locked = self.members.values().any(|m| m.collateral == Some(outpoint));
            require(!locked, &at("locked collateral"))?;
            spent += u128::from(utxo.output.value.units());
        }
        for input in &transaction.inputs {
            self.outputs.remove(&input.previous_output);
        }
        let made: u128 = transaction.outputs.iter().map(|o| u128::from(o.value.units())).sum();
        let dust = transaction.outputs.iter().any(|output| output.value < params.dust_limit);
        require(!dust && !transaction.outputs.is_empty(), &at("dust or no outputs"))?;
        let fee = spent.checked_sub(made).ok_or(at("it makes more than it spends"))?;
        let least = (size as u128 * u128::from(params.min_fee_per_kb.units())).div_ceil(1_000);
        require(fee >= least, &at("too small a fee"))?;
        self.create(transaction, txid, height);
        self.change_members(transaction, txid).map_err(|what| at(&what))?;
        Ok(fee)
    }

    fn create(&mut self, transaction: &Transaction, txid: Txid, height: Height) {
        for (vout, output) in (0u32..).zip(&transaction.outputs) {
            let origin = match &transaction.kind {
                TxKind::Coinbase { .. } => Origin::Coinbase,
                TxKind::RegisterMasternode(r) if r.collateral_vout == vout => Origin::Collateral,
                _ => Origin::Transfer,
            };
            self.outputs.insert(OutPoint { txid, vout }, Utxo { output: *output, height, origin });
        }
    }

    fn change_members(&mut self, transaction: &Transaction, txid: Txid) -> Verdict {
        match &transaction.kind {
            TxKind::RegisterMasternode(registration) => {
                let key = registration.consensus_key;
                require(!self.members.contains_key(&key), "registered already")?;
                let masternode = Masternode {
                    consensus_key: key,
                    payout: registration.payout,
                    network_address: registration.network_address.clone(),
                };
                let collateral = Some(OutPoint { txid, vout: registration.collateral_vout });
                let sequence = self.n_registered;
                self.n_registered += 1;
                let member = Member {
                    masternode,
                    collateral,
                    sequence,
                    is_active: false,
                    is_leaving: false,
                    is_faulty: false,
                };
                self.members.insert(key, member);
            }
            TxKind::DeregisterMasternode { consensus_key, .. } => {
                let member = self.members.get_mut(consensus_key).ok_or("no such member")?;
                require(!member.is_leaving, "left already")?;
                member.is_leaving = true;
            }
            TxKind::Transfer | TxKind::Coinbase { .. } | TxKind::Evidence(_) => {}
        }
        Ok(())
    }

    fn apply_coinbase(
        &mut self,
        params: &ChainParams,
        coinbase: &Transaction,
        block: &Block,
        proposer: Address,
        fees: u128,
    ) -> Verdict {
        let height = block.header.height;
        let halvings = (height.0 - 1) / params.block_reward_halving;
        let full = if halvings < 64 { params.block_reward.units() >> halvings } else { 0 };
        let room = u128::from(params.supply_max.units()).saturating_sub(self.issued);
        let reward = u128::from(full).min(room);
        let total = reward + fees;
        let mut due: Vec<(Address, u128)> = Vec::new();
        if let Some(certificate) = &block.header.parent_certificate {
            let n = certificate.seals.len() as u128;
            for seal in &certificate.seals {
                let member = self.tip_set.get(seal.voter).ok_or("a seal of nobody")?;
                due.push((member.payout, total / n));
            }
        }
        let paid: u128 = due.iter().map(|(_, units)| units).sum();
        due.push((proposer, total - paid));
        due.retain(|(_, units)| *units > 0);
        let expected: Vec<TxOutput> = due
            .into_iter()
            .map(|(address, units)| {
                let value = Amount::from_units(u64::try_from(units).unwrap_or(u64::MAX));
                TxOutput { value, address }
            })
            .collect();
        require(coinbase.outputs == expected, "the coinbase pays wrongly")?;
        require(coinbase.kind == TxKind::Coinbase { height }, "no coinbase")?;
        require(coinbase.inputs.is_empty(), "a coinbase with inputs")?;
        self.issued += reward;
        self.create(coinbase, coinbase.txid(), height);
        Ok(())
    }

    fn begin_epoch(&mut self, params: &ChainParams) -> Verdict {
        let mut order: Vec<(u64, PublicKey)> =
            self.members.iter().map(|(key, member)| (member.sequence, *key)).collect();
        order.sort();
        let leaves = |member: &Member| member.is_leaving || member.is_faulty;
        let mut n_staying = self.members.values().filter(|m| m.is_active && !leaves(m)).count();
        for (_, key) in &order {
            let Some(member) = self.members.get_mut(key) else { continue };
            if !member.is_active && !leaves(member) && n_staying < 200 {
                member.is_active = true;
                n_staying += 1;
            }
        }
        for faulty_only in [true, false] {
            for (_, key) in &order {
                let Some(member) = self.members.get(key) else { continue };
                let goes = if faulty_only { member.is_faulty } else { leaves(member) };
                let n_active = self.members.values().filter(|m| m.is_active).count();
                let may = !member.is_active || n_active > usize::from(params.masternodes_min);
                if goes && may {
                    self.members.remove(key);
                }
            }
        }
        let active = self.members.values().filter(|member| member.is_active);
        let set = MasternodeSet::new(active.map(|member| member.masternode.clone()).collect());
        self.set = set.map_err(|error| error.to_string())?;
        Ok(())
    }

    /// The commitment to what is issued and registered, by its definition.
    fn registry_hash(&self) -> [u8; 32] {
        let entry = |(key, m): (&PublicKey, &Member)| {
            let standing = (m.is_active, m.is_leaving, m.is_faulty);
            (*key, (m.masternode.clone(), m.collateral, m.sequence, standing))
        };
        let entries: BTreeMap<_, _> = self.members.iter().map(entry).collect();
        let collaterals: BTreeSet<_> = self.members.values().filter_map(|m| m.collateral).collect();
        let registrations = (entries, collaterals, self.evidence.clone(), self.n_registered);
        let issued = u64::try_from(self.issued).unwrap_or(u64::MAX);
        let whole = (issued, hash(Tag::Registrations, &encode(&registrations)));
        hash(Tag::Registry, &encode(&whole)).to_bytes()
    }

    /// I5: money is conserved, and the real ledger says the same about everything.
    pub(super) fn compare(&self, block: &Block, state: &LedgerState) -> Verdict {
        require(self.outputs.total == self.issued, "the outputs are not worth what was issued")?;
        require(u128::from(state.issued.units()) == self.issued, "issued differs")?;
        require(state.masternodes == self.set, "the next masternode set differs")?;
        require(state.tip_masternodes == self.tip_set, "the tip's masternode set differs")?;
        require(state.tip.hash == self.tip && state.tip.height == self.height, "tip differs")?;
        let commitment = self.outputs.hash.commitment();
        require(commitment == block.header.utxo_commitment, "commitment differs")?;
        let every = if self.outputs.all.len() <= FEW_OUTPUTS { 16 } else { 1_024 };
        if self.height.0.is_multiple_of(every) { self.outputs.recount() } else { Ok(()) }
    }
}

/// The Merkle root by its definition: leaves and nodes are hashed apart, an odd node goes up.
fn slow_root(block: &Block) -> [u8; 32] {
    let mut row: Vec<Hash256> = block
        .transactions
        .iter()
        .map(|transaction| {
            crate::types::hash::hash(Tag::MerkleLeaf, transaction.wtxid().as_bytes())
        })
        .collect();
    while row.len() > 1 {
        let pair = |pair: &[Hash256]| match pair {
            [left, right] => {
                let mut hasher = Hasher::new(Tag::MerkleNode);
                hasher.update(left.as_bytes()).update(right.as_bytes());
                hasher.finish()
            }
            rest => rest[0],
        };
        row = row.chunks(2).map(pair).collect();
    }
    let mut root = Hasher::new(Tag::MerkleNode);
    row.iter().for_each(|top| {
        root.update(top.as_bytes());
    });
    let count = u32::try_from(block.transactions.len()).unwrap_or(u32::MAX);
    root.update(&count.to_le_bytes());
    root.finish().to_bytes()
}

/// Up to so many outputs they are counted anew every few blocks.
const FEW_OUTPUTS: usize = 4_096;

#[cfg(test)]
mod tests;
