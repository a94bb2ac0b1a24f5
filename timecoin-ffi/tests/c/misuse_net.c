/* As misuse.c, for nets of real nodes: handles that are none, nulls, arguments that are never
 * right; and the verbs, once each. */
#include <stdlib.h>
#include <string.h>

#include "misuse.h"

static tc_localnet_t net, freed;
static tc_address_t bob;
static tc_payment_t payment = TC_INIT(tc_payment_t);

static void set_up(void) {
    OK(tc_localnet_new(1, 7, NULL, 0, &freed));
    OK(tc_localnet_free(freed));
    tc_setting_t settings[] = {{"block_interval", "200ms"}, {"round_timeout", "1s"}};
    OK(tc_localnet_new(4, 7, settings, 2, &net));
    OK(tc_localnet_wallet_address(net, "bob", &bob));
    OK(tc_localnet_pay(net, "alice", &bob, 5 * TC_UNITS_PER_TIME, &payment));
    OK(tc_localnet_run_until_finalized(net, &payment.txid, 60000));
    OK(tc_localnet_run_until_confirmed(net, &payment.txid, 60000));
}

/* Makes a call with a handle that was freed, never given out, and none. */
#define BAD_NETS(call)                                                                         \
    do {                                                                                       \
        uint64_t bad[] = {freed.id, 1, UINT64_MAX, net.id + (UINT64_C(7) << 32), 0};           \
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {                                \
            tc_localnet_t h = {bad[i]};                                                        \
            EXPECT(call, TC_ERROR_INVALID_HANDLE);                                             \
        }                                                                                      \
    } while (0)

static void bad_handles(void) {
    static _Alignas(16) uint8_t untouched[512], out[512];
    memset(untouched, 0xA5, sizeof untouched);
    memcpy(out, untouched, sizeof out);
#define OUT(type) ((type *)(void *)out)
    tc_payment_t paid = TC_INIT(tc_payment_t);
    BAD_NETS(tc_localnet_close(h, 0));
    BAD_NETS(tc_localnet_free(h));
    BAD_NETS(tc_localnet_wallet_address(h, "alice", OUT(tc_address_t)));
    BAD_NETS(tc_localnet_wallet_balance(h, "alice", OUT(uint64_t)));
    BAD_NETS(tc_localnet_pay(h, "alice", &bob, TC_UNITS_PER_TIME, &paid));
    BAD_NETS(tc_localnet_pay_at(h, 0, "alice", &bob, TC_UNITS_PER_TIME, &paid));
    BAD_NETS(tc_localnet_run_until_finalized(h, &payment.txid, 1000));
    BAD_NETS(tc_localnet_run_until_confirmed(h, &payment.txid, 1000));
    BAD_NETS(tc_localnet_run_until_height(h, 1, 1000));
    BAD_NETS(tc_localnet_crash(h, 0));
    BAD_NETS(tc_localnet_restart(h, 0));
    BAD_NETS(tc_localnet_pause(h, 0));
    BAD_NETS(tc_localnet_resume(h, 0));
    BAD_NETS(tc_localnet_partition(h, NULL, 0));
    BAD_NETS(tc_localnet_heal(h));
    BAD_NETS(tc_localnet_set_byzantine(h, 0, "withhold"));
    BAD_NETS(tc_localnet_is_byzantine(h, 0, OUT(uint8_t)));
    BAD_NETS(tc_localnet_set_links(h, NULL, 0));
    BAD_NETS(tc_localnet_set_link(h, 0, 1, NULL, 0));
    BAD_NETS(tc_localnet_slow(h, 0, 1));
    BAD_NETS(tc_localnet_node(h, 0, OUT(tc_node_t)));
    BAD_NETS(tc_localnet_node_state(h, 0, OUT(int32_t)));
    BAD_NETS(tc_localnet_height(h, OUT(uint64_t)));
    BAD_NETS(tc_localnet_proposer(h, OUT(uint64_t)));
    BAD_NETS(tc_localnet_subscribe(h, OUT(tc_localnet_events_t)));
    for (size_t i = 0; i < 3; i++) {
        tc_localnet_events_t events = {(uint64_t[]){0, net.id, UINT64_MAX}[i]};
        EXPECT(tc_localnet_events_next_event(events, 0, OUT(uint64_t), OUT(tc_event_t)),
               TC_ERROR_INVALID_HANDLE);
        EXPECT(tc_localnet_events_free(events), TC_ERROR_INVALID_HANDLE);
    }
    TRUE(memcmp(out, untouched, sizeof out) == 0 && paid.fee == 0);
}

static void null_pointers(void) {
    tc_localnet_t a_net;
    uint64_t units;
    NULL_ARGUMENT(tc_localnet_new(1, 7, NULL, 1, &a_net));
    NULL_ARGUMENT(tc_localnet_new(1, 7, &(tc_setting_t){NULL, ""}, 1, &a_net));
    NULL_ARGUMENT(tc_localnet_new(1, 7, NULL, 0, NULL));
    NULL_ARGUMENT(tc_localnet_wallet_address(net, NULL, &bob));
    NULL_ARGUMENT(tc_localnet_wallet_address(net, "bob", NULL));
    NULL_ARGUMENT(tc_localnet_wallet_balance(net, NULL, &units));
    NULL_ARGUMENT(tc_localnet_wallet_balance(net, "bob", NULL));
    NULL_ARGUMENT(tc_localnet_pay(net, NULL, &bob, TC_UNITS_PER_TIME, NULL));
    NULL_ARGUMENT(tc_localnet_pay(net, "alice", NULL, TC_UNITS_PER_TIME, NULL));
    NULL_ARGUMENT(tc_localnet_pay_at(net, 0, "alice", NULL, TC_UNITS_PER_TIME, NULL));
    NULL_ARGUMENT(tc_localnet_run_until_finalized(net, NULL, 0));
    NULL_ARGUMENT(tc_localnet_run_until_confirmed(net, NULL, 0));
    NULL_ARGUMENT(tc_localnet_partition(net, NULL, 4));
    NULL_ARGUMENT(tc_localnet_set_byzantine(net, 0, NULL));
    NULL_ARGUMENT(tc_localnet_is_byzantine(net, 0, NULL));
    NULL_ARGUMENT(tc_localnet_set_links(net, NULL, 1));
    NULL_ARGUMENT(tc_localnet_set_link(net, 0, 1, NULL, 1));
    NULL_ARGUMENT(tc_localnet_node(net, 0, NULL));
    NULL_ARGUMENT(tc_localnet_node_state(net, 0, NULL));
    NULL_ARGUMENT(tc_localnet_height(net, NULL));
    NULL_ARGUMENT(tc_localnet_proposer(net, NULL));
    NULL_ARGUMENT(tc_localnet_subscribe(net, NULL));
    tc_localnet_events_t events;
    tc_event_t event;
    OK(tc_localnet_subscribe(net, &events));
    NULL_ARGUMENT(tc_localnet_events_next_event(events, 0, NULL, &event));
    NULL_ARGUMENT(tc_localnet_events_next_event(events, 0, &units, NULL));
    OK(tc_localnet_events_free(events));
    EXPECT(tc_localnet_events_free(events), TC_ERROR_INVALID_HANDLE);
}

static void wrong_arguments(void) {
    tc_localnet_t a_net;
    int32_t state;
    uint8_t is_byzantine;
    tc_node_t node;
#define CONFIG(name, text)                                                                     \
    EXPECT(tc_localnet_new(4, 7, &(tc_setting_t){name, text}, 1, &a_net),                      \
           TC_ERROR_INVALID_CONFIG)
    CONFIG("colour", "blue");
    CONFIG("latency", "soon");
    CONFIG("storage", "");
    CONFIG("sync_writes", "perhaps");
    CONFIG("transport", "udp");
    EXPECT(tc_localnet_new(0, 7, NULL, 0, &a_net), TC_ERROR_INVALID_CONFIG);
    EXPECT(tc_localnet_new(UINT64_MAX, 7, NULL, 0, &a_net), TC_ERROR_INVALID_CONFIG);
    INVALID_ARGUMENT(tc_localnet_crash(net, 4));
    INVALID_ARGUMENT(tc_localnet_restart(net, UINT64_MAX));
    INVALID_ARGUMENT(tc_localnet_pause(net, 4));
    INVALID_ARGUMENT(tc_localnet_resume(net, 4));
    INVALID_ARGUMENT(tc_localnet_partition(net, (uint32_t[]){0, 0, 1, 1, 1}, 5));
    INVALID_ARGUMENT(tc_localnet_set_byzantine(net, 4, "withhold"));
    INVALID_ARGUMENT(tc_localnet_set_byzantine(net, 3, "kindness"));
    INVALID_ARGUMENT(tc_localnet_set_byzantine(net, 3, "twins"));
    INVALID_ARGUMENT(tc_localnet_set_byzantine(net, 3, "amnesia"));
    INVALID_ARGUMENT(tc_localnet_is_byzantine(net, 4, &is_byzantine));
    INVALID_ARGUMENT(tc_localnet_set_link(net, 0, 4, NULL, 0));
    INVALID_ARGUMENT(tc_localnet_slow(net, 4, 1));
    INVALID_ARGUMENT(tc_localnet_slow(net, 3, UINT64_MAX));
    INVALID_ARGUMENT(tc_localnet_node(net, 4, &node));
    INVALID_ARGUMENT(tc_localnet_node_state(net, 4, &state));
    INVALID_ARGUMENT(tc_localnet_pay_at(net, 4, "alice", &bob, TC_UNITS_PER_TIME, NULL));
    EXPECT(tc_localnet_pay(net, "alice", &bob, UINT64_MAX, NULL), TC_ERROR_INSUFFICIENT_FUNDS);
    EXPECT(tc_localnet_set_links(net, &(tc_setting_t){"loss_ppm", "1000001"}, 1),
           TC_ERROR_INVALID_CONFIG);
    EXPECT(tc_localnet_run_until_height(net, 999999, 1), TC_ERROR_TIMEOUT);
}

static void every_verb(void) {
    uint64_t height, proposer, units;
    int32_t state;
    tc_node_t node;
    tc_tip_t tip = TC_INIT(tc_tip_t);
    OK(tc_localnet_proposer(net, &proposer));
    OK(tc_localnet_crash(net, proposer));
    OK(tc_localnet_node_state(net, proposer, &state));
    TRUE(state == TC_SIM_NODE_STATE_DOWN);
    OK(tc_localnet_pay_at(net, (proposer + 1) % 4, "alice", &bob, TC_UNITS_PER_TIME, &payment));
    OK(tc_localnet_run_until_finalized(net, &payment.txid, 60000));
    OK(tc_localnet_restart(net, proposer));
    OK(tc_localnet_run_until_confirmed(net, &payment.txid, 60000));
    OK(tc_localnet_pause(net, 1));
    OK(tc_localnet_node_state(net, 1, &state));
    TRUE(state == TC_SIM_NODE_STATE_PAUSED);
    OK(tc_localnet_resume(net, 1));
    OK(tc_localnet_partition(net, (uint32_t[]){0, 0, 1, 1}, 4));
    OK(tc_localnet_heal(net));
    OK(tc_localnet_set_links(net, &(tc_setting_t){"latency", "1ms"}, 1));
    OK(tc_localnet_set_link(net, 0, 1, &(tc_setting_t){"latency", "1ms..2ms"}, 1));
    OK(tc_localnet_slow(net, 2, 1));
    OK(tc_localnet_slow(net, 2, 0));
    OK(tc_localnet_height(net, &height));
    OK(tc_localnet_run_until_height(net, height + 2, 60000));
    OK(tc_localnet_wallet_balance(net, "bob", &units));
    TRUE(units == 160006 * TC_UNITS_PER_TIME);
    OK(tc_localnet_node(net, 0, &node));
    OK(tc_node_tip(node, &tip));
    TRUE(tip.height >= height);
    OK(tc_node_free(node));
    OK(tc_localnet_node_state(net, 0, &state));
    TRUE(state == TC_SIM_NODE_STATE_RUNNING);
}

/* A liar makes rounds fail, and under valgrind each that does takes long. */
static void beside_a_liar(void) {
    uint8_t is_byzantine = 0;
    OK(tc_localnet_set_byzantine(net, 3, "equivocate-votes"));
    OK(tc_localnet_set_byzantine(net, 3, "equivocate-ballots"));
    OK(tc_localnet_is_byzantine(net, 3, &is_byzantine));
    TRUE(is_byzantine == 1);
    OK(tc_localnet_is_byzantine(net, 0, &is_byzantine));
    TRUE(is_byzantine == 0);
    OK(tc_localnet_pay(net, "alice", &bob, TC_UNITS_PER_TIME, &payment));
    OK(tc_localnet_run_until_finalized(net, &payment.txid, 300000));
    OK(tc_localnet_run_until_confirmed(net, &payment.txid, 300000));
}

int main(void) {
    set_up();
    bad_handles();
    null_pointers();
    wrong_arguments();
    every_verb();
    beside_a_liar();
    OK(tc_localnet_close(net, 60000));
    OK(tc_localnet_close(net, 60000));
    EXPECT(tc_localnet_restart(net, 0), TC_ERROR_CLOSED);
    EXPECT(tc_localnet_set_byzantine(net, 0, "withhold"), TC_ERROR_CLOSED);
    OK(tc_localnet_free(net));
    EXPECT(tc_localnet_free(net), TC_ERROR_INVALID_HANDLE);
    printf("%d checks, %d failures\n", n_checks, n_failures);
    return n_failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
