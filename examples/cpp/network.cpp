// Four masternodes in virtual time: a payment is final without a leader and stays so, while the
// proposer crashes and the network is cut in two; then back to before the cut.
//
//     c++ -std=c++17 network.cpp -ltimecoin -o network

#include <cstdlib>
#include <iostream>

#include <timecoin.hpp>

using timecoin::Amount;
using timecoin::Simulation;
using timecoin::Txid;

namespace {

// More virtual time than anything here takes while a quorum can talk.
constexpr timecoin::Milliseconds within{60000};

Txid pay_bob(Simulation &sim, const std::string &amount) {
    return sim.pay("alice", sim.wallet("bob"), Amount::parse(amount)).txid;
}

long long latency_ms(const Simulation &sim, const Txid &txid) {
    return sim.finality_latency(txid).value().count() / 1000;
}

tc_transaction_status_t status_of(const Simulation &sim, const Txid &txid) {
    return sim.transaction_status(0, txid).value();
}

void expect(bool holds, const char *what) {
    if (!holds) {
        throw std::runtime_error(what);
    }
}

// Payments become final while the proposer is down; a block follows.
Txid crash_the_proposer(Simulation &sim) {
    const Txid five = pay_bob(sim, "5 TIME");
    sim.run_until_finalized(five, within);
    std::cout << "alice pays bob 5 TIME: final after " << latency_ms(sim, five)
              << " ms, in no block yet\n";

    const std::uint64_t proposer = sim.proposer();
    sim.crash(proposer);
    std::cout << "masternode " << proposer << ", who proposes the next block, crashes\n";
    const Txid one = pay_bob(sim, "1 TIME");
    sim.run_until_finalized(one, within);
    std::cout << "alice pays bob 1 TIME: final after " << latency_ms(sim, one) << " ms\n";
    sim.run_until_confirmed(one, within);
    std::cout << "both are in block " << status_of(sim, one).height << ", after "
              << sim.metrics().view_changes << " view changes\n";
    sim.restart(proposer);
    std::cout << "masternode " << proposer << " is back\n";
    return five;
}

// Two of four decide nothing, and undo nothing.
void cut_in_two(Simulation &sim, const Txid &five) {
    Txid two;
    {
        const timecoin::Partition partition(sim, {0, 0, 1, 1});
        two = pay_bob(sim, "2 TIME");
        sim.advance(timecoin::Milliseconds(20000));
        expect(status_of(sim, two).status < TC_TRANSACTION_FINALIZED, "final without a quorum");
        expect(status_of(sim, five).status == TC_TRANSACTION_CONFIRMED, "not what it was");
        std::cout << "cut in two: alice pays bob 2 TIME, and it is not final\n";
        std::cout << "what was final is: bob has " << sim.balance("bob").text() << "\n";
    }
    sim.run_until_finalized(two, within);
    sim.run_until_confirmed(two, within);
    std::cout << "healed: final, and in block " << status_of(sim, two).height << "\n";
    std::cout << "bob has " << sim.balance("bob").text() << "\n";
}

void tell() {
    Simulation sim(4, 7);
    sim.wallet("alice");
    sim.wallet("bob");
    std::cout << "four masternodes, seed 7\n";

    const Txid five = crash_the_proposer(sim);
    const timecoin::SimSnapshot before = sim.snapshot();
    cut_in_two(sim, five);

    const timecoin::Digest after = sim.digest();
    sim.revert(before);
    expect(sim.digest() == before.digest(), "reverting changes something");
    std::cout << "back before the cut: bob has " << sim.balance("bob").text() << "\n";
    std::cout << "digest " << after.text() << "\n";
}

} // namespace

int main() {
    try {
        tell();
    } catch (const std::exception &error) {
        std::cerr << error.what() << "\n";
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
