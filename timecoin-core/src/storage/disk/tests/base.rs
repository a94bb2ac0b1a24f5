//! Stores that begin from a base instead of the genesis.

use super::*;
use crate::ledger::block::{BlockError, Proposer, build_block};
use crate::ledger::view::{Lookup, Utxo};
use crate::storage::base::{Base, BaseWriter};
use crate::storage::tests::all;
use crate::types::transaction::OutPoint;

const BASE: Height = Height(4);

/// A data directory whose store was to begin where an example ends.
struct Based {
    example: Example,
    outputs: Vec<(OutPoint, Utxo)>,
    dir: Directory,
}

impl Based {
    fn new() -> Self {
        let example = Example::new(Left::Killed);
        let opened = example.open(&example.copy()).unwrap();
        let outputs = all(&*opened.storage);
        let based = Based { example, outputs, dir: Directory::new() };
        let mut writer = BaseWriter::create(based.dir.0.path(), true).unwrap();
        based.outputs.iter().for_each(|(outpoint, utxo)| writer.push(outpoint, utxo).unwrap());
        let base = writer.install(&based.example.chain, (*opened.storage.state()).clone()).unwrap();
        assert_eq!((base.height(), base.n_outputs()), (BASE, based.outputs.len() as u64));
        based
    }

    fn copy(&self) -> Directory {
        let copy = Directory::new();
        copy_dir(self.dir.0.path(), copy.0.path());
        copy
    }

    fn open(&self, dir: &Directory) -> Result<Opened, StorageError> {
        dir.open(&self.example.chain)
    }

    /// Opens, and checks that the base and these blocks behind it are there, and nothing before.
    fn open_whole(&self, dir: &Directory, later: &[Arc<BlockCommit>]) -> Opened {
        let opened = self.open(dir).unwrap();
        let storage = &opened.storage;
        let last = later.last().or(self.example.commits.last()).unwrap();
        assert_eq!(*storage.state(), last.connected.state);
        assert_eq!(storage.first_block(), BASE.next());
        let outputs = all(&**storage);
        assert_eq!(testkit::set_hash(&outputs), storage.state().utxo_set);
        let page = storage.outputs(None, outputs.len() + 1).unwrap();
        assert_eq!((page.height, page.outputs), (last.height(), outputs.clone()));
        let (first, rest) = (outputs[0].0, storage.outputs(Some(&outputs[0].0), 2).unwrap());
        assert_eq!(rest.outputs, outputs[1..3], "behind {first}");
        for commit in &self.example.commits {
            assert_eq!(storage.block(commit.height()).unwrap(), None);
            assert_eq!(storage.height_of(&commit.connected.block.hash()).unwrap(), None);
            for transaction in &commit.connected.block.block().transactions {
                assert_eq!(storage.transaction(&transaction.txid()).unwrap(), None);
            }
        }
        for commit in later {
            let decided = storage.block(commit.height()).unwrap().unwrap();
            assert_eq!(&decided.block, commit.connected.block.block());
        }
        assert!(opened.must_observe.as_ref().is_some_and(|reason| reason.contains("base")));
        opened
    }
}

#[test]
fn store_goes_on_from_its_base_through_closes_and_kills() {
    let based = Based::new();
    let mut later = Vec::new();
    for is_closed in [false, true, false, true] {
        let opened = based.open_whole(&based.dir, &later);
        let mut spender = Spender::new(&based.example.chain, &opened.storage);
        later.extend([spender.persist(2), spender.persist(1)]);
        if is_closed {
            opened.storage.close().unwrap();
        } else {
            opened.storage.apply().unwrap();
            later.push(spender.persist(1));
        }
    }
    based.open_whole(&based.dir, &later);
}

/// What was spent before is not known, but was it spent or never made, it can't be spent: see
/// `docs/format.md`.
#[test]
fn outputs_spent_before_the_base_are_unknown_and_those_left_can_be_spent() {
    let based = Based::new();
    let opened = based.open_whole(&based.dir, &[]);
    let blocks = based.example.commits.iter().map(|commit| commit.connected.block.block());
    let transactions = blocks.flat_map(|block| &block.transactions);
    let mut n_spent = 0;
    for input in transactions.flat_map(|transaction| &transaction.inputs) {
        let outpoint = input.previous_output;
        let is_genesis = outpoint.txid.as_bytes() == based.example.chain.id().as_bytes();
        let expected = if is_genesis { Lookup::Spent } else { Lookup::Unknown };
        assert_eq!(opened.storage.lookup(&outpoint).unwrap(), expected);
        n_spent += 1;
    }
    assert!(n_spent > 4);
    for (outpoint, utxo) in &based.outputs {
        assert_eq!(opened.storage.lookup(outpoint).unwrap(), Lookup::Unspent(*utxo));
    }
}

/// The store with all blocks and the one without refuse the same, for different reasons.
#[test]
fn payments_confirmed_before_the_base_are_refused_with_and_without_their_blocks() {
    let based = Based::new();
    let opened = based.open_whole(&based.dir, &[]);
    let whole = based.example.open(&based.example.copy()).unwrap();
    let chain = &based.example.chain;
    let state = opened.storage.state();
    let mut n_refused = 0;
    for commit in &based.example.commits {
        for payment in commit.connected.block.transactions() {
            for storage in [&opened.storage, &whole.storage] {
                let proposer = Proposer { index: 0, now: state.tip.timestamp.next() };
                let built = build_block(chain, &state, &**storage, vec![payment.clone()], proposer);
                assert!(matches!(built, Err(BlockError::Transaction { index: 1, .. })));
                n_refused += 1;
            }
        }
    }
    assert_eq!(n_refused, 2 * (3 + 5 + 1));
}

#[test]
fn tables_are_made_anew_from_the_base() {
    let based = Based::new();
    let opened = based.open_whole(&based.dir, &[]);
    let later = [Spender::new(&based.example.chain, &opened.storage).persist(2)];
    drop(opened);
    fs::remove_dir_all(based.dir.0.path().join("derived")).unwrap();
    let opened = based.open_whole(&based.dir, &later);
    assert!(mentions(&opened.repairs, "rebuilt"));
    drop(opened);
    // Files that sled finds nothing in, as after a crash in the first open.
    let derived = based.dir.0.path().join("derived");
    fs::remove_dir_all(&derived).unwrap();
    fs::create_dir(&derived).unwrap();
    based.open_whole(&based.dir, &later);
}

/// A crash of the first open leaves some of what it makes.
#[test]
fn first_open_is_begun_again_wherever_it_was_cut_short() {
    let based = Based::new();
    drop(based.open_whole(&based.dir, &[]));
    for removed in [&["derived"][..], &["derived", "blocks"], &["derived", "blocks", "votes"]] {
        let dir = based.copy();
        for name in removed {
            fs::remove_dir_all(dir.0.path().join(name)).unwrap();
        }
        based.open_whole(&dir, &[]);
    }
}

#[test]
fn base_that_was_never_finished_is_none() {
    let based = Based::new();
    let dir = Directory::new();
    let mut writer = BaseWriter::create(dir.0.path(), true).unwrap();
    writer.push(&based.outputs[0].0, &based.outputs[0].1).unwrap();
    drop(writer);
    let opened = based.open(&dir).unwrap();
    assert_eq!(opened.storage.state().tip.height, Height::ZERO);
    assert!(!dir.0.path().join("base.new").exists());
}

#[test]
fn every_bit_of_the_description_counts() {
    let based = Based::new();
    let bits = 8 * fs::read(based.dir.0.path().join("base/state")).unwrap().len() as u64;
    for bit in (0..bits).step_by(97) {
        let dir = based.copy();
        flip_bit(&dir.0.path().join("base/state"), bit);
        let error = based.open(&dir).err().expect("it is damaged");
        assert!(matches!(error, StorageError::BaseDamaged { .. }), "bit {bit}: {error}");
    }
}

#[test]
fn damaged_or_missing_outputs_are_an_error_that_says_so() {
    let based = Based::new();
    let outputs = |dir: &Directory| dir.0.path().join("base/outputs");
    let bytes = fs::read(outputs(&based.dir)).unwrap();
    type Harm<'a> = Box<dyn Fn(&Path) + 'a>;
    let mut harms: Vec<Harm<'_>> = vec![
        Box::new(|path| fs::remove_file(path).unwrap()),
        Box::new(|path| fs::write(path, &bytes[..bytes.len() - 1]).unwrap()),
        Box::new(|path| fs::write(path, &bytes[..bytes.len() - 73]).unwrap()),
        Box::new(|path| fs::write(path, [&bytes[..], &[0]].concat()).unwrap()),
    ];
    for bit in (0..8 * bytes.len() as u64).step_by(331) {
        harms.push(Box::new(move |path| flip_bit(path, bit)));
    }
    for (number, harm) in harms.iter().enumerate() {
        let dir = based.copy();
        harm(&outputs(&dir));
        let error = based.open(&dir).err().expect("it is damaged");
        assert!(matches!(error, StorageError::BaseDamaged { .. }), "{number}: {error}");
        // What was filled in part is not taken for whole.
        assert!(based.open(&dir).is_err());
    }
}

#[test]
fn blocks_without_the_base_before_them_are_no_store() {
    let based = Based::new();
    drop(based.open_whole(&based.dir, &[]));
    fs::remove_dir_all(based.dir.0.path().join("base")).unwrap();
    let error = based.open(&based.dir).err().expect("the base is gone");
    assert!(matches!(error, StorageError::BlockLogMissing { .. }), "{error}");
}

#[test]
fn base_of_another_chain_is_refused() {
    let based = Based::new();
    let other = testkit::solo_chain_with_coins(5);
    assert!(matches!(Base::read(based.dir.0.path(), &other), Err(StorageError::WrongChain { .. })));
}
