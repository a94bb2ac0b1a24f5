//! Durations as Python gives them: texts, numbers of seconds, `timedelta`.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyString};
use timecoin_core::types::duration::{check_duration, parse_duration};

use crate::convert::type_error;
use crate::error::invalid;
use crate::guard::pure;

/// A duration from 0 on: a text as "20ms", "1.5s", "2min" or "1h", seconds as an int or a float,
/// or a `timedelta`; at most 876,000 h.
#[derive(Clone, Copy)]
pub(crate) struct DurationArg(pub(crate) Duration);

impl<'a, 'py> FromPyObject<'a, 'py> for DurationArg {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        match signed(object)? {
            (false, duration) => Ok(DurationArg(duration)),
            (true, _) => {
                let reason = format!("{} is negative", object.repr()?);
                Err(invalid(object.py(), "duration", reason))
            }
        }
    }
}

/// Milliseconds forward, or back: as [`DurationArg`], with a minus.
pub(crate) struct ShiftArg(pub(crate) i64);

impl<'a, 'py> FromPyObject<'a, 'py> for ShiftArg {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let (is_negative, duration) = signed(object)?;
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Ok(ShiftArg(if is_negative { -millis } else { millis }))
    }
}

/// Whether it is negative, and how long it is.
fn signed(object: Borrowed<'_, '_, PyAny>) -> PyResult<(bool, Duration)> {
    if let Ok(text) = object.cast::<PyString>() {
        let text = text.to_str()?;
        let (is_negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        return pure(|| parse_duration(text)).map(|duration| (is_negative, duration));
    }
    let is_number = object.is_instance_of::<PyInt>() || object.is_instance_of::<PyFloat>();
    let seconds: f64 = if is_number && !object.is_instance_of::<PyBool>() {
        object.extract()?
    } else if object.hasattr("total_seconds")? {
        object.call_method0("total_seconds")?.extract()?
    } else {
        let expected = "a text as '1.5s', seconds as an int or a float, or a timedelta";
        return Err(type_error("duration", expected, object));
    };
    let bounded = match Duration::try_from_secs_f64(seconds.abs()) {
        Ok(duration) => check_duration(duration).map_err(|error| error.to_string()),
        Err(error) => Err(format!("{seconds}: {error}")),
    };
    let duration = bounded.map_err(|reason| invalid(object.py(), "duration", reason))?;
    Ok((seconds < 0.0, duration))
}
