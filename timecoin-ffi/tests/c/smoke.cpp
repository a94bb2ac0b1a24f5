// Every class of timecoin.hpp does its work once, and its mistakes are exceptions.

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <thread>
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
static_assert(is_move_only<Simulation>() && is_move_only<SimSnapshot>());
static_assert(is_move_only<LocalNet>() && is_move_only<LocalNetEvents>());

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
    CHECK(code_of([] { Amount::parse(std::string("1\0", 2)); }) == TC_ERROR_INVALID_ARGUMENT);
    const Settings cut = {{"latency", std::string("1ms\0s", 5)}};
    CHECK(code_of([&] { Simulation(4, 7, cut); }) == TC_ERROR_INVALID_ARGUMENT);
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
        const Event moved = std::move(*event);
        CHECK(code_of([&] { event->info(); }) == TC_ERROR_INVALID_HANDLE);
        if (moved.info().kind == TC_EVENT_BLOCK_CONFIRMED) {
            saw_block = moved.name() == "block_confirmed" && moved.block().info().height == 1;
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
        bool is_thrown = false;
        try {
            wallet.pay(Address(), Amount(5000));
        } catch (const std::runtime_error &error) {
            is_thrown = error.what() == std::string("once only");
        }
        CHECK(is_thrown && wallet.balance().spendable > 0);
        CHECK(*n_signed == 2 && n_signed.use_count() == 2);
    }
    CHECK(n_signed.use_count() == 1);
}

// A network in virtual time: every verb once.
void simulates() {
    Simulation sim(4, 7, {{"latency", "20ms..80ms"}, {"events_max", "1000"}, {"journal_lines", "5"}});
    const Address alice = sim.wallet("alice"), bob = sim.wallet("bob");
    CHECK(alice != bob && sim.balance("bob") == Amount::parse("160000"));
    const Payment payment = sim.pay("alice", bob, Amount::parse("5"));
    CHECK(!sim.finality_latency(payment.txid));
    CHECK(code_of([&] { sim.run_until_finalized(payment.txid, Milliseconds(1)); })
          == TC_ERROR_NOT_REACHED);
    sim.run_until_finalized(payment.txid, patience);
    CHECK(sim.finality_latency(payment.txid)->count() > 40000);
    CHECK(sim.transaction_status(3, payment.txid)->status == TC_TRANSACTION_FINALIZED);
    CHECK(!sim.transaction_status(3, Txid()) && !sim.block(1));
    sim.run_until_confirmed(payment.txid, patience);
    CHECK(sim.block(1)->info().height == 1 && sim.balance("bob") == Amount::parse("160005"));

    const SimSnapshot before = sim.snapshot();
    const std::uint64_t leader = sim.proposer();
    sim.crash(leader);
    CHECK(sim.node_status(leader).state == TC_SIM_NODE_STATE_DOWN);
    const Payment other = sim.pay_at((leader + 1) % 4, "alice", bob, Amount::parse("1"));
    sim.run_until_finalized(other.txid, patience);
    sim.run_until_height(sim.metrics().height_max + 2, Milliseconds(60000));
    CHECK(sim.metrics().view_changes > 0);
    sim.restart(leader);
    sim.pause(leader);
    CHECK(sim.node_status(leader).state == TC_SIM_NODE_STATE_PAUSED);
    sim.resume(leader);
    {
        const Partition partition(sim, {0, 0, 1, 1});
        sim.advance(Milliseconds(1000));
    }
    {
        Simulation first(4, 7), second(4, 7);
        {
            const Partition partition(first, {0, 0, 1, 1});
            second = std::move(first);
        }
        second.run_until_height(1, Milliseconds(60000));
    }
    sim.partition({0, 0, 1, 1});
    sim.heal();
    sim.set_links({{"latency", "5ms"}});
    sim.set_link(0, 1, {{"loss_ppm", "1000"}});
    sim.inject("clock-jump 1 500ms");
    sim.inject("slow 2 10ms", Milliseconds(100));
    CHECK(strategies().size() > 10);
    sim.set_byzantine(3, strategies().front());
    CHECK(sim.node_status(3).is_byzantine == 1 && sim.step());

    Simulation copy = sim.fork();
    CHECK(copy.digest() == sim.digest());
    copy.advance(Milliseconds(1000));
    CHECK(copy.digest() != sim.digest());
    sim.revert(before);
    CHECK(sim.digest() == before.digest() && !sim.finality_latency(other.txid));
    CHECK(Digest::parse(sim.digest().text()) == sim.digest());

    std::uint64_t after = 0;
    std::size_t n_blocks = 0;
    while (const std::optional<NetworkEvent> told = sim.next_event(after)) {
        CHECK(told->sequence > after && told->node < 4 && told->at.count() >= 0);
        after = told->sequence;
        n_blocks += told->event.info().kind == TC_EVENT_BLOCK_CONFIRMED ? 1 : 0;
    }
    CHECK(n_blocks == 4 && !sim.journal().empty());
    CHECK(code_of([] { Simulation(4, 7, {{"colour", "blue"}}); }) == TC_ERROR_INVALID_CONFIG);
    CHECK(code_of([&] { sim.revert(Simulation(4, 7).snapshot()); }) == TC_ERROR_INVALID_ARGUMENT);
}

// More Byzantine masternodes than four can bear.
void breaks() {
    Simulation sim(4, 0, {{"replay", "that.cpp"}, {"payments_per_kilosecond", "1000"}});
    sim.set_byzantine(2, "twins");
    sim.set_byzantine(3, "twins");
    sim.partition({0, 1, 0, 0, 1, 1});
    for (int again = 0; again < 2; again++) {
        try {
            sim.advance(Milliseconds(60000));
            CHECK(!"an invariant is broken");
        } catch (const InvariantError &error) {
            CHECK(error.code() == TC_ERROR_INVARIANT_BROKEN && error.check()[0] == 'I');
            CHECK(error.seed() == 0 && error.step() > 0 && error.at().count() > 0);
            CHECK(error.replay() == "that.cpp" && !error.message().empty());
        }
    }
}

// A net of real nodes: every verb once.
void connects() {
    LocalNet net(4, 7, {{"block_interval", "200ms"}, {"round_timeout", "1s"}});
    const Milliseconds minute(60000);
    LocalNetEvents events = net.subscribe();
    const Address alice = net.wallet("alice"), bob = net.wallet("bob");
    CHECK(alice != bob && net.balance("bob") == Amount::parse("160000"));
    const Payment payment = net.pay("alice", bob, Amount::parse("5"));
    net.run_until_finalized(payment.txid, minute);
    net.run_until_confirmed(payment.txid, minute);
    CHECK(net.balance("bob") == Amount::parse("160005"));
    std::array<std::uint64_t, 4> heights{};
    while (std::find(heights.begin(), heights.end(), 0) != heights.end()) {
        const auto told = events.next_event(minute);
        CHECK(told && told->node < 4);
        if (told->event.info().kind == TC_EVENT_BLOCK_CONFIRMED) {
            heights[told->node] = told->event.block().info().height;
        }
    }
    const std::uint64_t leader = net.proposer();
    net.crash(leader);
    CHECK(net.node_state(leader) == TC_SIM_NODE_STATE_DOWN);
    const Payment other = net.pay_at((leader + 1) % 4, "alice", bob, Amount::parse("1"));
    net.run_until_finalized(other.txid, minute);
    net.restart(leader);
    net.partition({0, 0, 1, 1});
    net.heal();
    net.pause(1);
    net.resume(1);
    net.set_links({{"latency", "1ms"}});
    net.set_link(0, 1, {{"latency", "1ms..2ms"}});
    net.slow(2, Milliseconds(1));
    net.run_until_height(net.height() + 1, minute);
    net.set_byzantine(3, "withhold");
    CHECK(net.is_byzantine(3) && !net.is_byzantine(0));
    net.run_until_height(net.height() + 1, minute);
    {
        Node node = net.node(0);
        CHECK(node.tip().height >= 1 && node.transaction(payment.txid)->txid() == payment.txid);
    }
    CHECK(net.node_state(0) == TC_SIM_NODE_STATE_RUNNING);
    CHECK(code_of([&] { net.crash(4); }) == TC_ERROR_INVALID_ARGUMENT);
    CHECK(code_of([&] { net.run_until_height(999999, Milliseconds(1)); }) == TC_ERROR_TIMEOUT);
    net.close(minute);
    CHECK(code_of([&] { while (events.next_event(minute)) {} }) == TC_ERROR_CLOSED);
}

// A newcomer begins with the unspent outputs; what its callback throws comes out.
void begins_with_outputs(Node &node, const std::string &genesis) {
    node.produce_block(Milliseconds(60000));
    char name[] = "/tmp/timecoin-smoke-XXXXXX";
    CHECK(mkdtemp(name) != nullptr);
    Config config = Config::from_genesis(genesis);
    config.set("data_dir", name).set("peers", node.node_key()->text() + "@" + *node.listen_address());
    const auto stop = [](const tc_bootstrap_progress_t &) { return false; };
    CHECK(code_of([&] { Node::bootstrap(config, Milliseconds(60000), stop); })
          == TC_ERROR_INTERRUPTED);
    const auto fail = [](const tc_bootstrap_progress_t &) -> bool { throw std::out_of_range("no"); };
    bool is_thrown = false;
    try {
        Node::bootstrap(config, Milliseconds(60000), fail);
    } catch (const std::out_of_range &) {
        is_thrown = true;
    }
    CHECK(is_thrown);
    const tc_bootstrapped_t based = Node::bootstrap(config, Milliseconds(60000));
    CHECK(based.height >= 1 && based.n_outputs >= 2);
    Node newcomer(config);
    CHECK(newcomer.tip().height == based.height);
    CHECK(newcomer.balance(Address()).confirmed == node.balance(Address()).confirmed);
    newcomer.close(Milliseconds(60000));
    std::filesystem::remove_all(name);
}

// Four masternodes over sockets, and who is connected.
void talks() {
    std::vector<Secret> secrets;
    std::vector<PublicKey> keys;
    for (const char *seed : {"0", "1", "2", "3"}) {
        secrets.push_back(Secret::from_seed(seed));
        keys.push_back(secrets.back().public_key());
    }
    const Address alice = Address::of(Secret::from_seed("alice").public_key());
    const std::string genesis = Config::regtest_genesis(keys, {alice, alice});
    CHECK(code_of([&] { Config::regtest_genesis({}, {alice}); }) == TC_ERROR_INVALID_GENESIS);
    std::vector<Node> nodes;
    std::vector<Subscription> events;
    for (const Secret &secret : secrets) {
        Config config = Config::from_genesis(genesis);
        config.set_masternode_key(secret).set("listen", "127.0.0.1:0");
        Node node(config);
        events.push_back(node.subscribe());
        node.start();
        CHECK(node.node_key() == secret.public_key());
        for (const Node &other : nodes) {
            node.connect(other.node_key()->text() + "@" + *other.listen_address());
        }
        nodes.push_back(std::move(node));
    }
    Wallet wallet = Wallet::from_seed(nodes[3], "alice");
    const Payment payment = wallet.pay(Address(), Amount::parse("5"));
    for (const Node &node : nodes) {
        node.wait_finalized(payment.txid, Milliseconds(60000));
    }
    std::vector<Peer> peers;
    for (; peers.size() < 3; peers = nodes[0].peers()) {
        std::this_thread::sleep_for(Milliseconds(10));
    }
    for (bool is_told = false; !is_told;) {
        const std::optional<Event> event = events[0].next_event(Milliseconds(60000));
        CHECK(event);
        is_told = event->info().kind == TC_EVENT_PEER_CONNECTED;
        if (is_told) {
            CHECK(event->name() == "peer_connected" && event->info().is_inbound <= 1);
            CHECK(event->text().rfind("127.0.0.1:", 0) == 0);
            CHECK(PublicKey(event->info().peer_key) != keys[0]);
        }
    }
    CHECK(peers.size() == 3 && peers[0].key < peers[1].key && peers[1].key < peers[2].key);
    CHECK(peers[0].agent.rfind("timecoin", 0) == 0 && peers[0].info.is_masternode == 1);
    CHECK(peers[0].address.rfind("127.0.0.1:", 0) == 0 && peers[0].info.since_ms > 0);
    // Peers in pages of one.
    tc_peer_t page = detail::report<tc_peer_t>();
    std::size_t n = 0;
    CHECK(tc_node_peers(nodes[0].handle(), &peers[0].key.value, &page, 1, &n) == TC_OK);
    CHECK(n == 1 && peers[0].key < PublicKey(page.key));
    // Of two connections to one peer the later one gives way: for a moment there may be none.
    while (!nodes[0].disconnect(peers[0].key)) {
        std::this_thread::sleep_for(Milliseconds(10));
    }
    CHECK(!nodes[0].disconnect(PublicKey()));
    for (bool is_told = false; !is_told;) {
        const std::optional<Event> event = events[0].next_event(Milliseconds(60000));
        CHECK(event);
        is_told = event->info().kind == TC_EVENT_PEER_DISCONNECTED
                  && PublicKey(event->info().peer_key) == peers[0].key && !event->text().empty();
    }
    CHECK(code_of([&] { nodes[0].connect("nobody"); }) == TC_ERROR_INVALID_ARGUMENT);
    begins_with_outputs(nodes[0], genesis);
    for (Node &node : nodes) {
        node.close(Milliseconds(60000));
    }
}

// The same verbs over sockets.
void connects_over_tcp() {
    LocalNet net(4, 7, {{"transport", "tcp"}, {"block_interval", "200ms"}});
    const Payment payment = net.pay("alice", net.wallet("bob"), Amount::parse("5"));
    net.run_until_finalized(payment.txid, Milliseconds(60000));
    CHECK(net.node(0).listen_address() && net.node(0).peers().size() == 3);
    net.close(Milliseconds(60000));
}

} // namespace

int main() {
    values();
    moves();
    pays();
    signs();
    simulates();
    breaks();
    connects();
    talks();
    connects_over_tcp();
    std::puts("everything works");
    return EXIT_SUCCESS;
}
