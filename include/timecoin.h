/* TimeCoin: a node in your process. Made from timecoin-ffi/src by tests/header.rs: do not edit.
 *
 * Functions return TC_OK or a TC_ERROR_ number; tc_error_message has the sentence to it. Their
 * arguments are the handle, then inputs, then outputs, whose names end in _out. Outputs are
 * written on success only; sizes that a buffer should have are told in any case.
 *
 * Handles are numbers that are checked at every use. A handle that was freed, is of another kind
 * or was never given out is TC_ERROR_INVALID_HANDLE, and so is freeing twice. Freeing what another
 * thread uses is fine: it takes effect when that use ends. 0 is no handle. Every handle that a
 * function gives is owned by the caller, who frees it with the function named at its type.
 *
 * Pointers are borrowed for the call, unless their function says otherwise. No pointer may be
 * null unless its function says so; null for no elements is fine. Texts that go in are UTF-8 and
 * end with a NUL: one that is not UTF-8 is TC_ERROR_INVALID_ARGUMENT in every function. Structs
 * with a struct_size are set up by TC_INIT or by setting it: a library that knows more fields than
 * the caller writes only those that the caller has.
 *
 * Every function may be called on any thread at any time, except from the callbacks that it is
 * given. After a fork, functions in the child of a process that has used the library return
 * TC_ERROR_FORKED_PROCESS and touch nothing, freeing included; those that only name or count things
 * (tc_version, tc_error_name, tc_error_message and the like) still answer.
 * Amounts are units in 64 bits without a sign, TC_UNITS_PER_TIME to the TIME; times and timeouts
 * are milliseconds; heights count from 0, the genesis.
 *
 * On Linux the shared library is looked for by the name libtimecoin.so.0, the number being
 * TC_ABI_VERSION: install it as that, with a link libtimecoin.so to it for the linker.
 */
#ifndef TIMECOIN_H
#define TIMECOIN_H

#include <stddef.h>
#include <stdint.h>

/** Sets up a struct that has a struct_size: tc_tip_t tip = TC_INIT(tc_tip_t); in C++ set it. */
#define TC_INIT(type) {.struct_size = sizeof(type)}

/**
 * The version of this interface. It grows when a program that was compiled with an older header
 * must be compiled anew; functions and fields that are added don't change it.
 */
#define TC_ABI_VERSION 0u

/** Units in one TIME: amounts are counted in units, in 64 bits without a sign. */
#define TC_UNITS_PER_TIME UINT64_C(100000000)

/** A timeout that never ends. */
#define TC_FOREVER UINT64_MAX

/** Room for the longest text of an address, with its NUL. */
#define TC_ADDRESS_TEXT_BYTES ((size_t)64)

/** Room for the text of 32 bytes in hexadecimal digits, with its NUL. */
#define TC_HEX_TEXT_BYTES ((size_t)65)

/** Room for the text "txid:vout", with its NUL. */
#define TC_OUTPOINT_TEXT_BYTES ((size_t)76)

/** Room for the longest text of an amount, with its NUL. */
#define TC_AMOUNT_TEXT_BYTES ((size_t)40)

/** Room for the longest text of an address and a port, with its NUL. */
#define TC_SOCKET_TEXT_BYTES ((size_t)64)

/** Room for what a peer says it is, with its NUL. */
#define TC_AGENT_TEXT_BYTES ((size_t)72)

/** Outputs in one page of tc_node_utxos_of at most. */
#define TC_UTXOS_PAGE_MAX ((size_t)10000)

/** Coins with a value. */
#define TC_NETWORK_MAINNET 1

/** Coins without a value, many machines. */
#define TC_NETWORK_TESTNET 2

/** A chain of one's own, for tests. */
#define TC_NETWORK_REGTEST 3

/** Blocks when their interval has passed, also empty ones. */
#define TC_BLOCK_PRODUCTION_INTERVAL 1

/** Blocks when they are asked for or the protocol needs one, never because time has passed. */
#define TC_BLOCK_PRODUCTION_ON_DEMAND 2

/** The caller can do something about it. */
#define TC_CATEGORY_REQUEST 1

/** It came from another node, or from whoever handed over a proof. */
#define TC_CATEGORY_PEER 2

/** The operator can do something about it: disk, directory, permissions. */
#define TC_CATEGORY_STORAGE 3

/** A bug, or the node was stopped by an earlier failure. */
#define TC_CATEGORY_INTERNAL 4

/** Opened and not started: reads answer. */
#define TC_NODE_STATE_NEW 0

/** Taking part. */
#define TC_NODE_STATE_RUNNING 1

/** Finishing what was begun; nothing new is taken. */
#define TC_NODE_STATE_CLOSING 2

/** Everything is on disk and let go of. */
#define TC_NODE_STATE_CLOSED 3

/** Stopped writing after a failure: reads answer, writes refuse and say why. */
#define TC_NODE_STATE_POISONED 4

/** It runs. */
#define TC_SIM_NODE_STATE_RUNNING 1

/** It stands still; its messages wait. */
#define TC_SIM_NODE_STATE_PAUSED 2

/** It is stopped. */
#define TC_SIM_NODE_STATE_DOWN 3

/** It stopped by itself. */
#define TC_SIM_NODE_STATE_HALTED 4

/** Which invariant was found broken, as "I1 agreement". */
#define TC_FAILURE_CHECK 1

/** What was found. */
#define TC_FAILURE_MESSAGE 2

/** The command that repeats the run; empty where it is not known. */
#define TC_FAILURE_REPLAY 3

/** Known, and neither approved nor rejected; it may wait for an input. */
#define TC_TRANSACTION_PENDING 1

/** This masternode has recorded its Approve. */
#define TC_TRANSACTION_APPROVED 2

/** A quorum approved it. */
#define TC_TRANSACTION_CERTIFIED 3

/** A quorum committed to it: irreversible. */
#define TC_TRANSACTION_FINALIZED 4

/** It is in a decided block: irreversible and permanent. */
#define TC_TRANSACTION_CONFIRMED 5

/** It will not be confirmed as things stand. */
#define TC_TRANSACTION_REJECTED 6

/** Masternodes are split between it and another; the next block decides. */
#define TC_TRANSACTION_CONTESTED 7

/** Moves money. */
#define TC_TX_KIND_TRANSFER 0

/** Pays the reward of a block. */
#define TC_TX_KIND_COINBASE 1

/** Adds a masternode. */
#define TC_TX_KIND_REGISTER_MASTERNODE 2

/** Takes a masternode out of the set. */
#define TC_TX_KIND_DEREGISTER_MASTERNODE 3

/** Proves that a masternode contradicted itself. */
#define TC_TX_KIND_EVIDENCE 4

/** Nothing spends it. */
#define TC_OUTPOINT_UNSPENT 0

/** This masternode has recorded its Approve for the transaction that spends it. */
#define TC_OUTPOINT_LOCKED 1

/** A quorum approved the transaction that spends it. */
#define TC_OUTPOINT_SPENT_PENDING 2

/** The transaction that spends it is final. */
#define TC_OUTPOINT_SPENT_FINALIZED 3

/** The transaction that spends it is in a decided block. */
#define TC_OUTPOINT_CONFIRMED 4

/** From a transfer or the genesis. */
#define TC_ORIGIN_TRANSFER 0

/** The reward of a block: it matures. */
#define TC_ORIGIN_COINBASE 1

/** Locked by the registration of a masternode. */
#define TC_ORIGIN_COLLATERAL 2

/** A transaction got further: txid, transaction_status, height if confirmed, code if rejected. */
#define TC_EVENT_TRANSACTION_STATUS 1

/** A block is decided and on disk: height, block_hash; tc_event_block has the block. */
#define TC_EVENT_BLOCK_CONFIRMED 2

/** A round ended without a decision: height, round (the one that is entered). */
#define TC_EVENT_ROUND_CHANGED 3

/** The masternodes that decide changed: epoch. */
#define TC_EVENT_EPOCH_BEGAN 4

/** A masternode contradicted itself. */
#define TC_EVENT_EVIDENCE_FOUND 5

/** The sign guard refused to sign; the text says what. */
#define TC_EVENT_SIGNATURE_REFUSED 6

/**
 * Two certified blocks at one height: height, block_hash (the one here); the text has the keys
 * that signed both, in hexadecimal, with spaces between. The node stops: TC_EVENT_POISONED.
 */
#define TC_EVENT_SAFETY_VIOLATION 7

/** Something was mended when the store was opened; the text says what. */
#define TC_EVENT_REPAIRED 8

/** The node signs nothing until the next epoch; the text says why. */
#define TC_EVENT_OBSERVING 9

/** The node stopped writing, reads go on; the text says why. */
#define TC_EVENT_POISONED 10

/** This subscriber was slow and lost events: missed. */
#define TC_EVENT_OVERFLOW 11

/** The node is closed: the last event. */
#define TC_EVENT_CLOSED 12

/** A peer is connected: peer_key, is_inbound; the text is the other end of the socket. */
#define TC_EVENT_PEER_CONNECTED 13

/** A peer is gone: peer_key; the text says why. */
#define TC_EVENT_PEER_DISCONNECTED 14

/**
 * A peer did what no honest one does, and is not talked to for a while: peer_key, zeros where it
 * had not proved one, until_ms; the text is the other end of the socket.
 */
#define TC_EVENT_PEER_BANNED 15

/**
 * The clocks of most masternodes differ from this node's by more than 5 s: offset_ms,
 * is_withholding.
 */
#define TC_EVENT_CLOCK_OFFSET 16

/**
 * The node is behind its peers and fetches blocks, told at most once a second: height,
 * target_height, bytes, n_peers.
 */
#define TC_EVENT_SYNC_PROGRESS 17

/** An event that this version of the interface has no number for; its name tells more. */
#define TC_EVENT_OTHER 255

/** What a function returns: TC_OK, or the TC_ERROR_ number of why it failed. */
typedef int32_t tc_status_t;

/** Bytes or a text of any length. Owned: free with tc_bytes_free. */
typedef struct {
    /** 0 for none. */
    uint64_t id;
} tc_bytes_t;

/** Who may spend an output: the hash of a public key. The text form names the network too. */
typedef struct {
    /** The hash. */
    uint8_t bytes[20];
} tc_address_t;

/** An Ed25519 public key. */
typedef struct {
    /** As RFC 8032 encodes it. */
    uint8_t bytes[32];
} tc_public_key_t;

/** The id of a transaction. */
typedef struct {
    /** In the order of the text form. */
    uint8_t bytes[32];
} tc_txid_t;

/** One output of one transaction. */
typedef struct {
    /** The transaction that made the output. */
    tc_txid_t txid;
    /** The position of the output in it, from 0. */
    uint32_t vout;
} tc_outpoint_t;

/** The id of a block. */
typedef struct {
    /** In the order of the text form. */
    uint8_t bytes[32];
} tc_block_hash_t;

/** The identity of a chain: the hash of its genesis. */
typedef struct {
    /** In the order of the text form. */
    uint8_t bytes[32];
} tc_chain_id_t;

/** The hash of everything that happened in a simulation. */
typedef struct {
    /** In the order of the text form. */
    uint8_t bytes[32];
} tc_digest_t;

/** An Ed25519 secret key. Wipe every copy with tc_secret_wipe. */
typedef struct {
    /** Any 32 bytes are one. */
    uint8_t bytes[32];
} tc_secret_t;

/** An Ed25519 signature. */
typedef struct {
    /** As RFC 8032 encodes it. */
    uint8_t bytes[64];
} tc_signature_t;

/** A configuration. Owned: free with tc_config_free. */
typedef struct {
    /** 0 for none. */
    uint64_t id;
} tc_config_t;

/** How far tc_node_bootstrap is. */
typedef struct {
    /** How long this struct is in this version of the library. */
    size_t struct_size;
    /** The height of the last block that headers prove. */
    uint64_t headers;
    /** The height that most is claimed by a peer that answers. */
    uint64_t target;
    /** Outputs that came, in earlier calls too. */
    uint64_t n_outputs;
    /** Outputs that were checked and written, once all came. */
    uint64_t n_written;
    /** Bytes that peers sent in this call. */
    uint64_t bytes;
    /** The same for each second of the last while. */
    uint64_t bytes_per_second;
    /** Peers that can be asked. */
    uint64_t n_peers;
} tc_bootstrap_progress_t;

/**
 * Is told how far tc_node_bootstrap is. `progress` is borrowed for the call, and `struct_size`
 * says how long it is. Returns 1 to go on and 0 to end. It must not throw or leave with longjmp.
 */
typedef uint8_t (*tc_on_bootstrap_t)(void *user, const tc_bootstrap_progress_t *progress);

/** What a data directory begins with, in the place of blocks. */
typedef struct {
    /** Set it to sizeof(tc_bootstrapped_t) before the call. */
    size_t struct_size;
    /** The height of the block after which the outputs are unspent. */
    uint64_t height;
    /** How many outputs there are. */
    uint64_t n_outputs;
    /** Bytes that peers sent in this call. */
    uint64_t bytes;
    /** The hash of the block. */
    tc_block_hash_t hash;
} tc_bootstrapped_t;

/** A node. Owned: free with tc_node_free. */
typedef struct {
    /** 0 for none. */
    uint64_t id;
} tc_node_t;

/** A node at a glance. */
typedef struct {
    /** Set it to sizeof(tc_node_status_t) before the call. */
    size_t struct_size;
    /** The height of the last decided block; 0 for the genesis. */
    uint64_t height;
    /** When it was proposed, in ms since 1970. */
    uint64_t tip_timestamp_ms;
    /** This node's clock, in ms since 1970. */
    uint64_t now_ms;
    /** The epoch of the next block. */
    uint64_t epoch;
    /** How many masternodes decide. */
    uint64_t n_masternodes;
    /** How many of them it takes. */
    uint64_t quorum;
    /** Transactions that are neither confirmed nor refused. */
    uint64_t mempool_transactions;
    /** Their bytes. */
    uint64_t mempool_bytes;
    /** Durable blocks that are not in the derived tables yet. */
    uint64_t storage_lag_blocks;
    /** The identity of the chain. */
    tc_chain_id_t chain_id;
    /** The hash of the last decided block. */
    tc_block_hash_t tip_hash;
    /** The masternode key of this node; zeros where it has none. */
    tc_public_key_t masternode_key;
    /** The round that the next height is in. */
    uint32_t round;
    /** TC_NODE_STATE_. */
    int32_t state;
    /** TC_NETWORK_. */
    int32_t network;
    /** 1 where it has a masternode key. */
    uint8_t has_masternode_key;
    /** 1 where that key decides in this epoch, and may sign. */
    uint8_t is_active_masternode;
    /** 1 where it signs nothing until the next epoch, since it may have forgotten votes. */
    uint8_t is_observer;
    /** Always 0. */
    uint8_t reserved;
} tc_node_status_t;

/** The last decided block. */
typedef struct {
    /** Set it to sizeof(tc_tip_t) before the call. */
    size_t struct_size;
    /** Its height; 0 for the genesis. */
    uint64_t height;
    /** When it was proposed, in ms since 1970. */
    uint64_t timestamp_ms;
    /** Its hash. */
    tc_block_hash_t hash;
} tc_tip_t;

/** How full the mempool is. */
typedef struct {
    /** Set it to sizeof(tc_mempool_info_t) before the call. */
    size_t struct_size;
    /** Transactions that are neither confirmed nor refused, those that wait for inputs included. */
    uint64_t transactions;
    /** Their bytes. */
    uint64_t bytes;
    /** How many it takes. */
    uint64_t transactions_max;
    /** How many bytes it takes. */
    uint64_t bytes_max;
} tc_mempool_info_t;

/** A peer that is connected. */
typedef struct {
    /** Set it to sizeof(tc_peer_t) before the call; in an array, in its first element. */
    size_t struct_size;
    /** Since when it is a peer, by this node's clock, in ms since 1970. */
    uint64_t since_ms;
    /** The height of the last block that it says is decided there. */
    uint64_t height;
    /** The last round trip, in ms; undefined where is_measured is 0. */
    uint64_t round_trip_ms;
    /** How much its clock is ahead of this node's, in ms; undefined where is_measured is 0. */
    int64_t clock_offset_ms;
    /** Bytes of frames that came. */
    uint64_t bytes_received;
    /** Bytes of frames that went. */
    uint64_t bytes_sent;
    /** Frames that came. */
    uint64_t frames_received;
    /** Frames that went. */
    uint64_t frames_sent;
    /** Frames that came over its rate, and are lost. */
    uint64_t frames_over_rate;
    /** Frames that did not fit its queue, and are lost. */
    uint64_t frames_unsent;
    /** Its node key, proved. */
    tc_public_key_t key;
    /** The other end of the socket, as "127.0.0.1:7000". */
    char address[TC_SOCKET_TEXT_BYTES];
    /** What program it says it is. */
    char agent[TC_AGENT_TEXT_BYTES];
    /** 1 where it dialled this node. */
    uint8_t is_inbound;
    /** 1 where its key is one of the masternodes that decide. */
    uint8_t is_masternode;
    /** 1 once it answered a ping. */
    uint8_t is_measured;
    /** Always 0. */
    uint8_t reserved[5];
} tc_peer_t;

/** A TC_ERROR_ number that says why a transaction was rejected; 0 for not rejected. */
typedef int32_t tc_rejection_t;

/** How far a transaction is. */
typedef struct {
    /** Set it to sizeof(tc_transaction_status_t) before the call. */
    size_t struct_size;
    /** The height of its block; 0 where it is not confirmed. */
    uint64_t height;
    /** TC_TRANSACTION_. */
    int32_t status;
    /** Why it was rejected. */
    tc_rejection_t rejection;
} tc_transaction_status_t;

/** A transaction. Owned: free with tc_transaction_free. */
typedef struct {
    /** 0 for none. */
    uint64_t id;
} tc_transaction_t;

/** An output and how far its spending is. */
typedef struct {
    /** Set it to sizeof(tc_utxo_t) before the call; in an array, in its first element. */
    size_t struct_size;
    /** In units. */
    uint64_t value;
    /** The height of its block, 0 for the genesis; undefined where has_height is 0. */
    uint64_t height;
    /** Which. */
    tc_outpoint_t outpoint;
    /** Whose key may spend it. */
    tc_address_t address;
    /** The transaction that spends it; zeros where has_spent_by is 0. */
    tc_txid_t spent_by;
    /** TC_ORIGIN_. */
    int32_t origin;
    /** TC_OUTPOINT_. */
    int32_t state;
    /** 1 where it is in a block; 0 where its transaction is final and in no block yet. */
    uint8_t has_height;
    /** 1 where a transaction that is known, and not in a block yet, spends it. */
    uint8_t has_spent_by;
    /** Always 0. */
    uint8_t reserved[6];
} tc_utxo_t;

/** The money of an address or a wallet, in units. */
typedef struct {
    /** Set it to sizeof(tc_balance_t) before the call. */
    size_t struct_size;
    /** The sum of its unspent outputs after the last decided block. */
    uint64_t confirmed;
    /** The same once all final transactions are in a block: what nobody can take back. */
    uint64_t finalized;
    /** What a new transaction can spend now. */
    uint64_t spendable;
    /** Rewards that are too young to be spent. */
    uint64_t immature;
    /** Collateral of masternodes. */
    uint64_t locked;
} tc_balance_t;

/** A decided block. Owned: free with tc_block_free. */
typedef struct {
    /** 0 for none. */
    uint64_t id;
} tc_block_t;

/** What a block says of itself. */
typedef struct {
    /** Set it to sizeof(tc_block_info_t) before the call. */
    size_t struct_size;
    /** Its position, from 1. */
    uint64_t height;
    /** When it was proposed, in ms since 1970. */
    uint64_t timestamp_ms;
    /** Transactions, its reward included. */
    uint64_t n_transactions;
    /** The length of its canonical bytes. */
    uint64_t bytes;
    /** Masternodes that signed its certificate. */
    uint64_t n_signers;
    /** Its id. */
    tc_block_hash_t hash;
    /** The block before; for block 1 the chain id. */
    tc_block_hash_t parent;
    /** Commits to the transactions. */
    uint8_t merkle_root[32];
    /** Commits to the unspent outputs after the block. */
    uint8_t utxo_commitment[32];
    /** Names the masternodes of its epoch. */
    uint8_t masternode_set[32];
    /** Names the masternodes that decide the next block. */
    uint8_t next_masternode_set[32];
    /** Commits to the amount issued and all registrations after the block. */
    uint8_t registry[32];
    /** The consensus key of the first proposer. */
    tc_public_key_t proposer;
    /** The chain. */
    tc_chain_id_t chain_id;
    /** The round in which it was decided. */
    uint32_t round;
    /** Always 0. */
    uint32_t reserved;
} tc_block_info_t;

/** An output to spend and the key that its address is the hash of. */
typedef struct {
    /** What is spent. */
    tc_outpoint_t outpoint;
    /** The key of its address. */
    tc_public_key_t public_key;
} tc_tx_source_t;

/** Money and who may spend it: an output, or a payment to make. */
typedef struct {
    /** In units. */
    uint64_t value;
    /** Whose key may spend it. */
    tc_address_t address;
    /** Always 0. */
    uint32_t reserved;
} tc_tx_output_t;

/** What a transaction is made of. */
typedef struct {
    /** Set it to sizeof(tc_transaction_info_t) before the call. */
    size_t struct_size;
    /** The first height whose block may hold it; 0 for any. */
    uint64_t lock_time;
    /** Inputs. */
    uint64_t n_inputs;
    /** Outputs. */
    uint64_t n_outputs;
    /** The length of its canonical bytes. */
    uint64_t bytes;
    /** Its id. */
    tc_txid_t txid;
    /** TC_TX_KIND_. */
    int32_t kind;
    /** Its format. */
    uint32_t version;
} tc_transaction_info_t;

/** A receiver of events. Owned: free with tc_subscription_free. */
typedef struct {
    /** 0 for none. */
    uint64_t id;
} tc_subscription_t;

/** An event. Owned: free with tc_event_free. */
typedef struct {
    /** 0 for none. */
    uint64_t id;
} tc_event_t;

/** What happened. Which fields count depends on the kind; the others are 0. */
typedef struct {
    /** Set it to sizeof(tc_event_info_t) before the call. */
    size_t struct_size;
    /** Counts every event of the node from 1, whoever subscribes: a gap is an overflow. */
    uint64_t sequence;
    /** When it happened, by the node's clock, in ms since 1970. */
    uint64_t at_ms;
    /** The height that it is about. */
    uint64_t height;
    /** The epoch that began. */
    uint64_t epoch;
    /** Events that were lost. */
    uint64_t missed;
    /** The transaction. */
    tc_txid_t txid;
    /** The block. */
    tc_block_hash_t block_hash;
    /** The round that is entered. */
    uint32_t round;
    /** TC_EVENT_. */
    int32_t kind;
    /** TC_TRANSACTION_. */
    int32_t transaction_status;
    /** Why the transaction was rejected. */
    tc_rejection_t rejection;
    /** Until when a peer is not talked to, by the node's clock, in ms since 1970. */
    uint64_t until_ms;
    /** How much the clocks of most masternodes are ahead, in ms; the median. */
    int64_t offset_ms;
    /** The greatest height that a peer says it has. */
    uint64_t target_height;
    /** Bytes of blocks that came since the node started. */
    uint64_t bytes;
    /** Peers that can be asked. */
    uint64_t n_peers;
    /** The node key of the peer. */
    tc_public_key_t peer_key;
    /** 1 where the peer dialled this node. */
    uint8_t is_inbound;
    /**
     * 1 where the offset is more than the chain allows, so that this node sends nothing that it
     * signs until its clock is right.
     */
    uint8_t is_withholding;
    /** Always 0. */
    uint8_t reserved[6];
} tc_event_info_t;

/** A wallet. Owned: free with tc_wallet_free. */
typedef struct {
    /** 0 for none. */
    uint64_t id;
} tc_wallet_t;

/**
 * Signs for one key of the host. `hash` is 32 bytes, borrowed for the call; 64 bytes of Ed25519
 * signature go to `signature_out`. Returns TC_OK, or any other number where it does not sign:
 * the payment then fails with TC_ERROR_INVALID_ARGUMENT, and its message has the number. It may
 * be called on any thread and by several at once, and must not call a function with the wallet
 * that it signs for, throw, or leave with longjmp.
 */
typedef tc_status_t (*tc_sign_t)(void *user, const uint8_t *hash, uint8_t *signature_out);

/** Lets go of what the host gave to a callback. Called once, on any thread. */
typedef void (*tc_release_t)(void *user);

/** A payment that the node took. */
typedef struct {
    /** Set it to sizeof(tc_payment_t) before the call. */
    size_t struct_size;
    /** What it pays the masternodes, in units. */
    uint64_t fee;
    /** Its id, to wait for. */
    tc_txid_t txid;
} tc_payment_t;

/** A signed payment that is not submitted. Owned: tc_draft_submit or tc_draft_free ends it. */
typedef struct {
    /** 0 for none. */
    uint64_t id;
} tc_draft_t;

/** A setting by its name and its text. Both end with a NUL. */
typedef struct {
    /** Which. */
    const char *name;
    /** What it is set to. */
    const char *text;
} tc_setting_t;

/** A network in virtual time. Owned: free with tc_sim_free. */
typedef struct {
    /** 0 for none. */
    uint64_t id;
} tc_sim_t;

/** A snapshot of a network in virtual time. Owned: free with tc_sim_snapshot_free. */
typedef struct {
    /** 0 for none. */
    uint64_t id;
} tc_sim_snapshot_t;

/** Of a number of durations, how long most took, in microseconds. */
typedef struct {
    /** How many there are. */
    uint64_t n;
    /** Half take no longer. */
    uint64_t p50_us;
    /** Nine of ten take no longer. */
    uint64_t p90_us;
    /** 99 of 100 take no longer. */
    uint64_t p99_us;
    /** The longest. */
    uint64_t max_us;
} tc_percentiles_t;

/** What a network did since it began. */
typedef struct {
    /** Set it to sizeof(tc_network_metrics_t) before the call. */
    size_t struct_size;
    /** Time that passed, in microseconds. */
    uint64_t elapsed_us;
    /** Events that happened. */
    uint64_t steps;
    /** Nodes that there are. */
    uint64_t nodes;
    /** The lowest height of all honest nodes that run. */
    uint64_t height_min;
    /** The highest height that any node decided. */
    uint64_t height_max;
    /** Rounds that ended without a decision, at any honest node. */
    uint64_t view_changes;
    /** Payments that were made. */
    uint64_t payments;
    /** Payments that were refused. */
    uint64_t payments_refused;
    /** Restarts of nodes. */
    uint64_t restarts;
    /** Messages that were sent. */
    uint64_t messages_sent;
    /** Their bytes. */
    uint64_t bytes_sent;
    /** Messages that arrived. */
    uint64_t messages_delivered;
    /** Messages that nodes refused as wrong. */
    uint64_t messages_refused;
    /** Masternodes that evidence names. */
    uint64_t offenders;
    /** From submission to the first node at which a payment was final. */
    tc_percentiles_t finality;
    /** From one decision to the next. */
    tc_percentiles_t block_gap;
} tc_network_metrics_t;

/** A node of a network in virtual time at a glance. */
typedef struct {
    /** Set it to sizeof(tc_sim_node_status_t) before the call. */
    size_t struct_size;
    /** Its number, from 0. */
    uint64_t node;
    /** The height of the last block that it decided and wrote. */
    uint64_t height;
    /** The epoch of the next block; 0 while it does not run. */
    uint64_t epoch;
    /** Its clock, in ms since 1970. */
    uint64_t now_ms;
    /** Transactions that it knows and that are neither confirmed nor refused. */
    uint64_t mempool_transactions;
    /** Its key, which names it. */
    tc_public_key_t masternode_key;
    /** The round that the next height is in; 0 while it does not run. */
    uint32_t round;
    /** How often it was started. */
    uint32_t starts;
    /** TC_SIM_NODE_STATE_. */
    int32_t state;
    /** 1 where it decides in this epoch, and may sign. */
    uint8_t is_active_masternode;
    /** 1 where it started without the votes that it may have cast. */
    uint8_t is_observer;
    /** 1 where it follows a strategy of its own, or ever did. */
    uint8_t is_byzantine;
    /** Always 0. */
    uint8_t reserved;
} tc_sim_node_status_t;

/** Which node told something, and when. */
typedef struct {
    /** Set it to sizeof(tc_network_event_t) before the call. */
    size_t struct_size;
    /** Counts all that nodes told, from 1: a gap is what was not kept. */
    uint64_t sequence;
    /** When, in microseconds since the network began. */
    uint64_t at_us;
    /** Which node. */
    uint64_t node;
} tc_network_event_t;

/** An invariant of the protocol that was found broken. */
typedef struct {
    /** Set it to sizeof(tc_sim_failure_t) before the call. */
    size_t struct_size;
    /** The seed of the run. */
    uint64_t seed;
    /** The number of the event after which it was found. */
    uint64_t step;
    /** How much virtual time had passed, in microseconds. */
    uint64_t at_us;
} tc_sim_failure_t;

/** A network of real nodes in this process. Owned: free with tc_localnet_free. */
typedef struct {
    /** 0 for none. */
    uint64_t id;
} tc_localnet_t;

/** A receiver of the events of all nodes of a net. Owned: free with tc_localnet_events_free. */
typedef struct {
    /** 0 for none. */
    uint64_t id;
} tc_localnet_events_t;

/** It did what was asked. */
#define TC_OK 0

/* 1000 to 1999: the caller can do something about it. */

/** An argument that is never right: empty, out of range, of another network. */
#define TC_ERROR_INVALID_ARGUMENT 1001
/** A field of the configuration that is out of its range. */
#define TC_ERROR_INVALID_CONFIG 1002
/** A genesis that can't start a chain. */
#define TC_ERROR_INVALID_GENESIS 1003
/** A text that is no address, or one of another network. */
#define TC_ERROR_INVALID_ADDRESS 1004
/** A text that is no amount. */
#define TC_ERROR_INVALID_AMOUNT 1005
/** Bytes that are no key. */
#define TC_ERROR_INVALID_KEY 1006
/** Bytes or a text that are not of the kind asked for. */
#define TC_ERROR_MALFORMED 1007
/** No such transaction, block or output here. */
#define TC_ERROR_NOT_FOUND 1008
/** It did not happen in the time given; it may still. */
#define TC_ERROR_TIMEOUT 1009
/** The node is not started. */
#define TC_ERROR_NOT_RUNNING 1010
/** The node is closing or closed. */
#define TC_ERROR_CLOSED 1011
/** The node has more to do than its queues hold. */
#define TC_ERROR_BUSY 1012
/** This node can't make a block on demand. */
#define TC_ERROR_CANNOT_PRODUCE_BLOCK 1013
/** The wallet's coins don't cover amount and fee. */
#define TC_ERROR_INSUFFICIENT_FUNDS 1014
/** The amount takes more coins than one transaction may spend. */
#define TC_ERROR_TOO_MANY_COINS 1015
/** The node does not hold the finality proof of that transaction. */
#define TC_ERROR_NO_PROOF 1016
/** The wallet does not hold the key of that address. */
#define TC_ERROR_UNKNOWN_ADDRESS 1017
/** The node was started before. */
#define TC_ERROR_ALREADY_STARTED 1018
/** A text that is no duration. */
#define TC_ERROR_INVALID_DURATION 1019
/** A simulation's condition did not come true in the virtual time given; it may still. */
#define TC_ERROR_NOT_REACHED 1020
/** The address to listen on is taken, or not this machine's. */
#define TC_ERROR_CANNOT_LISTEN 1021
/** A data directory to be filled has a chain already. */
#define TC_ERROR_CHAIN_EXISTS 1022
/** A null pointer where C must pass a value. */
#define TC_ERROR_NULL_ARGUMENT 1040
/** A handle that was freed or never given out. */
#define TC_ERROR_INVALID_HANDLE 1041
/** The library was loaded before a fork: open nodes in the process that uses them. */
#define TC_ERROR_FORKED_PROCESS 1042
/** A buffer of the caller is too small for the answer. */
#define TC_ERROR_BUFFER_TOO_SMALL 1043
/** The host's signal handler ended a wait. */
#define TC_ERROR_INTERRUPTED 1044
/** Not the canonical bytes of a transaction. */
#define TC_ERROR_TRANSACTION_MALFORMED 1100
/** A transaction version that does not exist. */
#define TC_ERROR_TRANSACTION_UNKNOWN_VERSION 1101
/** A transaction over the size limit. */
#define TC_ERROR_TRANSACTION_TOO_LARGE 1102
/** No input, or too many. */
#define TC_ERROR_TRANSACTION_INPUT_COUNT 1103
/** No output, or too many. */
#define TC_ERROR_TRANSACTION_OUTPUT_COUNT 1104
/** One output spent twice in one transaction. */
#define TC_ERROR_TRANSACTION_DUPLICATE_INPUT 1105
/** An output below the least value. */
#define TC_ERROR_TRANSACTION_DUST 1106
/** A sum that does not fit 64 bits. */
#define TC_ERROR_TRANSACTION_OVERFLOW 1107
/** A signature that does not hold. */
#define TC_ERROR_TRANSACTION_BAD_SIGNATURE 1108
/** A reward outside a block. */
#define TC_ERROR_TRANSACTION_UNEXPECTED_COINBASE 1109
/** A registration whose own fields are wrong. */
#define TC_ERROR_TRANSACTION_BAD_REGISTRATION 1110
/** A registration or deregistration that the consensus key did not sign. */
#define TC_ERROR_TRANSACTION_BAD_PROOF 1111
/** Evidence that proves nothing. */
#define TC_ERROR_TRANSACTION_BAD_EVIDENCE 1112
/** Evidence that changes nothing. */
#define TC_ERROR_TRANSACTION_STALE_EVIDENCE 1113
/** An input whose transaction is not known. */
#define TC_ERROR_TRANSACTION_UNKNOWN_INPUT 1114
/** An input that a decided block has spent. */
#define TC_ERROR_TRANSACTION_INPUT_SPENT 1115
/** A key that does not own the input. */
#define TC_ERROR_TRANSACTION_WRONG_KEY 1116
/** More goes out than comes in. */
#define TC_ERROR_TRANSACTION_INSUFFICIENT_INPUTS 1117
/** Too little is left for the fee. */
#define TC_ERROR_TRANSACTION_FEE_TOO_LOW 1118
/** The lock time lies ahead. */
#define TC_ERROR_TRANSACTION_LOCK_TIME 1119
/** A reward that is too young to spend. */
#define TC_ERROR_TRANSACTION_IMMATURE_COINBASE 1120
/** The collateral of a masternode that has not left. */
#define TC_ERROR_TRANSACTION_COLLATERAL_LOCKED 1121
/** The consensus key is registered already. */
#define TC_ERROR_TRANSACTION_MASTERNODE_EXISTS 1122
/** The consensus key is not registered. */
#define TC_ERROR_TRANSACTION_UNKNOWN_MASTERNODE 1123
/** Another transaction with the same input is approved. */
#define TC_ERROR_CONFLICTS_WITH_APPROVED 1200
/** Another transaction with the same input is final. */
#define TC_ERROR_CONFLICTS_WITH_FINAL 1201
/** Another transaction with the same input is in a decided block. */
#define TC_ERROR_CONFLICTS_WITH_CONFIRMED 1202
/** A quorum of masternodes rejected it. */
#define TC_ERROR_REJECTED_BY_QUORUM 1203
/** The mempool is full of transactions that pay more. */
#define TC_ERROR_MEMPOOL_FULL 1204
/** Pushed out of the mempool by transactions that pay more. */
#define TC_ERROR_EVICTED 1205
/** The transactions that it spends did not come in time. */
#define TC_ERROR_PARENT_TIMEOUT 1206
/** Too many transactions wait for unknown inputs. */
#define TC_ERROR_WAITING_ROOM_FULL 1207

/* 2000 to 2999: from another node, or whoever handed over a proof. */

/** A certificate of another masternode set. */
#define TC_ERROR_PROOF_OTHER_SET 2001
/** A certificate about something else. */
#define TC_ERROR_PROOF_OTHER_SUBJECT 2002
/** A certificate with fewer signers than a quorum. */
#define TC_ERROR_PROOF_TOO_FEW_SIGNERS 2003
/** A certificate with signers out of order or twice. */
#define TC_ERROR_PROOF_SIGNER_ORDER 2004
/** A certificate with a signature that does not hold. */
#define TC_ERROR_PROOF_BAD_SIGNATURE 2005
/** A message that no honest node can have sent. */
#define TC_ERROR_INVALID_MESSAGE 2010

/* 3000 to 3999: the operator can do something about it. */

/** The operating system refused a file operation. */
#define TC_ERROR_STORAGE_IO 3001
/** Another node has the data directory open. */
#define TC_ERROR_STORAGE_LOCKED 3002
/** The data directory belongs to another chain. */
#define TC_ERROR_STORAGE_WRONG_CHAIN 3003
/** The directory holds a log of another kind. */
#define TC_ERROR_STORAGE_WRONG_KIND 3004
/** The data was written by a version that this one can't read. */
#define TC_ERROR_STORAGE_UNSUPPORTED_FORMAT 3005
/** Bytes that were once on disk are gone or altered. */
#define TC_ERROR_STORAGE_DAMAGED 3006
/** A record is larger than its log takes. */
#define TC_ERROR_STORAGE_RECORD_TOO_LARGE 3007
/** A batch is larger than its log takes. */
#define TC_ERROR_STORAGE_BATCH_TOO_LARGE 3008
/** No record at a position that should have one. */
#define TC_ERROR_STORAGE_NO_RECORD 3009
/** The record was dropped with old ones. */
#define TC_ERROR_STORAGE_PRUNED 3010
/** An earlier write failed, so nothing more is written until the store is opened again. */
#define TC_ERROR_STORAGE_FAILED 3011
/** The highest segment number is taken. */
#define TC_ERROR_STORAGE_SEGMENTS_USED_UP 3012
/** The disk is full. */
#define TC_ERROR_STORAGE_FULL 3013
/** The directory can't be written to. */
#define TC_ERROR_STORAGE_READ_ONLY 3014
/** The derived tables can't be used and could not be rebuilt. */
#define TC_ERROR_STORAGE_TABLES 3015
/** A record is whole, and is not what belongs there. */
#define TC_ERROR_STORAGE_BAD_RECORD 3016
/** The block log is gone, or its beginning is. */
#define TC_ERROR_STORAGE_LOG_MISSING 3017
/** What the store begins from instead of the genesis is damaged. */
#define TC_ERROR_STORAGE_BASE_DAMAGED 3018

/* 4000 to 4999: a bug, or the node was stopped by an earlier failure. */

/** The node stopped writing after a failure; its text says which. */
#define TC_ERROR_POISONED 4001
/** Something that the code makes impossible happened. */
#define TC_ERROR_INTERNAL 4002
/** No thread could be started. */
#define TC_ERROR_NO_THREADS 4003
/** The operating system has no randomness to give. */
#define TC_ERROR_NO_RANDOMNESS 4004
/** A simulation found an invariant of the protocol broken. */
#define TC_ERROR_INVARIANT_BROKEN 4005

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/* ---- Versions, errors and names ---- */

/**
 * The ABI version of the library that is loaded. Compare it with TC_ABI_VERSION, which is that
 * of the header, or call tc_abi_check.
 */
uint32_t tc_abi_version(void);

/**
 * Whether the library that is loaded fits a header: pass TC_ABI_VERSION.
 *
 * Errors: TC_ERROR_INVALID_ARGUMENT where it does not.
 */
tc_status_t tc_abi_check(uint32_t abi_version);

/** The version of the library as text, as "0.1.0". Borrowed from the library, valid forever. */
const char *tc_version(void);

/**
 * What the last failing call of this thread says about its error, in a sentence. It stays until
 * another call of this thread fails; empty where none did.
 *
 * text_out: room for text_bytes bytes, the NUL included. required_out: what it takes, also where
 * that is more; may be null.
 *
 * Errors: TC_ERROR_BUFFER_TOO_SMALL, which leaves the text as it is; TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_error_message(char *text_out,
                             size_t text_bytes,
                             size_t *required_out);

/**
 * The name of a TC_ERROR_ number in lower case, as "timeout"; "ok" for TC_OK and "unknown" for
 * what is none. Borrowed from the library, valid forever.
 */
const char *tc_error_name(tc_status_t status);

/** The TC_CATEGORY_ of a TC_ERROR_ number; 0 for TC_OK and for what is none. */
int32_t tc_error_category(tc_status_t status);

/** 1 where the very same request may succeed later, else 0. */
uint8_t tc_error_is_retryable(tc_status_t status);

/**
 * The name of a TC_TRANSACTION_ number in lower case, as "finalized"; "unknown" for what is none.
 * Borrowed from the library, valid forever.
 */
const char *tc_transaction_status_name(int32_t transaction_status);

/**
 * The name of a TC_NODE_STATE_ number in lower case, as "running"; "unknown" for what is none.
 * Borrowed from the library, valid forever.
 */
const char *tc_node_state_name(int32_t state);

/* ---- Bytes and texts of any length ---- */

/**
 * Where the bytes are and how many. Behind them stands a NUL that is not counted, so that a text
 * can be used as a C string.
 *
 * data_out: borrowed from `bytes`, valid until they are freed. length_out: may be null.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_bytes_view(tc_bytes_t bytes,
                          const uint8_t **data_out,
                          size_t *length_out);

/**
 * Frees bytes.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, also for what was freed already.
 */
tc_status_t tc_bytes_free(tc_bytes_t bytes);

/* ---- Text forms ---- */

/**
 * Reads an amount: "1.5", "1.5 TIME" or "150000000 units".
 *
 * units_out: in units.
 *
 * Errors: TC_ERROR_NULL_ARGUMENT; TC_ERROR_INVALID_AMOUNT for anything else, more than 8 decimals
 * and what does not fit 64 bits.
 */
tc_status_t tc_amount_from_text(const char *text,
                                uint64_t *units_out);

/**
 * Writes an amount, as "1.5 TIME".
 *
 * text_out: room for text_bytes bytes, TC_AMOUNT_TEXT_BYTES are enough. required_out: what it
 * takes; may be null.
 *
 * Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_BUFFER_TOO_SMALL.
 */
tc_status_t tc_amount_to_text(uint64_t units,
                              char *text_out,
                              size_t text_bytes,
                              size_t *required_out);

/**
 * Reads an address of a network, as "rtime1...".
 *
 * network: TC_NETWORK_.
 *
 * Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT for the network,
 * TC_ERROR_INVALID_ADDRESS for what is no address or one of another network.
 */
tc_status_t tc_address_from_text(const char *text, int32_t network, tc_address_t *address_out);

/**
 * Writes an address for a network, as "rtime1...".
 *
 * network: TC_NETWORK_. text_out: room for text_bytes bytes, TC_ADDRESS_TEXT_BYTES are enough.
 * required_out: what it takes; may be null.
 *
 * Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT for the network,
 * TC_ERROR_BUFFER_TOO_SMALL.
 */
tc_status_t tc_address_to_text(const tc_address_t *address,
                               int32_t network,
                               char *text_out,
                               size_t text_bytes,
                               size_t *required_out);

/**
 * The address of a public key.
 *
 * Errors: TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_address_of(const tc_public_key_t *public_key, tc_address_t *address_out);

/**
 * Reads an outpoint: "txid:vout".
 *
 * Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_MALFORMED.
 */
tc_status_t tc_outpoint_from_text(const char *text, tc_outpoint_t *outpoint_out);

/**
 * Writes an outpoint: "txid:vout".
 *
 * text_out: room for text_bytes bytes, TC_OUTPOINT_TEXT_BYTES are enough. required_out: what it
 * takes; may be null.
 *
 * Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_BUFFER_TOO_SMALL.
 */
tc_status_t tc_outpoint_to_text(const tc_outpoint_t *outpoint,
                                char *text_out,
                                size_t text_bytes,
                                size_t *required_out);

/**
 * Reads the id of a transaction: 64 hexadecimal digits.
 *
 * Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_MALFORMED.
 */
tc_status_t tc_txid_from_text(const char *text, tc_txid_t *txid_out);

/**
 * Writes the id of a transaction: 64 hexadecimal digits.
 *
 * text_out: room for text_bytes bytes, TC_HEX_TEXT_BYTES are enough. required_out: what it takes;
 * may be null.
 *
 * Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_BUFFER_TOO_SMALL.
 */
tc_status_t tc_txid_to_text(const tc_txid_t *txid,
                            char *text_out,
                            size_t text_bytes,
                            size_t *required_out);

/**
 * Reads the id of a block: 64 hexadecimal digits.
 *
 * Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_MALFORMED.
 */
tc_status_t tc_block_hash_from_text(const char *text, tc_block_hash_t *block_hash_out);

/**
 * Writes the id of a block: 64 hexadecimal digits.
 *
 * text_out: room for text_bytes bytes, TC_HEX_TEXT_BYTES are enough. required_out: what it takes;
 * may be null.
 *
 * Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_BUFFER_TOO_SMALL.
 */
tc_status_t tc_block_hash_to_text(const tc_block_hash_t *block_hash,
                                  char *text_out,
                                  size_t text_bytes,
                                  size_t *required_out);

/**
 * Reads the identity of a chain: 64 hexadecimal digits.
 *
 * Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_MALFORMED.
 */
tc_status_t tc_chain_id_from_text(const char *text, tc_chain_id_t *chain_id_out);

/**
 * Writes the identity of a chain: 64 hexadecimal digits.
 *
 * text_out: room for text_bytes bytes, TC_HEX_TEXT_BYTES are enough. required_out: what it takes;
 * may be null.
 *
 * Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_BUFFER_TOO_SMALL.
 */
tc_status_t tc_chain_id_to_text(const tc_chain_id_t *chain_id,
                                char *text_out,
                                size_t text_bytes,
                                size_t *required_out);

/**
 * Reads a public key: 64 hexadecimal digits.
 *
 * Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_MALFORMED.
 */
tc_status_t tc_public_key_from_text(const char *text, tc_public_key_t *public_key_out);

/**
 * Writes a public key: 64 hexadecimal digits.
 *
 * text_out: room for text_bytes bytes, TC_HEX_TEXT_BYTES are enough. required_out: what it takes;
 * may be null.
 *
 * Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_BUFFER_TOO_SMALL.
 */
tc_status_t tc_public_key_to_text(const tc_public_key_t *public_key,
                                  char *text_out,
                                  size_t text_bytes,
                                  size_t *required_out);

/**
 * Reads a digest: 64 hexadecimal digits.
 *
 * Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_MALFORMED.
 */
tc_status_t tc_digest_from_text(const char *text, tc_digest_t *digest_out);

/**
 * Writes a digest: 64 hexadecimal digits.
 *
 * text_out: room for text_bytes bytes, TC_HEX_TEXT_BYTES are enough. required_out: what it takes;
 * may be null.
 *
 * Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_BUFFER_TOO_SMALL.
 */
tc_status_t tc_digest_to_text(const tc_digest_t *digest,
                              char *text_out,
                              size_t text_bytes,
                              size_t *required_out);

/* ---- Keys ---- */

/**
 * Makes a new secret key from the operating system's randomness.
 *
 * Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_NO_RANDOMNESS.
 */
tc_status_t tc_secret_generate(tc_secret_t *secret_out);

/**
 * The secret key that belongs to a seed of any length: always the same, only as secret as it is.
 *
 * Errors: TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_secret_from_seed(const uint8_t *seed,
                                size_t seed_bytes,
                                tc_secret_t *secret_out);

/**
 * The secret key with these 64 hexadecimal digits.
 *
 * Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_MALFORMED.
 */
tc_status_t tc_secret_from_text(const char *text, tc_secret_t *secret_out);

/**
 * The 64 hexadecimal digits of a secret key, for a key store. Wipe the buffer after use.
 *
 * text_out: room for text_bytes bytes, TC_HEX_TEXT_BYTES are enough. required_out: what it takes;
 * may be null.
 *
 * Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_BUFFER_TOO_SMALL.
 */
tc_status_t tc_secret_to_text(const tc_secret_t *secret,
                              char *text_out,
                              size_t text_bytes,
                              size_t *required_out);

/**
 * The public key of a secret key.
 *
 * Errors: TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_secret_public_key(const tc_secret_t *secret, tc_public_key_t *public_key_out);

/**
 * Signs a message of any length. The same message always gives the same signature.
 *
 * Errors: TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_secret_sign(const tc_secret_t *secret,
                           const uint8_t *message,
                           size_t message_bytes,
                           tc_signature_t *signature_out);

/** Overwrites a secret key of the caller so that no compiler leaves it out. Null is fine. */
tc_status_t tc_secret_wipe(tc_secret_t *secret);

/* ---- Configuration ---- */

/**
 * The one masternode of a regtest chain of its own, kept in memory, with well-known keys: the
 * wallet of the seed "regtest wallet" owns 1,000,000 TIME.
 *
 * block_production: TC_BLOCK_PRODUCTION_. It is a part of the chain's identity: a directory is
 * opened again with the same.
 * config_out: owned, free with tc_config_free.
 *
 * Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT.
 */
tc_status_t tc_config_new_regtest(int32_t block_production, tc_config_t *config_out);

/**
 * A node that follows the chain of a genesis, kept in memory, with no masternode key.
 *
 * genesis_json: the JSON form of a genesis, as tc_config_genesis gives it.
 * config_out: owned, free with tc_config_free.
 *
 * Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_GENESIS.
 */
tc_status_t tc_config_from_genesis(const char *genesis_json, tc_config_t *config_out);

/**
 * The genesis of a regtest chain with these masternodes: 1,000,000 TIME for each wallet, and votes
 * for the masternodes, whose rewards go to the addresses of their keys. All nodes of the chain are
 * opened with it, by tc_config_from_genesis.
 *
 * masternodes: consensus keys, n_masternodes of them, 1 to 200, in any order.
 * wallets: n_wallets of them; one that is there twice owns two coins.
 * json_out: a text; owned, free with tc_bytes_free.
 *
 * Errors: TC_ERROR_NULL_ARGUMENT; TC_ERROR_INVALID_GENESIS for none, too many, or one twice.
 */
tc_status_t tc_config_regtest_genesis(const tc_public_key_t *masternodes,
                                      size_t n_masternodes,
                                      const tc_address_t *wallets,
                                      size_t n_wallets,
                                      tc_bytes_t *json_out);

/**
 * Sets a field by its name from its text; an empty text is none. The fields are those of Rust
 * and Python:
 *
 *   data_dir                  a directory, made if it is not there; empty for memory
 *   masternode_key            64 hexadecimal digits of a secret key, or empty
 *   mempool_transactions_max  1 to 10000000; default 10000
 *   mempool_bytes_max         100000 to 100000000000; default 300000000
 *   waiting_transactions_max  0 to 1000000; default 1000
 *   waiting_ms_max            1 to 86400000 ms; default 60000
 *   utxo_cache_entries        0 to 10000000; default 10000
 *   store_cache_bytes         1000000 to 64000000000, or empty for a share of the memory
 *   sync_writes               true or false; default true
 *   round_timeout_ms          1 to 86400000 ms; default 30000
 *   submit_timeout_ms         1 to 86400000 ms that a submit waits for its answer, and a payment
 *                             for reserved coins, 5 s at most; default 30000
 *   listen                    an address and a port to listen on, port 0 for any free one, or
 *                             empty for nobody
 *   peers                     host:port or key@host:port to dial, with commas between, or empty;
 *                             a node with neither this nor listen has no network
 *   node_key                  64 hexadecimal digits of the secret key by which peers know a node
 *                             that is no masternode, or empty for one that is made
 *   inbound_max               0 to 10000 nodes that dial this one, besides masternodes;
 *                             default 125
 *   outbound_max              0 to 1000 nodes that this one dials, besides masternodes; default 16
 *   private_addresses         true or false: whether loopback and private addresses are dialled
 *                             and passed on; empty, the default, for on regtest only
 *   event_queue_max           1 to 16777216; default 16384
 *   runtime_threads           0 to 256; default 0: one runtime that all such nodes share
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_CONFIG.
 */
tc_status_t tc_config_set(tc_config_t config,
                          const char *name,
                          const char *text);

/**
 * Sets the consensus key of a masternode.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_config_set_masternode_key(tc_config_t config, const tc_secret_t *secret);

/**
 * The JSON form of its genesis.
 *
 * json_out: a text; owned, free with tc_bytes_free.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_config_genesis(tc_config_t config, tc_bytes_t *json_out);

/**
 * Frees a configuration. Nodes that were opened with it stay.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, also for what was freed already.
 */
tc_status_t tc_config_free(tc_config_t config);

/* ---- Filling a data directory ---- */

/**
 * Fills an empty data directory with the unspent outputs of the chain, from the peers of a
 * configuration, so that tc_node_open goes on from there and fetches only later blocks. Nothing
 * is believed but what the headers from the genesis on prove. It blocks until it is done; where it
 * ends early, also with its process, what came is kept, and the next call goes on with it.
 *
 * Blocks up to that height are not in the directory afterwards, and neither transactions in them
 * nor outputs that they spent are known. At least one peer must have all headers. A masternode
 * observes for the rest of the epoch. A directory that was filled and never opened is left as it
 * is, and described.
 *
 * config: with data_dir and peers; copied.
 * timeout_ms: up to TC_FOREVER.
 * on_progress: called several times a second, on this thread; null for nobody.
 * user: handed to on_progress; may be null.
 * bootstrapped_out: its struct_size is set by the caller; may be null.
 *
 * Errors: TC_ERROR_INVALID_HANDLE; TC_ERROR_INVALID_ARGUMENT where the configuration has no
 * data_dir, or no peers; TC_ERROR_CHAIN_EXISTS where a node was opened in the directory;
 * TC_ERROR_TIMEOUT; TC_ERROR_INTERRUPTED where on_progress ended it; TC_ERROR_INVALID_CONFIG,
 * TC_ERROR_INVALID_GENESIS, TC_ERROR_NO_THREADS, TC_ERROR_STORAGE_ numbers.
 */
tc_status_t tc_node_bootstrap(tc_config_t config,
                              uint64_t timeout_ms,
                              tc_on_bootstrap_t on_progress,
                              void *user,
                              tc_bootstrapped_t *bootstrapped_out);

/* ---- A node's life ---- */

/**
 * Opens a node: its store is read, and reads answer. Start it with tc_node_start.
 *
 * config: copied; it can be freed, or used for the next node.
 * node_out: owned, free with tc_node_free.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_CONFIG,
 * TC_ERROR_INVALID_GENESIS, TC_ERROR_NO_THREADS; TC_ERROR_CANNOT_LISTEN where the address to
 * listen on is taken or not this machine's; TC_ERROR_STORAGE_LOCKED where another node has the
 * directory, TC_ERROR_STORAGE_WRONG_CHAIN where it is of another chain, and other
 * TC_ERROR_STORAGE_ numbers.
 */
tc_status_t tc_node_open(tc_config_t config, tc_node_t *node_out);

/**
 * Takes part: proposes, votes, takes transactions. A node starts once.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_ALREADY_STARTED, TC_ERROR_CLOSED.
 */
tc_status_t tc_node_start(tc_node_t node);

/**
 * Ends a node: nothing new is taken, what was begun is finished and flushed, the directory is
 * let go of, waiting calls return TC_ERROR_CLOSED. Closing a closed node is fine. The handle
 * stays valid until tc_node_free.
 *
 * timeout_ms: how long this call waits for that.
 *
 * Errors: TC_ERROR_INVALID_HANDLE; TC_ERROR_TIMEOUT where it takes longer: it goes on behind.
 */
tc_status_t tc_node_close(tc_node_t node, uint64_t timeout_ms);

/**
 * Frees a node. It is closed with that, unless a wallet or a draft of it is still there or another
 * thread is in a call with it: that call goes on, and a wait is not ended by this. Close the node
 * with tc_node_close first, which ends waits with TC_ERROR_CLOSED.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, also for what was freed already.
 */
tc_status_t tc_node_free(tc_node_t node);

/* ---- A node at a glance ---- */

/**
 * The node at a glance. Any thread may ask often: it asks neither engine nor disk.
 *
 * status_out: its struct_size is set by the caller.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT.
 */
tc_status_t tc_node_status(tc_node_t node, tc_node_status_t *status_out);

/**
 * The last decided block.
 *
 * tip_out: its struct_size is set by the caller.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT.
 */
tc_status_t tc_node_tip(tc_node_t node, tc_tip_t *tip_out);

/**
 * How full the mempool is.
 *
 * info_out: its struct_size is set by the caller.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT.
 */
tc_status_t tc_node_mempool_info(tc_node_t node, tc_mempool_info_t *info_out);

/**
 * Everything that the node counts, in the Prometheus text form.
 *
 * text_out: a text; owned, free with tc_bytes_free.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_node_metrics_text(tc_node_t node, tc_bytes_t *text_out);

/* ---- Submitting ---- */

/**
 * Submits the canonical bytes of a transaction and returns when it is admitted or refused. It is
 * final later: see tc_node_wait_finalized. Submitting again what is known gives its id again.
 *
 * transaction: transaction_bytes bytes.
 * txid_out: may be null.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_TRANSACTION_ numbers where it
 * is not valid, 1200 to 1299 where it is refused as things stand; TC_ERROR_TIMEOUT where no
 * answer came in submit_timeout_ms: it can be submitted again; TC_ERROR_BUSY,
 * TC_ERROR_NOT_RUNNING, TC_ERROR_CLOSED, TC_ERROR_POISONED.
 */
tc_status_t tc_node_submit_transaction(tc_node_t node,
                                       const uint8_t *transaction,
                                       size_t transaction_bytes,
                                       tc_txid_t *txid_out);

/* ---- A node's network ---- */

/**
 * Where a node listens for others, with the port that it got, as "127.0.0.1:7000".
 *
 * text_out: room for text_bytes bytes, TC_SOCKET_TEXT_BYTES are enough. required_out: what it
 * takes; may be null.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_BUFFER_TOO_SMALL;
 * TC_ERROR_NOT_FOUND where it does not listen.
 */
tc_status_t tc_node_listen_address(tc_node_t node,
                                   char *text_out,
                                   size_t text_bytes,
                                   size_t *required_out);

/**
 * The node key by which peers know a node; a masternode's is its consensus key.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_NOT_FOUND where the node has
 * no network: neither listen nor peers is set in its configuration.
 */
tc_status_t tc_node_node_key(tc_node_t node,
                             tc_public_key_t *key_out);

/**
 * A page of the peers that are connected, ascending by key; none where the node has no network.
 * Any thread may ask often.
 *
 * after: the key that the page begins after, the last one of the page before; null for the first
 * page.
 * peers_out: an array of peers_max elements, at least 1; the caller sets struct_size of the first.
 * n_out: how many were written. 0 ends the pages.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT.
 */
tc_status_t tc_node_peers(tc_node_t node,
                          const tc_public_key_t *after,
                          tc_peer_t *peers_out,
                          size_t peers_max,
                          size_t *n_out);

/**
 * Dials a peer, now and whenever its connection ends. It returns at once: the peer is connected
 * when tc_node_peers or a TC_EVENT_PEER_CONNECTED says so.
 *
 * peer: "key@host:port", with an address for a host.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_INVALID_ARGUMENT where the
 * text is no such peer, or the node has no network.
 */
tc_status_t tc_node_connect(tc_node_t node, const char *peer);

/**
 * Ends the connection to a peer. It may come again.
 *
 * key: its node key. was_connected_out: 1 where there was a connection, else 0; may be null.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_node_disconnect(tc_node_t node,
                               const tc_public_key_t *key,
                               uint8_t *was_connected_out);

/* ---- Reading ---- */

/**
 * How far a transaction is. Asks neither the engine nor, for what is not confirmed, the disk.
 *
 * status_out: its struct_size is set by the caller.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT,
 * TC_ERROR_NOT_FOUND, TC_ERROR_CLOSED, TC_ERROR_STORAGE_ numbers.
 */
tc_status_t tc_node_transaction_status(tc_node_t node,
                                       const tc_txid_t *txid,
                                       tc_transaction_status_t *status_out);

/**
 * A transaction and how far it is.
 *
 * transaction_out: owned, free with tc_transaction_free.
 * status_out: its struct_size is set by the caller; may be null.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT,
 * TC_ERROR_NOT_FOUND, TC_ERROR_CLOSED, TC_ERROR_STORAGE_ numbers.
 */
tc_status_t tc_node_transaction(tc_node_t node,
                                const tc_txid_t *txid,
                                tc_transaction_t *transaction_out,
                                tc_transaction_status_t *status_out);

/**
 * An output and how far its spending is.
 *
 * utxo_out: its struct_size is set by the caller.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT,
 * TC_ERROR_CLOSED, TC_ERROR_STORAGE_ numbers; TC_ERROR_NOT_FOUND where its transaction is neither
 * confirmed nor final, or never had it.
 */
tc_status_t tc_node_utxo(tc_node_t node,
                         const tc_outpoint_t *outpoint,
                         tc_utxo_t *utxo_out);

/**
 * A page of the outputs of an address, ascending by outpoint: those that no block has spent, and
 * those of final transactions that are in no block yet.
 *
 * after: the outpoint that the page begins after, the last one of the page before; null for the
 * first page.
 * utxos_out: an array of utxos_max elements, 1 to TC_UTXOS_PAGE_MAX; the caller sets struct_size
 * of the first.
 * n_out: how many were written. 0 ends the pages.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT,
 * TC_ERROR_CLOSED, TC_ERROR_STORAGE_ numbers.
 */
tc_status_t tc_node_utxos_of(tc_node_t node,
                             const tc_address_t *address,
                             const tc_outpoint_t *after,
                             tc_utxo_t *utxos_out,
                             size_t utxos_max,
                             size_t *n_out);

/**
 * The money of an address. Reads all its outputs.
 *
 * balance_out: its struct_size is set by the caller.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT,
 * TC_ERROR_CLOSED, TC_ERROR_STORAGE_ numbers.
 */
tc_status_t tc_node_balance(tc_node_t node,
                            const tc_address_t *address,
                            tc_balance_t *balance_out);

/**
 * The masternodes that decide the next block, as JSON: an array of objects with consensus_key,
 * payout and network_address, ascending by key.
 *
 * json_out: a text; owned, free with tc_bytes_free.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_node_masternodes(tc_node_t node, tc_bytes_t *json_out);

/* ---- Waiting ---- */

/**
 * Waits until a transaction can never be undone: it is final, or confirmed already. One that is
 * not known yet is waited for.
 *
 * timeout_ms: up to TC_FOREVER. A host that must stay responsive waits in slices.
 * status_out: its struct_size is set by the caller; may be null.
 *
 * Errors: TC_ERROR_TIMEOUT where it takes longer, and it can be waited for again; the number of
 * its rejection where it was refused; TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT,
 * TC_ERROR_INVALID_ARGUMENT, TC_ERROR_CLOSED, TC_ERROR_POISONED, TC_ERROR_STORAGE_ numbers.
 */
tc_status_t tc_node_wait_finalized(tc_node_t node,
                                   const tc_txid_t *txid,
                                   uint64_t timeout_ms,
                                   tc_transaction_status_t *status_out);

/**
 * Waits until a transaction is in a decided block.
 *
 * timeout_ms: up to TC_FOREVER. height_out: the block's; may be null.
 *
 * Errors: as tc_node_wait_finalized.
 */
tc_status_t tc_node_wait_confirmed(tc_node_t node,
                                   const tc_txid_t *txid,
                                   uint64_t timeout_ms,
                                   uint64_t *height_out);

/**
 * Waits until the block at a height is decided.
 *
 * timeout_ms: up to TC_FOREVER. height_out: the tip's, which may be higher; may be null.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_TIMEOUT, TC_ERROR_CLOSED, TC_ERROR_POISONED.
 */
tc_status_t tc_node_wait_height(tc_node_t node,
                                uint64_t height,
                                uint64_t timeout_ms,
                                uint64_t *height_out);

/**
 * Asks for a block now, whatever the interval, and waits until it is decided.
 *
 * timeout_ms: up to TC_FOREVER. height_out: the block's; may be null.
 *
 * Errors: TC_ERROR_INVALID_HANDLE; TC_ERROR_CANNOT_PRODUCE_BLOCK where this node is no masternode
 * of this epoch or may not sign; TC_ERROR_TIMEOUT where no block is decided in time;
 * TC_ERROR_NOT_RUNNING, TC_ERROR_CLOSED, TC_ERROR_POISONED.
 */
tc_status_t tc_node_produce_block(tc_node_t node,
                                  uint64_t timeout_ms,
                                  uint64_t *height_out);

/* ---- Proofs of finality ---- */

/**
 * The proof that a transaction is final. It can be had from when the transaction is final until
 * its epoch ends at least.
 *
 * proof_out: owned, free with tc_bytes_free.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_NO_PROOF where it is not
 * final, or its proof is not kept any more; TC_ERROR_NOT_RUNNING, TC_ERROR_CLOSED,
 * TC_ERROR_POISONED.
 */
tc_status_t tc_node_finality_proof(tc_node_t node,
                                   const tc_txid_t *txid,
                                   tc_bytes_t *proof_out);

/**
 * The masternodes that decide the next block, as canonical bytes for tc_verify_finality_proof.
 *
 * masternode_set_out: owned, free with tc_bytes_free.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_node_masternode_set(tc_node_t node, tc_bytes_t *masternode_set_out);

/**
 * Checks the proof that a transaction is final. Needs no node.
 *
 * proof: proof_bytes bytes, as tc_node_finality_proof gave them.
 * chain_id: the chain that it must be about.
 * masternode_set: masternode_set_bytes bytes, as tc_node_masternode_set gave them; the set of the
 * epoch in which the transaction became final, from somebody whom the caller trusts.
 * txid_out: which transaction it proves to be final; may be null.
 *
 * Errors: TC_ERROR_PROOF_ numbers where it does not hold; TC_ERROR_MALFORMED for bytes of
 * something else; TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_verify_finality_proof(const uint8_t *proof,
                                     size_t proof_bytes,
                                     const tc_chain_id_t *chain_id,
                                     const uint8_t *masternode_set,
                                     size_t masternode_set_bytes,
                                     tc_txid_t *txid_out);

/* ---- Blocks ---- */

/**
 * The decided block at a height, from 1.
 *
 * block_out: owned, free with tc_block_free.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_NOT_FOUND, TC_ERROR_CLOSED,
 * TC_ERROR_STORAGE_ numbers.
 */
tc_status_t tc_node_block_at(tc_node_t node, uint64_t height, tc_block_t *block_out);

/**
 * The decided block with a hash.
 *
 * block_out: owned, free with tc_block_free.
 *
 * Errors: as tc_node_block_at.
 */
tc_status_t tc_node_block_by_hash(tc_node_t node,
                                  const tc_block_hash_t *hash,
                                  tc_block_t *block_out);

/**
 * What a block says of itself.
 *
 * info_out: its struct_size is set by the caller.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT.
 */
tc_status_t tc_block_info(tc_block_t block, tc_block_info_t *info_out);

/**
 * A transaction of a block.
 *
 * index: from 0, which is the reward.
 * transaction_out: owned, free with tc_transaction_free.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_NOT_FOUND.
 */
tc_status_t tc_block_transaction(tc_block_t block,
                                 size_t index,
                                 tc_transaction_t *transaction_out);

/**
 * The canonical bytes of a block.
 *
 * bytes_out: owned, free with tc_bytes_free.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_block_to_bytes(tc_block_t block, tc_bytes_t *bytes_out);

/**
 * The canonical bytes of the certificate that proves a block to be decided.
 *
 * bytes_out: owned, free with tc_bytes_free.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_block_certificate(tc_block_t block, tc_bytes_t *bytes_out);

/**
 * Frees a block.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, also for what was freed already.
 */
tc_status_t tc_block_free(tc_block_t block);

/* ---- Transactions ---- */

/**
 * Reads the canonical bytes of a transaction. Signatures and inputs are not checked.
 *
 * data: data_bytes bytes.
 * transaction_out: owned, free with tc_transaction_free.
 *
 * Errors: TC_ERROR_NULL_ARGUMENT; TC_ERROR_TRANSACTION_MALFORMED and other TC_ERROR_TRANSACTION_
 * numbers.
 */
tc_status_t tc_transaction_from_bytes(const uint8_t *data,
                                      size_t data_bytes,
                                      tc_transaction_t *transaction_out);

/**
 * Builds a transfer that is not signed: see tc_wallet_sign. What the inputs are worth above the
 * outputs is the fee.
 *
 * inputs: n_inputs elements. outputs: n_outputs elements.
 * transaction_out: owned, free with tc_transaction_free.
 *
 * Errors: TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_transaction_transfer(const tc_tx_source_t *inputs,
                                    size_t n_inputs,
                                    const tc_tx_output_t *outputs,
                                    size_t n_outputs,
                                    tc_transaction_t *transaction_out);

/**
 * What a transaction is made of.
 *
 * info_out: its struct_size is set by the caller.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT.
 */
tc_status_t tc_transaction_info(tc_transaction_t transaction, tc_transaction_info_t *info_out);

/**
 * What an input of a transaction spends, and with which key.
 *
 * index: from 0.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_NOT_FOUND.
 */
tc_status_t tc_transaction_input(tc_transaction_t transaction,
                                 size_t index,
                                 tc_tx_source_t *input_out);

/**
 * An output of a transaction.
 *
 * index: from 0.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_NOT_FOUND.
 */
tc_status_t tc_transaction_output(tc_transaction_t transaction,
                                  size_t index,
                                  tc_tx_output_t *output_out);

/**
 * The canonical bytes of a transaction.
 *
 * bytes_out: owned, free with tc_bytes_free.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_transaction_to_bytes(tc_transaction_t transaction, tc_bytes_t *bytes_out);

/**
 * Submits a transaction, as tc_node_submit_transaction does its bytes.
 *
 * txid_out: may be null.
 *
 * Errors: as tc_node_submit_transaction.
 */
tc_status_t tc_transaction_submit(tc_transaction_t transaction,
                                  tc_node_t node,
                                  tc_txid_t *txid_out);

/**
 * Frees a transaction.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, also for what was freed already.
 */
tc_status_t tc_transaction_free(tc_transaction_t transaction);

/* ---- Events ---- */

/**
 * Receives events from now on; the first subscriber also gets what was found at opening. Events
 * are kept until they are fetched, event_queue_max of them: the oldest give way to a
 * TC_EVENT_OVERFLOW.
 *
 * subscription_out: owned, free with tc_subscription_free.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_node_subscribe(tc_node_t node, tc_subscription_t *subscription_out);

/**
 * The next event, in order.
 *
 * timeout_ms: 0 for one that waits already, up to TC_FOREVER.
 * event_out: owned, free with tc_event_free.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_TIMEOUT where none comes in
 * time, TC_ERROR_CLOSED after TC_EVENT_CLOSED was given.
 */
tc_status_t tc_subscription_next_event(tc_subscription_t subscription,
                                       uint64_t timeout_ms,
                                       tc_event_t *event_out);

/**
 * A file descriptor that can be read while events wait, for epoll or an event loop.
 *
 * fd_out: borrowed from the subscription, valid until that is freed. Don't read or close it.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_INTERNAL where the process
 * has no file descriptors left.
 */
tc_status_t tc_subscription_readiness_fd(tc_subscription_t subscription, int32_t *fd_out);

/**
 * Ends a subscription. A thread that waits in tc_subscription_next_event goes on waiting for its
 * time.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, also for what was freed already.
 */
tc_status_t tc_subscription_free(tc_subscription_t subscription);

/**
 * What happened. The TC_EVENT_ numbers say which fields count.
 *
 * info_out: its struct_size is set by the caller.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT.
 */
tc_status_t tc_event_info(tc_event_t event, tc_event_info_t *info_out);

/**
 * The name of what happened in lower case, as "block_confirmed".
 *
 * text_out: room for text_bytes bytes. required_out: what it takes; may be null.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_BUFFER_TOO_SMALL.
 */
tc_status_t tc_event_name(tc_event_t event,
                          char *text_out,
                          size_t text_bytes,
                          size_t *required_out);

/**
 * What an event says in words, where it does: why a transaction was rejected, what was mended,
 * why the node stopped, where a peer is. Else it is empty.
 *
 * text_out: room for text_bytes bytes. required_out: what it takes; may be null.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_BUFFER_TOO_SMALL.
 */
tc_status_t tc_event_text(tc_event_t event,
                          char *text_out,
                          size_t text_bytes,
                          size_t *required_out);

/**
 * The block of a TC_EVENT_BLOCK_CONFIRMED.
 *
 * block_out: owned, free with tc_block_free.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_NOT_FOUND for other events.
 */
tc_status_t tc_event_block(tc_event_t event, tc_block_t *block_out);

/**
 * Frees an event.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, also for what was freed already.
 */
tc_status_t tc_event_free(tc_event_t event);

/* ---- Wallets ---- */

/**
 * A wallet of a new key, from the operating system's randomness. Export it: it is nowhere else.
 *
 * wallet_out: owned, free with tc_wallet_free.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_NO_RANDOMNESS.
 */
tc_status_t tc_wallet_generate(tc_node_t node, tc_wallet_t *wallet_out);

/**
 * A wallet of the key that belongs to a seed: always the same, only as secret as it is.
 *
 * seed: seed_bytes bytes.
 * wallet_out: owned, free with tc_wallet_free.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_wallet_from_seed(tc_node_t node,
                                const uint8_t *seed,
                                size_t seed_bytes,
                                tc_wallet_t *wallet_out);

/**
 * A wallet of a key that the host has kept.
 *
 * wallet_out: owned, free with tc_wallet_free.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_wallet_import(tc_node_t node,
                             const tc_secret_t *secret,
                             tc_wallet_t *wallet_out);

/**
 * A wallet whose signatures the host makes, as with a hardware key.
 *
 * public_key: the key that the host signs with.
 * sign: called with user for each input that is spent, on the thread of the call that signs.
 * user: handed to sign and release as it is; may be null.
 * release: called with user when the wallet does not need it any more, which may be after
 * tc_wallet_free; null where nothing is to be done. Not called where this function fails.
 * wallet_out: owned, free with tc_wallet_free.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_wallet_with_signer(tc_node_t node,
                                  const tc_public_key_t *public_key,
                                  tc_sign_t sign,
                                  tc_release_t release,
                                  void *user,
                                  tc_wallet_t *wallet_out);

/**
 * Frees a wallet and wipes its keys. Coins that drafts of it reserve stay reserved.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, also for what was freed already.
 */
tc_status_t tc_wallet_free(tc_wallet_t wallet);

/**
 * The address of its first key, which change goes to.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_wallet_address(tc_wallet_t wallet, tc_address_t *address_out);

/**
 * The addresses of all its keys.
 *
 * addresses_out: room for addresses_max addresses. n_out: how many there are, also where that is
 * more; may be null.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_BUFFER_TOO_SMALL.
 */
tc_status_t tc_wallet_addresses(tc_wallet_t wallet,
                                tc_address_t *addresses_out,
                                size_t addresses_max,
                                size_t *n_out);

/**
 * Adds a new key. Export it: it is nowhere else.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_NO_RANDOMNESS.
 */
tc_status_t tc_wallet_new_address(tc_wallet_t wallet, tc_address_t *address_out);

/**
 * Adds a key that the host has kept.
 *
 * address_out: may be null.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_wallet_add_key(tc_wallet_t wallet,
                              const tc_secret_t *secret,
                              tc_address_t *address_out);

/**
 * The secret key of an address, for the host to keep. Wipe it with tc_secret_wipe after use.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_UNKNOWN_ADDRESS where the
 * wallet has no such key or the host signs with it.
 */
tc_status_t tc_wallet_export(tc_wallet_t wallet,
                             const tc_address_t *address,
                             tc_secret_t *secret_out);

/**
 * The money of all its addresses.
 *
 * balance_out: its struct_size is set by the caller.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT,
 * TC_ERROR_CLOSED, TC_ERROR_STORAGE_ numbers.
 */
tc_status_t tc_wallet_balance(tc_wallet_t wallet, tc_balance_t *balance_out);

/**
 * Pays: chooses coins, signs, submits, and returns when the payment is admitted. Many threads may
 * pay from a wallet at once: no two ever pick the same coin. Where coins that would do are
 * reserved, by a draft or another payment, it waits for them, as long as the node's
 * submit_timeout_ms and 5 s at most, and then lacks them.
 *
 * units: in units. payment_out: its struct_size is set by the caller; may be null.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT,
 * TC_ERROR_INSUFFICIENT_FUNDS, TC_ERROR_TOO_MANY_COINS, TC_ERROR_TRANSACTION_DUST,
 * TC_ERROR_INVALID_ARGUMENT also where a signer of the host does not sign, and as
 * tc_node_submit_transaction. Coins are free again after an error, unless no answer came.
 */
tc_status_t tc_wallet_pay(tc_wallet_t wallet,
                          const tc_address_t *address,
                          uint64_t units,
                          tc_payment_t *payment_out);

/**
 * Makes several payments in one transaction.
 *
 * payments: n_payments elements, at least 1.
 * payment_out: its struct_size is set by the caller; may be null.
 *
 * Errors: as tc_wallet_pay.
 */
tc_status_t tc_wallet_pay_many(tc_wallet_t wallet,
                               const tc_tx_output_t *payments,
                               size_t n_payments,
                               tc_payment_t *payment_out);

/**
 * What payments would cost now. Nothing stays reserved. It waits for reserved coins as
 * tc_wallet_pay does.
 *
 * payments: n_payments elements, at least 1. fee_out: in units.
 *
 * Errors: as tc_wallet_pay, without those of submitting.
 */
tc_status_t tc_wallet_estimate_fee(tc_wallet_t wallet,
                                   const tc_tx_output_t *payments,
                                   size_t n_payments,
                                   uint64_t *fee_out);

/**
 * Signs the inputs of a transaction whose keys the wallet has. Whether the coins are there is
 * not asked.
 *
 * n_signed_out: how many it signed; may be null.
 *
 * Errors: TC_ERROR_INVALID_HANDLE; TC_ERROR_INVALID_ARGUMENT where a signer of the host does not
 * sign, whatever number it gives: tc_error_message tells that.
 */
tc_status_t tc_wallet_sign(tc_wallet_t wallet,
                           tc_transaction_t transaction,
                           size_t *n_signed_out);

/* ---- Drafts: payments that are signed and not submitted ---- */

/**
 * Chooses coins for payments and signs. The coins are reserved until the draft is submitted or
 * freed. It waits for coins that are reserved already as tc_wallet_pay does.
 *
 * payments: n_payments elements, at least 1.
 * draft_out: owned; tc_draft_submit or tc_draft_free ends it.
 *
 * Errors: as tc_wallet_pay, without those of submitting.
 */
tc_status_t tc_wallet_build(tc_wallet_t wallet,
                            const tc_tx_output_t *payments,
                            size_t n_payments,
                            tc_draft_t *draft_out);

/**
 * What a draft pays the masternodes, in units.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_draft_fee(tc_draft_t draft, uint64_t *fee_out);

/**
 * The signed transaction of a draft.
 *
 * transaction_out: owned, free with tc_transaction_free.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_draft_transaction(tc_draft_t draft, tc_transaction_t *transaction_out);

/**
 * Submits a draft and frees it, whether it is admitted or refused.
 *
 * payment_out: its struct_size is set by the caller; may be null.
 *
 * Errors: TC_ERROR_INVALID_ARGUMENT and TC_ERROR_INVALID_HANDLE, which leave a draft as it is;
 * and as tc_node_submit_transaction.
 */
tc_status_t tc_draft_submit(tc_draft_t draft, tc_payment_t *payment_out);

/**
 * Frees a draft and the coins that it reserved.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, also for what was submitted or freed already.
 */
tc_status_t tc_draft_free(tc_draft_t draft);

/* ---- Networks in virtual time ---- */

/**
 * Builds a network of masternodes in virtual time: real engines, simulated clocks, disks and
 * links, one seed, and the invariants of the protocol checked after every event. Nothing has
 * happened yet. The same settings and calls give the same tc_sim_digest on every machine and in
 * every language. Its nodes are numbers from 0: the masternodes in the order of their keys, then
 * the observers.
 *
 * masternodes: 1 to 200.
 * settings: n_settings of them. A text may be empty where that is said. Durations are as 20ms,
 * 1.5s, 2min or 1h, at most 876000h.
 *
 *   latency                  of each message, as 50ms, 20ms..80ms or log-normal(40ms, 0.5), half
 *                            of which are below 40ms; default 20ms..80ms
 *   loss_ppm, duplicate_ppm, reorder_ppm
 *                            of a million messages; default 0
 *   bandwidth                1 to 10^12 bytes a second of each link, or empty; default empty
 *   observers                0 to 100 nodes beside the masternodes; default 0
 *   late                     numbers of nodes that tc_sim_restart starts first, as 2,3, or
 *                            empty
 *   flush_latency            0s to 1min; default 0s
 *   round_timeout            1ms to 1h; default 2s
 *   wallets                  1 to 1000 that the genesis funds; default 4
 *   coins_per_wallet         1 to 1000 of 10000 TIME; default 16
 *   epoch_blocks             1 to 1000000; default 20
 *   block_interval           1ms to 1h; default 1s
 *   payments_per_kilosecond  0 to 1000000 that come by themselves; default 0
 *   conflicting_permille, malformed_permille, dust_permille, chained_permille
 *                            of a thousand of those; default 0
 *   faults                   as 10s crash 2; 20s restart 2, or empty: see tc_sim_inject
 *   verify_everywhere        true or false: whether each node checks each signature
 *   journal_lines            0 to 1000000 that tc_sim_journal gives; default 0
 *   events_max               0 to 1000000 that tc_sim_next_event gives; default 0
 *   replay                   the command that repeats the run; empty, the default, for that of
 *                            this process
 *
 * sim_out: owned, free with tc_sim_free.
 *
 * Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_CONFIG, TC_ERROR_INVALID_ARGUMENT for a node
 * that is not there, TC_ERROR_INVALID_GENESIS.
 */
tc_status_t tc_sim_new(uint64_t masternodes,
                       uint64_t seed,
                       const tc_setting_t *settings,
                       size_t n_settings,
                       tc_sim_t *sim_out);

/**
 * An independent copy that goes on from here. Snapshots of either are good for both.
 *
 * sim_out: owned, free with tc_sim_free.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_sim_fork(tc_sim_t sim, tc_sim_t *sim_out);

/**
 * Frees a simulation. Its snapshots stay.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, also for what was freed already.
 */
tc_status_t tc_sim_free(tc_sim_t sim);

/**
 * The address of a wallet that the genesis funds; a new name takes one that has none.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_INVALID_ARGUMENT where all
 * have other names.
 */
tc_status_t tc_sim_wallet_address(tc_sim_t sim, const char *name, tc_address_t *address_out);

/**
 * What a wallet can spend, in units.
 *
 * Errors: as tc_sim_wallet_address.
 */
tc_status_t tc_sim_wallet_balance(tc_sim_t sim, const char *name, uint64_t *units_out);

/**
 * Pays from a wallet, at the first honest node that runs. The node gets the payment, and answers,
 * once virtual time passes.
 *
 * name: of the wallet. units: in units. payment_out: its struct_size is set by the caller; may be
 * null.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT,
 * TC_ERROR_INSUFFICIENT_FUNDS, TC_ERROR_TOO_MANY_COINS, TC_ERROR_TRANSACTION_DUST.
 */
tc_status_t tc_sim_pay(tc_sim_t sim,
                       const char *name,
                       const tc_address_t *address,
                       uint64_t units,
                       tc_payment_t *payment_out);

/**
 * Pays from a wallet, at a node.
 *
 * name, units, payment_out: as for tc_sim_pay.
 *
 * Errors: as tc_sim_pay; TC_ERROR_INVALID_ARGUMENT also for a node that is not there.
 */
tc_status_t tc_sim_pay_at(tc_sim_t sim,
                          uint64_t node,
                          const char *name,
                          const tc_address_t *address,
                          uint64_t units,
                          tc_payment_t *payment_out);

/**
 * Lets so much virtual time pass, in ms: at most 876000 hours.
 *
 * Errors: TC_ERROR_INVALID_HANDLE; TC_ERROR_INVALID_ARGUMENT for more than that;
 * TC_ERROR_INVARIANT_BROKEN where an invariant of the protocol is found broken, and from then
 * on: see tc_sim_failure.
 */
tc_status_t tc_sim_advance(tc_sim_t sim, uint64_t duration_ms);

/**
 * Lets the next event happen.
 *
 * happened_out: 0 where there is none, else 1; may be null.
 *
 * Errors: as tc_sim_advance.
 */
tc_status_t tc_sim_step(tc_sim_t sim, uint8_t *happened_out);

/**
 * Lets virtual time pass until a transaction is final or confirmed at every honest node that
 * runs, but no longer than within_ms.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_NOT_REACHED where it is not
 * in that time; what the node answered where it refused the payment; TC_ERROR_INVARIANT_BROKEN.
 */
tc_status_t tc_sim_run_until_finalized(tc_sim_t sim, const tc_txid_t *txid, uint64_t within_ms);

/**
 * Lets virtual time pass until a transaction is in a block that every honest node that runs has,
 * but no longer than within_ms.
 *
 * Errors: as tc_sim_run_until_finalized.
 */
tc_status_t tc_sim_run_until_confirmed(tc_sim_t sim,
                                       const tc_txid_t *txid,
                                       uint64_t within_ms);

/**
 * Lets virtual time pass until every honest node that runs has the block of a height, but no
 * longer than within_ms.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NOT_REACHED, TC_ERROR_INVARIANT_BROKEN.
 */
tc_status_t tc_sim_run_until_height(tc_sim_t sim, uint64_t height, uint64_t within_ms);

/**
 * Lets a node stop at once. What was not flushed to its disk is lost.
 *
 * Errors: TC_ERROR_INVALID_HANDLE; TC_ERROR_INVALID_ARGUMENT for a node that is not there;
 * TC_ERROR_INVARIANT_BROKEN.
 */
tc_status_t tc_sim_crash(tc_sim_t sim, uint64_t node);

/**
 * Starts a node from what its disk holds.
 *
 * Errors: as tc_sim_crash.
 */
tc_status_t tc_sim_restart(tc_sim_t sim, uint64_t node);

/**
 * Lets a node stand still; what is sent to it waits.
 *
 * Errors: as tc_sim_crash.
 */
tc_status_t tc_sim_pause(tc_sim_t sim, uint64_t node);

/**
 * Lets a node go on that was paused.
 *
 * Errors: as tc_sim_crash.
 */
tc_status_t tc_sim_resume(tc_sim_t sim, uint64_t node);

/**
 * Cuts the network between groups of nodes.
 *
 * groups: for each of the first n_nodes nodes any number that stands for its group; every other
 * node is alone.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_INVALID_ARGUMENT where
 * n_nodes is more than there are; TC_ERROR_INVARIANT_BROKEN.
 */
tc_status_t tc_sim_partition(tc_sim_t sim, const uint32_t *groups, size_t n_nodes);

/**
 * Opens all links that are cut. How long messages take stays as it is.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_INVARIANT_BROKEN.
 */
tc_status_t tc_sim_heal(tc_sim_t sim);

/**
 * Makes a node Byzantine: it follows a strategy, with any that it follows already.
 *
 * strategy: one of tc_strategy_name. "twins" adds a node with the same keys.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_INVALID_ARGUMENT for a node
 * or a strategy that is not there; TC_ERROR_INVARIANT_BROKEN.
 */
tc_status_t tc_sim_set_byzantine(tc_sim_t sim, uint64_t node, const char *strategy);

/**
 * The name of a Byzantine strategy by its position from 0, as "equivocate-votes"; null after the
 * last. Borrowed from the library, valid forever.
 */
const char *tc_strategy_name(size_t position);

/**
 * Changes how all links behave that have no behaviour of their own. On links that become faster,
 * what is under way comes no later than if it were sent now, in order.
 *
 * settings: n_settings of them: latency, loss_ppm, duplicate_ppm, reorder_ppm and bandwidth as
 * for tc_sim_new; those not named stay as they are.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_CONFIG,
 * TC_ERROR_INVARIANT_BROKEN.
 */
tc_status_t tc_sim_set_links(tc_sim_t sim,
                             const tc_setting_t *settings,
                             size_t n_settings);

/**
 * Gives one direction of one link a behaviour of its own. What is under way is as for
 * tc_sim_set_links.
 *
 * settings: as for tc_sim_set_links.
 *
 * Errors: as tc_sim_set_links; TC_ERROR_INVALID_ARGUMENT for a node that is not there.
 */
tc_status_t tc_sim_set_link(tc_sim_t sim,
                            uint64_t from,
                            uint64_t to,
                            const tc_setting_t *settings,
                            size_t n_settings);

/**
 * Lets anything go wrong, or puts it right, by its text:
 *
 *   crash NODE                      restart NODE
 *   pause NODE                      resume NODE
 *   crash-at-flush NODE NTH before|during|after
 *   partition NODE,NODE,... NODE,NODE,... ...
 *   block FROM TO                   heal
 *   link SETTING=VALUE ...          slow NODE DURATION
 *   clock-jump NODE DURATION        clock-drift NODE PPM (both may be negative)
 *   disk-full NODE                  disk-room NODE
 *   slow-flush NODE DURATION        flip-bits NODE
 *   wipe-disk NODE                  forget NODE
 *   byzantine NODE STRATEGY         produce-block
 *   register NODE                   deregister NODE
 *
 * When `slow` ends or `link` makes links faster, what is under way comes no later than if it were
 * sent then, in order. `heal` opens what is cut and ends no `slow`.
 *
 * after_ms: in ms of virtual time from now, at most 876000 hours; 0 for now.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_INVALID_ARGUMENT for another
 * text, a longer time or a node that is not there; TC_ERROR_INVARIANT_BROKEN.
 */
tc_status_t tc_sim_inject(tc_sim_t sim,
                          const char *fault,
                          uint64_t after_ms);

/* ---- Going back to a snapshot ---- */

/**
 * Takes a snapshot of everything: clocks, disks, mempools, messages under way, generators.
 *
 * snapshot_out: owned, free with tc_sim_snapshot_free.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_sim_snapshot(tc_sim_t sim, tc_sim_snapshot_t *snapshot_out);

/**
 * Goes back to a snapshot of this simulation, or of one that it was forked from or into. The
 * snapshot can be used again.
 *
 * Errors: TC_ERROR_INVALID_HANDLE; TC_ERROR_INVALID_ARGUMENT for a snapshot of another
 * simulation.
 */
tc_status_t tc_sim_revert(tc_sim_t sim, tc_sim_snapshot_t snapshot);

/**
 * The digest of the simulation when a snapshot was taken.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_sim_snapshot_digest(tc_sim_snapshot_t snapshot, tc_digest_t *digest_out);

/**
 * Frees a snapshot.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, also for what was freed already.
 */
tc_status_t tc_sim_snapshot_free(tc_sim_snapshot_t snapshot);

/* ---- Reading a network in virtual time ---- */

/**
 * The hash of everything that happened: the same for the same settings and calls.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_sim_digest(tc_sim_t sim, tc_digest_t *digest_out);

/**
 * What the network did since it began. It answers also while another thread lets time pass.
 *
 * metrics_out: its struct_size is set by the caller.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT.
 */
tc_status_t tc_sim_metrics(tc_sim_t sim, tc_network_metrics_t *metrics_out);

/**
 * The node that proposes the next block in round 0.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_sim_proposer(tc_sim_t sim, uint64_t *node_out);

/**
 * A node at a glance.
 *
 * status_out: its struct_size is set by the caller.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT, also for a
 * node that is not there.
 */
tc_status_t tc_sim_node_status(tc_sim_t sim,
                               uint64_t node,
                               tc_sim_node_status_t *status_out);

/**
 * How far a transaction is at a node.
 *
 * status_out: its struct_size is set by the caller.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT, also for a
 * node that is not there; TC_ERROR_NOT_FOUND where the node does not know it.
 */
tc_status_t tc_sim_transaction_status(tc_sim_t sim,
                                      uint64_t node,
                                      const tc_txid_t *txid,
                                      tc_transaction_status_t *status_out);

/**
 * How much virtual time passed from the submission of a transaction to the first node at which it
 * was final, in microseconds.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_NOT_FOUND where it is not final
 * yet, or was not submitted here.
 */
tc_status_t tc_sim_finality_latency(tc_sim_t sim,
                                    const tc_txid_t *txid,
                                    uint64_t *latency_us_out);

/**
 * A decided block by its height, from 1.
 *
 * block_out: owned, free with tc_block_free.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_NOT_FOUND.
 */
tc_status_t tc_sim_block_at(tc_sim_t sim, uint64_t height, tc_block_t *block_out);

/**
 * The first thing that a node told after the event of a sequence number, as far as it is kept:
 * the last events_max of them are, and the setting is 0 unless it is set.
 *
 * after: 0 for the first; then the sequence of the one before.
 * told_out: which node and when; its struct_size is set by the caller.
 * event_out: owned, free with tc_event_free.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT;
 * TC_ERROR_NOT_FOUND where there is none.
 */
tc_status_t tc_sim_next_event(tc_sim_t sim,
                              uint64_t after,
                              tc_network_event_t *told_out,
                              tc_event_t *event_out);

/**
 * The last journal_lines lines of what happened, in words.
 *
 * text_out: a text; owned, free with tc_bytes_free.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_sim_journal(tc_sim_t sim, tc_bytes_t *text_out);

/**
 * The invariant that was found broken.
 *
 * failure_out: its struct_size is set by the caller.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT;
 * TC_ERROR_NOT_FOUND where all hold.
 */
tc_status_t tc_sim_failure(tc_sim_t sim, tc_sim_failure_t *failure_out);

/**
 * The invariant that was found broken, in words.
 *
 * what: TC_FAILURE_. text_out: room for text_bytes bytes. required_out: what it takes; may be
 * null.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT,
 * TC_ERROR_BUFFER_TOO_SMALL; TC_ERROR_NOT_FOUND where all hold.
 */
tc_status_t tc_sim_failure_text(tc_sim_t sim,
                                int32_t what,
                                char *text_out,
                                size_t text_bytes,
                                size_t *required_out);

/* ---- Networks of real nodes in this process ---- */

/**
 * Starts a network of real nodes in this process, in memory or over sockets: the threads, clocks,
 * stores and checks of production, and the verbs of networks in virtual time, in real time. The
 * same seed and settings make the same chain and the same wallets as tc_sim_new.
 *
 * masternodes: 1 to 200.
 * settings: n_settings of them. A text may be empty where that is said. Durations are as 20ms,
 * 1.5s, 2min or 1h, at most 876000h.
 *
 *   latency, loss_ppm, duplicate_ppm, reorder_ppm, bandwidth
 *                              of links, as for tc_sim_new; default at once, without loss
 *   observers                  0 to 100 nodes beside the masternodes; default 0
 *   storage                    memory, temporary for a directory that ends with the net, or the
 *                              path of one that stays; default memory
 *   transport                  memory, or tcp for encrypted connections on the loopback
 *                              interface; default memory
 *   round_timeout              1ms to 1h; default 2s
 *   wallets                    1 to 1000 that the genesis funds; default 4
 *   coins_per_wallet           1 to 1000 of 10000 TIME; default 16
 *   epoch_blocks               1 to 1000000; default 20
 *   block_interval             1ms to 1h; default 1s
 *   shared_verification_cache  true or false: whether a node believes what another found out
 *                              about a signature; default false
 *   encode_messages            true or false: whether messages travel as bytes; default false
 *   sync_writes                true or false: whether a write counts only once the disk has it;
 *                              default true
 *   submit_timeout             1ms to 1h that a submit waits for its answer; default 30s
 *
 * net_out: owned, free with tc_localnet_free.
 *
 * Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_CONFIG, TC_ERROR_INVALID_GENESIS,
 * TC_ERROR_NO_THREADS, TC_ERROR_STORAGE_ numbers.
 */
tc_status_t tc_localnet_new(uint64_t masternodes,
                            uint64_t seed,
                            const tc_setting_t *settings,
                            size_t n_settings,
                            tc_localnet_t *net_out);

/**
 * Ends all nodes in order; waiting calls return TC_ERROR_CLOSED. Closing a closed net is fine.
 *
 * timeout_ms: how long this call waits for that.
 *
 * Errors: TC_ERROR_INVALID_HANDLE; TC_ERROR_TIMEOUT where it takes longer: it goes on behind.
 */
tc_status_t tc_localnet_close(tc_localnet_t net, uint64_t timeout_ms);

/**
 * Frees a net, which closes it.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, also for what was freed already.
 */
tc_status_t tc_localnet_free(tc_localnet_t net);

/**
 * The address of a wallet that the genesis funds; a new name takes one that has none.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_INVALID_ARGUMENT where all
 * have other names.
 */
tc_status_t tc_localnet_wallet_address(tc_localnet_t net,
                                       const char *name,
                                       tc_address_t *address_out);

/**
 * What a wallet can spend, in units.
 *
 * Errors: as tc_localnet_wallet_address.
 */
tc_status_t tc_localnet_wallet_balance(tc_localnet_t net,
                                       const char *name,
                                       uint64_t *units_out);

/**
 * Pays from a wallet, at the first node that takes part, and returns once that has admitted it.
 *
 * name: of the wallet. units: in units. payment_out: its struct_size is set by the caller; may be
 * null.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT,
 * TC_ERROR_INSUFFICIENT_FUNDS, TC_ERROR_TOO_MANY_COINS, TC_ERROR_CLOSED where no node takes part,
 * and as tc_node_submit_transaction.
 */
tc_status_t tc_localnet_pay(tc_localnet_t net,
                            const char *name,
                            const tc_address_t *address,
                            uint64_t units,
                            tc_payment_t *payment_out);

/**
 * Pays from a wallet, at a node.
 *
 * name, units, payment_out: as for tc_localnet_pay.
 *
 * Errors: as tc_localnet_pay; TC_ERROR_INVALID_ARGUMENT also for a node that is not there.
 */
tc_status_t tc_localnet_pay_at(tc_localnet_t net,
                               uint64_t node,
                               const char *name,
                               const tc_address_t *address,
                               uint64_t units,
                               tc_payment_t *payment_out);

/**
 * Waits until a transaction is final or confirmed at every node that takes part.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_TIMEOUT where that takes
 * longer than within_ms; what a node answered where it refused the payment; TC_ERROR_CLOSED where
 * no node takes part.
 */
tc_status_t tc_localnet_run_until_finalized(tc_localnet_t net,
                                            const tc_txid_t *txid,
                                            uint64_t within_ms);

/**
 * Waits until a transaction is in a block that every node that takes part has.
 *
 * Errors: as tc_localnet_run_until_finalized.
 */
tc_status_t tc_localnet_run_until_confirmed(tc_localnet_t net,
                                            const tc_txid_t *txid,
                                            uint64_t within_ms);

/**
 * Waits until every node that takes part has the block of a height.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_TIMEOUT, TC_ERROR_CLOSED.
 */
tc_status_t tc_localnet_run_until_height(tc_localnet_t net,
                                         uint64_t height,
                                         uint64_t within_ms);

/**
 * Ends a node as the end of its process would: nothing more is written or sent.
 *
 * Errors: TC_ERROR_INVALID_HANDLE; TC_ERROR_INVALID_ARGUMENT for a node that is not there;
 * TC_ERROR_TIMEOUT.
 */
tc_status_t tc_localnet_crash(tc_localnet_t net, uint64_t node);

/**
 * Starts a crashed node from what its store holds. A node that runs goes on.
 *
 * Errors: TC_ERROR_INVALID_HANDLE; TC_ERROR_INVALID_ARGUMENT for a node that is not there;
 * TC_ERROR_CLOSED, TC_ERROR_STORAGE_ numbers.
 */
tc_status_t tc_localnet_restart(tc_localnet_t net, uint64_t node);

/**
 * Lets a node stand still; what is sent to it waits, as far as there is room.
 *
 * Errors: TC_ERROR_INVALID_HANDLE; TC_ERROR_INVALID_ARGUMENT for a node that is not there.
 */
tc_status_t tc_localnet_pause(tc_localnet_t net, uint64_t node);

/**
 * Lets a node go on that was paused.
 *
 * Errors: as tc_localnet_pause.
 */
tc_status_t tc_localnet_resume(tc_localnet_t net, uint64_t node);

/**
 * Cuts the network between groups of nodes. What is under way arrives.
 *
 * groups: for each of the first n_nodes nodes any number that stands for its group; every other
 * node is alone.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_INVALID_ARGUMENT where
 * n_nodes is more than there are.
 */
tc_status_t tc_localnet_partition(tc_localnet_t net, const uint32_t *groups, size_t n_nodes);

/**
 * Opens all links that are cut. How long messages take stays as it is.
 *
 * Errors: TC_ERROR_INVALID_HANDLE.
 */
tc_status_t tc_localnet_heal(tc_localnet_t net);

/**
 * Makes a node Byzantine: it follows a strategy, with any that it follows already, in this life
 * and in all that come. The functions that speak of every node that takes part, or of the first,
 * leave it out from now on.
 *
 * strategy: one of tc_strategy_name, without "amnesia" and "twins", which only networks in
 * virtual time can follow, and over sockets without "garbage". Over sockets the connections stay
 * honest.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_INVALID_ARGUMENT for a node
 * that is not there, or a strategy that is not there or that the net can't follow;
 * TC_ERROR_CLOSED.
 */
tc_status_t tc_localnet_set_byzantine(tc_localnet_t net,
                                      uint64_t node,
                                      const char *strategy);

/**
 * Changes how all links behave that have no behaviour of their own. On links that become faster,
 * what is under way comes no later than if it were sent now, in order.
 *
 * settings: n_settings of them, as for tc_sim_set_links.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_CONFIG.
 */
tc_status_t tc_localnet_set_links(tc_localnet_t net,
                                  const tc_setting_t *settings,
                                  size_t n_settings);

/**
 * Gives one direction of one link a behaviour of its own. What is under way is as for
 * tc_localnet_set_links.
 *
 * settings: as for tc_localnet_set_links.
 *
 * Errors: as tc_localnet_set_links; TC_ERROR_INVALID_ARGUMENT for a node that is not there.
 */
tc_status_t tc_localnet_set_link(tc_localnet_t net,
                                 uint64_t from,
                                 uint64_t to,
                                 const tc_setting_t *settings,
                                 size_t n_settings);

/**
 * Makes everything from and to a node take longer, in ms, at most 876000 hours; 0 ends it. When
 * it takes less than before, what is under way comes no later than if it were sent now, in
 * order.
 *
 * Errors: as tc_localnet_pause; TC_ERROR_INVALID_ARGUMENT also for a longer time.
 */
tc_status_t tc_localnet_slow(tc_localnet_t net, uint64_t node, uint64_t extra_ms);

/**
 * A node, to be read, paid through, waited for, subscribed to. After a crash it is closed; the
 * one that is restarted in its place is another.
 *
 * node_out: owned, free with tc_node_free, which leaves the node of the net running.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_INVALID_ARGUMENT for a node
 * that is not there.
 */
tc_status_t tc_localnet_node(tc_localnet_t net, uint64_t node, tc_node_t *node_out);

/**
 * Whether a node takes part: TC_SIM_NODE_STATE_.
 *
 * Errors: as tc_localnet_node.
 */
tc_status_t tc_localnet_node_state(tc_localnet_t net, uint64_t node, int32_t *state_out);

/**
 * Whether a node was made Byzantine: 1 or 0.
 *
 * Errors: as tc_localnet_node.
 */
tc_status_t tc_localnet_is_byzantine(tc_localnet_t net,
                                     uint64_t node,
                                     uint8_t *is_byzantine_out);

/**
 * The lowest height of all nodes that take part; 0 where none does.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_localnet_height(tc_localnet_t net, uint64_t *height_out);

/**
 * The node that proposes the next block in round 0.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_NOT_FOUND where no node takes
 * part.
 */
tc_status_t tc_localnet_proposer(tc_localnet_t net,
                                 uint64_t *node_out);

/**
 * Receives the events of all nodes of a net from now on, those of nodes that are restarted
 * included. Those of one node are in order; each node's are kept until they are fetched, a
 * bounded number of them: the oldest give way to a TC_EVENT_OVERFLOW.
 *
 * events_out: owned, free with tc_localnet_events_free.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
 */
tc_status_t tc_localnet_subscribe(tc_localnet_t net, tc_localnet_events_t *events_out);

/**
 * The next event, and which node it is of.
 *
 * timeout_ms: 0 for one that waits already, up to TC_FOREVER.
 * node_out: from 0.
 * event_out: owned, free with tc_event_free.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_TIMEOUT where none comes in
 * time, TC_ERROR_CLOSED once the net is closed and all were given.
 */
tc_status_t tc_localnet_events_next_event(tc_localnet_events_t events,
                                          uint64_t timeout_ms,
                                          uint64_t *node_out,
                                          tc_event_t *event_out);

/**
 * Ends the receiving. A thread that waits in tc_localnet_events_next_event goes on waiting for
 * its time.
 *
 * Errors: TC_ERROR_INVALID_HANDLE, also for what was freed already.
 */
tc_status_t tc_localnet_events_free(tc_localnet_events_t events);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif /* TIMECOIN_H */
