/* Every function of timecoin.h with handles that are none, nulls where a pointer must be, and
 * arguments that are never right. Each is refused with its number; none changes an output. The
 * test that runs this checks that no function is missing here. */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <timecoin.h>

#include "misuse.h"

enum { CONFIG, NODE, WALLET, DRAFT, TRANSACTION, BLOCK, SUBSCRIPTION, EVENT, BYTES, N_KINDS };

/* A handle of each kind that is in use, and one that was freed. */
static uint64_t live[N_KINDS];
static uint64_t stale[N_KINDS];

/* The n-th number that is no handle of a kind; 0 ends them. */
static uint64_t bad_handle(int kind, int n) {
    if (n < N_KINDS) {
        return stale[n];
    }
    if (n < 2 * N_KINDS) {
        int other = n - N_KINDS;
        return other == kind ? UINT64_MAX : live[other];
    }
    switch (n - 2 * N_KINDS) {
    case 0: return 1;
    case 1: return live[kind] + 1;                       /* a slot that is not in use */
    case 2: return live[kind] + (UINT64_C(1) << 32);     /* a generation to come */
    case 3: return live[kind] ^ (UINT64_C(1) << 63);     /* no kind at all */
    default: return 0;
    }
}

/* Makes a call with every bad handle, and with 0. */
#define BAD_HANDLES(kind, type, call)                                                          \
    do {                                                                                       \
        int bad_index = 0;                                                                     \
        type h;                                                                                \
        do {                                                                                   \
            h.id = bad_handle(kind, bad_index++);                                              \
            EXPECT(call, TC_ERROR_INVALID_HANDLE);                                             \
        } while (h.id != 0);                                                                   \
    } while (0)

static tc_node_t node;
static tc_wallet_t wallet;
static tc_payment_t payment = TC_INIT(tc_payment_t);
static tc_address_t address;

/* Opens a node, makes one of everything, and frees one of everything. */
static void set_up(void) {
    tc_config_t config;
    OK(tc_config_new_regtest(TC_BLOCK_PRODUCTION_ON_DEMAND, &config));
    OK(tc_config_set(config, "round_timeout_ms", "1000"));
    OK(tc_node_open(config, &node));
    OK(tc_node_start(node));
    OK(tc_wallet_from_seed(node, (const uint8_t *)"regtest wallet", 14, &wallet));
    OK(tc_wallet_address(wallet, &address));
    tc_subscription_t subscription;
    OK(tc_node_subscribe(node, &subscription));
    OK(tc_wallet_pay(wallet, &address, TC_UNITS_PER_TIME, &payment));
    OK(tc_node_wait_finalized(node, &payment.txid, 10000, NULL));
    OK(tc_node_produce_block(node, 10000, NULL));
    tc_tx_output_t output = {.value = TC_UNITS_PER_TIME, .address = address};
    for (int round = 0; round < 2; round++) {
        uint64_t *ids = round == 0 ? stale : live;
        tc_config_t a_config;
        tc_node_t a_node;
        tc_wallet_t a_wallet;
        tc_draft_t draft;
        tc_transaction_t transaction;
        tc_block_t block;
        tc_subscription_t a_subscription;
        tc_event_t event;
        tc_bytes_t bytes;
        OK(tc_config_new_regtest(TC_BLOCK_PRODUCTION_ON_DEMAND, &a_config));
        OK(tc_node_open(a_config, &a_node));
        OK(tc_wallet_generate(a_node, &a_wallet));
        OK(tc_wallet_build(wallet, &output, 1, &draft));
        OK(tc_draft_transaction(draft, &transaction));
        OK(tc_node_block_at(node, 1, &block));
        OK(tc_node_subscribe(node, &a_subscription));
        OK(tc_subscription_next_event(subscription, 1000, &event));
        OK(tc_node_masternodes(node, &bytes));
        ids[CONFIG] = a_config.id;
        ids[NODE] = a_node.id;
        ids[WALLET] = a_wallet.id;
        ids[DRAFT] = draft.id;
        ids[TRANSACTION] = transaction.id;
        ids[BLOCK] = block.id;
        ids[SUBSCRIPTION] = a_subscription.id;
        ids[EVENT] = event.id;
        ids[BYTES] = bytes.id;
        if (round == 0) {
            OK(tc_config_free(a_config));
            OK(tc_wallet_free(a_wallet));
            OK(tc_node_free(a_node));
            OK(tc_draft_free(draft));
            OK(tc_transaction_free(transaction));
            OK(tc_block_free(block));
            OK(tc_subscription_free(a_subscription));
            OK(tc_event_free(event));
            OK(tc_bytes_free(bytes));
        }
    }
    OK(tc_subscription_free(subscription));
    OK(tc_config_free(config));
}

static void tear_down(void) {
    OK(tc_config_free((tc_config_t){live[CONFIG]}));
    OK(tc_wallet_free((tc_wallet_t){live[WALLET]}));
    OK(tc_node_free((tc_node_t){live[NODE]}));
    OK(tc_draft_free((tc_draft_t){live[DRAFT]}));
    OK(tc_transaction_free((tc_transaction_t){live[TRANSACTION]}));
    OK(tc_block_free((tc_block_t){live[BLOCK]}));
    OK(tc_subscription_free((tc_subscription_t){live[SUBSCRIPTION]}));
    OK(tc_event_free((tc_event_t){live[EVENT]}));
    OK(tc_bytes_free((tc_bytes_t){live[BYTES]}));
    OK(tc_wallet_free(wallet));
    OK(tc_node_close(node, 10000));
    OK(tc_node_close(node, 10000));
    EXPECT(tc_node_start(node), TC_ERROR_CLOSED);
    EXPECT(tc_node_produce_block(node, 1000, NULL), TC_ERROR_CLOSED);
    OK(tc_node_free(node));
    EXPECT(tc_node_free(node), TC_ERROR_INVALID_HANDLE);
}

static void bad_handles(void) {
    /* One place for all outputs; nothing may be written to it. */
    static _Alignas(16) uint8_t untouched[512], out[512];
    memset(untouched, 0xA5, sizeof untouched);
    memcpy(out, untouched, sizeof out);
#define OUT(type) ((type *)(void *)out)
    const tc_txid_t *txid = &payment.txid;
    tc_outpoint_t outpoint = {payment.txid, 0};
    tc_block_hash_t hash = {{0}};
    tc_secret_t secret = {{1}};
    tc_tx_output_t output = {.value = TC_UNITS_PER_TIME, .address = address};
    tc_node_status_t status = TC_INIT(tc_node_status_t);
    tc_tip_t tip = TC_INIT(tc_tip_t);
    tc_mempool_info_t mempool = TC_INIT(tc_mempool_info_t);
    tc_transaction_status_t transaction_status = TC_INIT(tc_transaction_status_t);
    tc_utxo_t utxo = TC_INIT(tc_utxo_t);
    tc_balance_t balance = TC_INIT(tc_balance_t);
    tc_block_info_t block_info = TC_INIT(tc_block_info_t);
    tc_transaction_info_t transaction_info = TC_INIT(tc_transaction_info_t);
    tc_event_info_t event_info = TC_INIT(tc_event_info_t);
    tc_payment_t paid = TC_INIT(tc_payment_t);
    tc_peer_t peer = TC_INIT(tc_peer_t);
    tc_public_key_t key = {{0}};
    char text[8];
    size_t n = 7;
    uint8_t bytes[4] = {0};

    BAD_HANDLES(BYTES, tc_bytes_t, tc_bytes_view(h, OUT(const uint8_t *), &n));
    BAD_HANDLES(BYTES, tc_bytes_t, tc_bytes_free(h));
    BAD_HANDLES(CONFIG, tc_config_t, tc_config_set(h, "data_dir", ""));
    BAD_HANDLES(CONFIG, tc_config_t, tc_config_set_masternode_key(h, &secret));
    BAD_HANDLES(CONFIG, tc_config_t, tc_config_genesis(h, OUT(tc_bytes_t)));
    BAD_HANDLES(CONFIG, tc_config_t, tc_config_free(h));
    BAD_HANDLES(CONFIG, tc_config_t, tc_node_open(h, OUT(tc_node_t)));
    BAD_HANDLES(CONFIG, tc_config_t, tc_node_bootstrap(h, 0, NULL, NULL, NULL));
    BAD_HANDLES(NODE, tc_node_t, tc_node_start(h));
    BAD_HANDLES(NODE, tc_node_t, tc_node_close(h, 0));
    BAD_HANDLES(NODE, tc_node_t, tc_node_free(h));
    BAD_HANDLES(NODE, tc_node_t, tc_node_status(h, &status));
    BAD_HANDLES(NODE, tc_node_t, tc_node_tip(h, &tip));
    BAD_HANDLES(NODE, tc_node_t, tc_node_mempool_info(h, &mempool));
    BAD_HANDLES(NODE, tc_node_t, tc_node_metrics_text(h, OUT(tc_bytes_t)));
    BAD_HANDLES(NODE, tc_node_t, tc_node_listen_address(h, text, sizeof text, &n));
    BAD_HANDLES(NODE, tc_node_t, tc_node_node_key(h, OUT(tc_public_key_t)));
    BAD_HANDLES(NODE, tc_node_t, tc_node_peers(h, NULL, &peer, 1, &n));
    BAD_HANDLES(NODE, tc_node_t, tc_node_connect(h, "127.0.0.1:1"));
    BAD_HANDLES(NODE, tc_node_t, tc_node_disconnect(h, &key, OUT(uint8_t)));
    BAD_HANDLES(NODE, tc_node_t, tc_node_submit_transaction(h, bytes, 4, OUT(tc_txid_t)));
    BAD_HANDLES(NODE, tc_node_t, tc_node_transaction_status(h, txid, &transaction_status));
    BAD_HANDLES(NODE, tc_node_t, tc_node_transaction(h, txid, OUT(tc_transaction_t), NULL));
    BAD_HANDLES(NODE, tc_node_t, tc_node_utxo(h, &outpoint, &utxo));
    BAD_HANDLES(NODE, tc_node_t, tc_node_utxos_of(h, &address, NULL, &utxo, 1, &n));
    BAD_HANDLES(NODE, tc_node_t, tc_node_balance(h, &address, &balance));
    BAD_HANDLES(NODE, tc_node_t, tc_node_masternodes(h, OUT(tc_bytes_t)));
    BAD_HANDLES(NODE, tc_node_t, tc_node_wait_finalized(h, txid, TC_FOREVER, NULL));
    BAD_HANDLES(NODE, tc_node_t, tc_node_wait_confirmed(h, txid, TC_FOREVER, OUT(uint64_t)));
    BAD_HANDLES(NODE, tc_node_t, tc_node_wait_height(h, 99, TC_FOREVER, OUT(uint64_t)));
    BAD_HANDLES(NODE, tc_node_t, tc_node_produce_block(h, TC_FOREVER, OUT(uint64_t)));
    BAD_HANDLES(NODE, tc_node_t, tc_node_finality_proof(h, txid, OUT(tc_bytes_t)));
    BAD_HANDLES(NODE, tc_node_t, tc_node_masternode_set(h, OUT(tc_bytes_t)));
    BAD_HANDLES(NODE, tc_node_t, tc_node_block_at(h, 1, OUT(tc_block_t)));
    BAD_HANDLES(NODE, tc_node_t, tc_node_block_by_hash(h, &hash, OUT(tc_block_t)));
    BAD_HANDLES(NODE, tc_node_t, tc_node_subscribe(h, OUT(tc_subscription_t)));
    BAD_HANDLES(BLOCK, tc_block_t, tc_block_info(h, &block_info));
    BAD_HANDLES(BLOCK, tc_block_t, tc_block_transaction(h, 0, OUT(tc_transaction_t)));
    BAD_HANDLES(BLOCK, tc_block_t, tc_block_to_bytes(h, OUT(tc_bytes_t)));
    BAD_HANDLES(BLOCK, tc_block_t, tc_block_certificate(h, OUT(tc_bytes_t)));
    BAD_HANDLES(BLOCK, tc_block_t, tc_block_free(h));
    BAD_HANDLES(TRANSACTION, tc_transaction_t, tc_transaction_info(h, &transaction_info));
    BAD_HANDLES(TRANSACTION, tc_transaction_t, tc_transaction_input(h, 0, OUT(tc_tx_source_t)));
    BAD_HANDLES(TRANSACTION, tc_transaction_t, tc_transaction_output(h, 0, OUT(tc_tx_output_t)));
    BAD_HANDLES(TRANSACTION, tc_transaction_t, tc_transaction_to_bytes(h, OUT(tc_bytes_t)));
    BAD_HANDLES(TRANSACTION, tc_transaction_t, tc_transaction_submit(h, node, OUT(tc_txid_t)));
    BAD_HANDLES(NODE, tc_node_t, tc_transaction_submit((tc_transaction_t){live[TRANSACTION]}, h,
                                                       OUT(tc_txid_t)));
    BAD_HANDLES(TRANSACTION, tc_transaction_t, tc_transaction_free(h));
    BAD_HANDLES(SUBSCRIPTION, tc_subscription_t,
                tc_subscription_next_event(h, TC_FOREVER, OUT(tc_event_t)));
    BAD_HANDLES(SUBSCRIPTION, tc_subscription_t, tc_subscription_readiness_fd(h, OUT(int32_t)));
    BAD_HANDLES(SUBSCRIPTION, tc_subscription_t, tc_subscription_free(h));
    BAD_HANDLES(EVENT, tc_event_t, tc_event_info(h, &event_info));
    BAD_HANDLES(EVENT, tc_event_t, tc_event_name(h, text, sizeof text, &n));
    BAD_HANDLES(EVENT, tc_event_t, tc_event_text(h, text, sizeof text, &n));
    BAD_HANDLES(EVENT, tc_event_t, tc_event_block(h, OUT(tc_block_t)));
    BAD_HANDLES(EVENT, tc_event_t, tc_event_free(h));
    BAD_HANDLES(NODE, tc_node_t, tc_wallet_generate(h, OUT(tc_wallet_t)));
    BAD_HANDLES(NODE, tc_node_t, tc_wallet_from_seed(h, bytes, 4, OUT(tc_wallet_t)));
    BAD_HANDLES(NODE, tc_node_t, tc_wallet_import(h, &secret, OUT(tc_wallet_t)));
    BAD_HANDLES(WALLET, tc_wallet_t, tc_wallet_free(h));
    BAD_HANDLES(WALLET, tc_wallet_t, tc_wallet_address(h, OUT(tc_address_t)));
    BAD_HANDLES(WALLET, tc_wallet_t, tc_wallet_addresses(h, OUT(tc_address_t), 1, &n));
    BAD_HANDLES(WALLET, tc_wallet_t, tc_wallet_new_address(h, OUT(tc_address_t)));
    BAD_HANDLES(WALLET, tc_wallet_t, tc_wallet_add_key(h, &secret, OUT(tc_address_t)));
    BAD_HANDLES(WALLET, tc_wallet_t, tc_wallet_export(h, &address, OUT(tc_secret_t)));
    BAD_HANDLES(WALLET, tc_wallet_t, tc_wallet_balance(h, &balance));
    BAD_HANDLES(WALLET, tc_wallet_t, tc_wallet_pay(h, &address, TC_UNITS_PER_TIME, &paid));
    BAD_HANDLES(WALLET, tc_wallet_t, tc_wallet_pay_many(h, &output, 1, &paid));
    BAD_HANDLES(WALLET, tc_wallet_t, tc_wallet_estimate_fee(h, &output, 1, OUT(uint64_t)));
    BAD_HANDLES(WALLET, tc_wallet_t, tc_wallet_build(h, &output, 1, OUT(tc_draft_t)));
    BAD_HANDLES(WALLET, tc_wallet_t,
                tc_wallet_sign(h, (tc_transaction_t){live[TRANSACTION]}, &n));
    BAD_HANDLES(TRANSACTION, tc_transaction_t, tc_wallet_sign(wallet, h, &n));
    BAD_HANDLES(DRAFT, tc_draft_t, tc_draft_fee(h, OUT(uint64_t)));
    BAD_HANDLES(DRAFT, tc_draft_t, tc_draft_transaction(h, OUT(tc_transaction_t)));
    BAD_HANDLES(DRAFT, tc_draft_t, tc_draft_submit(h, &paid));
    BAD_HANDLES(DRAFT, tc_draft_t, tc_draft_free(h));

    TRUE(memcmp(out, untouched, sizeof out) == 0);
    TRUE(n == 7);
    TRUE(peer.since_ms == 0);
    TRUE(status.height == 0 && tip.height == 0 && paid.fee == 0 && balance.confirmed == 0);
}

static void null_pointers(void) {
    tc_config_t config = {live[CONFIG]};
    tc_block_t block = {live[BLOCK]};
    tc_transaction_t transaction = {live[TRANSACTION]};
    tc_subscription_t subscription = {live[SUBSCRIPTION]};
    tc_event_t event = {live[EVENT]};
    tc_draft_t draft = {live[DRAFT]};
    tc_bytes_t bytes = {live[BYTES]};
    const tc_txid_t *txid = &payment.txid;
    tc_tx_output_t output = {.value = TC_UNITS_PER_TIME, .address = address};
    tc_secret_t secret = {{1}};
    tc_public_key_t key = {{0}};
    tc_wallet_t a_wallet;
    tc_utxo_t utxo = TC_INIT(tc_utxo_t);
    tc_peer_t peer = TC_INIT(tc_peer_t);
    tc_transaction_status_t status = TC_INIT(tc_transaction_status_t);
    tc_signature_t signature;
    tc_outpoint_t outpoint = {payment.txid, 0};
    tc_chain_id_t chain_id = {{0}};
    char text[128];
    uint64_t units;

    NULL_ARGUMENT(tc_error_message(NULL, 1, NULL));
    NULL_ARGUMENT(tc_bytes_view(bytes, NULL, NULL));
    NULL_ARGUMENT(tc_amount_from_text(NULL, &units));
    NULL_ARGUMENT(tc_amount_from_text("1", NULL));
    NULL_ARGUMENT(tc_amount_to_text(1, NULL, 1, NULL));
    NULL_ARGUMENT(tc_address_from_text(NULL, TC_NETWORK_REGTEST, &address));
    NULL_ARGUMENT(tc_address_from_text("rtime1", TC_NETWORK_REGTEST, NULL));
    NULL_ARGUMENT(tc_address_to_text(NULL, TC_NETWORK_REGTEST, text, sizeof text, NULL));
    NULL_ARGUMENT(tc_address_to_text(&address, TC_NETWORK_REGTEST, NULL, 9, NULL));
    NULL_ARGUMENT(tc_address_of(NULL, &address));
    NULL_ARGUMENT(tc_address_of(&key, NULL));
    NULL_ARGUMENT(tc_outpoint_from_text(NULL, &outpoint));
    NULL_ARGUMENT(tc_outpoint_to_text(NULL, text, sizeof text, NULL));
    NULL_ARGUMENT(tc_txid_from_text(NULL, NULL));
    NULL_ARGUMENT(tc_txid_to_text(NULL, text, sizeof text, NULL));
    NULL_ARGUMENT(tc_block_hash_from_text("", NULL));
    NULL_ARGUMENT(tc_block_hash_to_text(NULL, text, sizeof text, NULL));
    NULL_ARGUMENT(tc_chain_id_from_text("", NULL));
    NULL_ARGUMENT(tc_chain_id_to_text(NULL, text, sizeof text, NULL));
    NULL_ARGUMENT(tc_public_key_from_text("", NULL));
    NULL_ARGUMENT(tc_public_key_to_text(NULL, text, sizeof text, NULL));
    NULL_ARGUMENT(tc_secret_generate(NULL));
    NULL_ARGUMENT(tc_secret_from_seed(NULL, 1, &secret));
    NULL_ARGUMENT(tc_secret_from_seed(NULL, 0, NULL));
    NULL_ARGUMENT(tc_secret_from_text(NULL, &secret));
    NULL_ARGUMENT(tc_secret_to_text(NULL, text, sizeof text, NULL));
    NULL_ARGUMENT(tc_secret_public_key(NULL, &key));
    NULL_ARGUMENT(tc_secret_public_key(&secret, NULL));
    NULL_ARGUMENT(tc_secret_sign(NULL, NULL, 0, &signature));
    NULL_ARGUMENT(tc_secret_sign(&secret, NULL, 1, &signature));
    OK(tc_secret_wipe(NULL));
    NULL_ARGUMENT(tc_config_new_regtest(TC_BLOCK_PRODUCTION_INTERVAL, NULL));
    NULL_ARGUMENT(tc_config_from_genesis(NULL, &config));
    NULL_ARGUMENT(tc_config_regtest_genesis(NULL, 1, NULL, 0, &bytes));
    NULL_ARGUMENT(tc_config_regtest_genesis(&key, 1, NULL, 1, &bytes));
    NULL_ARGUMENT(tc_config_regtest_genesis(&key, 1, NULL, 0, NULL));
    NULL_ARGUMENT(tc_config_set(config, NULL, ""));
    NULL_ARGUMENT(tc_config_set(config, "data_dir", NULL));
    NULL_ARGUMENT(tc_config_set_masternode_key(config, NULL));
    NULL_ARGUMENT(tc_config_genesis(config, NULL));
    NULL_ARGUMENT(tc_node_open(config, NULL));
    NULL_ARGUMENT(tc_node_status(node, NULL));
    NULL_ARGUMENT(tc_node_tip(node, NULL));
    NULL_ARGUMENT(tc_node_mempool_info(node, NULL));
    NULL_ARGUMENT(tc_node_metrics_text(node, NULL));
    NULL_ARGUMENT(tc_node_listen_address(node, NULL, 1, NULL));
    NULL_ARGUMENT(tc_node_node_key(node, NULL));
    NULL_ARGUMENT(tc_node_peers(node, NULL, NULL, 1, &(size_t){0}));
    NULL_ARGUMENT(tc_node_peers(node, NULL, &peer, 1, NULL));
    NULL_ARGUMENT(tc_node_connect(node, NULL));
    NULL_ARGUMENT(tc_node_disconnect(node, NULL, NULL));
    NULL_ARGUMENT(tc_node_submit_transaction(node, NULL, 1, NULL));
    NULL_ARGUMENT(tc_node_transaction_status(node, NULL, &status));
    NULL_ARGUMENT(tc_node_transaction_status(node, txid, NULL));
    NULL_ARGUMENT(tc_node_transaction(node, NULL, &transaction, NULL));
    NULL_ARGUMENT(tc_node_transaction(node, txid, NULL, NULL));
    NULL_ARGUMENT(tc_node_utxo(node, NULL, &utxo));
    NULL_ARGUMENT(tc_node_utxo(node, &outpoint, NULL));
    NULL_ARGUMENT(tc_node_utxos_of(node, NULL, NULL, &utxo, 1, &(size_t){0}));
    NULL_ARGUMENT(tc_node_utxos_of(node, &address, NULL, NULL, 1, &(size_t){0}));
    NULL_ARGUMENT(tc_node_utxos_of(node, &address, NULL, &utxo, 1, NULL));
    NULL_ARGUMENT(tc_node_balance(node, NULL, NULL));
    NULL_ARGUMENT(tc_node_masternodes(node, NULL));
    NULL_ARGUMENT(tc_node_wait_finalized(node, NULL, TC_FOREVER, NULL));
    NULL_ARGUMENT(tc_node_wait_confirmed(node, NULL, TC_FOREVER, NULL));
    NULL_ARGUMENT(tc_node_finality_proof(node, NULL, &bytes));
    NULL_ARGUMENT(tc_node_finality_proof(node, txid, NULL));
    NULL_ARGUMENT(tc_node_masternode_set(node, NULL));
    NULL_ARGUMENT(tc_verify_finality_proof(NULL, 1, &chain_id, NULL, 0, NULL));
    NULL_ARGUMENT(tc_verify_finality_proof(NULL, 0, NULL, NULL, 0, NULL));
    NULL_ARGUMENT(tc_node_block_at(node, 1, NULL));
    NULL_ARGUMENT(tc_node_block_by_hash(node, NULL, &block));
    NULL_ARGUMENT(tc_block_info(block, NULL));
    NULL_ARGUMENT(tc_block_transaction(block, 0, NULL));
    NULL_ARGUMENT(tc_block_to_bytes(block, NULL));
    NULL_ARGUMENT(tc_block_certificate(block, NULL));
    NULL_ARGUMENT(tc_transaction_from_bytes(NULL, 1, &transaction));
    NULL_ARGUMENT(tc_transaction_from_bytes(NULL, 0, NULL));
    NULL_ARGUMENT(tc_transaction_transfer(NULL, 1, NULL, 0, &transaction));
    NULL_ARGUMENT(tc_transaction_transfer(NULL, 0, NULL, 1, &transaction));
    NULL_ARGUMENT(tc_transaction_transfer(NULL, 0, NULL, 0, NULL));
    NULL_ARGUMENT(tc_transaction_info(transaction, NULL));
    NULL_ARGUMENT(tc_transaction_input(transaction, 0, NULL));
    NULL_ARGUMENT(tc_transaction_output(transaction, 0, NULL));
    NULL_ARGUMENT(tc_transaction_to_bytes(transaction, NULL));
    NULL_ARGUMENT(tc_node_subscribe(node, NULL));
    NULL_ARGUMENT(tc_subscription_next_event(subscription, TC_FOREVER, NULL));
    NULL_ARGUMENT(tc_subscription_readiness_fd(subscription, NULL));
    NULL_ARGUMENT(tc_event_info(event, NULL));
    NULL_ARGUMENT(tc_event_name(event, NULL, 1, NULL));
    NULL_ARGUMENT(tc_event_text(event, NULL, 1, NULL));
    NULL_ARGUMENT(tc_event_block(event, NULL));
    NULL_ARGUMENT(tc_wallet_generate(node, NULL));
    NULL_ARGUMENT(tc_wallet_from_seed(node, NULL, 1, &a_wallet));
    NULL_ARGUMENT(tc_wallet_import(node, NULL, &a_wallet));
    NULL_ARGUMENT(tc_wallet_with_signer(node, &key, NULL, NULL, NULL, &a_wallet));
    NULL_ARGUMENT(tc_wallet_address(wallet, NULL));
    NULL_ARGUMENT(tc_wallet_addresses(wallet, NULL, 1, NULL));
    NULL_ARGUMENT(tc_wallet_new_address(wallet, NULL));
    NULL_ARGUMENT(tc_wallet_add_key(wallet, NULL, NULL));
    NULL_ARGUMENT(tc_wallet_export(wallet, NULL, &secret));
    NULL_ARGUMENT(tc_wallet_export(wallet, &address, NULL));
    NULL_ARGUMENT(tc_wallet_balance(wallet, NULL));
    NULL_ARGUMENT(tc_wallet_pay(wallet, NULL, 1, NULL));
    NULL_ARGUMENT(tc_wallet_pay_many(wallet, NULL, 1, NULL));
    NULL_ARGUMENT(tc_wallet_estimate_fee(wallet, &output, 1, NULL));
    NULL_ARGUMENT(tc_wallet_build(wallet, &output, 1, NULL));
    NULL_ARGUMENT(tc_draft_fee(draft, NULL));
    NULL_ARGUMENT(tc_draft_transaction(draft, NULL));
}

static tc_status_t refuse_to_sign(void *user, const uint8_t *hash, uint8_t *signature_out) {
    (void)user, (void)hash, (void)signature_out;
    return 42;
}

static void count_release(void *user) { ++*(int *)user; }

static void wrong_arguments(void) {
    tc_config_t config = {live[CONFIG]};
    tc_tip_t tip = {0};
    tc_utxo_t utxo = {0};
    tc_secret_t secret;
    uint64_t units = 7;
    size_t required = 0;
    char text[16] = "unchanged";

    TRUE(tc_abi_version() == TC_ABI_VERSION && strlen(tc_version()) > 0);
    OK(tc_abi_check(TC_ABI_VERSION));
    INVALID_ARGUMENT(tc_abi_check(TC_ABI_VERSION + 1));
    TRUE(strcmp(tc_error_name(TC_ERROR_TIMEOUT), "timeout") == 0);
    TRUE(strcmp(tc_error_name(12345), "unknown") == 0 && strcmp(tc_error_name(0), "ok") == 0);
    TRUE(tc_error_category(TC_ERROR_STORAGE_FULL) == TC_CATEGORY_STORAGE);
    TRUE(tc_error_category(-1) == 0 && tc_error_is_retryable(-1) == 0);
    TRUE(tc_error_is_retryable(TC_ERROR_TIMEOUT) == 1);
    TRUE(strcmp(tc_node_state_name(TC_NODE_STATE_POISONED), "poisoned") == 0);
    TRUE(strcmp(tc_node_state_name(99), "unknown") == 0);
    TRUE(strcmp(tc_transaction_status_name(TC_TRANSACTION_FINALIZED), "finalized") == 0);
    TRUE(strcmp(tc_transaction_status_name(-1), "unknown") == 0);

    INVALID_ARGUMENT(tc_config_new_regtest(0, &config));
    INVALID_ARGUMENT(tc_node_tip(node, &tip));
    tip.struct_size = SIZE_MAX;
    INVALID_ARGUMENT(tc_node_tip(node, &tip));
    INVALID_ARGUMENT(tc_node_utxo(node, &(tc_outpoint_t){payment.txid, 0}, &utxo));
    utxo.struct_size = sizeof utxo;
    EXPECT(tc_node_utxo(node, &(tc_outpoint_t){payment.txid, 9}, &utxo), TC_ERROR_NOT_FOUND);
    INVALID_ARGUMENT(tc_node_utxos_of(node, &address, NULL, &utxo, 0, &required));
    INVALID_ARGUMENT(tc_node_utxos_of(node, &address, NULL, &utxo, SIZE_MAX, &required));
    INVALID_ARGUMENT(tc_address_to_text(&address, 0, text, sizeof text, NULL));
    INVALID_ARGUMENT(tc_amount_from_text("\xff", &units));
    EXPECT(tc_amount_from_text("1.000000001", &units), TC_ERROR_INVALID_AMOUNT);
    EXPECT(tc_txid_from_text("12", &(tc_txid_t){{0}}), TC_ERROR_MALFORMED);
    EXPECT(tc_outpoint_from_text("12:1", &(tc_outpoint_t){0}), TC_ERROR_MALFORMED);
    EXPECT(tc_secret_from_text("secret", &secret), TC_ERROR_MALFORMED);
    EXPECT(tc_address_from_text("time1nonsense", TC_NETWORK_REGTEST, &address),
           TC_ERROR_INVALID_ADDRESS);
    EXPECT(tc_config_set(config, "colour", "blue"), TC_ERROR_INVALID_CONFIG);
    EXPECT(tc_config_set(config, "listen", "here"), TC_ERROR_INVALID_CONFIG);
    EXPECT(tc_config_set(config, "listen", "127.0.0.1:65536"), TC_ERROR_INVALID_CONFIG);
    EXPECT(tc_config_set(config, "peers", "127.0.0.1:1,somebody"), TC_ERROR_INVALID_CONFIG);
    EXPECT(tc_config_set(config, "peers", "key@127.0.0.1:1"), TC_ERROR_INVALID_CONFIG);
    EXPECT(tc_config_set(config, "node_key", "secret"), TC_ERROR_INVALID_CONFIG);
    EXPECT(tc_config_set(config, "inbound_max", "-1"), TC_ERROR_INVALID_CONFIG);
    EXPECT(tc_config_set(config, "outbound_max", "1001"), TC_ERROR_INVALID_CONFIG);
    EXPECT(tc_config_set(config, "private_addresses", "perhaps"), TC_ERROR_INVALID_CONFIG);
    EXPECT(tc_config_regtest_genesis(NULL, 0, NULL, 0, &(tc_bytes_t){0}),
           TC_ERROR_INVALID_GENESIS);
    EXPECT(tc_config_regtest_genesis((tc_public_key_t[]){{{1}}, {{1}}}, 2, NULL, 0,
                                     &(tc_bytes_t){0}),
           TC_ERROR_INVALID_GENESIS);
    EXPECT(tc_config_from_genesis("{}", &config), TC_ERROR_INVALID_GENESIS);
    EXPECT(tc_node_submit_transaction(node, (const uint8_t *)"??", 2, NULL),
           TC_ERROR_TRANSACTION_MALFORMED);
    EXPECT(tc_node_submit_transaction(node, NULL, 0, NULL), TC_ERROR_TRANSACTION_MALFORMED);
    EXPECT(tc_transaction_from_bytes(NULL, 0, &(tc_transaction_t){0}),
           TC_ERROR_TRANSACTION_MALFORMED);
    EXPECT(tc_verify_finality_proof(NULL, 0, &(tc_chain_id_t){{0}}, NULL, 0, NULL),
           TC_ERROR_MALFORMED);
    EXPECT(tc_node_block_at(node, 99, &(tc_block_t){0}), TC_ERROR_NOT_FOUND);
    EXPECT(tc_node_block_at(node, UINT64_MAX, &(tc_block_t){0}), TC_ERROR_NOT_FOUND);
    EXPECT(tc_block_transaction((tc_block_t){live[BLOCK]}, SIZE_MAX, &(tc_transaction_t){0}),
           TC_ERROR_NOT_FOUND);
    EXPECT(tc_wallet_pay(wallet, &address, 0, NULL), TC_ERROR_TRANSACTION_DUST);
    EXPECT(tc_wallet_pay(wallet, &address, UINT64_MAX, NULL), TC_ERROR_INSUFFICIENT_FUNDS);
    INVALID_ARGUMENT(tc_wallet_pay_many(wallet, NULL, 0, NULL));
    EXPECT(tc_wallet_export(wallet, &(tc_address_t){{0}}, &secret), TC_ERROR_UNKNOWN_ADDRESS);
    EXPECT(tc_node_wait_height(node, 99, 1, NULL), TC_ERROR_TIMEOUT);
    EXPECT(tc_node_start(node), TC_ERROR_ALREADY_STARTED);
    TRUE(units == 7);

    /* The struct of a program that was compiled before events told of peers. */
    tc_event_info_t event_info = {.struct_size = offsetof(tc_event_info_t, until_ms), .until_ms = 7};
    OK(tc_event_info((tc_event_t){live[EVENT]}, &event_info));
    TRUE(event_info.sequence > 0 && event_info.until_ms == 7);
    event_info.struct_size--;
    INVALID_ARGUMENT(tc_event_info((tc_event_t){live[EVENT]}, &event_info));

    /* A text that does not fit says how much it takes, and is not begun. */
    EXPECT(tc_amount_to_text(150000000, text, 5, &required), TC_ERROR_BUFFER_TOO_SMALL);
    TRUE(required == sizeof "1.5 TIME" && strcmp(text, "unchanged") == 0);
    OK(tc_amount_to_text(150000000, text, required, NULL));
    TRUE(strcmp(text, "1.5 TIME") == 0);
    OK(tc_error_message(NULL, 0, NULL) == TC_ERROR_BUFFER_TOO_SMALL ? TC_OK : TC_ERROR_INTERNAL);

    /* A signer of the host that refuses; its user is released once, with the wallet. */
    int n_released = 0;
    tc_wallet_t signing;
    tc_public_key_t key;
    OK(tc_secret_from_seed((const uint8_t *)"regtest wallet", 14, &secret));
    OK(tc_secret_public_key(&secret, &key));
    OK(tc_wallet_with_signer(node, &key, refuse_to_sign, count_release, &n_released, &signing));
    INVALID_ARGUMENT(tc_wallet_pay(signing, &(tc_address_t){{1}}, TC_UNITS_PER_TIME, NULL));
    TRUE(n_released == 0);
    OK(tc_wallet_free(signing));
    TRUE(n_released == 1);
    EXPECT(tc_wallet_with_signer(node, &key, refuse_to_sign, count_release, &n_released, NULL),
           TC_ERROR_NULL_ARGUMENT);
    TRUE(n_released == 1);
}

/* A node that has no network, one that has, and one that wants what that has. */
static void networks(void) {
    tc_config_t config;
    tc_node_t listening, late;
    tc_public_key_t key = {{0}}, own;
    tc_peer_t peer = {0};
    char address_text[TC_SOCKET_TEXT_BYTES], key_text[TC_HEX_TEXT_BYTES], text[160];
    size_t n = 7;
    uint8_t was_connected = 7;

    EXPECT(tc_node_listen_address(node, text, sizeof text, &n), TC_ERROR_NOT_FOUND);
    EXPECT(tc_node_node_key(node, &key), TC_ERROR_NOT_FOUND);
    INVALID_ARGUMENT(tc_node_peers(node, NULL, &peer, 1, &n));
    peer.struct_size = sizeof peer;
    INVALID_ARGUMENT(tc_node_peers(node, NULL, &peer, 0, &n));
    INVALID_ARGUMENT(tc_node_peers(node, NULL, &peer, SIZE_MAX, &n));
    TRUE(n == 7);
    OK(tc_node_peers(node, NULL, &peer, 1, &n));
    TRUE(n == 0);
    INVALID_ARGUMENT(tc_node_connect(node, "127.0.0.1:1"));
    OK(tc_node_disconnect(node, &key, &was_connected));
    TRUE(was_connected == 0);

    OK(tc_config_new_regtest(TC_BLOCK_PRODUCTION_ON_DEMAND, &config));
    OK(tc_config_set(config, "listen", "127.0.0.1:0"));
    OK(tc_node_open(config, &listening));
    EXPECT(tc_node_listen_address(listening, text, 5, &n), TC_ERROR_BUFFER_TOO_SMALL);
    OK(tc_node_listen_address(listening, address_text, n, NULL));
    TRUE(strlen(address_text) + 1 == n && strncmp(address_text, "127.0.0.1:", 10) == 0);
    OK(tc_node_node_key(listening, &own));
    OK(tc_public_key_to_text(&own, key_text, sizeof key_text, NULL));
    INVALID_ARGUMENT(tc_node_connect(listening, ""));
    INVALID_ARGUMENT(tc_node_connect(listening, "somebody"));
    INVALID_ARGUMENT(tc_node_connect(listening, "\xff"));
    INVALID_ARGUMENT(tc_node_connect(listening, address_text));
    snprintf(text, sizeof text, "%s@nowhere.invalid:1", key_text);
    INVALID_ARGUMENT(tc_node_connect(listening, text));
    snprintf(text, sizeof text, "%s@%s", key_text, address_text);
    OK(tc_node_connect(listening, text)); /* itself: never a peer */
    OK(tc_node_disconnect(listening, &own, NULL));

    OK(tc_config_set(config, "listen", address_text));
    EXPECT(tc_node_open(config, &late), TC_ERROR_CANNOT_LISTEN);
    TRUE(tc_error_category(TC_ERROR_CANNOT_LISTEN) == TC_CATEGORY_REQUEST);
    OK(tc_config_free(config));
    OK(tc_node_close(listening, 10000));
    OK(tc_node_peers(listening, NULL, &peer, 1, &n));
    TRUE(n == 0);
    OK(tc_node_free(listening));
}

static void *wait_for_event(void *subscription) {
    tc_event_t event;
    tc_status_t status = tc_subscription_next_event(*(tc_subscription_t *)subscription, 300, &event);
    EXPECT(status, TC_ERROR_TIMEOUT);
    return NULL;
}

static void *wait_forever(void *waiting) {
    EXPECT(tc_node_wait_height(*(tc_node_t *)waiting, 99, TC_FOREVER, NULL), TC_ERROR_CLOSED);
    return NULL;
}

/* What is freed while another thread waits in it goes when the wait ends; closing ends waits. */
static void free_during_use(void) {
    tc_config_t config;
    tc_node_t waiting;
    tc_subscription_t subscription;
    pthread_t for_event, forever;
    OK(tc_config_new_regtest(TC_BLOCK_PRODUCTION_ON_DEMAND, &config));
    OK(tc_node_open(config, &waiting));
    OK(tc_config_free(config));
    OK(tc_node_start(waiting));
    OK(tc_node_subscribe(waiting, &subscription));
    if (pthread_create(&for_event, NULL, wait_for_event, &subscription) != 0
        || pthread_create(&forever, NULL, wait_forever, &waiting) != 0) {
        abort();
    }
    nanosleep(&(struct timespec){0, 50000000}, NULL);
    OK(tc_subscription_free(subscription));
    EXPECT(tc_subscription_free(subscription), TC_ERROR_INVALID_HANDLE);
    pthread_join(for_event, NULL);
    OK(tc_node_close(waiting, 10000));
    pthread_join(forever, NULL);
    OK(tc_node_free(waiting));
}

int main(void) {
    set_up();
    bad_handles();
    null_pointers();
    wrong_arguments();
    networks();
    free_during_use();
    tear_down();
    printf("%d checks, %d failures\n", n_checks, n_failures);
    return n_failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
