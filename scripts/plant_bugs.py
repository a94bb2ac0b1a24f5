"""Plants each known bug in a copy of the sources and sees the test of that name fail.

A test that passes with its bug in place watches nothing. `make plant` runs all, `make plant
ONLY=k05` those whose names begin so. A planted bug is one piece of text in place of another,
which must be there once.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

CORE = "timecoin-core/src/"

# Test; then file, what is there, and what is put in its place, once or more.
BUGS = [
    ("k01", "types/quorum.rs", "2 * n / 3 + 1", "2 * faulty_max(n) + 1"),
    ("k02", "types/quorum.rs", "2 * n / 3 + 1", "2 * faulty_max(n) + 1"),
    ("k03", "types/quorum.rs", "2 * n / 3 + 1", "2 * faulty_max(n) + 1"),
    # What was prepared is not read back.
    (
        "k04",
        "engine/restore.rs",
        "if let Some(prepared) = prepared {",
        "if let Some(prepared) = prepared.filter(|_| false) {",
    ),
    ("k05", "types/certificate.rs", "|before| before >= voter", "|before| before > voter"),
    # A vote that comes again takes the voter's seals with it.
    (
        "k06",
        "consensus/ballots.rs",
        "Some(known) if known.ballot == signed.ballot => return Heard::Repeated,",
        "Some(known) if known.ballot == signed.ballot => {\n"
        "                let again = *known;\n"
        "                self.forget(&again);\n"
        "                return Heard::Repeated;\n"
        "            }",
    ),
    # A prepared block must name the proposer of the round.
    ("k07", "engine/proposal.rs", "if is_fresh && !self", "if (is_fresh || true) && !self"),
    # A claim needs no certificate.
    (
        "k08",
        "types/message.rs",
        "            _ => Err(CertificateError::OtherSubject),\n        }\n    }\n}",
        "            _ => Ok(()),\n        }\n    }\n}",
        # And the highest claim is what is proposed.
        "consensus/height.rs",
        "        let certificates = self.changes_to(round).filter_map(|c| c.certificate.as_ref());\n"
        "        let prepared = certificates.max_by_key(|certificate| certificate.prepared()).cloned();\n",
        "        let claim = |c: &&RoundChange| match c.ballot.ballot.choice {\n"
        "            Choice::RoundChange(claim) => claim,\n            _ => None,\n        };\n"
        "        let highest = self.changes_to(round).max_by_key(claim);\n"
        "        let prepared = highest.and_then(|change| change.certificate.clone());\n",
    ),
    # A RoundChange says nothing of what is prepared.
    ("k09", "consensus/height.rs", "ChangeRound(round, self.prepared.clone())", "ChangeRound(round, None)"),
    # Any height will do.
    ("k10", "engine/verify.rs", "        if !same {\n", "        if !same && false {\n"),
    # The timer runs before the block is due.
    ("k11", "consensus/height.rs", "if has_accepted || is_quorum_here {", "if true {"),
    # Nobody joins the others in a higher round.
    ("k12", "consensus/height.rs", "if ahead.len() < self.set.one_honest() {", "if true {"),
    # Who lost its disk votes as if it had not.
    (
        "k13",
        "engine/mod.rs",
        "let must_observe = must_observe || records",
        "let must_observe = (must_observe && false) || records",
    ),
    # The ballots of each round are kept.
    (
        "k14",
        "consensus/ballots.rs",
        "rounds.len() > ROUNDS_PER_VOTER_MAX {",
        "rounds.len() > 100_000_000 {",
    ),
    # An equivocation is nobody's fault.
    (
        "k15_two",
        "engine/ballot.rs",
        "        let set = self.finality.set();\n        let Some(offender)",
        "        if second.voter < 200 {\n            return Ok(());\n        }\n"
        "        let set = self.finality.set();\n        let Some(offender)",
    ),
    ("k15_one", "types/quorum.rs", "2 * n / 3 + 1", "n / 4"),
    # Ballots are not read back.
    (
        "k16_restart",
        "engine/restore.rs",
        "for record in recorded_ballots {",
        "for record in recorded_ballots.into_iter().take(0) {",
    ),
    ("k16_hidden", "consensus/height.rs", "ChangeRound(round, self.prepared.clone())", "ChangeRound(round, None)"),
    # Votes are not read back.
    (
        "k17_cut",
        "engine/restore.rs",
        "        for record in others {",
        "        for record in others.into_iter().take(0) {",
    ),
    # A log that lost records is taken as it is.
    ("k17_vote", "storage/disk/open.rs", "in_force.map(", "in_force.filter(|_| false).map("),
    ("k18_older_vote", "storage/disk/open.rs", "in_force.map(", "in_force.filter(|_| false).map("),
    # Sent before it is written.
    (
        "k18_crash",
        "engine/propose.rs",
        "        self.record_ballot(ballot, Some(Arc::clone(block.block())), None);\n"
        "        let proposal = Proposal { ballot, block: Arc::clone(block.block()), justification };\n"
        "        self.send(To::All, Message::Proposal(proposal.clone()));\n",
        "        let proposal = Proposal { ballot, block: Arc::clone(block.block()), justification };\n"
        "        self.send(To::All, Message::Proposal(proposal.clone()));\n"
        "        self.record_ballot(ballot, Some(Arc::clone(block.block())), None);\n",
    ),
    # It signs at once, and asks nobody.
    (
        "k18_older_backup",
        "engine/restore.rs",
        "        self.ask_first(is_new, now);\n",
        "        self.ask_first(is_new || true, now);\n",
    ),
    # The peer that was asked first is asked for ever.
    (
        "k19",
        "engine/timeout.rs",
        "Some((_, peer)) if self.asked.contains(peer) && !self.asked.contains(&from) => {",
        "Some((_, peer)) if false && !self.asked.contains(&from) => {\n"
        "                let _ = &peer;",
    ),
    # The place of a leaf is not looked at.
    ("k20_index", "types/merkle.rs", "            if index & 1 == 1 {", "            if false && index == 0 {"),
    (
        "k20_transactions",
        "ledger/block.rs",
        "    if block.header.merkle_root != expected {\n"
        "        return Err(BlockError::WrongMerkleRoot { found: block.header.merkle_root, expected });\n"
        "    }\n    let transactions = verify_all",
        "    let _ = expected;\n    let transactions = verify_all",
    ),
    ("k21", "types/masternode_set.rs", "if let Some(before) = unsorted {", "if let Some(before) = unsorted.filter(|_| false) {"),
    ("k22", "consensus/height.rs", "if ahead.len() < self.set.one_honest() {", "if ahead.len() != self.set.one_honest() {"),
    # A decided block leaves the node in the round it was in.
    (
        "k23",
        "engine/decided.rs",
        "        self.consensus = Consensus::new(",
        "        if self.consensus.round().0 > 0 {\n            return Ok(());\n        }\n"
        "        self.consensus = Consensus::new(",
    ),
    # The next block takes nothing that is contested.
    ("k24", "engine/propose.rs", "if round == Round::ZERO {\n            let grace", "if round != round {\n            let grace"),
    # Votes outlive their epoch.
    (
        "k25",
        "engine/epoch.rs",
        "        self.finality = Finality::new(epoch, set, own, backlog_max(&self.chain));\n",
        "        let _ = (set, own);\n",
    ),
    ("k26", "consensus/height.rs", "ChangeRound(round, self.prepared.clone())", "ChangeRound(round, None)"),
]


def plant(root: pathlib.Path, name: str, changes: tuple[str, ...]) -> bool:
    """Whether the tests of that name fail with the bug in place."""
    before = {}
    for file, there, instead in zip(*[iter(changes)] * 3, strict=True):
        path = root / CORE / file
        text = path.read_text()
        if text.count(there) != 1:
            sys.exit(f"{name}: {file} has the text to be replaced {text.count(there)} times, not once")
        before[path] = text
        path.write_text(text.replace(there, instead))
    command = ["cargo", "test", "--quiet", "-p", "timecoin-core", "--test", "known_bugs"]
    try:
        built = subprocess.run([*command, "--no-run"], cwd=root, capture_output=True, text=True)
        if built.returncode != 0:
            sys.exit(f"{name}: the planted bug does not compile\n{built.stderr}")
        run = subprocess.run([*command, name], cwd=root, capture_output=True, timeout=SECONDS_MAX)
        return run.returncode != 0
    except subprocess.TimeoutExpired:
        return True
    finally:
        for path, text in before.items():
            path.write_text(text)


def main() -> None:
    home = pathlib.Path(__file__).resolve().parent.parent
    chosen = [bug for bug in BUGS if any(bug[0].startswith(name) for name in sys.argv[1:] or [""])]
    with tempfile.TemporaryDirectory() as dir:
        root = pathlib.Path(dir) / "timecoin"
        shutil.copytree(home, root, ignore=shutil.ignore_patterns("target", ".git", ".venv*"))
        unseen = []
        for name, *changes in chosen:
            is_seen = plant(root, name, tuple(changes))
            print(f"{name}: {'seen' if is_seen else 'NOT SEEN'}", flush=True)
            unseen += [] if is_seen else [name]
    if unseen:
        sys.exit(f"planted and not seen: {', '.join(unseen)}")
    print(f"{len(chosen)} bugs planted, each was seen")


# Longer than any of them takes; virtual time ends each, but a planted bug may never rest.
SECONDS_MAX = 600

if __name__ == "__main__":
    main()
