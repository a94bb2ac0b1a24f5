//! What benchmarks compare with: the same work without Python. Not part of the interface.

use pyo3::prelude::*;

use crate::amount::Amount;
use crate::convert::AddressArg;
use crate::wallet::Wallet;

/// Pays `n` times in Rust, on the calling thread. For `benches/pay.py` only.
#[pyfunction]
pub(crate) fn _bench_pay(
    py: Python<'_>,
    wallet: &Wallet,
    address: AddressArg,
    amount: Amount,
    n: usize,
) -> PyResult<()> {
    let network = wallet.network();
    wallet.native().call(py, |wallet| {
        let address = address.on(network)?;
        for _ in 0..n {
            wallet.pay(&address, amount.0)?;
        }
        Ok(())
    })
}
