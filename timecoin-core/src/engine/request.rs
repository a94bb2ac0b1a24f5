//! Questions of peers: what the engine has is answered here, decided blocks by the store.

use super::Engine;
use super::input::PeerId;
use super::output::{Halt, Output, To};
use crate::types::hash::Txid;
use crate::types::message::{Message, Request};

/// Transactions that one answer holds, and their bytes. Who lacks more asks again.
pub(super) const ANSWERED_MAX: usize = 256;
const ANSWERED_BYTES_MAX: usize = 1_000_000;

impl Engine {
    pub(super) fn on_request(&mut self, from: PeerId, request: Request) -> Result<(), Halt> {
        match request {
            Request::Transactions(txids) => {
                let mut bytes_left = ANSWERED_BYTES_MAX;
                for txid in txids.iter().take(ANSWERED_MAX) {
                    let Some(entry) = self.mempool.get(txid) else { continue };
                    let bytes = entry.transaction.bytes();
                    if bytes > bytes_left {
                        break;
                    }
                    bytes_left -= bytes;
                    let body = entry.transaction.transaction().clone();
                    self.send(To::Peer(from), Message::Transaction(body));
                    self.send_certificate(from, txid);
                }
            }
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
        Ok(())
    }

    /// What proves a transaction here: to a masternode that has to Commit the Approves, to
    /// everybody else that it is final.
    fn send_certificate(&mut self, to: PeerId, txid: &Txid) {
        if let Some(certificate) = self.finality.approve_certificate(txid) {
            self.send(To::Peer(to), Message::ApproveCertificate((*certificate).clone()));
        }
        if let Some(certificate) = self.finality_certificate(txid) {
            self.send(To::Peer(to), Message::FinalityCertificate((*certificate).clone()));
        }
    }
}
