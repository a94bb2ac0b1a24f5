/* One masternode in this process: pay, see the payment final, then confirmed in a block; a second
 * payment of the same coin is refused; everything is found again after a restart.
 *
 * pay DIRECTORY: an empty directory, or one that is not there yet.
 *
 *     cc -std=c11 pay.c -ltimecoin -o pay
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <timecoin.h>

/* Long enough for any machine that is busy with something else. */
#define PATIENCE_MS 60000

/* Ends the program where a call did not do what was asked. */
static void check(tc_status_t status, const char *what) {
    if (status == TC_OK) {
        return;
    }
    char text[512] = "";
    tc_error_message(text, sizeof text, NULL);
    fprintf(stderr, "%s: %s (%s, %d)\n", what, text, tc_error_name(status), (int)status);
    exit(EXIT_FAILURE);
}

static void print_amount(const char *before, uint64_t units, const char *after) {
    char text[TC_AMOUNT_TEXT_BYTES];
    check(tc_amount_to_text(units, text, sizeof text, NULL), "amount");
    printf("%s%s%s", before, text, after);
}

static tc_wallet_t wallet_of(tc_node_t node, const char *seed) {
    tc_wallet_t wallet;
    check(tc_wallet_from_seed(node, (const uint8_t *)seed, strlen(seed), &wallet), seed);
    return wallet;
}

static tc_address_t address_of(tc_wallet_t wallet) {
    tc_address_t address;
    check(tc_wallet_address(wallet, &address), "address");
    return address;
}

static tc_balance_t balance_of(tc_wallet_t wallet) {
    tc_balance_t balance = TC_INIT(tc_balance_t);
    check(tc_wallet_balance(wallet, &balance), "balance");
    return balance;
}

static uint64_t height_of(tc_node_t node) {
    tc_tip_t tip = TC_INIT(tc_tip_t);
    check(tc_node_tip(node, &tip), "tip");
    return tip.height;
}

static tc_node_t open_node(const char *data_dir) {
    tc_config_t config;
    tc_node_t node;
    check(tc_config_new_regtest(TC_BLOCK_PRODUCTION_ON_DEMAND, &config), "config");
    check(tc_config_set(config, "data_dir", data_dir), "data_dir");
    check(tc_node_open(config, &node), "open");
    check(tc_config_free(config), "free");
    return node;
}

static void close_node(tc_node_t node) {
    check(tc_node_close(node, PATIENCE_MS), "close");
    check(tc_node_free(node), "free");
}

/* Prints each status of a payment until it is final. */
static void print_until_final(tc_subscription_t events, const tc_txid_t *txid) {
    int32_t status = 0;
    while (status != TC_TRANSACTION_FINALIZED) {
        tc_event_t event;
        tc_event_info_t info = TC_INIT(tc_event_info_t);
        check(tc_subscription_next_event(events, PATIENCE_MS, &event), "event");
        check(tc_event_info(event, &info), "event");
        check(tc_event_free(event), "free");
        if (info.kind == TC_EVENT_TRANSACTION_STATUS
            && memcmp(&info.txid, txid, sizeof *txid) == 0) {
            status = info.transaction_status;
            printf("status %s\n", tc_transaction_status_name(status));
        }
    }
}

/* Pays, is refused the second time, has a block made. */
static tc_txid_t pay(const char *data_dir) {
    tc_node_t node = open_node(data_dir);
    check(tc_node_start(node), "start");
    printf("opened a regtest node at height %llu\n", (unsigned long long)height_of(node));

    tc_wallet_t alice = wallet_of(node, "regtest wallet");
    tc_wallet_t bob = wallet_of(node, "bob");
    tc_wallet_t carol = wallet_of(node, "carol");
    print_amount("alice has ", balance_of(alice).confirmed, "\n");

    /* Another wallet of the same key does not know which coins this one uses. */
    uint64_t five;
    check(tc_amount_from_text("5 TIME", &five), "amount");
    tc_wallet_t rival = wallet_of(node, "regtest wallet");
    tc_tx_output_t to_carol = {.value = five, .address = address_of(carol)};
    tc_draft_t same_coin;
    check(tc_wallet_build(rival, &to_carol, 1, &same_coin), "build");

    tc_subscription_t events;
    tc_payment_t payment = TC_INIT(tc_payment_t);
    tc_address_t to_bob = address_of(bob);
    check(tc_node_subscribe(node, &events), "subscribe");
    check(tc_wallet_pay(alice, &to_bob, five, &payment), "pay");
    print_amount("alice pays ", five, " to bob");
    print_amount(" for a fee of ", payment.fee, "\n");
    print_until_final(events, &payment.txid);
    check(tc_subscription_free(events), "free");

    tc_balance_t balance = balance_of(bob);
    print_amount("bob has ", balance.finalized, " final");
    print_amount(" and ", balance.confirmed, " confirmed\n");
    tc_status_t refused = tc_draft_submit(same_coin, NULL);
    if (refused == TC_OK) {
        fprintf(stderr, "the coin was spent again\n");
        exit(EXIT_FAILURE);
    }
    printf("paying carol with the same coin is refused: %s\n", tc_error_name(refused));

    uint64_t height;
    check(tc_node_produce_block(node, PATIENCE_MS, &height), "produce a block");
    printf("produced block %llu\n", (unsigned long long)height);
    check(tc_node_wait_confirmed(node, &payment.txid, PATIENCE_MS, &height), "confirmation");
    printf("confirmed at height %llu\n", (unsigned long long)height);
    print_amount("alice has ", balance_of(alice).confirmed, " confirmed\n");
    print_amount("bob has ", balance_of(bob).confirmed, " confirmed\n");

    tc_wallet_t wallets[] = {alice, bob, carol, rival};
    for (size_t i = 0; i < sizeof wallets / sizeof *wallets; i++) {
        check(tc_wallet_free(wallets[i]), "free");
    }
    close_node(node);
    return payment.txid;
}

/* Opens the node again and finds everything on disk. */
static void find_again(const char *data_dir, const tc_txid_t *txid) {
    tc_node_t node = open_node(data_dir);
    printf("closed, and opened again from disk\n");
    printf("tip at height %llu\n", (unsigned long long)height_of(node));

    tc_transaction_status_t status = TC_INIT(tc_transaction_status_t);
    check(tc_node_transaction_status(node, txid, &status), "status");
    printf("the payment is %s at height %llu\n", tc_transaction_status_name(status.status),
           (unsigned long long)status.height);

    tc_wallet_t alice = wallet_of(node, "regtest wallet");
    tc_wallet_t bob = wallet_of(node, "bob");
    print_amount("alice has ", balance_of(alice).confirmed, " confirmed\n");
    print_amount("bob has ", balance_of(bob).confirmed, " confirmed\n");
    check(tc_wallet_free(alice), "free");
    check(tc_wallet_free(bob), "free");
    close_node(node);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: pay DIRECTORY\n");
        return EXIT_FAILURE;
    }
    check(tc_abi_check(TC_ABI_VERSION), "libtimecoin");
    tc_txid_t txid = pay(argv[1]);
    find_again(argv[1], &txid);
    return EXIT_SUCCESS;
}
