//! Settings of networks as keyword arguments; core reads their texts and knows their ranges.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyString, PyTuple};
use timecoin_core::localnet::LocalNetConfig;
use timecoin_core::sim::{Setting, SettingKind, SimulationConfig};
use timecoin_core::types::duration::duration_text;

use crate::convert::type_error;
use crate::duration::DurationArg;

/// Names and texts, in the order in which they were given.
pub(crate) fn texts(
    known: &[Setting],
    settings: Option<&Bound<'_, PyDict>>,
) -> PyResult<Vec<(String, String)>> {
    let settings = settings.iter().flat_map(|settings| settings.iter());
    let text_of = |(name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
        let name: String = name.extract()?;
        let kind = known.iter().find(|setting| setting.name == name).map(|setting| setting.kind);
        let text = text(&name, kind.unwrap_or(SettingKind::Text), &value)?;
        Ok((name, text))
    };
    settings.map(text_of).collect()
}

/// The text that core reads a setting from.
fn text(name: &str, kind: SettingKind, value: &Bound<'_, PyAny>) -> PyResult<String> {
    if value.is_none() {
        return Ok(String::new());
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(text.to_str()?.to_owned());
    }
    if let Ok(is) = value.cast::<PyBool>() {
        return Ok(is.is_true().to_string());
    }
    match kind {
        SettingKind::Duration => duration(value),
        SettingKind::Latency => match value.cast::<PyTuple>() {
            Ok(bounds) => {
                let (low, high): (Bound<'_, PyAny>, Bound<'_, PyAny>) = bounds.extract()?;
                Ok(format!("{}..{}", duration(&low)?, duration(&high)?))
            }
            Err(_) => duration(value),
        },
        _ if value.is_instance_of::<PyInt>() => Ok(value.str()?.to_str()?.to_owned()),
        SettingKind::Text if !value.is_instance_of::<PyFloat>() => list(name, value),
        _ => Err(type_error(name, "an int, a bool, a str or None", value.as_borrowed())),
    }
}

fn duration(value: &Bound<'_, PyAny>) -> PyResult<String> {
    let duration: DurationArg = value.extract()?;
    Ok(duration_text(duration.0))
}

/// Numbers of nodes, faults, or pairs of a time and a fault.
fn list(name: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    let mut parts = Vec::new();
    for item in value.try_iter()? {
        let item = item?;
        if let Ok(pair) = item.cast::<PyTuple>() {
            let (time, fault): (DurationArg, String) = pair.extract()?;
            parts.push(format!("{} {fault}", duration_text(time.0)));
        } else if item.is_instance_of::<PyString>() || item.is_instance_of::<PyInt>() {
            parts.push(item.str()?.to_str()?.to_owned());
        } else {
            return Err(type_error(name, "numbers, texts or pairs", item.as_borrowed()));
        }
    }
    Ok(parts.join(if name == "late" { "," } else { ";" }))
}

/// Name and range of every setting of a simulation.
pub(crate) fn simulation_settings() -> Vec<(&'static str, &'static str)> {
    names(SimulationConfig::SETTINGS)
}

/// Name and range of every setting of a net of real nodes.
pub(crate) fn localnet_settings() -> Vec<(&'static str, &'static str)> {
    names(LocalNetConfig::SETTINGS)
}

fn names(settings: &[Setting]) -> Vec<(&'static str, &'static str)> {
    settings.iter().map(|setting| (setting.name, setting.range)).collect()
}
