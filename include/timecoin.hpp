/* TimeCoin for C++17: timecoin.h with owners, values and exceptions. Header only.
 *
 * Owners (Node, Wallet, Transaction, ...) free their handle when they go; they can be moved and
 * not copied. Using one that was moved from throws an Error with TC_ERROR_INVALID_HANDLE. Values
 * (Amount, Address, Txid, ...) are copied freely. What fails throws an Error, which has the number
 * and name of timecoin.h. Everything may be used on any thread, as in timecoin.h.
 */
#ifndef TIMECOIN_HPP
#define TIMECOIN_HPP

#include <timecoin.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace timecoin {

using Milliseconds = std::chrono::milliseconds;
using ByteVector = std::vector<std::uint8_t>;

/** Why a call did not do what was asked. */
class Error : public std::runtime_error {
  public:
    Error(tc_status_t code, const std::string &text) : std::runtime_error(text), code_(code) {}

    /** A TC_ERROR_ number. */
    tc_status_t code() const noexcept { return code_; }
    /** As "timeout". */
    const char *name() const noexcept { return tc_error_name(code_); }
    /** TC_CATEGORY_. */
    std::int32_t category() const noexcept { return tc_error_category(code_); }
    /** Whether the very same request may succeed later. */
    bool is_retryable() const noexcept { return tc_error_is_retryable(code_) != 0; }

  private:
    tc_status_t code_;
};

namespace detail {

/** The text that `write(buffer, bytes, required)` gives, of any length. */
template <typename Write> tc_status_t read_text(std::string &text, Write write) {
    std::size_t required = 128;
    tc_status_t status = TC_ERROR_BUFFER_TOO_SMALL;
    while (status == TC_ERROR_BUFFER_TOO_SMALL) {
        text.resize(required);
        status = write(text.data(), text.size(), &required);
    }
    text.resize(status == TC_OK ? required - 1 : 0);
    return status;
}

inline void check(tc_status_t status) {
    if (status == TC_OK) {
        return;
    }
    std::string text;
    read_text(text, tc_error_message);
    throw Error(status, text);
}

template <typename Write> std::string text_of(Write write) {
    std::string text;
    check(read_text(text, write));
    return text;
}

/** A text as C takes it, which ends at the first NUL: throws where that is not its end. */
inline const char *c_text(const std::string &text) {
    if (text.find('\0') != std::string::npos) {
        throw Error(TC_ERROR_INVALID_ARGUMENT, "a text with a NUL in it");
    }
    return text.c_str();
}

/** A report whose struct_size is set. */
template <typename T> T report() {
    T value{};
    value.struct_size = sizeof(T);
    return value;
}

/** At least 0; the longest that fits. */
inline std::uint64_t timeout(Milliseconds timeout) {
    return timeout.count() < 0 ? 0 : static_cast<std::uint64_t>(timeout.count());
}

/** Owns a handle. */
template <typename T, tc_status_t (*Free)(T)> class Handle {
  public:
    Handle() = default;
    explicit Handle(T handle) noexcept : handle_(handle) {}
    Handle(Handle &&other) noexcept : handle_(std::exchange(other.handle_, T{})) {}
    Handle &operator=(Handle &&other) noexcept {
        Handle(std::move(other)).swap(*this);
        return *this;
    }
    Handle(const Handle &) = delete;
    Handle &operator=(const Handle &) = delete;
    ~Handle() {
        if (handle_.id != 0) {
            Free(handle_);
        }
    }

    T get() const noexcept { return handle_; }
    /** Gives the handle away. */
    T release() noexcept { return std::exchange(handle_, T{}); }
    void swap(Handle &other) noexcept { std::swap(handle_, other.handle_); }

  private:
    T handle_{};
};

/** Copies owned bytes and frees them. */
inline ByteVector take_bytes(tc_bytes_t bytes) {
    Handle<tc_bytes_t, tc_bytes_free> owner(bytes);
    const std::uint8_t *data = nullptr;
    std::size_t length = 0;
    check(tc_bytes_view(bytes, &data, &length));
    return ByteVector(data, data + length);
}

inline std::string take_text(tc_bytes_t bytes) {
    const ByteVector text = take_bytes(bytes);
    return std::string(text.begin(), text.end());
}

/** 32 bytes with a text form of their own. */
template <typename T, tc_status_t (*FromText)(const char *, T *),
          tc_status_t (*ToText)(const T *, char *, std::size_t, std::size_t *)>
struct Hash {
    T value{};

    Hash() = default;
    Hash(const T &hash) : value(hash) {}
    /** Throws where the text is not 64 hexadecimal digits. */
    static Hash parse(const std::string &text) {
        Hash hash;
        check(FromText(detail::c_text(text), &hash.value));
        return hash;
    }
    std::string text() const {
        return text_of([this](char *buffer, std::size_t bytes, std::size_t *required) {
            return ToText(&value, buffer, bytes, required);
        });
    }
    friend bool operator==(const Hash &a, const Hash &b) {
        return std::memcmp(&a.value, &b.value, sizeof(T)) == 0;
    }
    friend bool operator!=(const Hash &a, const Hash &b) { return !(a == b); }
    friend bool operator<(const Hash &a, const Hash &b) {
        return std::memcmp(&a.value, &b.value, sizeof(T)) < 0;
    }
};

} // namespace detail

using Txid = detail::Hash<tc_txid_t, tc_txid_from_text, tc_txid_to_text>;
using BlockHash = detail::Hash<tc_block_hash_t, tc_block_hash_from_text, tc_block_hash_to_text>;
using ChainId = detail::Hash<tc_chain_id_t, tc_chain_id_from_text, tc_chain_id_to_text>;
using PublicKey = detail::Hash<tc_public_key_t, tc_public_key_from_text, tc_public_key_to_text>;
using Digest = detail::Hash<tc_digest_t, tc_digest_from_text, tc_digest_to_text>;

/** An amount of money. */
class Amount {
  public:
    constexpr Amount() = default;
    explicit constexpr Amount(std::uint64_t units) : units_(units) {}
    /** Reads "1.5", "1.5 TIME" or "150000000 units". */
    static Amount parse(const std::string &text) {
        std::uint64_t units = 0;
        detail::check(tc_amount_from_text(detail::c_text(text), &units));
        return Amount(units);
    }

    constexpr std::uint64_t units() const { return units_; }
    /** As "1.5 TIME". */
    std::string text() const {
        return detail::text_of([this](char *buffer, std::size_t bytes, std::size_t *required) {
            return tc_amount_to_text(units_, buffer, bytes, required);
        });
    }
    friend constexpr bool operator==(Amount a, Amount b) { return a.units_ == b.units_; }
    friend constexpr bool operator!=(Amount a, Amount b) { return a.units_ != b.units_; }
    friend constexpr bool operator<(Amount a, Amount b) { return a.units_ < b.units_; }

  private:
    std::uint64_t units_ = 0;
};

/** Who may spend an output. The text form names the network, a TC_NETWORK_, too. */
struct Address {
    tc_address_t value{};

    Address() = default;
    Address(const tc_address_t &address) : value(address) {}
    static Address parse(const std::string &text, std::int32_t network) {
        Address address;
        detail::check(tc_address_from_text(detail::c_text(text), network, &address.value));
        return address;
    }
    static Address of(const PublicKey &key) {
        Address address;
        detail::check(tc_address_of(&key.value, &address.value));
        return address;
    }
    std::string text(std::int32_t network) const {
        return detail::text_of([&](char *buffer, std::size_t bytes, std::size_t *required) {
            return tc_address_to_text(&value, network, buffer, bytes, required);
        });
    }
    friend bool operator==(const Address &a, const Address &b) {
        return std::memcmp(&a.value, &b.value, sizeof a.value) == 0;
    }
    friend bool operator!=(const Address &a, const Address &b) { return !(a == b); }
};

/** Somebody to pay, and how much. */
struct Output {
    Address address;
    Amount amount;
};

/** A secret key; wiped when it goes. */
class Secret {
  public:
    static Secret generate() { return make(tc_secret_generate); }
    static Secret from_seed(std::string_view seed) {
        return make([&](tc_secret_t *secret) {
            const auto *data = reinterpret_cast<const std::uint8_t *>(seed.data());
            return tc_secret_from_seed(data, seed.size(), secret);
        });
    }
    Secret(const Secret &) = default;
    Secret &operator=(const Secret &) = default;
    ~Secret() { tc_secret_wipe(&value_); }

    const tc_secret_t &value() const { return value_; }
    PublicKey public_key() const {
        PublicKey key;
        detail::check(tc_secret_public_key(&value_, &key.value));
        return key;
    }
    tc_signature_t sign(const std::uint8_t *message, std::size_t bytes) const {
        tc_signature_t signature;
        detail::check(tc_secret_sign(&value_, message, bytes, &signature));
        return signature;
    }

  private:
    friend class Wallet;
    Secret() = default;
    template <typename Fill> static Secret make(Fill fill) {
        Secret secret;
        detail::check(fill(&secret.value_));
        return secret;
    }
    tc_secret_t value_{};
};

class Node;

/** A transaction. */
class Transaction {
  public:
    explicit Transaction(tc_transaction_t handle) : handle_(handle) {}
    static Transaction from_bytes(const ByteVector &bytes) {
        tc_transaction_t handle;
        detail::check(tc_transaction_from_bytes(bytes.data(), bytes.size(), &handle));
        return Transaction(handle);
    }

    tc_transaction_t handle() const { return handle_.get(); }
    tc_transaction_info_t info() const {
        auto info = detail::report<tc_transaction_info_t>();
        detail::check(tc_transaction_info(handle(), &info));
        return info;
    }
    Txid txid() const { return info().txid; }
    tc_tx_source_t input(std::size_t index) const {
        tc_tx_source_t input;
        detail::check(tc_transaction_input(handle(), index, &input));
        return input;
    }
    Output output(std::size_t index) const {
        tc_tx_output_t output;
        detail::check(tc_transaction_output(handle(), index, &output));
        return {output.address, Amount(output.value)};
    }
    ByteVector to_bytes() const {
        tc_bytes_t bytes;
        detail::check(tc_transaction_to_bytes(handle(), &bytes));
        return detail::take_bytes(bytes);
    }

  private:
    detail::Handle<tc_transaction_t, tc_transaction_free> handle_;
};

/** A decided block. */
class Block {
  public:
    explicit Block(tc_block_t handle) : handle_(handle) {}

    tc_block_info_t info() const {
        auto info = detail::report<tc_block_info_t>();
        detail::check(tc_block_info(handle_.get(), &info));
        return info;
    }
    Transaction transaction(std::size_t index) const {
        tc_transaction_t transaction;
        detail::check(tc_block_transaction(handle_.get(), index, &transaction));
        return Transaction(transaction);
    }
    ByteVector to_bytes() const { return bytes(tc_block_to_bytes); }
    ByteVector certificate() const { return bytes(tc_block_certificate); }

  private:
    ByteVector bytes(tc_status_t (*read)(tc_block_t, tc_bytes_t *)) const {
        tc_bytes_t bytes;
        detail::check(read(handle_.get(), &bytes));
        return detail::take_bytes(bytes);
    }
    detail::Handle<tc_block_t, tc_block_free> handle_;
};

/** Something that happened in a node. */
class Event {
  public:
    explicit Event(tc_event_t handle) : handle_(handle), info_(read(handle)) {}

    /** Which fields count depends on kind, a TC_EVENT_. */
    const tc_event_info_t &info() const {
        if (handle_.get().id == 0) {
            throw Error(TC_ERROR_INVALID_HANDLE, "the event was moved from");
        }
        return info_;
    }
    std::string name() const { return text_with(tc_event_name); }
    std::string text() const { return text_with(tc_event_text); }
    Block block() const {
        tc_block_t block;
        detail::check(tc_event_block(handle_.get(), &block));
        return Block(block);
    }

  private:
    static tc_event_info_t read(tc_event_t event) {
        auto info = detail::report<tc_event_info_t>();
        detail::check(tc_event_info(event, &info));
        return info;
    }
    template <typename Write> std::string text_with(Write write) const {
        return detail::text_of([&](char *buffer, std::size_t bytes, std::size_t *required) {
            return write(handle_.get(), buffer, bytes, required);
        });
    }
    detail::Handle<tc_event_t, tc_event_free> handle_;
    tc_event_info_t info_;
};

/** A receiver of events. */
class Subscription {
  public:
    explicit Subscription(tc_subscription_t handle) : handle_(handle) {}

    /** The next event; nothing where none comes in time. Throws TC_ERROR_CLOSED after the last. */
    std::optional<Event> next_event(Milliseconds timeout) {
        tc_event_t event;
        const auto ms = detail::timeout(timeout);
        const tc_status_t status = tc_subscription_next_event(handle_.get(), ms, &event);
        if (status == TC_ERROR_TIMEOUT) {
            return std::nullopt;
        }
        detail::check(status);
        return Event(event);
    }
    /** Readable while events wait; it belongs to the subscription. */
    int readiness_fd() const {
        std::int32_t fd = -1;
        detail::check(tc_subscription_readiness_fd(handle_.get(), &fd));
        return fd;
    }

  private:
    detail::Handle<tc_subscription_t, tc_subscription_free> handle_;
};

/** A peer that is connected. */
struct Peer {
    /** Its node key, proved. */
    PublicKey key;
    /** The other end of the socket, as "127.0.0.1:7000". */
    std::string address;
    /** What program it says it is. */
    std::string agent;
    /** Everything else: who dialled, heights, times, counts. */
    tc_peer_t info;
};

/** What a node is opened with. */
class Config {
  public:
    /** block_production: TC_BLOCK_PRODUCTION_. */
    static Config regtest(std::int32_t block_production = TC_BLOCK_PRODUCTION_INTERVAL) {
        tc_config_t handle;
        detail::check(tc_abi_check(TC_ABI_VERSION));
        detail::check(tc_config_new_regtest(block_production, &handle));
        return Config(handle);
    }
    static Config from_genesis(const std::string &json) {
        tc_config_t handle;
        detail::check(tc_abi_check(TC_ABI_VERSION));
        detail::check(tc_config_from_genesis(detail::c_text(json), &handle));
        return Config(handle);
    }

    /** The genesis of a regtest chain with these masternodes, for from_genesis. */
    static std::string regtest_genesis(const std::vector<PublicKey> &masternodes,
                                       const std::vector<Address> &wallets) {
        std::vector<tc_public_key_t> keys;
        std::vector<tc_address_t> addresses;
        for (const PublicKey &key : masternodes) {
            keys.push_back(key.value);
        }
        for (const Address &address : wallets) {
            addresses.push_back(address.value);
        }
        tc_bytes_t json;
        detail::check(tc_config_regtest_genesis(keys.data(), keys.size(), addresses.data(),
                                                addresses.size(), &json));
        return detail::take_text(json);
    }

    tc_config_t handle() const { return handle_.get(); }
    /** Sets a field by its name; the fields are listed at tc_config_set. */
    Config &set(const std::string &name, const std::string &text) {
        detail::check(tc_config_set(handle(), detail::c_text(name), detail::c_text(text)));
        return *this;
    }
    Config &set_masternode_key(const Secret &secret) {
        detail::check(tc_config_set_masternode_key(handle(), &secret.value()));
        return *this;
    }
    std::string genesis() const {
        tc_bytes_t json;
        detail::check(tc_config_genesis(handle(), &json));
        return detail::take_text(json);
    }

  private:
    explicit Config(tc_config_t handle) : handle_(handle) {}
    detail::Handle<tc_config_t, tc_config_free> handle_;
};

/** A node in this process. Closed when it goes, unless a Wallet or a Draft of it is still there or
 * another thread waits for something of it; close it before to be sure that it is. */
class Node {
  public:
    /** Told how far a bootstrap is; false ends it, and so does what it throws. */
    using OnBootstrap = std::function<bool(const tc_bootstrap_progress_t &)>;

    /** Fills an empty data directory with the unspent outputs of the chain: tc_node_bootstrap. */
    static tc_bootstrapped_t bootstrap(const Config &config, Milliseconds timeout,
                                       OnBootstrap on_progress = nullptr) {
        auto bootstrapped = detail::report<tc_bootstrapped_t>();
        Progress progress{std::move(on_progress), nullptr};
        const auto status = tc_node_bootstrap(config.handle(), detail::timeout(timeout),
                                              progress.call ? tell : nullptr, &progress,
                                              &bootstrapped);
        if (progress.thrown) {
            std::rethrow_exception(progress.thrown);
        }
        detail::check(status);
        return bootstrapped;
    }

    explicit Node(const Config &config) {
        tc_node_t handle;
        detail::check(tc_node_open(config.handle(), &handle));
        handle_ = Owner(handle);
    }
    explicit Node(tc_node_t handle) : handle_(handle) {}

    tc_node_t handle() const { return handle_.get(); }
    void start() { detail::check(tc_node_start(handle())); }
    void close(Milliseconds timeout) {
        detail::check(tc_node_close(handle(), detail::timeout(timeout)));
    }
    tc_node_status_t status() const { return read<tc_node_status_t>(tc_node_status); }
    tc_tip_t tip() const { return read<tc_tip_t>(tc_node_tip); }
    tc_mempool_info_t mempool_info() const { return read<tc_mempool_info_t>(tc_node_mempool_info); }
    std::string metrics_text() const { return detail::take_text(bytes(tc_node_metrics_text)); }
    std::string masternodes() const { return detail::take_text(bytes(tc_node_masternodes)); }
    /** Where it listens, as "127.0.0.1:7000"; nothing where it does not. */
    std::optional<std::string> listen_address() const {
        std::string text;
        const auto write = [&](char *buffer, std::size_t bytes, std::size_t *required) {
            return tc_node_listen_address(handle(), buffer, bytes, required);
        };
        const auto status = detail::read_text(text, write);
        return is_found(status) ? std::optional(text) : std::nullopt;
    }
    /** By which peers know it; nothing where it has no network. */
    std::optional<PublicKey> node_key() const {
        PublicKey key;
        const auto status = tc_node_node_key(handle(), &key.value);
        return is_found(status) ? std::optional(key) : std::nullopt;
    }
    /** The peers that are connected, ascending by key. */
    std::vector<Peer> peers() const {
        std::vector<Peer> peers;
        std::array<tc_peer_t, 16> page{};
        page[0].struct_size = sizeof(tc_peer_t);
        std::size_t n = page.size();
        while (n == page.size()) {
            const auto *after = peers.empty() ? nullptr : &peers.back().key.value;
            detail::check(tc_node_peers(handle(), after, page.data(), page.size(), &n));
            for (std::size_t i = 0; i < n; i++) {
                peers.push_back({page[i].key, page[i].address, page[i].agent, page[i]});
            }
        }
        return peers;
    }
    /** Dials "key@host:port", now and whenever the connection ends. */
    void connect(const std::string &peer) {
        detail::check(tc_node_connect(handle(), detail::c_text(peer)));
    }
    /** Whether there was a connection. It may come again. */
    bool disconnect(const PublicKey &key) {
        std::uint8_t was_connected = 0;
        detail::check(tc_node_disconnect(handle(), &key.value, &was_connected));
        return was_connected != 0;
    }
    ByteVector masternode_set() const { return detail::take_bytes(bytes(tc_node_masternode_set)); }

    Txid submit_transaction(const ByteVector &transaction) {
        Txid txid;
        const std::size_t n = transaction.size();
        detail::check(tc_node_submit_transaction(handle(), transaction.data(), n, &txid.value));
        return txid;
    }
    Txid submit_transaction(const Transaction &transaction) {
        Txid txid;
        detail::check(tc_transaction_submit(transaction.handle(), handle(), &txid.value));
        return txid;
    }
    /** Nothing where it is not known here. */
    std::optional<tc_transaction_status_t> transaction_status(const Txid &txid) const {
        return found(tc_node_transaction_status, &txid.value);
    }
    std::optional<tc_utxo_t> utxo(const tc_outpoint_t &outpoint) const {
        return found(tc_node_utxo, &outpoint);
    }
    std::optional<Transaction> transaction(const Txid &txid) const {
        tc_transaction_t transaction;
        const auto status = tc_node_transaction(handle(), &txid.value, &transaction, nullptr);
        return is_found(status) ? std::optional(Transaction(transaction)) : std::nullopt;
    }
    std::optional<Block> block(std::uint64_t height) const {
        tc_block_t block;
        const auto status = tc_node_block_at(handle(), height, &block);
        return is_found(status) ? std::optional(Block(block)) : std::nullopt;
    }
    std::optional<Block> block(const BlockHash &hash) const {
        tc_block_t block;
        const auto status = tc_node_block_by_hash(handle(), &hash.value, &block);
        return is_found(status) ? std::optional(Block(block)) : std::nullopt;
    }
    /** A page of an address' outputs after an outpoint; an empty one ends them. */
    std::vector<tc_utxo_t> utxos_of(const Address &address, const tc_outpoint_t *after = nullptr,
                                    std::size_t limit = 1000) const {
        std::vector<tc_utxo_t> utxos(std::max<std::size_t>(limit, 1));
        utxos[0].struct_size = sizeof(tc_utxo_t);
        std::size_t n = 0;
        detail::check(
            tc_node_utxos_of(handle(), &address.value, after, utxos.data(), limit, &n));
        utxos.resize(n);
        return utxos;
    }
    tc_balance_t balance(const Address &address) const {
        auto balance = detail::report<tc_balance_t>();
        detail::check(tc_node_balance(handle(), &address.value, &balance));
        return balance;
    }

    tc_transaction_status_t wait_finalized(const Txid &txid, Milliseconds timeout) const {
        auto status = detail::report<tc_transaction_status_t>();
        const auto ms = detail::timeout(timeout);
        detail::check(tc_node_wait_finalized(handle(), &txid.value, ms, &status));
        return status;
    }
    std::uint64_t wait_confirmed(const Txid &txid, Milliseconds timeout) const {
        std::uint64_t height = 0;
        const auto ms = detail::timeout(timeout);
        detail::check(tc_node_wait_confirmed(handle(), &txid.value, ms, &height));
        return height;
    }
    std::uint64_t wait_height(std::uint64_t at_least, Milliseconds timeout) const {
        std::uint64_t height = 0;
        detail::check(tc_node_wait_height(handle(), at_least, detail::timeout(timeout), &height));
        return height;
    }
    std::uint64_t produce_block(Milliseconds timeout) {
        std::uint64_t height = 0;
        detail::check(tc_node_produce_block(handle(), detail::timeout(timeout), &height));
        return height;
    }
    ByteVector finality_proof(const Txid &txid) const {
        tc_bytes_t proof;
        detail::check(tc_node_finality_proof(handle(), &txid.value, &proof));
        return detail::take_bytes(proof);
    }
    Subscription subscribe() const {
        tc_subscription_t subscription;
        detail::check(tc_node_subscribe(handle(), &subscription));
        return Subscription(subscription);
    }

  private:
    struct Progress {
        OnBootstrap call;
        std::exception_ptr thrown;
    };
    static std::uint8_t tell(void *user, const tc_bootstrap_progress_t *progress) {
        auto &own = *static_cast<Progress *>(user);
        try {
            return own.call(*progress) ? 1 : 0;
        } catch (...) {
            own.thrown = std::current_exception();
            return 0;
        }
    }

    using Owner = detail::Handle<tc_node_t, tc_node_free>;

    template <typename T> T read(tc_status_t (*get)(tc_node_t, T *)) const {
        auto value = detail::report<T>();
        detail::check(get(handle(), &value));
        return value;
    }
    template <typename Key, typename T>
    std::optional<T> found(tc_status_t (*get)(tc_node_t, const Key *, T *), const Key *key) const {
        auto value = detail::report<T>();
        return is_found(get(handle(), key, &value)) ? std::optional(value) : std::nullopt;
    }
    static bool is_found(tc_status_t status) {
        if (status != TC_ERROR_NOT_FOUND) {
            detail::check(status);
        }
        return status == TC_OK;
    }
    tc_bytes_t bytes(tc_status_t (*get)(tc_node_t, tc_bytes_t *)) const {
        tc_bytes_t owned;
        detail::check(get(handle(), &owned));
        return owned;
    }
    Owner handle_;
};

/** Checks the proof that a transaction is final, and tells which. Throws where it does not hold. */
inline Txid verify_finality_proof(const ByteVector &proof, const ChainId &chain_id,
                                  const ByteVector &masternode_set) {
    Txid txid;
    detail::check(tc_verify_finality_proof(proof.data(), proof.size(), &chain_id.value,
                                           masternode_set.data(), masternode_set.size(),
                                           &txid.value));
    return txid;
}

/** A payment that the node took. */
struct Payment {
    Txid txid;
    Amount fee;
};

/** A signed payment that is not submitted. Its coins are free again when it goes. */
class Draft {
  public:
    explicit Draft(tc_draft_t handle) : handle_(handle) {}

    Amount fee() const {
        std::uint64_t fee = 0;
        detail::check(tc_draft_fee(handle_.get(), &fee));
        return Amount(fee);
    }
    Transaction transaction() const {
        tc_transaction_t transaction;
        detail::check(tc_draft_transaction(handle_.get(), &transaction));
        return Transaction(transaction);
    }
    /** Ends the draft, whether it is admitted or refused: std::move(draft).submit(). */
    Payment submit() && {
        auto payment = detail::report<tc_payment_t>();
        detail::check(tc_draft_submit(handle_.release(), &payment));
        return {payment.txid, Amount(payment.fee)};
    }

  private:
    detail::Handle<tc_draft_t, tc_draft_free> handle_;
};

/** Keys, and the coins that they own on the chain of one node. */
class Wallet {
  public:
    /** Signs 32 bytes, on the thread of the call that pays, builds or signs. What it throws fails
     * that call and comes out of it. */
    using Sign = std::function<tc_signature_t(const std::uint8_t *hash)>;

    static Wallet generate(const Node &node) {
        return make([&](tc_wallet_t *wallet) { return tc_wallet_generate(node.handle(), wallet); });
    }
    static Wallet from_seed(const Node &node, std::string_view seed) {
        return make([&](tc_wallet_t *wallet) {
            const auto *data = reinterpret_cast<const std::uint8_t *>(seed.data());
            return tc_wallet_from_seed(node.handle(), data, seed.size(), wallet);
        });
    }
    static Wallet import(const Node &node, const Secret &secret) {
        return make([&](tc_wallet_t *wallet) {
            return tc_wallet_import(node.handle(), &secret.value(), wallet);
        });
    }
    /** A wallet whose signatures the host makes. */
    static Wallet with_signer(const Node &node, const PublicKey &key, Sign sign) {
        auto user = std::make_unique<Sign>(std::move(sign));
        Wallet wallet = make([&](tc_wallet_t *out) {
            return tc_wallet_with_signer(node.handle(), &key.value, call, release, user.get(), out);
        });
        user.release();
        return wallet;
    }

    tc_wallet_t handle() const { return handle_.get(); }
    Address address() const {
        Address address;
        detail::check(tc_wallet_address(handle(), &address.value));
        return address;
    }
    std::vector<Address> addresses() const {
        std::vector<tc_address_t> found(8);
        std::size_t n = 0;
        auto read = [&] { return tc_wallet_addresses(handle(), found.data(), found.size(), &n); };
        tc_status_t status = read();
        while (status == TC_ERROR_BUFFER_TOO_SMALL) {
            found.resize(n);
            status = read();
        }
        detail::check(status);
        return std::vector<Address>(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(n));
    }
    Address new_address() {
        Address address;
        detail::check(tc_wallet_new_address(handle(), &address.value));
        return address;
    }
    Address add_key(const Secret &secret) {
        Address address;
        detail::check(tc_wallet_add_key(handle(), &secret.value(), &address.value));
        return address;
    }
    Secret export_secret(const Address &address) const {
        return Secret::make([&](tc_secret_t *secret) {
            return tc_wallet_export(handle(), &address.value, secret);
        });
    }
    tc_balance_t balance() const {
        auto balance = detail::report<tc_balance_t>();
        detail::check(tc_wallet_balance(handle(), &balance));
        return balance;
    }
    Payment pay(const Address &address, Amount amount) {
        auto payment = detail::report<tc_payment_t>();
        const std::uint64_t units = amount.units();
        check([&] { return tc_wallet_pay(handle(), &address.value, units, &payment); });
        return {payment.txid, Amount(payment.fee)};
    }
    Payment pay_many(const std::vector<Output> &payments) {
        const auto outputs = plain(payments);
        auto payment = detail::report<tc_payment_t>();
        check([&] {
            return tc_wallet_pay_many(handle(), outputs.data(), outputs.size(), &payment);
        });
        return {payment.txid, Amount(payment.fee)};
    }
    Amount estimate_fee(const std::vector<Output> &payments) const {
        const auto outputs = plain(payments);
        std::uint64_t fee = 0;
        detail::check(tc_wallet_estimate_fee(handle(), outputs.data(), outputs.size(), &fee));
        return Amount(fee);
    }
    /** Chooses coins and signs. Where other drafts hold coins that would do, it waits for them as
     * long as submit_timeout_ms and 5 s at most. */
    Draft build(const std::vector<Output> &payments) {
        const auto outputs = plain(payments);
        tc_draft_t draft;
        check([&] { return tc_wallet_build(handle(), outputs.data(), outputs.size(), &draft); });
        return Draft(draft);
    }
    /** Signs the inputs whose keys it has, and tells how many those are. */
    std::size_t sign(Transaction &transaction) const {
        std::size_t n_signed = 0;
        check([&] { return tc_wallet_sign(handle(), transaction.handle(), &n_signed); });
        return n_signed;
    }

  private:
    explicit Wallet(tc_wallet_t handle) : handle_(handle) {}
    template <typename Fill> static Wallet make(Fill fill) {
        tc_wallet_t handle;
        detail::check(fill(&handle));
        return Wallet(handle);
    }
    static std::vector<tc_tx_output_t> plain(const std::vector<Output> &payments) {
        std::vector<tc_tx_output_t> outputs;
        outputs.reserve(payments.size());
        for (const Output &payment : payments) {
            outputs.push_back({payment.amount.units(), payment.address.value, 0});
        }
        return outputs;
    }
    static tc_status_t call(void *user, const std::uint8_t *hash, std::uint8_t *signature_out) {
        try {
            const tc_signature_t signature = (*static_cast<Sign *>(user))(hash);
            std::memcpy(signature_out, signature.bytes, sizeof signature.bytes);
            return TC_OK;
        } catch (...) {
            thrown() = std::current_exception();
            return TC_ERROR_INVALID_ARGUMENT;
        }
    }
    /** What a signer threw in this thread's call. */
    static std::exception_ptr &thrown() {
        thread_local std::exception_ptr exception;
        return exception;
    }
    /** Makes a call that may sign, and checks it. */
    template <typename MayThrow> static void check(MayThrow may_throw) {
        thrown() = nullptr;
        const tc_status_t status = may_throw();
        if (const auto of_signer = std::exchange(thrown(), nullptr)) {
            std::rethrow_exception(of_signer);
        }
        detail::check(status);
    }
    static void release(void *user) { delete static_cast<Sign *>(user); }

    detail::Handle<tc_wallet_t, tc_wallet_free> handle_;
};

/** A setting of a network by its name and its text, as {"latency", "20ms..80ms"}. */
using Setting = std::pair<std::string, std::string>;
using Settings = std::vector<Setting>;

/** An invariant of the protocol that a simulation found broken. */
class InvariantError : public Error {
  public:
    InvariantError(const Error &error, const tc_sim_failure_t &failure, std::string check,
                   std::string message, std::string replay)
        : Error(error), failure_(failure), check_(std::move(check)),
          message_(std::move(message)), replay_(std::move(replay)) {}

    /** Which invariant, as "I1 agreement". */
    const std::string &check() const noexcept { return check_; }
    /** What was found. */
    const std::string &message() const noexcept { return message_; }
    /** The command that repeats the run; empty where it is not known. */
    const std::string &replay() const noexcept { return replay_; }
    std::uint64_t seed() const noexcept { return failure_.seed; }
    /** The number of the event after which it was found. */
    std::uint64_t step() const noexcept { return failure_.step; }
    /** How much virtual time had passed. */
    std::chrono::microseconds at() const {
        return std::chrono::microseconds(static_cast<std::int64_t>(failure_.at_us));
    }

  private:
    tc_sim_failure_t failure_;
    std::string check_, message_, replay_;
};

/** The names of all Byzantine strategies. */
inline std::vector<std::string> strategies() {
    std::vector<std::string> names;
    while (const char *name = tc_strategy_name(names.size())) {
        names.emplace_back(name);
    }
    return names;
}

namespace detail {

/** Settings as C takes them, valid as long as what they were made from. */
inline std::vector<tc_setting_t> plain(const Settings &settings) {
    std::vector<tc_setting_t> plain;
    plain.reserve(settings.size());
    for (const Setting &setting : settings) {
        plain.push_back({detail::c_text(setting.first), detail::c_text(setting.second)});
    }
    return plain;
}

} // namespace detail

/** The state of a simulation at one moment, to go back to as often as one likes. */
class SimSnapshot {
  public:
    explicit SimSnapshot(tc_sim_snapshot_t handle) : handle_(handle) {}

    tc_sim_snapshot_t handle() const { return handle_.get(); }
    /** The digest of the simulation when it was taken. */
    Digest digest() const {
        Digest digest;
        detail::check(tc_sim_snapshot_digest(handle(), &digest.value));
        return digest;
    }

  private:
    detail::Handle<tc_sim_snapshot_t, tc_sim_snapshot_free> handle_;
};

/** Something that a node of a network told. */
struct NetworkEvent {
    /** Counts all that nodes told, from 1: a gap is what was not kept. */
    std::uint64_t sequence;
    /** When, since the network began. */
    std::chrono::microseconds at;
    /** Which node. */
    std::uint64_t node;
    Event event;
};

/** A whole network of masternodes in virtual time: real engines, simulated clocks, disks and
 * links, one seed, and the invariants of the protocol checked after every event. Where one is
 * broken, calls throw an InvariantError from then on. Nodes are numbers from 0. */
class Simulation {
  public:
    /** The settings are listed at tc_sim_new. */
    explicit Simulation(std::uint64_t masternodes, std::uint64_t seed = 0,
                        const Settings &settings = {}) {
        tc_sim_t handle;
        const auto plain = detail::plain(settings);
        detail::check(tc_abi_check(TC_ABI_VERSION));
        detail::check(tc_sim_new(masternodes, seed, plain.data(), plain.size(), &handle));
        handle_ = Owner(handle);
    }

    tc_sim_t handle() const { return handle_.get(); }

    /** The address of a wallet that the genesis funds; a new name takes one that has none. */
    Address wallet(const std::string &name) {
        Address address;
        detail::check(tc_sim_wallet_address(handle(), detail::c_text(name), &address.value));
        return address;
    }
    /** What a wallet can spend. */
    Amount balance(const std::string &name) {
        std::uint64_t units = 0;
        detail::check(tc_sim_wallet_balance(handle(), detail::c_text(name), &units));
        return Amount(units);
    }
    /** Pays at the first honest node that runs. It answers once virtual time passes. */
    Payment pay(const std::string &from, const Address &to, Amount amount) {
        auto payment = detail::report<tc_payment_t>();
        check(tc_sim_pay(handle(), detail::c_text(from), &to.value, amount.units(), &payment));
        return {payment.txid, Amount(payment.fee)};
    }
    /** Pays at a node. */
    Payment pay_at(std::uint64_t node, const std::string &from, const Address &to, Amount amount) {
        auto payment = detail::report<tc_payment_t>();
        const std::uint64_t units = amount.units();
        check(tc_sim_pay_at(handle(), node, detail::c_text(from), &to.value, units, &payment));
        return {payment.txid, Amount(payment.fee)};
    }

    /** Lets so much virtual time pass. */
    void advance(Milliseconds duration) {
        check(tc_sim_advance(handle(), detail::timeout(duration)));
    }
    /** Lets the next event happen; false where there is none. */
    bool step() {
        std::uint8_t happened = 0;
        check(tc_sim_step(handle(), &happened));
        return happened != 0;
    }
    /** Throws TC_ERROR_NOT_REACHED where it is not final everywhere in that virtual time. */
    void run_until_finalized(const Txid &txid, Milliseconds within) {
        check(tc_sim_run_until_finalized(handle(), &txid.value, detail::timeout(within)));
    }
    void run_until_confirmed(const Txid &txid, Milliseconds within) {
        check(tc_sim_run_until_confirmed(handle(), &txid.value, detail::timeout(within)));
    }
    void run_until_height(std::uint64_t height, Milliseconds within) {
        check(tc_sim_run_until_height(handle(), height, detail::timeout(within)));
    }

    void crash(std::uint64_t node) { check(tc_sim_crash(handle(), node)); }
    void restart(std::uint64_t node) { check(tc_sim_restart(handle(), node)); }
    void pause(std::uint64_t node) { check(tc_sim_pause(handle(), node)); }
    void resume(std::uint64_t node) { check(tc_sim_resume(handle(), node)); }
    /** For each of the first nodes any number that stands for its group. */
    void partition(const std::vector<std::uint32_t> &groups) {
        check(tc_sim_partition(handle(), groups.data(), groups.size()));
    }
    void heal() { check(tc_sim_heal(handle())); }
    void set_byzantine(std::uint64_t node, const std::string &strategy) {
        check(tc_sim_set_byzantine(handle(), node, detail::c_text(strategy)));
    }
    /** Changes all links that have no behaviour of their own. What is under way on those that
     * become faster comes no later than if it were sent now. */
    void set_links(const Settings &settings) {
        const auto plain = detail::plain(settings);
        check(tc_sim_set_links(handle(), plain.data(), plain.size()));
    }
    /** Changes one direction of one link, also for what is under way, as set_links. */
    void set_link(std::uint64_t from, std::uint64_t to, const Settings &settings) {
        const auto plain = detail::plain(settings);
        check(tc_sim_set_link(handle(), from, to, plain.data(), plain.size()));
    }
    /** Lets anything go wrong, or puts it right, by its text: see tc_sim_inject. */
    void inject(const std::string &fault, Milliseconds after = Milliseconds(0)) {
        check(tc_sim_inject(handle(), detail::c_text(fault), detail::timeout(after)));
    }

    SimSnapshot snapshot() const {
        tc_sim_snapshot_t snapshot;
        detail::check(tc_sim_snapshot(handle(), &snapshot));
        return SimSnapshot(snapshot);
    }
    void revert(const SimSnapshot &snapshot) {
        check(tc_sim_revert(handle(), snapshot.handle()));
    }
    /** An independent copy that goes on from here. */
    Simulation fork() const {
        tc_sim_t copy;
        detail::check(tc_sim_fork(handle(), &copy));
        return Simulation(Owner(copy));
    }
    /** The same for the same settings and calls. */
    Digest digest() const {
        Digest digest;
        detail::check(tc_sim_digest(handle(), &digest.value));
        return digest;
    }

    tc_network_metrics_t metrics() const {
        auto metrics = detail::report<tc_network_metrics_t>();
        detail::check(tc_sim_metrics(handle(), &metrics));
        return metrics;
    }
    /** The node that proposes the next block in round 0. */
    std::uint64_t proposer() const {
        std::uint64_t node = 0;
        detail::check(tc_sim_proposer(handle(), &node));
        return node;
    }
    tc_sim_node_status_t node_status(std::uint64_t node) const {
        auto status = detail::report<tc_sim_node_status_t>();
        detail::check(tc_sim_node_status(handle(), node, &status));
        return status;
    }
    /** Nothing where the node does not know it. */
    std::optional<tc_transaction_status_t> transaction_status(std::uint64_t node,
                                                              const Txid &txid) const {
        auto found = detail::report<tc_transaction_status_t>();
        const auto status = tc_sim_transaction_status(handle(), node, &txid.value, &found);
        return is_found(status) ? std::optional(found) : std::nullopt;
    }
    /** From submission to the first node at which it was final; nothing where it is not yet. */
    std::optional<std::chrono::microseconds> finality_latency(const Txid &txid) const {
        std::uint64_t us = 0;
        if (!is_found(tc_sim_finality_latency(handle(), &txid.value, &us))) {
            return std::nullopt;
        }
        return std::chrono::microseconds(static_cast<std::int64_t>(us));
    }
    std::optional<Block> block(std::uint64_t height) const {
        tc_block_t block;
        const auto status = tc_sim_block_at(handle(), height, &block);
        return is_found(status) ? std::optional<Block>(Block(block)) : std::nullopt;
    }
    /** What a node told first after the event of a sequence number; needs "events_max". */
    std::optional<NetworkEvent> next_event(std::uint64_t after = 0) const {
        auto told = detail::report<tc_network_event_t>();
        tc_event_t event;
        if (!is_found(tc_sim_next_event(handle(), after, &told, &event))) {
            return std::nullopt;
        }
        const auto at = std::chrono::microseconds(static_cast<std::int64_t>(told.at_us));
        return NetworkEvent{told.sequence, at, told.node, Event(event)};
    }
    /** What happened, in words; needs "journal_lines". */
    std::string journal() const {
        tc_bytes_t text;
        detail::check(tc_sim_journal(handle(), &text));
        return detail::take_text(text);
    }

  private:
    using Owner = detail::Handle<tc_sim_t, tc_sim_free>;
    explicit Simulation(Owner handle) : handle_(std::move(handle)) {}

    static bool is_found(tc_status_t status) {
        if (status != TC_ERROR_NOT_FOUND) {
            detail::check(status);
        }
        return status == TC_OK;
    }
    std::string failure_text(std::int32_t what) const {
        return detail::text_of([&](char *buffer, std::size_t bytes, std::size_t *required) {
            return tc_sim_failure_text(handle(), what, buffer, bytes, required);
        });
    }
    void check(tc_status_t status) const {
        if (status != TC_ERROR_INVARIANT_BROKEN) {
            return detail::check(status);
        }
        try {
            detail::check(status);
        } catch (const Error &error) {
            auto failure = detail::report<tc_sim_failure_t>();
            detail::check(tc_sim_failure(handle(), &failure));
            throw InvariantError(error, failure, failure_text(TC_FAILURE_CHECK),
                                 failure_text(TC_FAILURE_MESSAGE),
                                 failure_text(TC_FAILURE_REPLAY));
        }
    }
    Owner handle_;
};

/** A partition of a simulation, healed when it goes, also where the simulation was moved. */
class Partition {
  public:
    Partition(Simulation &sim, const std::vector<std::uint32_t> &groups) : sim_(sim.handle()) {
        sim.partition(groups);
    }
    Partition(const Partition &) = delete;
    Partition &operator=(const Partition &) = delete;
    ~Partition() { tc_sim_heal(sim_); }

  private:
    tc_sim_t sim_;
};

/** Something that happened in a node of a net. */
struct LocalNetEvent {
    /** Which node. */
    std::uint64_t node;
    Event event;
};

/** A receiver of the events of all nodes of a net; those of one node are in order. */
class LocalNetEvents {
  public:
    explicit LocalNetEvents(tc_localnet_events_t handle) : handle_(handle) {}

    /** The next event; nothing where none comes in time. Throws TC_ERROR_CLOSED after the last. */
    std::optional<LocalNetEvent> next_event(Milliseconds timeout) {
        std::uint64_t node = 0;
        tc_event_t event;
        const auto ms = detail::timeout(timeout);
        const auto status = tc_localnet_events_next_event(handle_.get(), ms, &node, &event);
        if (status == TC_ERROR_TIMEOUT) {
            return std::nullopt;
        }
        detail::check(status);
        return LocalNetEvent{node, Event(event)};
    }

  private:
    detail::Handle<tc_localnet_events_t, tc_localnet_events_free> handle_;
};

/** A network of real nodes in this process, with the verbs of a Simulation, in real time. Closed when it goes; close it before to know that it worked. */
class LocalNet {
  public:
    /** The settings are listed at tc_localnet_new. */
    explicit LocalNet(std::uint64_t masternodes, std::uint64_t seed = 0,
                      const Settings &settings = {}) {
        tc_localnet_t handle;
        const auto plain = detail::plain(settings);
        detail::check(tc_abi_check(TC_ABI_VERSION));
        detail::check(tc_localnet_new(masternodes, seed, plain.data(), plain.size(), &handle));
        handle_ = Owner(handle);
    }

    tc_localnet_t handle() const { return handle_.get(); }
    void close(Milliseconds timeout) {
        detail::check(tc_localnet_close(handle(), detail::timeout(timeout)));
    }

    /** The address of a wallet that the genesis funds; a new name takes one that has none. */
    Address wallet(const std::string &name) {
        Address address;
        detail::check(tc_localnet_wallet_address(handle(), detail::c_text(name), &address.value));
        return address;
    }
    /** What a wallet can spend. */
    Amount balance(const std::string &name) {
        std::uint64_t units = 0;
        detail::check(tc_localnet_wallet_balance(handle(), detail::c_text(name), &units));
        return Amount(units);
    }
    /** Pays at the first node that takes part, which admits it. */
    Payment pay(const std::string &from, const Address &to, Amount amount) {
        auto payment = detail::report<tc_payment_t>();
        const std::uint64_t units = amount.units();
        detail::check(tc_localnet_pay(handle(), detail::c_text(from), &to.value, units, &payment));
        return {payment.txid, Amount(payment.fee)};
    }
    /** Pays at a node. */
    Payment pay_at(std::uint64_t node, const std::string &from, const Address &to, Amount amount) {
        auto payment = detail::report<tc_payment_t>();
        const std::uint64_t units = amount.units();
        const char *name = detail::c_text(from);
        detail::check(tc_localnet_pay_at(handle(), node, name, &to.value, units, &payment));
        return {payment.txid, Amount(payment.fee)};
    }

    /** Throws TC_ERROR_TIMEOUT where it is not final everywhere in that time. */
    void run_until_finalized(const Txid &txid, Milliseconds within) {
        const auto ms = detail::timeout(within);
        detail::check(tc_localnet_run_until_finalized(handle(), &txid.value, ms));
    }
    void run_until_confirmed(const Txid &txid, Milliseconds within) {
        const auto ms = detail::timeout(within);
        detail::check(tc_localnet_run_until_confirmed(handle(), &txid.value, ms));
    }
    void run_until_height(std::uint64_t height, Milliseconds within) {
        detail::check(tc_localnet_run_until_height(handle(), height, detail::timeout(within)));
    }

    void crash(std::uint64_t node) { detail::check(tc_localnet_crash(handle(), node)); }
    void restart(std::uint64_t node) { detail::check(tc_localnet_restart(handle(), node)); }
    void pause(std::uint64_t node) { detail::check(tc_localnet_pause(handle(), node)); }
    void resume(std::uint64_t node) { detail::check(tc_localnet_resume(handle(), node)); }
    /** For each of the first nodes any number that stands for its group. */
    void partition(const std::vector<std::uint32_t> &groups) {
        detail::check(tc_localnet_partition(handle(), groups.data(), groups.size()));
    }
    void heal() { detail::check(tc_localnet_heal(handle())); }
    /** The strategies are listed at tc_localnet_set_byzantine. */
    void set_byzantine(std::uint64_t node, const std::string &strategy) {
        detail::check(tc_localnet_set_byzantine(handle(), node, detail::c_text(strategy)));
    }
    /** Changes all links that have no behaviour of their own. What is under way on those that
     * become faster comes no later than if it were sent now. */
    void set_links(const Settings &settings) {
        const auto plain = detail::plain(settings);
        detail::check(tc_localnet_set_links(handle(), plain.data(), plain.size()));
    }
    /** Changes one direction of one link, also for what is under way, as set_links. */
    void set_link(std::uint64_t from, std::uint64_t to, const Settings &settings) {
        const auto plain = detail::plain(settings);
        detail::check(tc_localnet_set_link(handle(), from, to, plain.data(), plain.size()));
    }
    /** Makes everything from and to a node take longer; 0 ends it, also for what is under way. */
    void slow(std::uint64_t node, Milliseconds extra) {
        detail::check(tc_localnet_slow(handle(), node, detail::timeout(extra)));
    }

    /** Receives the events of all nodes from now on, those of nodes that are restarted included. */
    LocalNetEvents subscribe() const {
        tc_localnet_events_t events;
        detail::check(tc_localnet_subscribe(handle(), &events));
        return LocalNetEvents(events);
    }
    /** A node, to be read, paid through, waited for, subscribed to. */
    Node node(std::uint64_t node) const {
        tc_node_t handle;
        detail::check(tc_localnet_node(this->handle(), node, &handle));
        return Node(handle);
    }
    /** TC_SIM_NODE_STATE_. */
    std::int32_t node_state(std::uint64_t node) const {
        std::int32_t state = 0;
        detail::check(tc_localnet_node_state(handle(), node, &state));
        return state;
    }
    bool is_byzantine(std::uint64_t node) const {
        std::uint8_t is_byzantine = 0;
        detail::check(tc_localnet_is_byzantine(handle(), node, &is_byzantine));
        return is_byzantine != 0;
    }
    /** The lowest height of all nodes that take part. */
    std::uint64_t height() const {
        std::uint64_t height = 0;
        detail::check(tc_localnet_height(handle(), &height));
        return height;
    }
    /** The node that proposes the next block in round 0. */
    std::uint64_t proposer() const {
        std::uint64_t node = 0;
        detail::check(tc_localnet_proposer(handle(), &node));
        return node;
    }

  private:
    using Owner = detail::Handle<tc_localnet_t, tc_localnet_free>;
    Owner handle_;
};

} // namespace timecoin

#endif // TIMECOIN_HPP
