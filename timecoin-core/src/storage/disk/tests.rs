//! What a damaged or interrupted data directory becomes.
