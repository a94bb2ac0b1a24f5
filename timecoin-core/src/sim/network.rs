//! The network: who reaches whom, how long it takes, and what gets lost.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::clock::SimTime;
use super::latency::Latency;
use super::random::Random;
use crate::types::message::Message;

/// How one link behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The delay of each message.
    pub latency: Latency,
    /// Messages lost, of a million.
    pub loss_ppm: u32,
    /// Messages that come twice, of a million.
    pub duplicate_ppm: u32,
    /// Messages that may be overtaken by later ones, of a million. All others come in order, as
    /// over one connection.
    pub reorder_ppm: u32,
    /// Bytes a second; none for no limit.
    pub bandwidth: Option<u64>,
}

impl Default for Link {
    fn default() -> Self {
        Link {
            latency: Latency::Uniform(Duration::from_millis(20), Duration::from_millis(80)),
            loss_ppm: 0,
            duplicate_ppm: 0,
            reorder_ppm: 0,
            bandwidth: None,
        }
    }
}

impl Link {
    /// A link without faults and with one delay.
    pub fn constant(delay: Duration) -> Self {
        Link { latency: Latency::Constant(delay), ..Link::default() }
    }

    fn is_plain(&self) -> bool {
        *self == Link::constant(Duration::ZERO)
    }
}

/// All links between the nodes.
#[derive(Clone)]
pub struct Network {
    /// The behaviour of links that have none of their own.
    pub default: Link,
    links: BTreeMap<(usize, usize), Link>,
    cut: BTreeSet<(usize, usize)>,
    slow: BTreeMap<usize, Duration>,
    ways: BTreeMap<(usize, usize), Way>,
    /// Delays may be others than when [`Network::hurried`] was asked last.
    pub(super) is_touched: bool,
    pub(super) filter: Option<Filter>,
    random: Random,
}

/// What is under way on one direction of a link.
#[derive(Clone, Debug, Default)]
struct Way {
    /// When the last of what comes in order arrives.
    last: SimTime,
    /// When all that was sent has left.
    busy_until: SimTime,
    /// What the link was when the last was sent: how long it takes, and how wide it is.
    longest: Duration,
    bandwidth: Option<u64>,
}

/// Says of a message whether it gets from one node to another.
pub type Filter = Arc<dyn Fn(usize, usize, &Message) -> bool + Send + Sync>;

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").field("default", &self.default).finish_non_exhaustive()
    }
}

impl Network {
    pub(crate) fn new(default: Link, random: Random) -> Self {
        Network {
            default,
            links: BTreeMap::new(),
            cut: BTreeSet::new(),
            slow: BTreeMap::new(),
            ways: BTreeMap::new(),
            is_touched: false,
            filter: None,
            random,
        }
    }

    /// Gives one direction of one link a behaviour of its own. What is under way comes no later
    /// than if it were sent now, in order.
    pub fn set_link(&mut self, from: usize, to: usize, link: Link) {
        self.is_touched = true;
        self.links.insert((from, to), link);
    }

    /// The behaviour of one direction of one link.
    pub fn link(&self, from: usize, to: usize) -> &Link {
        self.links.get(&(from, to)).unwrap_or(&self.default)
    }

    /// Lets nothing through in one direction.
    pub fn block(&mut self, from: usize, to: usize) {
        self.cut.insert((from, to));
    }

    /// Lets nothing through between nodes of different groups; who is in no group is alone.
    pub fn partition(&mut self, groups: &[Vec<usize>], n_nodes: usize) {
        let group = |node: usize| groups.iter().position(|group| group.contains(&node));
        self.cut.clear();
        for from in 0..n_nodes {
            for to in 0..n_nodes {
                let together = group(from).is_some() && group(from) == group(to);
                if from != to && !together {
                    self.cut.insert((from, to));
                }
            }
        }
    }

    /// Lets through what `filter` lets through, beside everything else that is set. Its answer
    /// must depend on nothing but its arguments.
    pub fn set_filter(
        &mut self,
        filter: impl Fn(usize, usize, &Message) -> bool + Send + Sync + 'static,
    ) {
        self.filter = Some(Arc::new(filter));
    }

    /// Ends [`Network::set_filter`].
    pub fn clear_filter(&mut self) {
        self.filter = None;
    }

    /// Lets everything through.
    pub fn heal(&mut self) {
        self.cut.clear();
    }

    /// Makes everything from and to a node take longer; zero ends it. What is under way comes no
    /// later than if it were sent now, in order.
    pub fn set_slow(&mut self, node: usize, extra: Duration) {
        self.is_touched = true;
        if extra.is_zero() {
            self.slow.remove(&node);
        } else {
            self.slow.insert(node, extra);
        }
    }

    /// Whether every message arrives at once.
    pub(crate) fn is_plain(&self) -> bool {
        let is_free = self.cut.is_empty() && self.slow.is_empty() && self.filter.is_none();
        is_free && [&self.default].into_iter().chain(self.links.values()).all(Link::is_plain)
    }

    /// Whether a message can get from one node to another.
    pub fn is_open(&self, from: usize, to: usize) -> bool {
        !self.cut.contains(&(from, to))
    }

    /// When a message that is sent now arrives: never, once, or twice.
    pub(crate) fn arrivals(
        &mut self,
        (from, to): (usize, usize),
        bytes: usize,
        now: SimTime,
    ) -> Vec<SimTime> {
        let link = self.links.get(&(from, to)).unwrap_or(&self.default).clone();
        let is_lost = self.random.happens(link.loss_ppm);
        if is_lost || !self.is_open(from, to) {
            return Vec::new();
        }
        let n_copies = if self.random.happens(link.duplicate_ppm) { 2 } else { 1 };
        let extra = self.extra((from, to));
        let way = self.ways.entry((from, to)).or_default();
        way.longest = link.latency.typical_max().saturating_add(extra);
        way.bandwidth = link.bandwidth;
        let leaves = way.leaves(bytes, now);
        let mut arrivals = Vec::with_capacity(n_copies);
        for _ in 0..n_copies {
            let mut at = leaves.after(link.latency.draw(&mut self.random)).after(extra);
            if !self.random.happens(link.reorder_ppm) {
                at = at.max(way.last);
                way.last = at;
            }
            arrivals.push(at);
        }
        arrivals
    }

    /// By when what is under way must have come, on links that are faster than when it was sent.
    /// To be asked after each change.
    pub(crate) fn hurried(&mut self, now: SimTime) -> BTreeMap<(usize, usize), SimTime> {
        self.is_touched = false;
        let mut ways = std::mem::take(&mut self.ways);
        let hurried = ways.iter_mut().filter_map(|(&(from, to), way)| {
            let link = self.link(from, to);
            let longest = link.latency.typical_max().saturating_add(self.extra((from, to)));
            Some(((from, to), way.hurry(longest, link.bandwidth, now)?))
        });
        let hurried = hurried.collect();
        self.ways = ways;
        hurried
    }

    /// What slow nodes add.
    fn extra(&self, (from, to): (usize, usize)) -> Duration {
        let extras = [from, to].into_iter().filter_map(|node| self.slow.get(&node));
        extras.fold(Duration::ZERO, |sum, extra| sum.saturating_add(*extra))
    }
}

impl Way {
    /// When a message that is sent now has left.
    fn leaves(&mut self, bytes: usize, now: SimTime) -> SimTime {
        let Some(bandwidth) = self.bandwidth else { return now };
        let micros = (bytes as u128 * 1_000_000).div_ceil(u128::from(bandwidth.max(1)));
        let takes = Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX));
        self.busy_until = now.max(self.busy_until).after(takes);
        self.busy_until
    }

    /// The link is as given from now on. By when everything comes, where it is faster so.
    fn hurry(
        &mut self,
        longest: Duration,
        bandwidth: Option<u64>,
        now: SimTime,
    ) -> Option<SimTime> {
        let is_wider = self.bandwidth.is_some_and(|was| bandwidth.is_none_or(|is| is > was));
        let is_shorter = longest < self.longest;
        (self.longest, self.bandwidth) = (longest, bandwidth);
        if is_wider {
            self.busy_until = now;
        }
        let end = now.max(self.busy_until).after(longest);
        if !(is_wider || is_shorter) {
            return None;
        }
        self.last = self.last.min(end);
        Some(end)
    }
}

#[cfg(test)]
impl Network {
    /// Everything in it, in words.
    pub(super) fn sight(&self) -> String {
        let Network { default, links, cut, slow, ways, is_touched, filter, random } = self;
        let has_filter = filter.is_some();
        format!(
            "{default:?} {links:?} {cut:?} {slow:?} {ways:?} {is_touched} {has_filter} {random:?}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(link: Link) -> Network {
        Network::new(link, Random::new(1, "network"))
    }

    #[test]
    fn messages_of_a_link_come_in_order_unless_told_otherwise() {
        let mut net = network(Link::default());
        let times: Vec<SimTime> =
            (0..50).flat_map(|i| net.arrivals((0, 1), 100, SimTime(i * 100))).collect();
        assert!(times.windows(2).all(|pair| pair[0] <= pair[1]));
        let mut net = network(Link { reorder_ppm: 500_000, ..Link::default() });
        let times: Vec<SimTime> =
            (0..50).flat_map(|i| net.arrivals((0, 1), 100, SimTime(i * 100))).collect();
        assert!(!times.windows(2).all(|pair| pair[0] <= pair[1]));
    }

    #[test]
    fn a_partition_cuts_between_groups_and_an_asymmetric_one_in_one_direction() {
        let mut net = network(Link::default());
        net.partition(&[vec![0, 1], vec![2]], 4);
        let open = |net: &Network, a, b| net.is_open(a, b);
        assert!(open(&net, 0, 1) && !open(&net, 1, 2) && !open(&net, 3, 0));
        net.heal();
        net.block(0, 1);
        assert!(!open(&net, 0, 1) && open(&net, 1, 0));
    }

    #[test]
    fn what_is_lost_and_doubled_is_what_was_asked_for() {
        let arrivals = |link: Link| -> Vec<usize> {
            let mut net = network(link);
            (0..10_000).map(|i| net.arrivals((0, 1), 100, SimTime(i * 100)).len()).collect()
        };
        let lossy = arrivals(Link { loss_ppm: 250_000, ..Link::default() });
        let n_lost = lossy.iter().filter(|n| **n == 0).count();
        assert!((2_300..2_700).contains(&n_lost), "{n_lost} lost");
        let doubling = arrivals(Link { duplicate_ppm: 250_000, ..Link::default() });
        let n_doubled = doubling.iter().filter(|n| **n == 2).count();
        assert!((2_300..2_700).contains(&n_doubled), "{n_doubled} doubled");
        assert!(arrivals(Link::default()).iter().all(|n| *n == 1));
    }

    #[test]
    fn each_direction_of_a_link_may_behave_in_its_own_way() {
        let mut net = network(Link::constant(Duration::from_millis(10)));
        net.set_link(0, 1, Link::constant(Duration::from_millis(70)));
        assert_eq!(net.arrivals((0, 1), 100, SimTime::ZERO), [SimTime(70_000)]);
        assert_eq!(net.arrivals((1, 0), 100, SimTime::ZERO), [SimTime(10_000)]);
        assert_eq!(net.arrivals((0, 2), 100, SimTime::ZERO), [SimTime(10_000)]);
    }

    #[test]
    fn a_slow_node_is_slow_both_ways_until_it_is_not() {
        let mut net = network(Link::constant(Duration::from_millis(10)));
        net.set_slow(2, Duration::from_millis(500));
        assert_eq!(net.arrivals((2, 1), 100, SimTime::ZERO), [SimTime(510_000)]);
        assert_eq!(net.arrivals((0, 2), 100, SimTime::ZERO), [SimTime(510_000)]);
        assert_eq!(net.arrivals((0, 1), 100, SimTime::ZERO), [SimTime(10_000)]);
        net.set_slow(2, Duration::ZERO);
        assert_eq!(net.arrivals((2, 0), 100, SimTime::ZERO), [SimTime(10_000)]);
    }

    #[test]
    fn bandwidth_delays_what_is_behind_a_large_message() {
        let link = Link { bandwidth: Some(1_000), ..Link::constant(Duration::from_millis(10)) };
        let mut net = network(link);
        assert_eq!(net.arrivals((0, 1), 500, SimTime::ZERO), [SimTime(510_000)]);
        assert_eq!(net.arrivals((0, 1), 100, SimTime::ZERO), [SimTime(610_000)]);
    }

    #[test]
    fn what_is_under_way_is_hurried_on_links_that_become_faster_and_on_no_others() {
        let mut net = network(Link::constant(Duration::from_millis(10)));
        net.set_slow(0, Duration::from_secs(3_600));
        for to in [1, 2] {
            net.arrivals((0, to), 100, SimTime::ZERO);
        }
        net.arrivals((1, 2), 100, SimTime::ZERO);
        net.set_slow(0, Duration::from_secs(7_200));
        assert!(net.hurried(SimTime(5)).is_empty(), "slower is no hurry");
        net.set_slow(0, Duration::ZERO);
        let end = SimTime(10_100);
        assert_eq!(net.hurried(SimTime(100)), BTreeMap::from([((0, 1), end), ((0, 2), end)]));
        assert_eq!(net.arrivals((0, 1), 100, SimTime(200)), [SimTime(10_200)]);
        assert!(net.hurried(SimTime(300)).is_empty(), "once is enough");
    }

    #[test]
    fn what_waits_for_bandwidth_leaves_when_there_is_more() {
        let narrow = Link { bandwidth: Some(1), ..Link::constant(Duration::from_millis(10)) };
        let mut net = network(narrow.clone());
        net.arrivals((0, 1), 1_000, SimTime::ZERO);
        net.set_link(0, 1, Link { latency: Latency::Constant(Duration::from_millis(5)), ..narrow });
        assert_eq!(net.hurried(SimTime(7)), BTreeMap::from([((0, 1), SimTime(1_000_005_000))]));
        net.set_link(0, 1, Link::constant(Duration::from_millis(5)));
        assert_eq!(net.hurried(SimTime(7)), BTreeMap::from([((0, 1), SimTime(5_007))]));
    }
}
