//! TimeCoin: a UTXO ledger whose masternodes agree by voting, as a library.
