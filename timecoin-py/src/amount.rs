//! Sums of money.

use pyo3::exceptions::{PyTypeError, PyZeroDivisionError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt, PyString};
use timecoin_core::NodeError;

use crate::convert::{type_error, whole};
use crate::error::invalid;
use crate::guard::pure;

/// A sum of money: a number of base units from 0 to 2^64 - 1; 1 TIME is 100,000,000 of them.
///
/// Made from a text (`"1.5 TIME"`, `"1.5"`, `"150000000 units"`), from an int, which counts base
/// units, or from another amount. Wherever an amount is asked for, all three are taken. A float
/// is refused, since it is inexact.
///
/// Amounts add, subtract, compare, multiply by an int and divide by an int or an amount, always
/// exactly; `sum()` adds many. Nothing wraps around: what does not fit, or would be negative,
/// raises `RequestError` (`invalid_argument`).
///
/// Immutable, hashable, and can be pickled. Raises `RequestError` (`invalid_amount`) for a text
/// that is none.
#[pyclass(frozen, eq, ord, hash, module = "timecoin")]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Amount(pub(crate) timecoin_core::Amount);

#[pymethods]
impl Amount {
    #[new]
    fn new(value: Self) -> Self {
        value
    }

    /// The number of base units.
    #[getter]
    fn units(&self) -> u64 {
        self.0.units()
    }

    /// The number of TIME, exactly, as a `decimal.Decimal`.
    #[getter]
    fn time<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let text = self.0.to_string();
        let number = text.strip_suffix(" TIME").unwrap_or(&text);
        py.import("decimal")?.getattr("Decimal")?.call1((number,))
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("Amount('{}')", self.0)
    }

    /// Formats the text: width, fill and alignment.
    fn __format__<'py>(&self, py: Python<'py>, spec: &str) -> PyResult<Bound<'py, PyAny>> {
        PyString::new(py, &self.0.to_string()).call_method1("__format__", (spec,))
    }

    /// The number of base units.
    fn __int__(&self) -> u64 {
        self.0.units()
    }

    fn __bool__(&self) -> bool {
        self.0 != timecoin_core::Amount::ZERO
    }

    fn __add__(&self, py: Python<'_>, other: &Amount) -> PyResult<Amount> {
        let sum = self.0.checked_add(other.0);
        sum.map(Amount).ok_or_else(|| too_large(py))
    }

    /// Lets `sum()` begin with 0.
    fn __radd__(&self, other: &Bound<'_, PyAny>) -> PyResult<Amount> {
        match other.extract::<u64>() {
            Ok(0) => Ok(*self),
            _ => Err(PyTypeError::new_err("add an Amount to an Amount")),
        }
    }

    fn __sub__(&self, py: Python<'_>, other: &Amount) -> PyResult<Amount> {
        let difference = self.0.checked_sub(other.0);
        let negative = || invalid(py, "amount", format!("{} less {} is negative", self.0, other.0));
        difference.map(Amount).ok_or_else(negative)
    }

    fn __mul__(&self, factor: &Bound<'_, PyInt>) -> PyResult<Amount> {
        let py = factor.py();
        let factor: u64 = factor.extract().map_err(|_| too_large(py))?;
        let product = self.0.units().checked_mul(factor);
        product.map(Amount::of).ok_or_else(|| too_large(py))
    }

    fn __rmul__(&self, factor: &Bound<'_, PyInt>) -> PyResult<Amount> {
        self.__mul__(factor)
    }

    /// By an int: the amount, rounded down. By an amount: how often it goes in, as an int.
    fn __floordiv__(&self, divisor: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let py = divisor.py();
        if let Ok(divisor) = divisor.cast::<Amount>() {
            let quotient = self.0.units().checked_div(divisor.get().0.units());
            let quotient = quotient.ok_or_else(by_zero)?;
            return Ok(quotient.into_pyobject(py)?.into_any().unbind());
        }
        let Ok(divisor) = divisor.cast::<PyInt>() else { return Ok(py.NotImplemented()) };
        let divisor: u64 = divisor.extract().map_err(|_| {
            invalid(py, "amount", "an amount is divided by a whole number from 1 to 2^64 - 1")
        })?;
        let quotient = self.0.units().checked_div(divisor).ok_or_else(by_zero)?;
        Ok(Py::new(py, Amount::of(quotient))?.into_any())
    }

    /// What is left of the amount after dividing by an amount, or by an int.
    fn __mod__(&self, divisor: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let py = divisor.py();
        let divisor = match divisor.cast::<Amount>() {
            Ok(divisor) => divisor.get().0.units(),
            Err(_) => match divisor.cast::<PyInt>() {
                Ok(divisor) => whole("divisor", divisor.as_any().as_borrowed())?,
                Err(_) => return Ok(py.NotImplemented()),
            },
        };
        let rest = self.0.units().checked_rem(divisor).ok_or_else(by_zero)?;
        Ok(Py::new(py, Amount::of(rest))?.into_any())
    }

    fn __getnewargs__(&self) -> (u64,) {
        (self.0.units(),)
    }
}

impl Amount {
    fn of(units: u64) -> Self {
        Amount(timecoin_core::Amount::from_units(units))
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Amount {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(amount) = object.cast::<Amount>() {
            return Ok(*amount.get());
        }
        if let Ok(text) = object.cast::<PyString>() {
            let text = text.to_str()?;
            return pure(|| text.parse().map_err(NodeError::Amount)).map(Amount);
        }
        if object.is_instance_of::<PyInt>() && !object.is_instance_of::<PyBool>() {
            return object.extract().map(Amount::of).map_err(|_| too_large(object.py()));
        }
        let expected = "an Amount, a text as \"1.5 TIME\" or an int of base units";
        Err(type_error("amount", expected, object))
    }
}

fn too_large(py: Python<'_>) -> PyErr {
    invalid(py, "amount", "an amount is 0 to 18446744073709551615 units")
}

fn by_zero() -> PyErr {
    PyZeroDivisionError::new_err("an amount divided by zero")
}
