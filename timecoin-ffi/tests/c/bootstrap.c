/* bootstrap DIRECTORY: a newcomer begins with the unspent outputs of a running masternode, after it
 * was told to stop once, and goes on from there. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <timecoin.h>

enum { LONG = 60000 };

static void check(tc_status_t status, tc_status_t expected, const char *what) {
    if (status != expected) {
        char text[512] = "";
        tc_error_message(text, sizeof text, NULL);
        printf("%s: %s instead of %s: %s\n", what, tc_error_name(status), tc_error_name(expected),
               text);
        exit(EXIT_FAILURE);
    }
}

#define OK(call) check(call, TC_OK, #call)
#define TRUE(condition) check((condition) ? TC_OK : TC_ERROR_INTERNAL, TC_OK, #condition)

/* What on_progress was told, and whether it lets the bootstrap go on. */
typedef struct {
    tc_bootstrap_progress_t last;
    uint64_t n_told;
    uint8_t goes_on;
} told_t;

static uint8_t on_progress(void *user, const tc_bootstrap_progress_t *progress) {
    told_t *told = user;
    TRUE(progress->struct_size == sizeof *progress);
    told->last = *progress;
    told->n_told++;
    return told->goes_on;
}

/* A masternode that has decided some blocks with payments to bob, and how it is dialled. */
static tc_node_t begin(tc_config_t config, const tc_address_t *bob, char *peer, size_t peer_bytes) {
    tc_node_t node;
    tc_wallet_t wallet;
    tc_public_key_t key;
    char key_text[TC_HEX_TEXT_BYTES], address[TC_SOCKET_TEXT_BYTES];
    OK(tc_config_set(config, "listen", "127.0.0.1:0"));
    OK(tc_node_open(config, &node));
    OK(tc_node_start(node));
    OK(tc_wallet_from_seed(node, (const uint8_t *)"alice", 5, &wallet));
    for (int n = 0; n < 3; n++) {
        tc_payment_t payment = TC_INIT(tc_payment_t);
        OK(tc_wallet_pay(wallet, bob, TC_UNITS_PER_TIME, &payment));
        OK(tc_node_produce_block(node, LONG, NULL));
        OK(tc_node_wait_confirmed(node, &payment.txid, LONG, NULL));
    }
    OK(tc_wallet_free(wallet));
    OK(tc_node_node_key(node, &key));
    OK(tc_public_key_to_text(&key, key_text, sizeof key_text, NULL));
    OK(tc_node_listen_address(node, address, sizeof address, NULL));
    snprintf(peer, peer_bytes, "%s@%s", key_text, address);
    return node;
}

int main(int argc, char **argv) {
    TRUE(argc == 2);
    tc_secret_t secret, alice_secret;
    tc_public_key_t key, alice_key;
    tc_address_t alice, bob = {{7}};
    OK(tc_secret_from_seed((const uint8_t *)"masternode", 10, &secret));
    OK(tc_secret_public_key(&secret, &key));
    OK(tc_secret_from_seed((const uint8_t *)"alice", 5, &alice_secret));
    OK(tc_secret_public_key(&alice_secret, &alice_key));
    OK(tc_address_of(&alice_key, &alice));
    tc_bytes_t genesis;
    const uint8_t *json;
    OK(tc_config_regtest_genesis(&key, 1, &alice, 1, &genesis));
    OK(tc_bytes_view(genesis, &json, NULL));

    tc_config_t config, newcomer_config;
    char peer[TC_HEX_TEXT_BYTES + TC_SOCKET_TEXT_BYTES];
    OK(tc_config_from_genesis((const char *)json, &config));
    OK(tc_config_set_masternode_key(config, &secret));
    tc_node_t node = begin(config, &bob, peer, sizeof peer), newcomer;
    OK(tc_config_from_genesis((const char *)json, &newcomer_config));

    tc_bootstrapped_t based = TC_INIT(tc_bootstrapped_t);
    told_t told = {.goes_on = 0};
    check(tc_node_bootstrap(newcomer_config, LONG, NULL, NULL, NULL), TC_ERROR_INVALID_ARGUMENT,
          "no directory");
    OK(tc_config_set(newcomer_config, "data_dir", argv[1]));
    check(tc_node_bootstrap(newcomer_config, LONG, NULL, NULL, NULL), TC_ERROR_INVALID_ARGUMENT,
          "no peers");
    OK(tc_config_set(newcomer_config, "peers", peer));
    check(tc_node_bootstrap(newcomer_config, LONG, on_progress, &told, &based),
          TC_ERROR_INTERRUPTED, "stopped");
    TRUE(told.n_told == 1 && based.height == 0);
    told.goes_on = 1;
    OK(tc_node_bootstrap(newcomer_config, LONG, on_progress, &told, &based));
    TRUE(based.struct_size == sizeof based && based.height >= 3 && based.n_outputs > 3);
    TRUE(told.n_told > 1 && told.last.n_outputs > 0 && told.last.headers >= 3);

    OK(tc_node_open(newcomer_config, &newcomer));
    OK(tc_node_start(newcomer));
    tc_tip_t tip = TC_INIT(tc_tip_t);
    OK(tc_node_tip(newcomer, &tip));
    TRUE(tip.height >= based.height);
    OK(tc_node_produce_block(node, LONG, NULL));
    OK(tc_node_wait_height(newcomer, based.height + 1, LONG, NULL));
    tc_balance_t balance = TC_INIT(tc_balance_t);
    OK(tc_node_balance(newcomer, &bob, &balance));
    TRUE(balance.confirmed == 3 * TC_UNITS_PER_TIME);
    tc_block_t block;
    check(tc_node_block_at(newcomer, 1, &block), TC_ERROR_NOT_FOUND, "a block before");
    OK(tc_node_block_at(newcomer, based.height + 1, &block));
    OK(tc_block_free(block));
    OK(tc_node_close(newcomer, LONG));
    check(tc_node_bootstrap(newcomer_config, LONG, NULL, NULL, NULL), TC_ERROR_CHAIN_EXISTS,
          "a chain");

    OK(tc_node_free(newcomer));
    OK(tc_config_free(newcomer_config));
    OK(tc_node_close(node, LONG));
    OK(tc_node_free(node));
    OK(tc_config_free(config));
    OK(tc_bytes_free(genesis));
    puts("the newcomer has the money");
    return EXIT_SUCCESS;
}
