/* As misuse.c, for networks in virtual time: handles that are none, nulls, arguments that are
 * never right, several threads at once, an invariant that is broken. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "misuse.h"

static tc_sim_t sim, freed;
static tc_sim_snapshot_t snapshot, freed_snapshot;
static tc_address_t bob;
static tc_payment_t payment = TC_INIT(tc_payment_t);

static void set_up(void) {
    OK(tc_sim_new(4, 7, NULL, 0, &freed));
    OK(tc_sim_snapshot(freed, &freed_snapshot));
    OK(tc_sim_free(freed));
    OK(tc_sim_snapshot_free(freed_snapshot));
    tc_setting_t settings[] = {
        {"latency", "20ms..80ms"}, {"journal_lines", "50"}, {"events_max", "100"}};
    OK(tc_sim_new(4, 7, settings, 3, &sim));
    OK(tc_sim_wallet_address(sim, "bob", &bob));
    OK(tc_sim_pay(sim, "alice", &bob, 5 * TC_UNITS_PER_TIME, &payment));
    OK(tc_sim_run_until_finalized(sim, &payment.txid, 30000));
    OK(tc_sim_snapshot(sim, &snapshot));
}

/* Makes a call with a handle that was freed, of another kind, never given out, and none. */
#define BAD(type, stale, other, call)                                                          \
    do {                                                                                       \
        uint64_t bad[] = {stale, other, 1, UINT64_MAX, (stale) + (UINT64_C(7) << 32), 0};      \
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {                                \
            type h = {bad[i]};                                                                 \
            EXPECT(call, TC_ERROR_INVALID_HANDLE);                                             \
        }                                                                                      \
    } while (0)

#define BAD_SIMS(call) BAD(tc_sim_t, freed.id, snapshot.id, call)
#define BAD_SNAPSHOTS(call) BAD(tc_sim_snapshot_t, freed_snapshot.id, sim.id, call)

static void bad_handles(void) {
    static _Alignas(16) uint8_t untouched[512], out[512];
    memset(untouched, 0xA5, sizeof untouched);
    memcpy(out, untouched, sizeof out);
#define OUT(type) ((type *)(void *)out)
    tc_network_metrics_t metrics = TC_INIT(tc_network_metrics_t);
    tc_sim_node_status_t status = TC_INIT(tc_sim_node_status_t);
    tc_transaction_status_t transaction_status = TC_INIT(tc_transaction_status_t);
    tc_network_event_t told = TC_INIT(tc_network_event_t);
    tc_sim_failure_t failure = TC_INIT(tc_sim_failure_t);
    tc_payment_t paid = TC_INIT(tc_payment_t);
    char text[8];
    BAD_SIMS(tc_sim_fork(h, OUT(tc_sim_t)));
    BAD_SIMS(tc_sim_free(h));
    BAD_SIMS(tc_sim_wallet_address(h, "alice", OUT(tc_address_t)));
    BAD_SIMS(tc_sim_wallet_balance(h, "alice", OUT(uint64_t)));
    BAD_SIMS(tc_sim_pay(h, "alice", &bob, TC_UNITS_PER_TIME, &paid));
    BAD_SIMS(tc_sim_pay_at(h, 0, "alice", &bob, TC_UNITS_PER_TIME, &paid));
    BAD_SIMS(tc_sim_advance(h, 1000));
    BAD_SIMS(tc_sim_step(h, OUT(uint8_t)));
    BAD_SIMS(tc_sim_run_until_finalized(h, &payment.txid, 1000));
    BAD_SIMS(tc_sim_run_until_confirmed(h, &payment.txid, 1000));
    BAD_SIMS(tc_sim_run_until_height(h, 1, 1000));
    BAD_SIMS(tc_sim_crash(h, 0));
    BAD_SIMS(tc_sim_restart(h, 0));
    BAD_SIMS(tc_sim_pause(h, 0));
    BAD_SIMS(tc_sim_resume(h, 0));
    BAD_SIMS(tc_sim_partition(h, NULL, 0));
    BAD_SIMS(tc_sim_heal(h));
    BAD_SIMS(tc_sim_set_byzantine(h, 0, "withhold"));
    BAD_SIMS(tc_sim_set_links(h, NULL, 0));
    BAD_SIMS(tc_sim_set_link(h, 0, 1, NULL, 0));
    BAD_SIMS(tc_sim_inject(h, "heal", 0));
    BAD_SIMS(tc_sim_snapshot(h, OUT(tc_sim_snapshot_t)));
    BAD_SIMS(tc_sim_revert(h, snapshot));
    BAD_SIMS(tc_sim_digest(h, OUT(tc_digest_t)));
    BAD_SIMS(tc_sim_metrics(h, &metrics));
    BAD_SIMS(tc_sim_proposer(h, OUT(uint64_t)));
    BAD_SIMS(tc_sim_node_status(h, 0, &status));
    BAD_SIMS(tc_sim_transaction_status(h, 0, &payment.txid, &transaction_status));
    BAD_SIMS(tc_sim_finality_latency(h, &payment.txid, OUT(uint64_t)));
    BAD_SIMS(tc_sim_block_at(h, 1, OUT(tc_block_t)));
    BAD_SIMS(tc_sim_next_event(h, 0, &told, OUT(tc_event_t)));
    BAD_SIMS(tc_sim_journal(h, OUT(tc_bytes_t)));
    BAD_SIMS(tc_sim_failure(h, &failure));
    BAD_SIMS(tc_sim_failure_text(h, TC_FAILURE_CHECK, text, sizeof text, NULL));
    BAD_SNAPSHOTS(tc_sim_revert(sim, h));
    BAD_SNAPSHOTS(tc_sim_snapshot_digest(h, OUT(tc_digest_t)));
    BAD_SNAPSHOTS(tc_sim_snapshot_free(h));
    TRUE(memcmp(out, untouched, sizeof out) == 0);
    TRUE(metrics.steps == 0 && status.height == 0 && paid.fee == 0 && told.sequence == 0);
}

static void null_pointers(void) {
    tc_setting_t no_name = {NULL, "1"}, no_text = {"wallets", NULL};
    tc_sim_t a_sim;
    tc_event_t event;
    tc_digest_t digest;
    char text[8];
    uint64_t units;
    NULL_ARGUMENT(tc_sim_new(4, 7, NULL, 1, &a_sim));
    NULL_ARGUMENT(tc_sim_new(4, 7, &no_name, 1, &a_sim));
    NULL_ARGUMENT(tc_sim_new(4, 7, &no_text, 1, &a_sim));
    NULL_ARGUMENT(tc_sim_new(4, 7, NULL, 0, NULL));
    NULL_ARGUMENT(tc_sim_fork(sim, NULL));
    NULL_ARGUMENT(tc_sim_wallet_address(sim, NULL, &bob));
    NULL_ARGUMENT(tc_sim_wallet_address(sim, "bob", NULL));
    NULL_ARGUMENT(tc_sim_wallet_balance(sim, NULL, &units));
    NULL_ARGUMENT(tc_sim_wallet_balance(sim, "bob", NULL));
    NULL_ARGUMENT(tc_sim_pay(sim, NULL, &bob, TC_UNITS_PER_TIME, NULL));
    NULL_ARGUMENT(tc_sim_pay(sim, "alice", NULL, TC_UNITS_PER_TIME, NULL));
    NULL_ARGUMENT(tc_sim_pay_at(sim, 0, "alice", NULL, TC_UNITS_PER_TIME, NULL));
    NULL_ARGUMENT(tc_sim_run_until_finalized(sim, NULL, 0));
    NULL_ARGUMENT(tc_sim_run_until_confirmed(sim, NULL, 0));
    NULL_ARGUMENT(tc_sim_partition(sim, NULL, 4));
    NULL_ARGUMENT(tc_sim_set_byzantine(sim, 0, NULL));
    NULL_ARGUMENT(tc_sim_set_links(sim, NULL, 1));
    NULL_ARGUMENT(tc_sim_set_link(sim, 0, 1, &no_name, 1));
    NULL_ARGUMENT(tc_sim_inject(sim, NULL, 0));
    NULL_ARGUMENT(tc_sim_snapshot(sim, NULL));
    NULL_ARGUMENT(tc_sim_snapshot_digest(snapshot, NULL));
    NULL_ARGUMENT(tc_sim_digest(sim, NULL));
    NULL_ARGUMENT(tc_digest_from_text(NULL, &digest));
    NULL_ARGUMENT(tc_digest_from_text("", NULL));
    NULL_ARGUMENT(tc_digest_to_text(NULL, text, sizeof text, NULL));
    NULL_ARGUMENT(tc_sim_metrics(sim, NULL));
    NULL_ARGUMENT(tc_sim_proposer(sim, NULL));
    NULL_ARGUMENT(tc_sim_node_status(sim, 0, NULL));
    NULL_ARGUMENT(tc_sim_transaction_status(sim, 0, NULL, NULL));
    NULL_ARGUMENT(tc_sim_transaction_status(sim, 0, &payment.txid, NULL));
    NULL_ARGUMENT(tc_sim_finality_latency(sim, NULL, &units));
    NULL_ARGUMENT(tc_sim_finality_latency(sim, &payment.txid, NULL));
    NULL_ARGUMENT(tc_sim_block_at(sim, 1, NULL));
    NULL_ARGUMENT(tc_sim_next_event(sim, 0, NULL, &event));
    NULL_ARGUMENT(tc_sim_next_event(sim, 0, &(tc_network_event_t)TC_INIT(tc_network_event_t), NULL));
    NULL_ARGUMENT(tc_sim_journal(sim, NULL));
    NULL_ARGUMENT(tc_sim_failure(sim, NULL));
    NULL_ARGUMENT(tc_sim_failure_text(sim, TC_FAILURE_CHECK, NULL, 1, NULL));
    OK(tc_sim_step(sim, NULL));
    OK(tc_sim_partition(sim, NULL, 0));
    OK(tc_sim_heal(sim));
    TRUE(tc_strategy_name(0) != NULL && tc_strategy_name(SIZE_MAX) == NULL);
}

static void wrong_arguments(void) {
    tc_digest_t before, after;
    tc_network_metrics_t metrics = {.struct_size = 8};
    tc_sim_failure_t failure = TC_INIT(tc_sim_failure_t);
    tc_sim_node_status_t status = TC_INIT(tc_sim_node_status_t);
    tc_block_t block;
    char text[8];
    tc_sim_t a_sim;
    OK(tc_sim_digest(sim, &before));
#define CONFIG(name, text)                                                                     \
    EXPECT(tc_sim_new(4, 7, &(tc_setting_t){name, text}, 1, &a_sim), TC_ERROR_INVALID_CONFIG)
    CONFIG("colour", "blue");
    CONFIG("latency", "soon");
    CONFIG("latency", "80ms..20ms");
    CONFIG("wallets", "0");
    CONFIG("wallets", "-1");
    CONFIG("block_interval", "2h");
    CONFIG("verify_everywhere", "perhaps");
    CONFIG("faults", "explode 2");
    CONFIG("", "");
    EXPECT(tc_sim_new(0, 7, NULL, 0, &a_sim), TC_ERROR_INVALID_CONFIG);
    EXPECT(tc_sim_new(201, 7, NULL, 0, &a_sim), TC_ERROR_INVALID_CONFIG);
    EXPECT(tc_sim_new(UINT64_MAX, 7, NULL, 0, &a_sim), TC_ERROR_INVALID_CONFIG);
    INVALID_ARGUMENT(tc_sim_new(4, 7, &(tc_setting_t){"late", "4"}, 1, &a_sim));
    INVALID_ARGUMENT(tc_sim_new(4, 7, &(tc_setting_t){"faults", "1s crash 4"}, 1, &a_sim));
    INVALID_ARGUMENT(tc_sim_wallet_address(sim, "\xff", &bob));
    INVALID_ARGUMENT(tc_sim_advance(sim, UINT64_MAX));
    INVALID_ARGUMENT(tc_sim_inject(sim, "heal", UINT64_C(876000) * 3600000 + 1));
    INVALID_ARGUMENT(tc_sim_crash(sim, 4));
    INVALID_ARGUMENT(tc_sim_restart(sim, UINT64_MAX));
    INVALID_ARGUMENT(tc_sim_pause(sim, 4));
    INVALID_ARGUMENT(tc_sim_resume(sim, 4));
    INVALID_ARGUMENT(tc_sim_partition(sim, (uint32_t[]){0, 0, 1, 1, 1}, 5));
    INVALID_ARGUMENT(tc_sim_set_byzantine(sim, 4, "withhold"));
    INVALID_ARGUMENT(tc_sim_set_byzantine(sim, 0, "kindness"));
    INVALID_ARGUMENT(tc_sim_set_link(sim, 0, 4, NULL, 0));
    EXPECT(tc_sim_set_links(sim, &(tc_setting_t){"loss_ppm", "1000001"}, 1),
           TC_ERROR_INVALID_CONFIG);
    INVALID_ARGUMENT(tc_sim_inject(sim, "", 0));
    INVALID_ARGUMENT(tc_sim_inject(sim, "crash 4", 1000));
    INVALID_ARGUMENT(tc_sim_inject(sim, "byzantine 1 kindness", 0));
    INVALID_ARGUMENT(tc_sim_pay_at(sim, 4, "alice", &bob, TC_UNITS_PER_TIME, NULL));
    EXPECT(tc_sim_pay(sim, "alice", &bob, UINT64_MAX, NULL), TC_ERROR_INSUFFICIENT_FUNDS);
    EXPECT(tc_sim_pay(sim, "alice", &bob, 1, NULL), TC_ERROR_TRANSACTION_DUST);
    INVALID_ARGUMENT(tc_sim_metrics(sim, &metrics));
    INVALID_ARGUMENT(tc_sim_node_status(sim, 4, &status));
    EXPECT(tc_sim_block_at(sim, 999, &block), TC_ERROR_NOT_FOUND);
    EXPECT(tc_sim_failure(sim, &failure), TC_ERROR_NOT_FOUND);
    EXPECT(tc_sim_failure_text(sim, TC_FAILURE_CHECK, text, sizeof text, NULL),
           TC_ERROR_NOT_FOUND);
    INVALID_ARGUMENT(tc_sim_failure_text(sim, 0, text, sizeof text, NULL));
    INVALID_ARGUMENT(tc_sim_failure_text(sim, 4, text, sizeof text, NULL));
    EXPECT(tc_digest_from_text("12", &after), TC_ERROR_MALFORMED);
    OK(tc_sim_digest(sim, &after));
    TRUE(memcmp(&before, &after, sizeof before) == 0);
    EXPECT(tc_sim_run_until_height(sim, 999, 0), TC_ERROR_NOT_REACHED);
    /* A snapshot of another simulation, with the same settings even. */
    tc_sim_snapshot_t other;
    OK(tc_sim_new(4, 7, NULL, 0, &a_sim));
    OK(tc_sim_snapshot(a_sim, &other));
    INVALID_ARGUMENT(tc_sim_revert(sim, other));
    OK(tc_sim_free(a_sim));
    OK(tc_sim_snapshot_free(other));
}

static void *advance(void *unused) {
    (void)unused;
    OK(tc_sim_advance(sim, 5000));
    return NULL;
}

/* Two threads let time pass, one after the other; a third reads meanwhile. */
static void threads(void) {
    tc_network_metrics_t before = TC_INIT(tc_network_metrics_t);
    tc_network_metrics_t during = before, after = before;
    pthread_t running[2];
    OK(tc_sim_metrics(sim, &before));
    for (int i = 0; i < 2; i++) {
        if (pthread_create(&running[i], NULL, advance, NULL) != 0) {
            abort();
        }
    }
    for (int i = 0; i < 20; i++) {
        OK(tc_sim_metrics(sim, &during));
    }
    pthread_join(running[0], NULL);
    pthread_join(running[1], NULL);
    OK(tc_sim_metrics(sim, &after));
    TRUE(after.elapsed_us == before.elapsed_us + 10000000);
}

static void tear_down(void) {
    tc_digest_t digest, then;
    tc_sim_t copy;
    OK(tc_sim_fork(sim, &copy));
    OK(tc_sim_revert(copy, snapshot));
    OK(tc_sim_digest(copy, &digest));
    OK(tc_sim_snapshot_digest(snapshot, &then));
    TRUE(memcmp(&digest, &then, sizeof digest) == 0);
    OK(tc_sim_free(sim));
    EXPECT(tc_sim_free(sim), TC_ERROR_INVALID_HANDLE);
    OK(tc_sim_advance(copy, 1000));
    OK(tc_sim_free(copy));
    OK(tc_sim_snapshot_free(snapshot));
    EXPECT(tc_sim_snapshot_free(snapshot), TC_ERROR_INVALID_HANDLE);
}

int main(void) {
    set_up();
    bad_handles();
    null_pointers();
    wrong_arguments();
    threads();
    tear_down();
    printf("%d checks, %d failures\n", n_checks, n_failures);
    return n_failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
