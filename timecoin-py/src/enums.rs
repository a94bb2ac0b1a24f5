//! Members of the enumerations in `python/timecoin/_enums.py`, by the names that core gives.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyModule;

/// Python's enumerations, which are texts.
#[derive(Clone, Copy)]
pub(crate) enum Enum {
    TransactionStatus,
    NodeState,
    SimNodeState,
    OutpointState,
    Origin,
    EventKind,
    Network,
}

impl Enum {
    /// The member with this name.
    pub(crate) fn member<'py>(self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
        let load = || py.import("timecoin._enums").map(Bound::unbind);
        let module = MODULE.get_or_try_init(py, load)?.bind(py);
        let class = match self {
            Enum::TransactionStatus => pyo3::intern!(py, "TransactionStatus"),
            Enum::NodeState => pyo3::intern!(py, "NodeState"),
            Enum::SimNodeState => pyo3::intern!(py, "SimNodeState"),
            Enum::OutpointState => pyo3::intern!(py, "OutpointState"),
            Enum::Origin => pyo3::intern!(py, "Origin"),
            Enum::EventKind => pyo3::intern!(py, "EventKind"),
            Enum::Network => pyo3::intern!(py, "Network"),
        };
        module.getattr(class)?.call1((name,))
    }
}
