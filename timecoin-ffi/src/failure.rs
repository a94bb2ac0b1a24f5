//! Why a call failed, and the last failure of each thread.

use std::cell::RefCell;

use timecoin_core::{ErrorCode, NodeError};

/// Why a call failed: the number that it returns, and the text that the thread can ask for.
#[derive(Debug)]
pub(crate) struct Failure {
    code: ErrorCode,
    text: String,
}

impl Failure {
    pub(crate) fn new(code: ErrorCode, text: impl Into<String>) -> Self {
        Failure { code, text: text.into() }
    }

    /// An argument that is never right.
    pub(crate) fn argument(what: &str, reason: &str) -> Self {
        Self::new(ErrorCode::InvalidArgument, format!("{what}: {reason}"))
    }

    /// What was asked for is not here.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("{what} is not known here"))
    }

    pub(crate) fn code(&self) -> ErrorCode {
        self.code
    }

    #[cfg(test)]
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Makes this the last failure of this thread, and gives its number.
    pub(crate) fn keep(self) -> i32 {
        // A thread that is ending may have no place left for it.
        let _ = LAST.try_with(|last| last.replace(self.text));
        self.code.as_i32()
    }
}

/// The text of this thread's last failure.
pub(crate) fn last_text() -> String {
    LAST.try_with(|last| last.borrow().clone()).unwrap_or_default()
}

impl<E: Into<NodeError>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        Failure::new(error.code(), error.to_string())
    }
}

thread_local! {
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}
