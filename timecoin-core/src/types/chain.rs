//! Positions on a chain and moments in time, each a type of its own.

use std::fmt;
use std::time::Duration;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$meta:meta])* $name:ident($inner:ty)) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash,
            BorshSerialize, BorshDeserialize, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// The first.
            pub const ZERO: $name = $name(0);

            /// The one after; the last stays what it is.
            pub const fn next(self) -> $name {
                $name(self.0.saturating_add(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<$inner> for $name {
            fn from(value: $inner) -> Self {
                $name(value)
            }
        }
    };
}

number!(
    /// The position of a block: genesis is 0, the first block 1.
    Height(u64)
);
number!(
    /// An attempt to agree on one height, from 0.
    Round(u32)
);
number!(
    /// A run of `epoch_blocks` blocks decided by one masternode set, from 0.
    Epoch(u64)
);
number!(
    /// Milliseconds since the Unix epoch; in a simulation, of its virtual clock.
    Timestamp(u64)
);

impl Height {
    /// The one before; genesis stays what it is.
    pub const fn previous(self) -> Height {
        Height(self.0.saturating_sub(1))
    }
}

impl Timestamp {
    /// A moment that never comes.
    pub const NEVER: Timestamp = Timestamp(u64::MAX);

    /// This moment and `duration`, at most [`Timestamp::NEVER`].
    pub const fn after(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(millis(duration)))
    }

    /// How long ago `earlier` was; zero where it lies ahead.
    pub const fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Whole milliseconds, at most what 64 bits hold.
#[expect(clippy::cast_possible_truncation, reason = "what does not fit is caught before")]
pub const fn millis(duration: Duration) -> u64 {
    let millis = duration.as_millis();
    if millis > u64::MAX as u128 { u64::MAX } else { millis as u64 }
}
