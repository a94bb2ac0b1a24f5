//! Questions of peers: what the engine has is answered here, decided blocks by the store.

use super::Engine;
use super::input::PeerId;
use super::output::{Output, To};
use crate::types::chain::Timestamp;
use crate::types::encode::encoded_len;
use crate::types::hash::Txid;
use crate::types::message::{Message, Request};
use crate::votes::BatchTrees;

/// Transactions that one answer holds, and their bytes. Who lacks more asks again.
pub(super) const ANSWERED_MAX: usize = 256;
const ANSWERED_BYTES_MAX: usize = 1_000_000;

/// Bytes of certificates with which one peer's questions are answered in a while, and of batches
/// that are gone through for them; those of the transaction that reaches it are sent still. A
/// question is short and may come again and again.
pub(super) const CERTIFICATE_BYTES_TOLD_MAX: usize = 2_000_000;

impl Engine {
    pub(super) fn on_request(&mut self, from: PeerId, request: Request, now: Timestamp) {
        match request {
            Request::Transactions(txids) => self.answer_transactions(from, &txids, now),
            Request::Block(hash) => {
                let candidate = self.consensus.candidate(&hash);
                match candidate.map(|candidate| candidate.block.block().clone()) {
                    Some(block) => self.send(To::Peer(from), Message::Block(block)),
                    None => self.outputs.push_back(Output::Serve(from, request)),
                }
            }
            Request::Decided(height) if height <= self.state.tip.height => {
                self.outputs.push_back(Output::Serve(from, request));
            }
            Request::Decided(_) => {}
        }
    }

    /// Who has had enough of certificates has the transactions alone: a masternode votes on them
    /// and is shown what it lacks, and who asks again later has those as well.
    fn answer_transactions(&mut self, from: PeerId, txids: &[Txid], now: Timestamp) {
        let mut bytes_left = ANSWERED_BYTES_MAX;
        let mut trees = BatchTrees::default();
        for txid in txids.iter().take(ANSWERED_MAX) {
            let Some(entry) = self.mempool.get(txid) else { continue };
            let bytes = entry.transaction.bytes();
            if bytes > bytes_left {
                break;
            }
            bytes_left -= bytes;
            let body = entry.transaction.transaction().clone();
            self.send(To::Peer(from), Message::Transaction(body));
            if self.told_certificates.has_room(from, now) {
                self.send_certificates(from, txid, &mut trees, now);
            }
        }
    }

    /// What proves a transaction here: to everybody that it is final, or at least certified; to a
    /// masternode, which has to Commit, the Approves in any case.
    fn send_certificates(
        &mut self,
        to: PeerId,
        txid: &Txid,
        trees: &mut BatchTrees,
        now: Timestamp,
    ) {
        let commits = self.finality.finality_certificate(txid, trees);
        let needs_approves = commits.is_none() || self.finality.set().index_of(&to).is_some();
        let approves = needs_approves.then(|| self.finality.approve_certificate(txid, trees));
        let approves = approves.flatten().map(|c| Message::ApproveCertificate((*c).clone()));
        let commits = commits.map(|c| Message::FinalityCertificate((*c).clone()));
        self.told_certificates.count(to, trees.take_bytes_read(), now);
        for message in approves.into_iter().chain(commits) {
            self.told_certificates.count(to, encoded_len(&message), now);
            self.send(To::Peer(to), message);
        }
    }
}
