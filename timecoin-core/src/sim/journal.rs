//! What happened, in words: for people who look for a reason. Off unless asked for.

use std::collections::VecDeque;

use super::clock::SimTime;

/// The last lines of what happened.
#[derive(Clone, Debug, Default)]
pub(super) struct Journal {
    lines: VecDeque<String>,
    lines_max: usize,
}

impl Journal {
    pub(super) fn new(lines_max: usize) -> Self {
        Journal { lines: VecDeque::new(), lines_max }
    }

    /// Adds a line; its text is made only where it is kept.
    pub(super) fn note(&mut self, at: SimTime, node: usize, text: impl FnOnce() -> String) {
        if self.lines_max == 0 {
            return;
        }
        if self.lines.len() >= self.lines_max {
            self.lines.pop_front();
        }
        self.lines.push_back(format!("{at} node {node}: {}", text()));
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }
}
