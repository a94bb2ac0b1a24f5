//! What the wallets and settings of a network refuse, as the one error of the crate's front door.

use crate::node::NodeError;
use crate::sim::{FEE, PayError, SettingError};

impl From<PayError> for NodeError {
    fn from(error: PayError) -> Self {
        match error {
            PayError::NoWallet(_) => {
                NodeError::InvalidArgument { what: "wallet", reason: error.to_string() }
            }
            PayError::NoCoin { value, available, .. } => {
                let required = value.saturating_add(FEE);
                NodeError::InsufficientFunds { available, required }
            }
            PayError::ManyCoins { value, coins_max, .. } => {
                NodeError::TooManyCoins { amount: value, inputs_max: coins_max }
            }
            PayError::Invalid(error) => error.into(),
        }
    }
}

impl From<SettingError> for NodeError {
    fn from(error: SettingError) -> Self {
        NodeError::Setting { reason: error.to_string() }
    }
}
