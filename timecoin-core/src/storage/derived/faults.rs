//! The seam at which tests make sled fail. Outside of tests it is nothing.

#[cfg(not(test))]
pub(super) use self::never::strike;
#[cfg(test)]
pub(super) use self::on_order::strike;
#[cfg(test)]
pub(crate) use self::on_order::{Fault, Plan, arm, n_left};

#[cfg(not(test))]
mod never {
    use std::path::Path;

    pub(in crate::storage::derived) const fn strike(
        _path: &Path,
        _op: &'static str,
    ) -> Result<(), sled::Error> {
        Ok(())
    }
}

#[cfg(test)]
mod on_order {
    use std::collections::BTreeMap;
    use std::io;
    use std::path::{Path, PathBuf};
    use std::sync::{Mutex, MutexGuard, PoisonError};

    /// What a call does instead of its work.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Fault {
        /// Answers with EIO.
        Error,
        /// Panics, as sled does on pages that it can't read.
        Panic,
    }

    /// Which calls fail.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Plan {
        /// The operation, as errors name it; any if none is given.
        pub(crate) op: Option<&'static str>,
        /// So many such calls succeed before.
        pub(crate) n_before: usize,
        /// So many fail then.
        pub(crate) n_failing: usize,
        pub(crate) fault: Fault,
    }

    /// Makes calls for the tables in `path` fail from now on.
    pub(crate) fn arm(path: &Path, plan: Plan) {
        plans().insert(path.to_path_buf(), plan);
    }

    /// How many failures of the plan for `path` are left.
    pub(crate) fn n_left(path: &Path) -> usize {
        plans().get(path).map_or(0, |plan| plan.n_failing)
    }

    /// Fails if the plan for `path` says so.
    pub(in crate::storage::derived) fn strike(
        path: &Path,
        op: &'static str,
    ) -> Result<(), sled::Error> {
        let mut plans = plans();
        let Some(plan) = plans.get_mut(path) else { return Ok(()) };
        if plan.n_failing == 0 || plan.op.is_some_and(|wanted| wanted != op) {
            return Ok(());
        }
        if plan.n_before > 0 {
            plan.n_before -= 1;
            return Ok(());
        }
        plan.n_failing -= 1;
        match plan.fault {
            Fault::Error => Err(sled::Error::Io(io::Error::from_raw_os_error(EIO))),
            Fault::Panic => {
                drop(plans);
                panic!("a page can't be read, as ordered")
            }
        }
    }

    fn plans() -> MutexGuard<'static, BTreeMap<PathBuf, Plan>> {
        PLANS.lock().unwrap_or_else(PoisonError::into_inner)
    }

    static PLANS: Mutex<BTreeMap<PathBuf, Plan>> = Mutex::new(BTreeMap::new());

    const EIO: i32 = 5;
}
