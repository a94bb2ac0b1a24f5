//! What stands around every export: process check, then the body, its panics caught, then the
//! status.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use timecoin_core::ErrorCode;

use crate::constants::{TC_OK, tc_status_t};
use crate::failure::Failure;

/// Runs the body of an export.
///
/// After a `fork` the child has no threads of the parent's nodes and perhaps locks that nobody
/// will open again, so it touches nothing: no handle is looked up, used or freed.
pub(crate) fn guard(body: impl FnOnce() -> Result<(), Failure>) -> tc_status_t {
    let result = check_process().and_then(|()| {
        // What a panic may leave behind is core's own, which poisons what it can't trust.
        catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| Err(panicked(payload)))
    });
    match result {
        Ok(()) => TC_OK,
        Err(failure) => failure.keep(),
    }
}

fn check_process() -> Result<(), Failure> {
    let (here, first) = (std::process::id(), *PROCESS.get_or_init(std::process::id));
    if here == first {
        return Ok(());
    }
    let text = format!(
        "the library was first used in process {first} and this is its fork {here}: use it in \
         one process only, or fork before its first use"
    );
    Err(Failure::new(ErrorCode::ForkedProcess, text))
}

fn panicked(payload: Box<dyn Any + Send>) -> Failure {
    let text = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => format!("panic: {text}"),
        (_, Some(text)) => format!("panic: {text}"),
        _ => "panic".to_owned(),
    };
    // Dropping an unknown payload could panic again.
    std::mem::forget(payload);
    Failure::new(ErrorCode::Internal, text)
}

/// The process that made the first call.
static PROCESS: OnceLock<u32> = OnceLock::new();

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::last_text;

    #[test]
    fn a_panic_becomes_a_status_with_its_text() {
        assert_eq!(guard(|| Ok(())), TC_OK);
        let status = guard(|| panic!("out of {}", "luck"));
        assert_eq!(
            (status, last_text()),
            (ErrorCode::Internal.as_i32(), "panic: out of luck".into())
        );
        let status = guard(|| std::panic::panic_any(7));
        assert_eq!((status, last_text()), (ErrorCode::Internal.as_i32(), "panic".into()));
    }

    #[test]
    fn each_thread_has_its_own_last_failure() {
        let here = guard(|| Err(Failure::argument("here", "wrong")));
        std::thread::spawn(|| guard(|| Err(Failure::argument("there", "wrong")))).join().unwrap();
        assert_eq!((here, last_text()), (1001, "here: wrong".into()));
    }
}
