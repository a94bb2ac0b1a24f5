//! Pings: whether a peer is there, how far it is, and how its clock differs.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Shared;
use super::host::NetworkEvent;
use super::packet::{Packet, Ping, Pong};
use super::peer::Peer;
use crate::peers::rate::Class;

/// Pings every peer now and then, ends connections that are dead, and compares clocks.
pub(super) async fn ping(shared: Arc<Shared>) {
    let mut warned: Option<Instant> = None;
    loop {
        sleep(PING_EVERY).await;
        let now = shared.host().now();
        for peer in shared.all_peers() {
            let pinged = peer.state().pinged;
            match pinged {
                Some((_, at)) if now.since(at) >= DEAD_AFTER => peer.stop.cancel(),
                Some(_) => {}
                None => shared.send_ping(&peer),
            }
        }
        shared.compare_clocks(&mut warned);
    }
}

impl Shared {
    pub(super) fn send_ping(&self, peer: &Peer) {
        let (nonce, now) = (self.next_id(), self.host().now());
        peer.state().pinged = Some((nonce, now));
        self.say(peer, Class::Control, &Packet::Ping(Ping { nonce, tip: self.host().tip() }));
    }

    pub(super) fn on_pong(&self, peer: &Peer, pong: Pong) {
        let now = self.host().now();
        let mut state = peer.state();
        let Some((_, sent)) = state.pinged.take_if(|(nonce, _)| *nonce == pong.nonce) else {
            return;
        };
        drop(state);
        let round_trip = now.0.saturating_sub(sent.0);
        let halfway = sent.0 + round_trip / 2;
        let offset = i64::try_from(i128::from(pong.now.0) - i128::from(halfway));
        let counts = &peer.counts;
        counts.round_trip_ms.store(round_trip, Ordering::Relaxed);
        counts.clock_offset_ms.store(offset.unwrap_or(i64::MAX), Ordering::Relaxed);
        counts.n_pongs.fetch_add(1, Ordering::Relaxed);
    }

    /// Where most masternodes' clocks say something else than this one, this one is wrong. It
    /// takes a few of them to tell.
    fn compare_clocks(&self, warned: &mut Option<Instant>) {
        let masternodes = self.host().masternodes();
        let peers = self.all_peers();
        let measured = peers.iter().filter(|peer| {
            masternodes.index_of(&peer.key).is_some()
                && peer.counts.n_pongs.load(Ordering::Relaxed) > 0
        });
        let mut offsets: Vec<i64> =
            measured.map(|peer| peer.counts.clock_offset_ms.load(Ordering::Relaxed)).collect();
        let Some(offset_ms) = median(&mut offsets) else {
            return self.is_withholding.store(false, Ordering::Relaxed);
        };
        let is_withholding = offset_ms.unsigned_abs() > self.settings.drift_ms_max;
        let was_withholding = self.is_withholding.swap(is_withholding, Ordering::Relaxed);
        let is_due = warned.is_none_or(|at| at.elapsed() >= WARN_EVERY);
        let is_off = offset_ms.unsigned_abs() > WARN_MS;
        if is_off && is_due || is_withholding != was_withholding {
            *warned = Some(Instant::now());
            tracing::warn!(offset_ms, is_withholding, "this clock differs from the others'");
            self.host().tell(NetworkEvent::ClockOffset { offset_ms, is_withholding });
        }
    }
}

/// The middle one; none of too few.
fn median(offsets: &mut [i64]) -> Option<i64> {
    if offsets.len() < OFFSETS_MIN {
        return None;
    }
    offsets.sort_unstable();
    Some(offsets[offsets.len() / 2])
}

/// Between two pings.
const PING_EVERY: Duration = Duration::from_secs(5);

/// A peer that does not answer for so long is gone.
const DEAD_AFTER: Duration = Duration::from_secs(20);

/// Differences above this are worth a warning.
const WARN_MS: u64 = 5_000;

/// Between two warnings.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// Of two clocks nobody knows which is wrong; of four, three agree.
const OFFSETS_MIN: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_needs_a_majority() {
        assert_eq!(median(&mut [7_000, 7_000]), None);
        assert_eq!(median(&mut [60_000, 3, -1]), Some(3));
        assert_eq!(median(&mut [60_000, 61_000, -1]), Some(60_000));
    }
}
