//! The verbs that a simulated network and a real one have in common, so that a scenario is
//! written once and runs on either: [`Testbed`].

use std::error::Error;
use std::time::Duration;

use crate::engine::output::TransactionStatus;
use crate::localnet::{LocalNet, LocalNodeState};
use crate::sim::{NodeState, Simulation};
use crate::types::address::Address;
use crate::types::amount::Amount;
use crate::types::chain::Height;
use crate::types::hash::Txid;

/// Why a step of a scenario failed, as the network says it.
pub type TestbedError = Box<dyn Error + Send + Sync>;

/// A network of nodes to which things can happen.
///
/// Positions name nodes: the masternodes of the genesis in the order of their keys, then the
/// others. Where both networks are made from the same seed and settings, the same payments have
/// the same ids.
pub trait Testbed {
    /// How many nodes there are.
    fn n_nodes(&self) -> usize;

    /// Whether a node takes part, and was not made Byzantine.
    fn is_running(&self, node: usize) -> bool;

    /// The address of the wallet of a name.
    ///
    /// # Errors
    /// Where all wallets have other names.
    fn address(&mut self, wallet: &str) -> Result<Address, TestbedError>;

    /// Pays from one wallet to another at the first node that takes part.
    ///
    /// # Errors
    /// Where the wallet has no coin for it, or no node takes it.
    fn pay(&mut self, from: &str, to: &str, value: Amount) -> Result<Txid, TestbedError>;

    /// Whether a transaction is final or confirmed at a node that takes part.
    fn is_final(&self, node: usize, txid: &Txid) -> bool;

    /// Whether a transaction is in a decided block at a node that takes part.
    fn is_confirmed(&self, node: usize, txid: &Txid) -> bool;

    /// The height of a node.
    fn height(&self, node: usize) -> Height;

    /// The sum of the confirmed unspent outputs of an address, as the node furthest on has it.
    ///
    /// # Errors
    /// Where no node can be read.
    fn confirmed_balance(&self, address: &Address) -> Result<Amount, TestbedError>;

    /// Whether all unspent outputs add up to genesis and rewards at the node furthest on.
    ///
    /// # Errors
    /// Where no node can be read.
    fn is_conserved(&self) -> Result<bool, TestbedError>;

    /// The node that proposes the next block in round 0; none where that is no node here.
    fn next_proposer(&self) -> Option<usize>;

    /// Stops a node at once.
    ///
    /// # Errors
    /// Where the network fails.
    fn crash(&mut self, node: usize) -> Result<(), TestbedError>;

    /// Starts a node from what its disk holds.
    ///
    /// # Errors
    /// Where the network fails.
    fn restart(&mut self, node: usize) -> Result<(), TestbedError>;

    /// Cuts the network between groups; who is in none is alone.
    ///
    /// # Errors
    /// Where the network fails.
    fn partition(&mut self, groups: &[&[usize]]) -> Result<(), TestbedError>;

    /// Opens all links.
    ///
    /// # Errors
    /// Where the network fails.
    fn heal(&mut self) -> Result<(), TestbedError>;

    /// Makes a node Byzantine: it follows the strategy of this name, with any that it follows
    /// already.
    ///
    /// # Errors
    /// Where there is no such strategy, or the network has no way to follow it.
    fn set_byzantine(&mut self, node: usize, strategy: &str) -> Result<(), TestbedError>;

    /// Lets time pass, virtual or real, until `predicate` holds, but no longer than `within`.
    /// Says whether it came to hold.
    ///
    /// # Errors
    /// Where the network fails.
    fn run_until(
        &mut self,
        predicate: &mut dyn FnMut(&Self) -> bool,
        within: Duration,
    ) -> Result<bool, TestbedError>;

    /// Lets so much time pass.
    ///
    /// # Errors
    /// Where the network fails.
    fn advance(&mut self, duration: Duration) -> Result<(), TestbedError> {
        self.run_until(&mut |_| false, duration).map(drop)
    }

    /// The nodes that take part.
    fn running(&self) -> Vec<usize> {
        (0..self.n_nodes()).filter(|node| self.is_running(*node)).collect()
    }

    /// Whether a transaction is final or confirmed at every node that takes part; no where none does.
    fn is_final_everywhere(&self, txid: &Txid) -> bool {
        let running = self.running();
        !running.is_empty() && running.into_iter().all(|node| self.is_final(node, txid))
    }

    /// Whether a transaction is in a decided block at every node that takes part; no where none does.
    fn is_confirmed_everywhere(&self, txid: &Txid) -> bool {
        let running = self.running();
        !running.is_empty() && running.into_iter().all(|node| self.is_confirmed(node, txid))
    }

    /// The lowest height of all nodes that take part.
    fn height_min(&self) -> Height {
        self.running().into_iter().map(|node| self.height(node)).min().unwrap_or_default()
    }
}

impl Testbed for Simulation {
    fn n_nodes(&self) -> usize {
        self.nodes().len()
    }

    fn is_running(&self, node: usize) -> bool {
        *self.node(node).state() == NodeState::Running && !self.node(node).is_byzantine()
    }

    fn address(&mut self, wallet: &str) -> Result<Address, TestbedError> {
        Ok(self.wallet(wallet)?.address())
    }

    fn pay(&mut self, from: &str, to: &str, value: Amount) -> Result<Txid, TestbedError> {
        Ok(Simulation::pay(self, from, to, value)?)
    }

    fn is_final(&self, node: usize, txid: &Txid) -> bool {
        Simulation::is_final(self, node, txid)
    }

    fn is_confirmed(&self, node: usize, txid: &Txid) -> bool {
        self.confirmed_at(txid).is_some_and(|height| height <= self.node(node).height())
    }

    fn height(&self, node: usize) -> Height {
        self.node(node).height()
    }

    fn confirmed_balance(&self, address: &Address) -> Result<Amount, TestbedError> {
        let unspent = self.archive().unspent().filter(|utxo| utxo.output.address == *address);
        Ok(unspent.map(|utxo| utxo.output.value).sum())
    }

    fn is_conserved(&self) -> Result<bool, TestbedError> {
        let last = self.archive().block(self.archive().height());
        let issued = match last {
            Some(commit) => commit.connected.state.issued,
            None => self.chain().genesis().allocated(),
        };
        Ok(self.archive().unspent().map(|utxo| utxo.output.value).sum::<Amount>() == issued)
    }

    fn next_proposer(&self) -> Option<usize> {
        Some(Simulation::next_proposer(self))
    }

    fn crash(&mut self, node: usize) -> Result<(), TestbedError> {
        Ok(Simulation::crash(self, node)?)
    }

    fn restart(&mut self, node: usize) -> Result<(), TestbedError> {
        Ok(Simulation::restart(self, node)?)
    }

    fn partition(&mut self, groups: &[&[usize]]) -> Result<(), TestbedError> {
        Ok(Simulation::partition(self, groups)?)
    }

    fn heal(&mut self) -> Result<(), TestbedError> {
        Ok(Simulation::heal(self)?)
    }

    fn set_byzantine(&mut self, node: usize, strategy: &str) -> Result<(), TestbedError> {
        Ok(Simulation::set_byzantine(self, node, strategy)?)
    }

    fn run_until(
        &mut self,
        predicate: &mut dyn FnMut(&Self) -> bool,
        within: Duration,
    ) -> Result<bool, TestbedError> {
        Ok(Simulation::run_until(self, predicate, within)?)
    }
}

impl Testbed for LocalNet {
    fn n_nodes(&self) -> usize {
        LocalNet::n_nodes(self)
    }

    fn is_running(&self, node: usize) -> bool {
        let is_honest = matches!(self.is_byzantine(node), Ok(false));
        is_honest && matches!(self.node_state(node), Ok(LocalNodeState::Running))
    }

    fn address(&mut self, wallet: &str) -> Result<Address, TestbedError> {
        Ok(self.wallet(wallet)?.address())
    }

    fn pay(&mut self, from: &str, to: &str, value: Amount) -> Result<Txid, TestbedError> {
        Ok(LocalNet::pay(self, from, to, value)?)
    }

    fn is_final(&self, node: usize, txid: &Txid) -> bool {
        LocalNet::is_final(self, node, txid).unwrap_or(false)
    }

    fn is_confirmed(&self, node: usize, txid: &Txid) -> bool {
        let status = self.node(node).and_then(|node| node.transaction_status(txid));
        matches!(status, Ok(Some(TransactionStatus::Confirmed(_))))
    }

    fn height(&self, node: usize) -> Height {
        self.node(node).map(|node| node.tip().height).unwrap_or_default()
    }

    fn confirmed_balance(&self, address: &Address) -> Result<Amount, TestbedError> {
        Ok(self.furthest()?.balance(address)?.confirmed)
    }

    fn is_conserved(&self) -> Result<bool, TestbedError> {
        let (found, issued) = self.furthest()?.unspent_total()?;
        Ok(found == issued)
    }

    fn next_proposer(&self) -> Option<usize> {
        LocalNet::next_proposer(self)
    }

    fn crash(&mut self, node: usize) -> Result<(), TestbedError> {
        Ok(LocalNet::crash(self, node)?)
    }

    fn restart(&mut self, node: usize) -> Result<(), TestbedError> {
        Ok(LocalNet::restart(self, node)?)
    }

    fn partition(&mut self, groups: &[&[usize]]) -> Result<(), TestbedError> {
        Ok(LocalNet::partition(self, groups)?)
    }

    fn heal(&mut self) -> Result<(), TestbedError> {
        LocalNet::heal(self);
        Ok(())
    }

    fn set_byzantine(&mut self, node: usize, strategy: &str) -> Result<(), TestbedError> {
        Ok(LocalNet::set_byzantine(self, node, strategy)?)
    }

    fn run_until(
        &mut self,
        predicate: &mut dyn FnMut(&Self) -> bool,
        within: Duration,
    ) -> Result<bool, TestbedError> {
        Ok(self.wait_until(predicate, within))
    }
}
