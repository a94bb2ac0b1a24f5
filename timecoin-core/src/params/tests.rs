//! The genesis: its JSON, its hash, and every value that no chain can start with.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::ledger::rewards::coinbase;
use crate::types::arbitrary::{self, codec_tests};
use crate::types::certificate::{CommitCertificate, Seal};
use crate::types::chain::Round;
use crate::types::encode::encoded_len;
use crate::types::hash::BlockHash;
use crate::types::keys::Signature;

fn keys(n: usize) -> Vec<PublicKey> {
    (0..n).map(|i| KeyPair::from_seed(&i.to_le_bytes()).public()).collect()
}

fn four() -> Genesis {
    Genesis::regtest(&keys(4), &[Address::from_bytes([1; 20])]).unwrap()
}

fn params() -> impl Strategy<Value = ChainParams> {
    let production = prop_oneof![Just(BlockProduction::Interval), Just(BlockProduction::OnDemand)];
    (arbitrary::network(), any::<[u64; 4]>(), any::<u32>(), production).prop_map(
        |(network, [a, b, c, d], e, block_production)| ChainParams {
            supply_max: Amount::from_units(a),
            epoch_blocks: b,
            coinbase_maturity: c,
            contest_grace_ms: d,
            transaction_inputs_max: e,
            block_production,
            ..ChainParams::new(network)
        },
    )
}

fn genesis() -> impl Strategy<Value = Genesis> {
    let allocation = (arbitrary::address(), arbitrary::amount())
        .prop_map(|(address, value)| Allocation { address, value });
    let allocations = prop::collection::vec(allocation, 0..4);
    let rest = (arbitrary::masternode_set(), params());
    (arbitrary::network(), arbitrary::timestamp(), allocations, rest).prop_map(
        |(network, timestamp, allocations, (set, params))| Genesis {
            network,
            timestamp,
            allocations,
            masternodes: set.members().to_vec(),
            params,
        },
    )
}

codec_tests! {
    genesis_files: genesis(),
    chain_params: params(),
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn json_gives_back_what_was_written_or_says_what_is_wrong(genesis in genesis()) {
        let read = Genesis::from_json(&genesis.to_json());
        prop_assert_eq!(read, genesis.check().map(|()| genesis));
    }

    #[test]
    fn any_text_gives_an_answer(text in ".{0,200}") {
        prop_assert!(Genesis::from_json(&text).is_err());
    }
}

fn edited(change: impl FnOnce(&mut Value)) -> Result<Genesis, GenesisError> {
    let mut value: Value = serde_json::from_str(&four().to_json()).unwrap();
    change(&mut value);
    Genesis::from_json(&value.to_string())
}

#[test]
fn json_round_trips() {
    let genesis = four();
    assert_eq!(Genesis::from_json(&genesis.to_json()), Ok(genesis.clone()));
    let unstated = edited(|json| drop(json.as_object_mut().unwrap().remove("chain_id")));
    assert_eq!(unstated, Ok(genesis.clone()));
    let shuffled = edited(|json| json["masternodes"].as_array_mut().unwrap().reverse());
    assert_eq!(shuffled, Ok(genesis));
}

#[test]
fn a_changed_value_changes_the_chain_id() {
    let computed = |change: fn(&mut Genesis)| {
        let mut genesis = four();
        change(&mut genesis);
        genesis.chain_id()
    };
    let ids = [
        computed(|_| {}),
        computed(|g| g.network = Network::Testnet),
        computed(|g| g.timestamp = g.timestamp.next()),
        computed(|g| g.allocations[0].value = Amount::ZERO),
        computed(|g| g.masternodes.truncate(3)),
        computed(|g| g.masternodes[0].network_address = "host:1".to_owned()),
        computed(|g| g.params.contest_grace_ms += 1),
        computed(|g| g.params.block_production = BlockProduction::OnDemand),
    ];
    let distinct: std::collections::BTreeSet<_> = ids.into_iter().collect();
    assert_eq!(distinct.len(), ids.len());
}

#[test]
fn a_stated_chain_id_must_be_the_hash() {
    let stated = four().chain_id();
    let found = edited(|json| json["params"]["epoch_blocks"] = json!(21));
    let mut changed = four();
    changed.params.epoch_blocks = 21;
    assert_eq!(found, Err(GenesisError::ChainId { stated, computed: changed.chain_id() }));
}

#[test]
fn json_that_is_no_genesis_is_refused() {
    type Row = (&'static str, fn(&mut Value), &'static str);
    let table: [Row; 8] = [
        ("unknown field", |json| json["extra"] = json!(1), "unknown field `extra`"),
        ("unknown parameter", |json| json["params"]["fee"] = json!(1), "unknown field `fee`"),
        ("missing", |json| drop(json.as_object_mut().unwrap().remove("params")), "`params`"),
        ("network", |json| json["network"] = json!("simnet"), "unknown variant `simnet`"),
        ("negative", |json| json["params"]["dust_limit"] = json!(-1), "invalid value"),
        ("fraction", |json| json["allocations"][0]["value"] = json!(1.5), "invalid type"),
        ("key", |json| json["masternodes"][0]["consensus_key"] = json!("abc"), "64 hexadecimal"),
        (
            "address of another network",
            |json| {
                let address = Address::from_bytes([1; 20]).to_text(Network::Mainnet);
                json["allocations"][0]["address"] = json!(address);
            },
            "the address is for mainnet, this chain is regtest",
        ),
    ];
    for (desc, change, expected) in table {
        let error = edited(change).unwrap_err().to_string();
        assert!(error.contains(expected), "{desc}: {error}");
    }
}

#[test]
fn every_parameter_has_its_range() {
    type Set = fn(&mut ChainParams, u64);
    let table: [(&str, Set, &[u64], &[u64]); 13] = [
        (
            "masternodes_min",
            |p, v| p.masternodes_min = u16::try_from(v).unwrap(),
            &[1, 4],
            &[0, 5, 201],
        ),
        ("epoch_blocks", |p, v| p.epoch_blocks = v, &[1, u64::MAX], &[0]),
        ("block_reward_halving", |p, v| p.block_reward_halving = v, &[1, u64::MAX], &[0]),
        (
            "block_transactions_max",
            |p, v| p.block_transactions_max = u32::try_from(v).unwrap(),
            &[4, 100_000],
            &[0, 3, 100_001],
        ),
        (
            "block_bytes_max",
            |p, v| p.block_bytes_max = u32::try_from(v).unwrap(),
            &[206_000, 7_000_000],
            &[0, 205_999, 7_000_001],
        ),
        (
            "transaction_bytes_max",
            |p, v| {
                p.transaction_bytes_max = u32::try_from(v).unwrap();
                p.block_bytes_max = 7_000_000;
            },
            &[1_000, 1_000_000],
            &[0, 999, 1_000_001],
        ),
        (
            "block_bytes_max",
            |p, v| {
                p.transaction_bytes_max = 1_000;
                p.block_bytes_max = u32::try_from(v).unwrap();
            },
            &[24_000],
            &[23_999],
        ),
        (
            "transaction_inputs_max",
            |p, v| p.transaction_inputs_max = u32::try_from(v).unwrap(),
            &[1, 10_000],
            &[0, 10_001],
        ),
        (
            "transaction_outputs_max",
            |p, v| p.transaction_outputs_max = u32::try_from(v).unwrap(),
            &[200, 10_000],
            &[0, 199, 10_001],
        ),
        ("coinbase_maturity", |p, v| p.coinbase_maturity = v, &[0, 1_000_000], &[1_000_001]),
        (
            "block_interval_ms",
            |p, v| p.block_interval_ms = v,
            &[1, 31_536_000_000],
            &[0, 31_536_000_001, u64::MAX],
        ),
        (
            "clock_drift_ms_max",
            |p, v| p.clock_drift_ms_max = v,
            &[1, 86_400_000],
            &[0, 86_400_001, u64::MAX],
        ),
        (
            "contest_grace_ms",
            |p, v| p.contest_grace_ms = v,
            &[0, 31_536_000_000],
            &[31_536_000_001, u64::MAX],
        ),
    ];
    for (name, set, good, bad) in table {
        let with = |value: u64| {
            let mut genesis = four();
            set(&mut genesis.params, value);
            genesis
        };
        for &value in good {
            assert_eq!(with(value).check(), Ok(()), "{name} {value}");
        }
        for &value in bad {
            let found = with(value).check();
            let Err(GenesisError::Parameter { name: named, value: stated, .. }) = found else {
                panic!("{name} {value}: {found:?}");
            };
            assert_eq!((named, stated), (name, value));
        }
    }
}

#[test]
fn combinations_that_make_no_sense_are_named() {
    let units = Amount::from_units;
    let of = |change: &dyn Fn(&mut Genesis)| {
        let mut genesis = four();
        change(&mut genesis);
        genesis.check()
    };
    let collateral = |dust_limit: u64, collateral: u64| {
        of(&|genesis| {
            genesis.params.dust_limit = units(dust_limit);
            genesis.params.masternode_collateral = units(collateral);
        })
    };
    assert_eq!(collateral(500, 500), Ok(()));
    let below = |dust_limit: u64, collateral: u64| {
        let (collateral, dust_limit) = (units(collateral), units(dust_limit));
        Err(GenesisError::CollateralBelowDust { collateral, dust_limit })
    };
    assert_eq!(collateral(500, 499), below(500, 499));
    assert_eq!(collateral(0, 1), Ok(()));
    assert_eq!(collateral(0, 0), below(1, 0));

    let supply_max = four().params.supply_max;
    let value = supply_max.checked_add(units(1)).unwrap();
    type Set = fn(&mut ChainParams, Amount);
    let set: [(&str, Set); 4] = [
        ("block_reward", |p, v| p.block_reward = v),
        ("min_fee_per_kb", |p, v| p.min_fee_per_kb = v),
        ("dust_limit", |p, v| p.dust_limit = v),
        ("masternode_collateral", |p, v| p.masternode_collateral = v),
    ];
    for (name, set) in set {
        let error = GenesisError::AboveSupply { name, value, supply_max };
        assert_eq!(of(&|genesis| set(&mut genesis.params, value)), Err(error));
    }

    let gap = |gap_ms: u64| of(&|genesis| genesis.params.block_gap_ms_min = gap_ms);
    assert_eq!(gap(1_000), Ok(()));
    let error = GenesisError::GapAboveInterval { gap_ms: 1_001, interval_ms: 1_000 };
    assert_eq!(gap(1_001), Err(error));

    let coin = |value: u64| of(&|genesis| genesis.allocations[0].value = units(value));
    assert_eq!(coin(500), Ok(()));
    let (value, dust_limit) = (units(499), units(500));
    let error = GenesisError::AllocationBelowDust { index: 0, value, dust_limit };
    assert_eq!(coin(499), Err(error));

    let start = |at: u64| of(&|genesis| genesis.timestamp = Timestamp(at));
    assert_eq!(start(253_402_300_799_000), Ok(()));
    let late = start(u64::MAX);
    assert!(matches!(late, Err(GenesisError::Parameter { name: "timestamp", .. })), "{late:?}");
}

/// F9 lets each masternode have half a block approved, so a quorum can have certified three
/// quarters; the proposer keeps room for the largest coinbase.
#[test]
fn what_a_quorum_can_have_certified_fits_the_last_block_of_an_epoch() {
    for n in 1..=200u64 {
        let quorum = n * 2 / 3 + 1;
        for block in [24_000, 24_001, 25_000, 206_000, 4_000_000, 7_000_000] {
            assert!(block / 2 * n / quorum + COINBASE_BYTES_MAX <= block, "{n} {block}");
        }
        for transactions in [4, 5, 6, 7, 8, 100, 100_000] {
            assert!(transactions / 2 * n / quorum < transactions, "{n} {transactions}");
        }
    }
}

#[test]
fn allocations_stay_within_the_supply() {
    let mut genesis = four();
    genesis.params.supply_max = genesis.allocated();
    assert_eq!(genesis.check(), Ok(()));
    let supply_max = genesis.allocated().checked_sub(Amount::from_units(1)).unwrap();
    genesis.params.supply_max = supply_max;
    assert_eq!(genesis.check(), Err(GenesisError::Supply { supply_max }));
    let most = Allocation { value: Amount::from_units(u64::MAX), ..genesis.allocations[0].clone() };
    genesis.allocations = vec![most.clone(), most];
    genesis.params.supply_max = Amount::from_units(u64::MAX);
    let supply_max = genesis.params.supply_max;
    assert_eq!(genesis.check(), Err(GenesisError::Supply { supply_max }), "the sum overflows");
}

#[test]
fn masternodes_of_a_genesis_are_a_set_in_order() {
    let of = |change: fn(&mut Vec<Masternode>)| {
        let mut genesis = four();
        change(&mut genesis.masternodes);
        Chain::new(genesis).map(|_| ())
    };
    let wrong = |error| Err(GenesisError::Masternodes(error));
    assert_eq!(of(Vec::clear), wrong(MasternodeSetError::Size { found: 0 }));
    assert_eq!(of(|m| m.swap(0, 1)), wrong(MasternodeSetError::Order { index: 0 }));
    let key = four().masternodes[0].consensus_key;
    assert_eq!(of(|m| m[1] = m[0].clone()), wrong(MasternodeSetError::Twice { key }));
    let unusable = |m: &mut Vec<Masternode>| {
        m[0].consensus_key = PublicKey::from_bytes([0; 32]);
    };
    assert_eq!(of(unusable), wrong(MasternodeSetError::Key { index: 0 }));
    let many = Genesis::regtest(&keys(201), &[]);
    assert_eq!(many, Err(GenesisError::Masternodes(MasternodeSetError::Size { found: 201 })));
    assert!(Genesis::regtest(&keys(200), &[]).is_ok());
}

#[test]
fn the_networks_have_the_parameters_of_the_protocol() {
    let table = [
        (Network::Mainnet, 600_000, 144),
        (Network::Testnet, 10_000, 144),
        (Network::Regtest, 1_000, 20),
    ];
    for (network, block_interval_ms, epoch_blocks) in table {
        let params = ChainParams::new(network);
        assert_eq!(
            (params.block_interval_ms, params.epoch_blocks),
            (block_interval_ms, epoch_blocks)
        );
        let limits = (params.block_transactions_max, params.block_bytes_max);
        assert_eq!(limits, (10_000, 4_000_000));
        let of_transaction = (
            params.transaction_bytes_max,
            params.transaction_inputs_max,
            params.transaction_outputs_max,
        );
        assert_eq!(of_transaction, (100_000, 256, 256));
        let genesis = Genesis { network, params, ..four() };
        assert_eq!(genesis.check(), Ok(()));
    }
}

#[test]
fn epochs_are_runs_of_blocks() {
    let params = ChainParams { epoch_blocks: 3, ..ChainParams::new(Network::Regtest) };
    let table =
        [(0, 0, false), (1, 0, false), (3, 0, true), (4, 1, false), (6, 1, true), (7, 2, false)];
    for (height, epoch, is_end) in table {
        assert_eq!(params.epoch_of(Height(height)), Epoch(epoch), "height {height}");
        assert_eq!(params.is_epoch_end(Height(height)), is_end, "height {height}");
    }
}

#[test]
fn fees_are_rounded_up() {
    let params = ChainParams {
        min_fee_per_kb: Amount::from_units(1_001),
        ..ChainParams::new(Network::Regtest)
    };
    let table = [(0, 0), (1, 2), (999, 1_000), (1_000, 1_001), (1_001, 1_003)];
    for (bytes, fee) in table {
        assert_eq!(params.fee_required(bytes).units(), fee, "{bytes} bytes");
    }
    let free = ChainParams { min_fee_per_kb: Amount::ZERO, ..params.clone() };
    assert_eq!(free.fee_required(100_000), Amount::ZERO);
    let dear = ChainParams { min_fee_per_kb: Amount::from_units(u64::MAX), ..params };
    assert_eq!(dear.fee_required(100_000).units(), u64::MAX);
}

#[test]
fn the_largest_coinbase_has_room_in_the_smallest_block() {
    let genesis = Genesis::regtest(&keys(200), &[]).unwrap();
    let set = genesis.masternode_set().unwrap();
    let signature = Signature::from_bytes([0; 64]);
    let certificate = CommitCertificate {
        epoch: Epoch::ZERO,
        height: Height(1),
        round: Round::ZERO,
        block: BlockHash::ZERO,
        seals: (0..200).map(|voter| Seal { voter, signature }).collect(),
    };
    let total = Amount::from_units(10_001);
    let payee = Address::from_bytes([0; 20]);
    let largest = coinbase(Height(2), total, payee, Some((&certificate, &set)));
    assert_eq!(largest.outputs.len(), 201);
    assert!(encoded_len(&largest) as u64 <= COINBASE_BYTES_MAX, "{}", encoded_len(&largest));
}
