//! What a data directory begins with in the place of blocks, and how far that is.

use pyo3::prelude::*;

use crate::hashes::BlockHash;
use crate::html::fields;

/// What a data directory begins with: the unspent outputs after one block.
#[pyclass(frozen, eq, module = "timecoin")]
#[derive(PartialEq)]
pub(crate) struct Bootstrapped(pub(crate) timecoin_core::Bootstrapped);

#[pymethods]
impl Bootstrapped {
    /// The height of the block.
    #[getter]
    fn height(&self) -> u64 {
        self.0.height.0
    }

    /// The hash of the block.
    #[getter]
    fn hash(&self) -> BlockHash {
        BlockHash(self.0.hash)
    }

    /// How many outputs there are.
    #[getter]
    fn n_outputs(&self) -> u64 {
        self.0.n_outputs
    }

    /// Bytes that peers sent in this call.
    #[getter]
    fn bytes(&self) -> u64 {
        self.0.bytes
    }

    fn __repr__(&self) -> String {
        let based = &self.0;
        fields(
            "Bootstrapped",
            &[
                ("height", &based.height.0),
                ("hash", &format!("'{}'", based.hash)),
                ("n_outputs", &based.n_outputs),
                ("bytes", &based.bytes),
            ],
        )
    }
}

/// How far `Node.bootstrap` is.
#[pyclass(frozen, eq, module = "timecoin")]
#[derive(PartialEq)]
pub(crate) struct BootstrapProgress(pub(crate) timecoin_core::BootstrapProgress);

#[pymethods]
impl BootstrapProgress {
    /// The height of the last block that headers prove.
    #[getter]
    fn headers(&self) -> u64 {
        self.0.headers.0
    }

    /// The height that most is claimed by a peer that answers.
    #[getter]
    fn target(&self) -> u64 {
        self.0.target.0
    }

    /// Outputs that came, in earlier calls too.
    #[getter]
    fn n_outputs(&self) -> u64 {
        self.0.n_outputs
    }

    /// Outputs that were checked and written, once all came.
    #[getter]
    fn n_written(&self) -> u64 {
        self.0.n_written
    }

    /// Bytes that peers sent in this call.
    #[getter]
    fn bytes(&self) -> u64 {
        self.0.bytes
    }

    /// The same for each second of the last while.
    #[getter]
    fn bytes_per_second(&self) -> u64 {
        self.0.bytes_per_second
    }

    /// Peers that can be asked.
    #[getter]
    fn n_peers(&self) -> usize {
        self.0.n_peers
    }

    fn __repr__(&self) -> String {
        let progress = &self.0;
        fields(
            "BootstrapProgress",
            &[
                ("headers", &progress.headers.0),
                ("target", &progress.target.0),
                ("n_outputs", &progress.n_outputs),
                ("n_written", &progress.n_written),
                ("bytes", &progress.bytes),
                ("n_peers", &progress.n_peers),
            ],
        )
    }
}
