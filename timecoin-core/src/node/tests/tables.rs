//! Derived tables that fail under a running node.

use std::path::Path;

use super::*;
use crate::storage::faults::{Fault, Plan, arm, n_left};

fn on_disk(dir: &Path) -> (Node, Wallet) {
    let genesis = crate::testkit::solo_chain_with_coins(50).genesis().clone();
    let masternode_key = Config::regtest().masternode_key;
    let config = Config {
        masternode_key,
        data_dir: Some(dir.to_path_buf()),
        utxo_cache_entries: 1,
        ..Config::new(genesis)
    };
    let node = Node::open(config).unwrap();
    node.start().unwrap();
    let wallet = Wallet::new(&node, Config::regtest_wallet());
    (node, wallet)
}

#[test]
fn tables_that_fail_are_rebuilt_and_the_node_goes_on() {
    for fault in [Fault::Error, Fault::Panic] {
        for op in ["read", "write"] {
            let dir = tempfile::tempdir().unwrap();
            let (node, wallet) = on_disk(dir.path());
            let events = node.subscribe();
            let tables = dir.path().join("derived");
            let mut paid = 0;
            for n_before in [0, 7, 30] {
                arm(&tables, Plan { op: Some(op), n_before, n_failing: 1, fault });
                while n_left(&tables) > 0 {
                    let payment = wallet.pay(&bob(), Amount::from_time(1)).unwrap();
                    paid += 1;
                    node.wait_confirmed(&payment.txid, LONG).unwrap();
                    assert_eq!(wallet.balance().unwrap().locked, Amount::ZERO);
                }
            }
            let payment = wallet.pay(&bob(), Amount::from_time(1)).unwrap();
            node.wait_confirmed(&payment.txid, LONG).unwrap();
            let confirmed = node.balance(&bob()).unwrap().confirmed;
            assert_eq!(confirmed, Amount::from_time(paid + 1));
            assert_eq!(node.state(), NodeState::Running);
            let repaired = std::iter::from_fn(|| events.try_next())
                .filter(|event| matches!(event.kind, NodeEventKind::Repaired { .. }));
            assert_eq!(repaired.count(), 3, "{fault:?} {op}");
            node.close(LONG).unwrap();
        }
    }
}

#[test]
fn tables_that_cannot_be_rebuilt_poison_whoever_meets_it() {
    for is_met_by_reader in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let (node, wallet) = on_disk(dir.path());
        let payment = wallet.pay(&bob(), Amount::from_time(1)).unwrap();
        node.wait_confirmed(&payment.txid, LONG).unwrap();
        let events = node.subscribe();
        let tables = dir.path().join("derived");
        let plan = Plan { op: None, n_before: 0, n_failing: usize::MAX, fault: Fault::Error };
        arm(&tables, plan);
        if is_met_by_reader {
            let error = node.balance(&bob()).unwrap_err();
            assert_eq!(error.code(), ErrorCode::StorageTables);
        } else {
            let _ = node.produce_block(LONG);
        }
        let deadline = std::time::Instant::now() + LONG;
        while node.state() != NodeState::Poisoned && std::time::Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        let reason = node.status().poison_reason.expect("it is poisoned");
        assert!(reason.contains("derived") && reason.contains("os error 5"), "{reason}");
        let error = wallet.pay(&bob(), Amount::from_time(1)).unwrap_err();
        assert!(matches!(error.code(), ErrorCode::Poisoned | ErrorCode::StorageTables), "{error}");
        let kinds: Vec<_> =
            std::iter::from_fn(|| events.try_next()).map(|event| event.kind.name()).collect();
        assert!(kinds.contains(&"poisoned"), "{kinds:?}");
        node.close(LONG).unwrap();
        arm(&tables, Plan { n_failing: 0, ..plan });
        let (node, _) = on_disk(dir.path());
        assert_eq!(node.balance(&bob()).unwrap().confirmed, Amount::from_time(1));
    }
}
