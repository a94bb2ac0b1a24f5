//! Vectors that every language reads: addresses, transaction ids, what inputs sign, and the
//! hash of a genesis. All hashes, keys and signatures follow from the seeds in the files.
//!
//! The files are what this code gives. After a deliberate change of the protocol, write them
//! anew and review the difference:
//!
//! ```text
//! TIMECOIN_WRITE_VECTORS=1 cargo test -p timecoin-core --test vectors
//! ```

#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

use std::path::PathBuf;

use serde_json::{Value, json};
use timecoin_core::params::{ChainParams, Genesis};
use timecoin_core::types::ballot::{Ballot, Choice, SignedBallot};
use timecoin_core::types::chain::{Epoch, Height, Round};
use timecoin_core::types::encode::{decode, encode};
use timecoin_core::types::evidence::{Contradiction, Evidence};
use timecoin_core::types::hash::{BlockHash, ChainId, SetHash, Txid};
use timecoin_core::types::keys::{InputSignature, PublicKey, Signature, verify_input};
use timecoin_core::types::transaction::{OutPoint, Registration, Transaction, TxKind, TxOutput};
use timecoin_core::{Address, Amount, KeyPair, Network};

fn keys(name: &str) -> KeyPair {
    KeyPair::from_seed(name.as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().map(|c| u8::try_from(c.to_digit(16).unwrap()).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// Compares with the file, or writes it where that is asked for.
fn vectors(name: &str, current: Value) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name);
    if std::env::var_os("TIMECOIN_WRITE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(&current).unwrap() + "\n";
        std::fs::write(&path, text).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let stored: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(stored, current, "{name} is not what the code gives");
    stored
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap()
}

fn chain_id() -> ChainId {
    Genesis::regtest_solo().chain_id()
}

fn evidence() -> Evidence {
    let set_hash = SetHash::from_bytes([3; 32]);
    let signed = |block: u8| {
        let choice = Choice::Prepare(BlockHash::from_bytes([block; 32]));
        let ballot = Ballot { epoch: Epoch(1), height: Height(25), round: Round(2), choice };
        SignedBallot::sign(ballot, 1, &chain_id(), &set_hash, &keys("masternode"))
    };
    let contradiction = Contradiction::Ballots(signed(1), signed(2));
    Evidence { offender: keys("masternode").public(), set_hash, contradiction }
}

/// One transaction of each kind, signed by alice where there is something to sign.
fn transactions() -> Vec<(&'static str, Transaction)> {
    let (alice, bob, masternode) = (keys("alice"), keys("bob"), keys("masternode"));
    let output = |units, keys: &KeyPair| TxOutput {
        value: Amount::from_units(units),
        address: keys.address(),
    };
    let outpoint = |byte, vout| OutPoint::new(Txid::from_bytes([byte; 32]), vout);
    let one = [(outpoint(1, 0), alice.public())];
    let two = [one[0], (outpoint(2, 7), alice.public())];
    let unproven = Signature::from_bytes([0; 64]);
    let registration = TxKind::RegisterMasternode(Box::new(Registration {
        consensus_key: masternode.public(),
        payout: bob.address(),
        network_address: "node.example:8333".to_owned(),
        collateral_vout: 0,
        proof: unproven,
    }));
    let deregistration = TxKind::DeregisterMasternode {
        consensus_key: masternode.public(),
        proof: Box::new(unproven),
    };
    let payment = vec![output(150_000_000, &bob), output(49_990_000, &alice)];
    let mut transfer = Transaction::transfer(&two, payment);
    transfer.lock_time = Height(12);
    let coinbase = TxKind::Coinbase { height: Height(300) };
    let accusation = TxKind::Evidence(Box::new(evidence()));
    let mut all = vec![
        ("transfer", transfer),
        ("coinbase", Transaction::unsigned(&[], vec![output(5_000_000_000, &bob)], coinbase)),
        (
            "register_masternode",
            Transaction::unsigned(&one, vec![output(100_000_000_000, &alice)], registration),
        ),
        (
            "deregister_masternode",
            Transaction::unsigned(&one, vec![output(1_000, &alice)], deregistration),
        ),
        ("evidence", Transaction::unsigned(&[], Vec::new(), accusation)),
    ];
    for (_, transaction) in &mut all {
        let message = Transaction::registration_message(&chain_id(), &transaction.txid());
        match &mut transaction.kind {
            TxKind::RegisterMasternode(r) => r.proof = masternode.sign(message.as_bytes()),
            TxKind::DeregisterMasternode { proof, .. } => {
                **proof = masternode.sign(message.as_bytes());
            }
            _ => {}
        }
        transaction.sign_all(&chain_id(), &alice);
    }
    all
}

#[test]
fn addresses() {
    let networks = [Network::Mainnet, Network::Testnet, Network::Regtest];
    let valid = ["alice", "bob", ""].iter().flat_map(|&seed| {
        networks.map(|network| {
            let keys = keys(seed);
            json!({
                "seed": seed,
                "secret_key": hex(keys.secret().to_bytes().as_slice()),
                "public_key": keys.public(),
                "bytes": hex(keys.address().as_bytes()),
                "network": network,
                "address": keys.address().to_text(network),
            })
        })
    });
    let good = keys("alice").address().to_text(Network::Regtest);
    let changed = format!("{}q", &good[..good.len() - 1]);
    let mixed = good.replacen("rtime", "Rtime", 1);
    let invalid = json!([
        "",
        "rtime1",
        "rtime",
        good[..good.len() - 1],
        format!("{good}q"),
        changed,
        mixed,
        good.replacen("rtime", "xtime", 1),
        good.replacen("rtime", "time", 1),
        format!(" {good}"),
    ]);
    let current = json!({ "valid": valid.collect::<Vec<_>>(), "invalid": invalid });
    let stored = vectors("address.json", current);
    for vector in stored["valid"].as_array().unwrap() {
        let network: Network = text(vector, "network").parse().unwrap();
        let address = Address::from_text(text(vector, "address"), network).unwrap();
        assert_eq!(hex(address.as_bytes()), text(vector, "bytes"));
        let key: PublicKey = text(vector, "public_key").parse().unwrap();
        assert_eq!(Address::of(&key), address);
    }
    for bad in stored["invalid"].as_array().unwrap() {
        assert!(Address::parse(bad.as_str().unwrap()).is_err(), "{bad}");
    }
}

#[test]
fn transaction_ids() {
    let vector = |(kind, transaction): (&str, Transaction)| {
        json!({
            "kind": kind,
            "bytes": hex(&encode(&transaction)),
            "txid": transaction.txid(),
            "wtxid": transaction.wtxid(),
        })
    };
    let current = transactions().into_iter().map(vector).collect();
    for vector in vectors("txid.json", current).as_array().unwrap() {
        let bytes = unhex(text(vector, "bytes"));
        let transaction: Transaction = decode("transaction", &bytes, bytes.len()).unwrap();
        assert_eq!(transaction.txid().to_string(), text(vector, "txid"));
        assert_eq!(transaction.wtxid().to_string(), text(vector, "wtxid"));
    }
}

#[test]
fn signed_messages() {
    let transactions = transactions();
    let vector = |(kind, transaction): &(&str, Transaction)| -> Vec<Value> {
        let (txid, outputs) = (transaction.txid(), transaction.outputs_hash());
        let inputs = (0u32..).zip(&transaction.inputs);
        let vector = |(index, input): (u32, &timecoin_core::types::transaction::TxInput)| {
            json!({
                "kind": kind,
                "chain_id": chain_id(),
                "bytes": hex(&encode(transaction)),
                "txid": txid,
                "outputs_hash": outputs,
                "input": index,
                "sighash": Transaction::sighash(&chain_id(), &txid, index, &outputs),
                "public_key": input.public_key,
                "signature": input.signature,
            })
        };
        inputs.map(vector).collect()
    };
    let current = transactions.iter().flat_map(vector).collect();
    let stored = vectors("sighash.json", current);
    assert_eq!(stored.as_array().unwrap().len(), 4);
    for vector in stored.as_array().unwrap() {
        let item = InputSignature {
            key: text(vector, "public_key").parse().unwrap(),
            message: text(vector, "sighash").parse().unwrap(),
            signature: text(vector, "signature").parse().unwrap(),
        };
        assert_eq!(verify_input(&item), Ok(()));
    }
}

#[test]
fn genesis() {
    let keys: Vec<PublicKey> = ["a", "b", "c"].map(|name| keys(name).public()).into();
    let wallets = ["alice", "bob"].map(|name| KeyPair::from_seed(name.as_bytes()).address());
    let regtest = Genesis::regtest(&keys, &wallets).unwrap();
    let mut testnet = regtest.clone();
    testnet.network = Network::Testnet;
    testnet.params = ChainParams::new(Network::Testnet);
    testnet.masternodes[0].network_address = "node.example:8333".to_owned();
    let vector = |name: &str, genesis: &Genesis| {
        let json: Value = serde_json::from_str(&genesis.to_json()).unwrap();
        json!({
            "name": name,
            "genesis": json,
            "bytes": hex(&encode(genesis)),
            "chain_id": genesis.chain_id(),
        })
    };
    let current = json!([
        vector("regtest_solo", &Genesis::regtest_solo()),
        vector("regtest", &regtest),
        vector("testnet", &testnet),
    ]);
    for vector in vectors("genesis.json", current).as_array().unwrap() {
        let genesis = Genesis::from_json(&vector["genesis"].to_string()).unwrap();
        assert_eq!(genesis.chain_id().to_string(), text(vector, "chain_id"));
        assert_eq!(hex(&encode(&genesis)), text(vector, "bytes"));
    }
}
