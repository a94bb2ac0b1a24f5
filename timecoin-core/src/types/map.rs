//! Hash maps for lookups by key. Their order is never looked at: it differs from run to run,
//! and whatever is hashed, voted on, sent or stored comes from an ordered collection.

/// A map with a hash that is several times cheaper than the standard one on ids, which are
/// hashes themselves, and that is seeded at random against crafted collisions.
pub type HashMap<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;

/// The set of that kind.
pub type HashSet<K> = std::collections::HashSet<K, foldhash::fast::RandomState>;
