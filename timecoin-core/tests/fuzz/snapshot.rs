//! A snapshot whose peers answer anything, in any order: nothing is finished that no header proves,
//! what it asks stays within bounds, and what it keeps can be taken up.

use std::sync::Arc;

use timecoin_core::ledger::state::{LedgerState, genesis_utxos};
use timecoin_core::ledger::view::{OutputPage, Utxo};
use timecoin_core::sync::headers::Anchor;
use timecoin_core::sync::snapshot::{
    Ask, Certified, Output, Question, Record, Snapshot, SnapshotLimits, SnapshotPeer,
};
use timecoin_core::types::encode::{decode, encode};
use timecoin_core::types::hash::{Tag, hash};
use timecoin_core::{
    Block, BlockHeader, Chain, Height, KeyPair, OutPoint, PublicKey, Timestamp, Txid,
};

use super::network::chain as shared_chain_of_network;
use super::tape::Tape;

const PEERS: usize = 3;

struct World {
    chain: Chain,
    snapshot: Snapshot,
    kept: Vec<Record>,
    asked: Vec<Ask>,
    now: u64,
}

pub(crate) fn run(bytes: &[u8]) {
    let chain = chain();
    let snapshot = begin(&chain);
    let mut world = World { chain, snapshot, kept: Vec::new(), asked: Vec::new(), now: 1 };
    let mut tape = Tape::new(bytes);
    while !tape.is_at_end() {
        world.step(&mut tape);
        world.perform();
    }
}

fn chain() -> Chain {
    static CHAIN: std::sync::OnceLock<Chain> = std::sync::OnceLock::new();
    CHAIN.get_or_init(shared_chain_of_network).clone()
}

fn begin(chain: &Chain) -> Snapshot {
    let limits = SnapshotLimits {
        page_outputs: 4,
        page_blocks: 3,
        page_headers: 5,
        outputs_max: 50,
        gap_blocks_max: 20,
        ..SnapshotLimits::default()
    };
    Snapshot::new(chain.clone(), limits, 7)
}

fn peer(n: usize) -> PublicKey {
    static KEYS: std::sync::OnceLock<Vec<PublicKey>> = std::sync::OnceLock::new();
    let all = KEYS.get_or_init(|| {
        (0..PEERS).map(|n| KeyPair::from_seed(&n.to_le_bytes()).public()).collect()
    });
    all[n]
}

/// The header of a height, which nobody signed: it names no transactions.
fn header(chain: &Chain, height: u64) -> BlockHeader {
    let state = LedgerState::genesis(chain);
    let any = hash(Tag::Message, &height.to_le_bytes());
    BlockHeader {
        version: 1,
        chain_id: *chain.id(),
        height: Height(height),
        parent: any.into(),
        merkle_root: timecoin_core::types::block::transactions_root(std::iter::empty()),
        utxo_commitment: state.utxo_set.commitment(),
        masternode_set: state.masternodes.hash(),
        next_masternode_set: state.masternodes.hash(),
        registry: state.registry_hash(),
        timestamp: Timestamp(height),
        proposer: state.masternodes.members()[0].consensus_key,
        parent_certificate: None,
    }
}

impl World {
    fn step(&mut self, tape: &mut Tape<'_>) {
        match tape.byte() % 6 {
            0 => {
                let mask = tape.byte();
                let here = (0..PEERS).filter(|n| mask & (1 << n) != 0);
                let all: Vec<_> = here
                    .map(|n| SnapshotPeer {
                        key: peer(n),
                        height: Height(number(tape)),
                        first_block: Height(u64::from(tape.byte() % 4)),
                    })
                    .collect();
                self.snapshot.on_peers(&all);
                self.asked.retain(|ask| all.iter().any(|one| one.key == ask.peer));
            }
            1 => self.now += u64::from(tape.byte()) * 100,
            2 => {
                self.snapshot = begin(&self.chain);
                self.kept.iter().for_each(|record| self.snapshot.restore(record));
                self.asked.clear();
            }
            _ => self.answer(tape),
        }
    }

    fn answer(&mut self, tape: &mut Tape<'_>) {
        let at = tape.below(self.asked.len().max(1));
        let (from, id, what) = match self.asked.get(at).filter(|_| !tape.byte().is_multiple_of(8)) {
            Some(ask) => (ask.peer, ask.id, ask.what),
            None => (peer(tape.below(PEERS)), u64::from(tape.byte()), Question::State),
        };
        let now = Timestamp(self.now);
        let taken = match what {
            Question::Headers { from: first, .. } => {
                let n = u64::from(tape.byte() % 6);
                let end = self.snapshot.anchor().height.0;
                let followed = (end.saturating_add(n) < 1_000 && !tape.byte().is_multiple_of(4))
                    .then(|| {
                        let all = (end + 1..=end + n).map(|height| header(&self.chain, height));
                        let all = all.map(|header| Certified::new(&header, header.hash()));
                        let masternodes = self.chain.first_set().clone();
                        let height = Height(end + n);
                        let hash = header(&self.chain, height.0).hash();
                        (all.collect(), Anchor { height, hash, masternodes })
                    });
                assert!(first > Height(0));
                self.snapshot.on_headers(from, id, followed, 10, now)
            }
            Question::Blocks { from: first, count } => {
                let n = u64::from(tape.byte()) % (u64::from(count) + 2);
                let of = |height| {
                    let transactions = Vec::new();
                    Arc::new(Block { header: header(&self.chain, height), transactions })
                };
                let first = first.0 + u64::from(tape.byte() % 5 == 4);
                let blocks: Vec<_> = (first..first + n).map(of).collect();
                self.snapshot.on_blocks(from, id, &blocks, 10, now)
            }
            Question::Outputs { after, count } => {
                let page = (!tape.byte().is_multiple_of(8)).then(|| self.page(tape, after, count));
                self.snapshot.on_outputs(from, id, page, 10, now)
            }
            Question::State => {
                let mut state = LedgerState::genesis(&self.chain);
                state.tip.height = Height(number(tape));
                self.snapshot.on_state(from, id, Some(Box::new(state)), 10, now)
            }
        };
        let _ = taken;
        self.asked.retain(|ask| ask.id != id || ask.peer != from);
    }

    fn page(&self, tape: &mut Tape<'_>, after: Option<OutPoint>, count: u16) -> OutputPage {
        let utxo: Utxo = genesis_utxos(&self.chain).next().unwrap().1;
        let start = after.map_or(0, |after| after.vout + 1) + u32::from(tape.byte() % 8 == 7);
        let n = u32::from(tape.byte()) % (u32::from(count) + 2);
        let mut outputs: Vec<_> =
            (start..start + n).map(|vout| (OutPoint::new(Txid::ZERO, vout), utxo)).collect();
        if tape.byte() % 8 == 7 {
            outputs.reverse();
        }
        OutputPage { height: Height(number(tape)), outputs }
    }

    fn perform(&mut self) {
        for n in 0.. {
            assert!(n < 1_000, "it does not come to rest");
            match self.snapshot.poll(Timestamp(self.now)) {
                None => return,
                Some(Output::Ask(ask)) => self.asked.push(ask),
                Some(Output::Keep(record)) => {
                    let bytes = encode(&record);
                    assert_eq!(decode::<Record>("", &bytes, bytes.len()).unwrap(), record);
                    self.kept.push(record);
                }
                Some(Output::Forget) => self.kept.clear(),
                Some(Output::Blame(_)) => {}
                Some(Output::Finish(_)) => panic!("nobody signed any block"),
            }
            for n in 0..PEERS {
                let of_one = self.asked.iter().filter(|ask| ask.peer == peer(n)).count();
                assert!(of_one <= 200, "{of_one} questions to one peer");
            }
        }
    }
}

/// A height: near, far or at the end.
fn number(tape: &mut Tape<'_>) -> u64 {
    match tape.byte() {
        byte @ 0..200 => u64::from(byte),
        200..250 => 100_000,
        _ => u64::MAX,
    }
}
