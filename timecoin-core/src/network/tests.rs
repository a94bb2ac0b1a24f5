//! Networks of hosts that keep nothing but what they were told.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{Host, Network, NetworkEvent, NetworkSettings, PeerTip};
use crate::engine::input::PeerId;
use crate::engine::output::To;
use crate::ledger::state::LedgerState;
use crate::ledger::view::OutputPage;
use crate::params::{Chain, Genesis};
use crate::peers::PeerLimits;
use crate::sync::SyncLimits;
use crate::sync::headers::{Anchor, HeaderPage};
use crate::types::amount::Amount;
use crate::types::chain::{Epoch, Height, Timestamp};
use crate::types::encode::decode;
use crate::types::hash::{BlockHash, Tag, Txid, UtxoCommitment, Wtxid, hash};
use crate::types::keys::KeyPair;
use crate::types::masternode_set::MasternodeSet;
use crate::types::message::{Decided, Message, Request};
use crate::types::transaction::{OutPoint, Transaction, TxOutput};
use crate::types::vote::{Vote, VoteBatch};

const LONG: Duration = Duration::from_secs(60);

fn keys(n: usize) -> KeyPair {
    KeyPair::from_seed(format!("host {n}").as_bytes())
}

/// A node that only remembers.
struct Memory {
    chain: Chain,
    clock_ahead_ms: u64,
    heard: Mutex<Vec<Message>>,
    told: Mutex<Vec<NetworkEvent>>,
    /// What its own host submitted last, and how often others asked for it.
    submitted: Mutex<(Option<Arc<Transaction>>, usize)>,
    pending: Mutex<Vec<Txid>>,
}

impl Host for Memory {
    fn receive_bytes(&self, from: PeerId, message: Vec<u8>) {
        self.receive(from, decode("message", &message, message.len()).unwrap());
    }

    fn receive(&self, _from: PeerId, message: Message) {
        self.heard.lock().unwrap().push(message);
    }

    fn now(&self) -> Timestamp {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Timestamp(u64::try_from(now.as_millis()).unwrap() + self.clock_ahead_ms)
    }

    fn tip(&self) -> PeerTip {
        PeerTip {
            height: Height(0),
            hash: BlockHash::from_bytes([0; 32]),
            utxo_commitment: UtxoCommitment::from_bytes([0; 32]),
        }
    }

    fn masternodes(&self) -> MasternodeSet {
        self.chain.first_set().clone()
    }

    fn verifiable(&self) -> Height {
        Height(20)
    }

    fn epoch_of(&self, height: Height) -> Epoch {
        self.chain.params().epoch_of(height)
    }

    fn transaction(&self, txid: &Txid) -> Option<Arc<Transaction>> {
        let (transaction, n_asked) = &mut *self.submitted.lock().unwrap();
        *n_asked += 1;
        transaction.clone().filter(|transaction| transaction.txid() == *txid)
    }

    fn pending(&self, _n_max: usize) -> Vec<Txid> {
        self.pending.lock().unwrap().clone()
    }

    fn is_known(&self, _txid: &Txid) -> bool {
        false
    }

    fn verified(&self, _wtxid: &Wtxid) -> Option<Arc<Transaction>> {
        None
    }

    fn anchor(&self) -> Anchor {
        let masternodes = self.chain.first_set().clone();
        Anchor { height: Height(0), hash: BlockHash::from_bytes([0; 32]), masternodes }
    }

    fn headers(&self, _from: Height, _n_max: u16, _bytes_max: usize) -> HeaderPage {
        HeaderPage::default()
    }

    fn blocks(&self, _from: Height, _n_max: u16, _bytes_max: usize) -> Vec<Decided> {
        Vec::new()
    }

    fn first_block(&self) -> Height {
        Height(1)
    }

    fn outputs(&self, _after: Option<&OutPoint>, _n_max: usize) -> Option<OutputPage> {
        None
    }

    fn state(&self) -> Arc<LedgerState> {
        Arc::new(LedgerState::genesis(&self.chain))
    }

    fn tell(&self, event: NetworkEvent) {
        self.told.lock().unwrap().push(event);
    }
}

struct Place {
    network: Network,
    host: Arc<Memory>,
}

impl Place {
    fn heard(&self, message: &Message) -> usize {
        self.host.heard.lock().unwrap().iter().filter(|heard| *heard == message).count()
    }
}

/// Networks of which so many are masternodes, each with its clock; all are connected with all
/// that `links` says.
fn places(
    n_masternodes: usize,
    clocks_ahead_ms: &[u64],
    links: &[(usize, usize)],
    runtime: &tokio::runtime::Runtime,
) -> Vec<Place> {
    let masternodes: Vec<_> = (0..n_masternodes).map(|n| keys(n).public()).collect();
    let chain = Chain::new(Genesis::regtest(&masternodes, &[]).unwrap()).unwrap();
    let place = |(n, clock_ahead_ms): (usize, &u64)| {
        let settings = NetworkSettings {
            listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            bootstrap: Vec::new(),
            book: None,
            // Nobody dials whom nobody told it to: loopback is no address to pass on.
            limits: PeerLimits { private_addresses: false, ..Default::default() },
            sync: SyncLimits::default(),
            drift_ms_max: 15_000,
        };
        let network = Network::bind(settings, *chain.id(), keys(n), None).unwrap();
        let host = Arc::new(Memory {
            chain: chain.clone(),
            clock_ahead_ms: *clock_ahead_ms,
            heard: Mutex::default(),
            told: Mutex::default(),
            submitted: Mutex::default(),
            pending: Mutex::default(),
        });
        network.start(host.clone(), runtime.handle());
        Place { network, host }
    };
    let places: Vec<Place> = clocks_ahead_ms.iter().enumerate().map(place).collect();
    for (from, to) in links {
        places[*from].network.connect(places[*to].network.listens().unwrap(), keys(*to).public());
    }
    for (n, place) in places.iter().enumerate() {
        let n_links = links.iter().filter(|(from, to)| *from == n || *to == n).count();
        wait_for("links", || place.network.peers().len() == n_links);
    }
    places
}

fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !is_there() {
        assert!(Instant::now() < deadline, "no {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Who signs it does not matter here: nothing is checked.
fn votes(place: &Place, n: u8) -> Message {
    let (chain, set) = (&place.host.chain, place.host.masternodes());
    let votes = vec![Vote::Approve(Txid::from_bytes([n; 32]))];
    let signer = keys(0);
    let index = set.index_of(&signer.public()).unwrap();
    Message::Votes(VoteBatch::sign(chain.id(), Epoch(0), set.hash(), index, votes, &signer))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().unwrap()
}

const MESH: [(usize, usize); 6] = [(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2)];

#[test]
fn a_node_whose_clock_is_wrong_says_so_and_signs_nothing() {
    let runtime = runtime();
    let places = places(4, &[0, 0, 0, 60_000], &MESH, &runtime);
    let is_off = |event: &NetworkEvent| match event {
        NetworkEvent::ClockOffset { offset_ms, is_withholding } => {
            *is_withholding && (-70_000..-50_000).contains(offset_ms)
        }
        _ => false,
    };
    wait_for("warning", || places[3].host.told.lock().unwrap().iter().any(is_off));
    let vote = votes(&places[3], 1);
    let question = Message::Request(Request::Decided(Height(7)));
    places[3].network.send(&To::All, &vote);
    places[3].network.send(&To::All, &question);
    wait_for("the question", || places[..3].iter().all(|place| place.heard(&question) == 1));
    assert!(places[..3].iter().all(|place| place.heard(&vote) == 0));
    // The others' median is their own time.
    places[0].network.send(&To::All, &vote);
    wait_for("the vote", || places[1..].iter().all(|place| place.heard(&vote) == 1));
    let warned = |place: &Place| {
        let told = place.host.told.lock().unwrap();
        told.iter().any(|event| matches!(event, NetworkEvent::ClockOffset { .. }))
    };
    assert!(!places[..3].iter().any(warned));
}

#[test]
fn what_holds_is_passed_on_once_to_those_who_do_not_hear_its_author() {
    let runtime = runtime();
    // A masternode, and a ring of three that are none.
    let links = [(1, 0), (2, 1), (3, 2), (3, 1)];
    let places = places(1, &[0; 4], &links, &runtime);
    let vote = votes(&places[0], 1);
    places[0].network.send(&To::All, &vote);
    wait_for("the vote", || places[1].heard(&vote) == 1);
    let bytes = crate::types::encode::encode(&vote);
    for _ in 0..3 {
        places[1].network.on_message(&keys(0).public(), &bytes);
    }
    wait_for("the vote", || places[2..].iter().all(|place| place.heard(&vote) >= 1));
    places[2].network.on_message(&keys(1).public(), &bytes);
    wait_for("the vote again", || places[3].heard(&vote) == 2);
    assert_eq!([places[0].heard(&vote), places[2].heard(&vote)], [0, 1]);
}

/// Nobody is answered with any number of certificates at once.
#[test]
fn what_was_pending_when_a_connection_began_is_asked_for_bit_by_bit() {
    let runtime = runtime();
    let places = places(4, &[0; 2], &[], &runtime);
    let mut pending: Vec<Txid> = (0..600_u64).map(txid).collect();
    places[0].host.pending.lock().unwrap().clone_from(&pending);
    places[1].network.connect(places[0].network.listens().unwrap(), keys(0).public());
    let asked = || {
        let heard = places[0].host.heard.lock().unwrap();
        let questions = heard.iter().filter_map(|message| match message {
            Message::Request(Request::Transactions(asked)) => Some(asked.clone()),
            _ => None,
        });
        questions.collect::<Vec<_>>()
    };
    wait_for("all questions", || asked().concat().len() == pending.len());
    assert!(asked().iter().map(Vec::len).eq([256, 256, 88]));
    let mut named = asked().concat();
    named.sort_unstable();
    pending.sort_unstable();
    assert_eq!(named, pending);
}

fn txid(n: u64) -> Txid {
    Txid::from(hash(Tag::Message, &n.to_le_bytes()))
}

/// Whoever is told of it in the moment between is not sent it, and asks for it.
#[test]
fn what_the_host_submits_goes_whole_and_at_once() {
    let runtime = runtime();
    let places = places(4, &[0; 4], &MESH, &runtime);
    let signer = keys(0);
    let mut n_at_once = 0;
    for n in 0..N_SUBMITTED {
        let output = TxOutput { value: Amount::from_time(1), address: signer.address() };
        let outpoint = OutPoint::new(Txid::from_bytes([1; 32]), n);
        let transaction = Transaction::transfer(&[(outpoint, signer.public())], vec![output]);
        let transaction = Arc::new(transaction);
        *places[0].host.submitted.lock().unwrap() = (Some(Arc::clone(&transaction)), 0);
        places[0].network.on_transaction(&transaction.txid());
        let message = Message::Transaction(transaction);
        places[0].network.send(&To::All, &message);
        wait_for("the payment", || places[1..].iter().all(|place| place.heard(&message) == 1));
        n_at_once += usize::from(places[0].host.submitted.lock().unwrap().1 == 0);
    }
    assert!(n_at_once > 0, "each was asked for");
}

/// No machine is so busy that it comes between each time.
const N_SUBMITTED: u32 = 30;
