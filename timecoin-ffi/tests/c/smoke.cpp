// Every class of timecoin.hpp does its work once, and its mistakes are exceptions.

#include <cstdio>
#include <cstdlib>
#include <type_traits>

#include <timecoin.hpp>

using namespace timecoin;

#define CHECK(condition)                                                                       \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            std::printf("line %d: %s\n", __LINE__, #condition);                                \
            std::exit(EXIT_FAILURE);                                                           \
        }                                                                                      \
    } while (0)

namespace {

constexpr Milliseconds patience{10000};

template <typename T> constexpr bool is_move_only() {
    return std::is_nothrow_move_constructible_v<T> && !std::is_copy_constructible_v<T>;
}
static_assert(is_move_only<Node>() && is_move_only<Wallet>() && is_move_only<Draft>());
static_assert(is_move_only<Transaction>() && is_move_only<Block>() && is_move_only<Config>());
static_assert(is_move_only<Subscription>() && is_move_only<Event>());

template <typename Call> tc_status_t code_of(Call call) {
    try {
        call();
    } catch (const Error &error) {
        CHECK(std::string(error.what()).size() > 0);
        CHECK(error.name() == std::string(tc_error_name(error.code())));
        return error.code();
    }
    return TC_OK;
}

void values() {
    CHECK(Amount::parse("1.5").units() == 150000000 && Amount(150000000).text() == "1.5 TIME");
    CHECK(code_of([] { Amount::parse("much"); }) == TC_ERROR_INVALID_AMOUNT);
    const Secret secret = Secret::from_seed("alice");
    const Address address = Address::of(secret.public_key());
    const std::string text = address.text(TC_NETWORK_REGTEST);
    CHECK(Address::parse(text, TC_NETWORK_REGTEST) == address);
    CHECK(code_of([&] { Address::parse(text, TC_NETWORK_MAINNET); }) == TC_ERROR_INVALID_ADDRESS);
    const Txid txid = Txid::parse(std::string(64, 'a'));
    CHECK(txid.text() == std::string(64, 'a') && txid != Txid());
    CHECK(Secret::generate().public_key() != secret.public_key());
}

void moves() {
    Node node(Config::regtest());
    Node other = std::move(node);
    CHECK(code_of([&] { node.tip(); }) == TC_ERROR_INVALID_HANDLE);
    CHECK(other.tip().height == 0);
    other = Node(Config::regtest());
    CHECK(code_of([&] { other.produce_block(patience); }) == TC_ERROR_NOT_RUNNING);
}

void pays() {
    const Config config = Config::regtest(TC_BLOCK_PRODUCTION_ON_DEMAND);
    CHECK(Config::from_genesis(config.genesis()).genesis() == config.genesis());
    CHECK(code_of([] { Config::regtest().set("colour", "blue"); }) == TC_ERROR_INVALID_CONFIG);
    Node node(config);
    Subscription events = node.subscribe();
    node.start();
    CHECK(events.readiness_fd() >= 0);
    CHECK(node.status().state == TC_NODE_STATE_RUNNING && node.status().quorum == 1);

    Wallet alice = Wallet::from_seed(node, "regtest wallet");
    Wallet bob = Wallet::generate(node);
    const Address second = bob.new_address();
    CHECK(bob.addresses().size() == 2 && bob.addresses()[1] == second);
    const Secret exported = bob.export_secret(second);
    CHECK(Wallet::import(node, exported).address() == second);
    CHECK(alice.add_key(Secret::from_seed("more")) != alice.address());

    const std::vector<Output> payments = {{bob.address(), Amount(1000)}, {second, Amount(2000)}};
    const Amount fee = alice.estimate_fee(payments);
    Draft draft = alice.build(payments);
    CHECK(draft.fee() == fee && draft.transaction().output(1).amount == Amount(2000));
    const ByteVector bytes = draft.transaction().to_bytes();
    const Payment payment = std::move(draft).submit();
    CHECK(payment.fee == fee && node.submit_transaction(bytes) == payment.txid);
    CHECK(node.submit_transaction(Transaction::from_bytes(bytes)) == payment.txid);
    CHECK(node.wait_finalized(payment.txid, patience).status >= TC_TRANSACTION_FINALIZED);
    const Txid proved = verify_finality_proof(node.finality_proof(payment.txid),
                                              node.status().chain_id, node.masternode_set());
    CHECK(proved == payment.txid);
    const auto other_chain = [&] {
        const ByteVector proof = node.finality_proof(payment.txid);
        verify_finality_proof(proof, ChainId(), node.masternode_set());
    };
    CHECK(code_of(other_chain) == TC_ERROR_PROOF_BAD_SIGNATURE);

    CHECK(node.produce_block(patience) == 1 && node.wait_confirmed(payment.txid, patience) == 1);
    CHECK(node.wait_height(1, patience) == 1);
    CHECK(node.transaction_status(payment.txid)->height == 1 && !node.transaction_status(Txid()));
    CHECK(node.transaction(payment.txid)->txid() == payment.txid);
    const std::optional<Block> block = node.block(1);
    CHECK(block && BlockHash(block->info().hash) == BlockHash(node.tip().hash));
    CHECK(node.block(BlockHash(block->info().hash)) && !node.block(2));
    CHECK(block->info().n_transactions == 2 && block->to_bytes().size() == block->info().bytes);
    CHECK(block->transaction(0).info().kind == TC_TX_KIND_COINBASE);
    CHECK(!block->certificate().empty());

    // Two outputs in pages of one.
    const std::vector<tc_utxo_t> first = node.utxos_of(second, nullptr, 1);
    CHECK(first.size() == 1 && first[0].value == 2000 && first[0].has_height == 1);
    CHECK(node.utxos_of(second, &first[0].outpoint, 1).empty());
    CHECK(node.utxo(first[0].outpoint)->state == TC_OUTPOINT_UNSPENT);
    CHECK(bob.balance().spendable == 3000 && node.balance(second).confirmed == 2000);

    // A transfer of one's own, signed by the wallet.
    const tc_tx_source_t source = {first[0].outpoint, exported.public_key().value};
    const tc_tx_output_t output = {1000, alice.address().value, 0};
    tc_transaction_t handle;
    CHECK(tc_transaction_transfer(&source, 1, &output, 1, &handle) == TC_OK);
    Transaction transfer(handle);
    CHECK(code_of([&] { node.submit_transaction(transfer); }) == TC_ERROR_TRANSACTION_BAD_SIGNATURE);
    CHECK(alice.sign(transfer) == 0 && bob.sign(transfer) == 1);
    CHECK(node.submit_transaction(transfer) == transfer.txid());

    std::uint64_t sequence = 0;
    bool saw_block = false;
    while (std::optional<Event> event = events.next_event(Milliseconds(0))) {
        CHECK(event->info().sequence > sequence);
        sequence = event->info().sequence;
        if (event->info().kind == TC_EVENT_BLOCK_CONFIRMED) {
            saw_block = event->name() == "block_confirmed" && event->block().info().height == 1;
        }
    }
    CHECK(saw_block);
    CHECK(node.metrics_text().find("timecoin_consensus_height 1\n") != std::string::npos);
    CHECK(node.masternodes().find("consensus_key") != std::string::npos);
    CHECK(node.mempool_info().transactions_max == 10000);
    node.close(patience);
    CHECK(node.status().state == TC_NODE_STATE_CLOSED);
}

// A signer of the host: signs, throws, is let go of.
void signs() {
    Node node(Config::regtest(TC_BLOCK_PRODUCTION_ON_DEMAND));
    node.start();
    const Secret secret = Secret::from_seed("regtest wallet");
    auto n_signed = std::make_shared<int>(0);
    {
        Wallet wallet = Wallet::with_signer(node, secret.public_key(), [=](const auto *hash) {
            if (++*n_signed > 1) {
                throw std::runtime_error("once only");
            }
            return secret.sign(hash, 32);
        });
        const Payment payment = wallet.pay(Address(), Amount(5000));
        node.wait_finalized(payment.txid, patience);
        CHECK(code_of([&] { wallet.pay(Address(), Amount(5000)); }) == TC_ERROR_INVALID_ARGUMENT);
        CHECK(*n_signed == 2 && n_signed.use_count() == 2);
    }
    CHECK(n_signed.use_count() == 1);
}

} // namespace

int main() {
    values();
    moves();
    pays();
    signs();
    std::puts("everything works");
    return EXIT_SUCCESS;
}
