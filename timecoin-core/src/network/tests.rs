//! Networks of hosts that keep nothing but what they were told.
