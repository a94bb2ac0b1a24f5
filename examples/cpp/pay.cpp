// One masternode in this process: pay, see the payment final, then confirmed in a block; a second
// payment of the same coin is refused; everything is found again after a restart.
//
// pay DIRECTORY: an empty directory, or one that is not there yet.
//
//     c++ -std=c++17 pay.cpp -ltimecoin -o pay

#include <cstdlib>
#include <iostream>

#include <timecoin.hpp>

using timecoin::Amount;
using timecoin::Config;
using timecoin::Node;
using timecoin::Txid;
using timecoin::Wallet;

namespace {

// Long enough for any machine that is busy with something else.
constexpr timecoin::Milliseconds patience{60000};

Node open_node(const std::string &data_dir) {
    return Node(Config::regtest(TC_BLOCK_PRODUCTION_ON_DEMAND).set("data_dir", data_dir));
}

std::string confirmed(const Wallet &wallet) {
    return Amount(wallet.balance().confirmed).text();
}

// Prints each status of a payment until it is final.
void print_until_final(timecoin::Subscription &events, const Txid &txid) {
    std::int32_t status = 0;
    while (status != TC_TRANSACTION_FINALIZED) {
        const auto event = events.next_event(patience);
        if (!event) {
            throw std::runtime_error("the payment does not become final");
        }
        const tc_event_info_t &info = event->info();
        if (info.kind == TC_EVENT_TRANSACTION_STATUS && Txid(info.txid) == txid) {
            status = info.transaction_status;
            std::cout << "status " << tc_transaction_status_name(status) << "\n";
        }
    }
}

// Pays, is refused the second time, has a block made.
Txid pay(const std::string &data_dir) {
    Node node = open_node(data_dir);
    node.start();
    std::cout << "opened a regtest node at height " << node.tip().height << "\n";

    Wallet alice = Wallet::from_seed(node, "regtest wallet");
    Wallet bob = Wallet::from_seed(node, "bob");
    Wallet carol = Wallet::from_seed(node, "carol");
    std::cout << "alice has " << confirmed(alice) << "\n";

    // Another wallet of the same key does not know which coins this one uses.
    const Amount five = Amount::parse("5 TIME");
    Wallet rival = Wallet::from_seed(node, "regtest wallet");
    timecoin::Draft same_coin = rival.build({{carol.address(), five}});

    timecoin::Subscription events = node.subscribe();
    const timecoin::Payment payment = alice.pay(bob.address(), five);
    std::cout << "alice pays " << five.text() << " to bob for a fee of " << payment.fee.text()
              << "\n";
    print_until_final(events, payment.txid);

    std::cout << "bob has " << Amount(bob.balance().finalized).text() << " final and "
              << confirmed(bob) << " confirmed\n";
    try {
        std::move(same_coin).submit();
        throw std::runtime_error("the coin was spent again");
    } catch (const timecoin::Error &error) {
        std::cout << "paying carol with the same coin is refused: " << error.name() << "\n";
    }

    std::cout << "produced block " << node.produce_block(patience) << "\n";
    std::cout << "confirmed at height " << node.wait_confirmed(payment.txid, patience) << "\n";
    std::cout << "alice has " << confirmed(alice) << " confirmed\n";
    std::cout << "bob has " << confirmed(bob) << " confirmed\n";
    node.close(patience);
    return payment.txid;
}

// Opens the node again and finds everything on disk.
void find_again(const std::string &data_dir, const Txid &txid) {
    Node node = open_node(data_dir);
    std::cout << "closed, and opened again from disk\n";
    std::cout << "tip at height " << node.tip().height << "\n";
    const auto status = node.transaction_status(txid);
    if (!status) {
        throw std::runtime_error("the payment is gone");
    }
    std::cout << "the payment is " << tc_transaction_status_name(status->status) << " at height "
              << status->height << "\n";
    std::cout << "alice has " << confirmed(Wallet::from_seed(node, "regtest wallet"))
              << " confirmed\n";
    std::cout << "bob has " << confirmed(Wallet::from_seed(node, "bob")) << " confirmed\n";
    node.close(patience);
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 2) {
        std::cerr << "usage: pay DIRECTORY\n";
        return EXIT_FAILURE;
    }
    try {
        find_again(argv[1], pay(argv[1]));
    } catch (const std::exception &error) {
        std::cerr << error.what() << "\n";
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
