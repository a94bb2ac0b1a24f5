//! Latencies, faults and plans as people write them: the same words in Rust, C and Python.

mod fault;
mod latency;

use thiserror::Error;

/// Why a text is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is no {what}: {expected}")]
pub struct TextError {
    /// What it should be.
    pub what: &'static str,
    /// What it is, cut short.
    pub text: String,
    /// What would be right.
    pub expected: String,
}

impl TextError {
    pub(super) fn new(what: &'static str, text: &str, expected: impl Into<String>) -> Self {
        TextError { what, text: text.chars().take(100).collect(), expected: expected.into() }
    }
}
