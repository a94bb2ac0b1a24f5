//! Reading: what is published first, then the store, so that nothing slips between the two.

use std::sync::Arc;

use super::Node;
use super::error::NodeError;
use super::published::{OutpointState, Spending};
use crate::engine::output::TransactionStatus;
use crate::ledger::state::{Tip, genesis_utxos};
use crate::ledger::view::{Lookup, Origin, Utxo, outputs_of};
use crate::types::address::Address;
use crate::types::amount::Amount;
use crate::types::chain::Height;
use crate::types::hash::{BlockHash, Txid};
use crate::types::masternode_set::MasternodeSet;
use crate::types::message::Decided;
use crate::types::transaction::{OutPoint, Transaction, TxOutput};

/// Names a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockId {
    /// By its position.
    Height(Height),
    /// By its hash.
    Hash(BlockHash),
}

impl From<Height> for BlockId {
    fn from(height: Height) -> Self {
        BlockId::Height(height)
    }
}

impl From<u64> for BlockId {
    fn from(height: u64) -> Self {
        BlockId::Height(Height(height))
    }
}

impl From<BlockHash> for BlockId {
    fn from(hash: BlockHash) -> Self {
        BlockId::Hash(hash)
    }
}

/// A transaction and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionInfo {
    /// Its id.
    pub txid: Txid,
    /// The transaction.
    pub transaction: Arc<Transaction>,
    /// How far it is.
    pub status: TransactionStatus,
}

/// An output and how far its spending is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UtxoInfo {
    /// Which.
    pub outpoint: OutPoint,
    /// The money and whose it is.
    pub output: TxOutput,
    /// The height of its block, 0 for the genesis; none where its transaction is final and not
    /// in a block yet.
    pub height: Option<Height>,
    /// Where it comes from.
    pub origin: Origin,
    /// How far its spending is.
    pub state: OutpointState,
    /// The transaction that spends it, where that is known and not in a block yet.
    pub spent_by: Option<Txid>,
}

/// The money of an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// The sum of its unspent outputs after the last decided block.
    pub confirmed: Amount,
    /// The same once all final transactions are in a block: what nobody can take back.
    pub finalized: Amount,
    /// What a new transaction can spend now: final, mature, not locked, and not spent by a
    /// transaction on its way.
    pub spendable: Amount,
    /// Rewards that are too young to be spent.
    pub immature: Amount,
    /// Collateral of masternodes.
    pub locked: Amount,
}

impl Node {
    /// How far a transaction is; nothing where it is not known here. Asks neither the engine nor,
    /// for a transaction that is not confirmed, the store: it costs a look into a table.
    ///
    /// # Errors
    /// [`NodeError::Storage`], [`NodeError::Closed`].
    pub fn transaction_status(&self, txid: &Txid) -> Result<Option<TransactionStatus>, NodeError> {
        let shared = self.shared();
        match shared.published.status(txid) {
            Some(status) if !matches!(status, TransactionStatus::Rejected(_)) => Ok(Some(status)),
            refused => {
                shared.life.check_readable()?;
                // A block that is decided and not on disk yet is not shown.
                let decided = shared.storage.confirmed_at(txid)?;
                let confirmed = decided.filter(|&height| height <= shared.published.durable());
                Ok(confirmed.map(TransactionStatus::Confirmed).or(refused))
            }
        }
    }

    /// A transaction and how far it is; nothing where it is not known here.
    ///
    /// # Errors
    /// [`NodeError::Storage`], [`NodeError::Closed`].
    pub fn transaction(&self, txid: &Txid) -> Result<Option<TransactionInfo>, NodeError> {
        let shared = self.shared();
        let info = |(transaction, status)| TransactionInfo { txid: *txid, transaction, status };
        let published = shared.published.transaction(txid);
        shared.life.check_readable()?;
        if let Some((height, transaction)) = shared.storage.transaction(txid)? {
            return Ok(Some(info((transaction, TransactionStatus::Confirmed(height)))));
        }
        Ok(published.map(info))
    }

    /// The last decided block: height, hash, timestamp, certificate.
    pub fn tip(&self) -> Arc<Tip> {
        self.shared().published.tip()
    }

    /// A decided block with its certificate, by height or hash; nothing where there is none. The
    /// genesis at height 0 is no block.
    ///
    /// # Errors
    /// [`NodeError::Storage`], [`NodeError::Closed`].
    pub fn block(&self, id: impl Into<BlockId>) -> Result<Option<Decided>, NodeError> {
        let shared = self.shared();
        shared.life.check_readable()?;
        let height = match id.into() {
            BlockId::Height(height) => Some(height),
            BlockId::Hash(hash) => shared.storage.height_of(&hash)?,
        };
        match height {
            Some(height) if height > Height::ZERO => Ok(shared.storage.block(height)?),
            _ => Ok(None),
        }
    }

    /// An output and how far its spending is; nothing where its transaction is neither confirmed
    /// nor final, never had it, or is too long ago to tell.
    ///
    /// # Errors
    /// [`NodeError::Storage`], [`NodeError::Closed`].
    pub fn utxo(&self, outpoint: &OutPoint) -> Result<Option<UtxoInfo>, NodeError> {
        let shared = self.shared();
        let spending = shared.published.spending(outpoint);
        let output = shared.published.final_output(outpoint);
        shared.life.check_readable()?;
        match shared.storage.utxo(outpoint)? {
            Lookup::Unspent(utxo) => Ok(Some(confirmed_info(*outpoint, &utxo, spending))),
            Lookup::Unknown => Ok(output.map(|output| final_info(*outpoint, output, spending))),
            Lookup::Spent => self.spent_info(outpoint),
        }
    }

    /// Outputs of an address, ascending by outpoint, at most `limit` of them, after `after`:
    /// those that no block has spent, with how far their spending is, and those of final
    /// transactions that are in no block yet. An empty page ends them.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] for a limit outside 1 to 10,000; [`NodeError::Storage`],
    /// [`NodeError::Closed`].
    pub fn utxos_of(
        &self,
        address: &Address,
        after: Option<&OutPoint>,
        limit: usize,
    ) -> Result<Vec<UtxoInfo>, NodeError> {
        if !(1..=UTXOS_PAGE_MAX).contains(&limit) {
            let reason = format!("{limit} is outside 1 to {UTXOS_PAGE_MAX}");
            return Err(NodeError::InvalidArgument { what: "limit", reason });
        }
        let shared = self.shared();
        let finals = shared.published.final_outputs(address, after, limit);
        shared.life.check_readable()?;
        let confirmed = shared.storage.utxos(Some(address), after, limit)?;
        let mut page: Vec<UtxoInfo> = confirmed
            .iter()
            .map(|(at, utxo)| confirmed_info(*at, utxo, shared.published.spending(at)))
            .collect();
        for (at, _) in finals {
            if let Err(place) = page.binary_search_by(|info| info.outpoint.cmp(&at)) {
                // It may have been confirmed, and even spent, between the two looks.
                let info = self.utxo(&at)?.filter(|info| info.state != OutpointState::Confirmed);
                info.into_iter().for_each(|info| page.insert(place, info));
            }
        }
        page.truncate(limit);
        Ok(page)
    }

    /// The money of an address. Reads all its outputs.
    ///
    /// # Errors
    /// [`NodeError::Storage`], [`NodeError::Closed`].
    pub fn balance(&self, address: &Address) -> Result<Balance, NodeError> {
        let mut balance = Balance::default();
        let mut after = None;
        loop {
            let page = self.utxos_of(address, after.as_ref(), UTXOS_PAGE_MAX)?;
            let Some(last) = page.last() else { return Ok(balance) };
            after = Some(last.outpoint);
            page.iter().for_each(|info| self.add_to_balance(&mut balance, info));
        }
    }

    /// The masternodes that decide the next block.
    pub fn masternodes(&self) -> MasternodeSet {
        self.shared().published.masternodes()
    }

    /// What all unspent outputs add up to after the last durable block, and what they must: the
    /// genesis and all rewards. Reads every one of them.
    pub(crate) fn unspent_total(&self) -> Result<(Amount, Amount), NodeError> {
        let storage = &self.shared().storage;
        loop {
            self.shared().life.check_readable()?;
            let state = storage.state();
            let (mut found, mut after) = (Amount::ZERO, None);
            loop {
                let page = storage.utxos(None, after.as_ref(), UTXOS_PAGE_MAX)?;
                let Some((last, _)) = page.last() else { break };
                after = Some(*last);
                page.iter().for_each(|(_, utxo)| {
                    found = found.saturating_add(utxo.output.value);
                });
            }
            // A block between two pages moves coins from one to another.
            if storage.state().tip.height == state.tip.height {
                return Ok((found, state.issued));
            }
        }
    }

    /// Whether the next block could hold a transaction that spends it, as far as its age and
    /// origin go.
    pub(super) fn is_mature(&self, info: &UtxoInfo) -> bool {
        let shared = self.shared();
        match (info.origin, info.height) {
            (Origin::Transfer, _) => true,
            (Origin::Coinbase, Some(height)) => {
                let maturity = shared.chain.params().coinbase_maturity;
                shared.published.tip().height.next() >= Height(height.0.saturating_add(maturity))
            }
            (Origin::Coinbase | Origin::Collateral, _) => false,
        }
    }

    fn add_to_balance(&self, balance: &mut Balance, info: &UtxoInfo) {
        let value = info.output.value;
        let add = |sum: &mut Amount| *sum = sum.saturating_add(value);
        if info.height.is_some() {
            add(&mut balance.confirmed);
        }
        if info.state < OutpointState::SpentFinalized {
            add(&mut balance.finalized);
        }
        match info.origin {
            Origin::Collateral => add(&mut balance.locked),
            _ if !self.is_mature(info) => add(&mut balance.immature),
            _ if info.state == OutpointState::Unspent => add(&mut balance.spendable),
            _ => {}
        }
    }

    /// What a spent output was, from the transaction that made it.
    fn spent_info(&self, outpoint: &OutPoint) -> Result<Option<UtxoInfo>, NodeError> {
        let shared = self.shared();
        let made = match shared.storage.transaction(&outpoint.txid)? {
            Some((height, transaction)) => {
                let mut outputs = outputs_of(&transaction, height);
                outputs.find(|(vout, _)| *vout == outpoint.vout).map(|(_, utxo)| utxo)
            }
            None => genesis_utxos(&shared.chain)
                .find(|(genesis, _)| genesis == outpoint)
                .map(|(_, utxo)| utxo),
        };
        Ok(made.map(|utxo| UtxoInfo {
            state: OutpointState::Confirmed,
            ..confirmed_info(*outpoint, &utxo, None)
        }))
    }
}

fn confirmed_info(outpoint: OutPoint, utxo: &Utxo, spending: Option<Spending>) -> UtxoInfo {
    UtxoInfo {
        outpoint,
        output: utxo.output,
        height: Some(utxo.height),
        origin: utxo.origin,
        state: spending.map_or(OutpointState::Unspent, |spending| spending.state),
        spent_by: spending.map(|spending| spending.by),
    }
}

fn final_info(outpoint: OutPoint, output: TxOutput, spending: Option<Spending>) -> UtxoInfo {
    UtxoInfo {
        outpoint,
        output,
        height: None,
        origin: Origin::Transfer,
        state: spending.map_or(OutpointState::Unspent, |spending| spending.state),
        spent_by: spending.map(|spending| spending.by),
    }
}

/// Outputs in one page at most.
pub const UTXOS_PAGE_MAX: usize = 10_000;
