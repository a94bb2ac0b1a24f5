/* Four masternodes in virtual time: a payment is final without a leader and stays so, while the
 * proposer crashes and the network is cut in two; then back to before the cut.
 *
 *     cc -std=c11 network.c -ltimecoin -o network
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <timecoin.h>

/* More virtual time than anything here takes while a quorum can talk. */
#define WITHIN_MS 60000

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

static void expect(int holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "%s\n", what);
        exit(EXIT_FAILURE);
    }
}

static tc_txid_t pay_bob(tc_sim_t sim, const char *amount) {
    tc_address_t bob;
    tc_payment_t payment = TC_INIT(tc_payment_t);
    uint64_t units;
    check(tc_amount_from_text(amount, &units), amount);
    check(tc_sim_wallet_address(sim, "bob", &bob), "bob");
    check(tc_sim_pay(sim, "alice", &bob, units, &payment), "pay");
    return payment.txid;
}

static unsigned latency_ms(tc_sim_t sim, const tc_txid_t *txid) {
    uint64_t latency_us;
    check(tc_sim_finality_latency(sim, txid, &latency_us), "latency");
    return (unsigned)(latency_us / 1000);
}

static tc_transaction_status_t status_of(tc_sim_t sim, const tc_txid_t *txid) {
    tc_transaction_status_t status = TC_INIT(tc_transaction_status_t);
    check(tc_sim_transaction_status(sim, 0, txid, &status), "status");
    return status;
}

static void print_balance(const char *before, tc_sim_t sim) {
    char text[TC_AMOUNT_TEXT_BYTES];
    uint64_t units;
    check(tc_sim_wallet_balance(sim, "bob", &units), "balance");
    check(tc_amount_to_text(units, text, sizeof text, NULL), "amount");
    printf("%sbob has %s\n", before, text);
}

/* Payments become final while the proposer is down; a block follows. */
static tc_txid_t crash_the_proposer(tc_sim_t sim) {
    tc_txid_t five = pay_bob(sim, "5 TIME");
    check(tc_sim_run_until_finalized(sim, &five, WITHIN_MS), "finality");
    printf("alice pays bob 5 TIME: final after %u ms, in no block yet\n", latency_ms(sim, &five));

    uint64_t proposer;
    check(tc_sim_proposer(sim, &proposer), "proposer");
    check(tc_sim_crash(sim, proposer), "crash");
    printf("masternode %u, who proposes the next block, crashes\n", (unsigned)proposer);
    tc_txid_t one = pay_bob(sim, "1 TIME");
    check(tc_sim_run_until_finalized(sim, &one, WITHIN_MS), "finality");
    printf("alice pays bob 1 TIME: final after %u ms\n", latency_ms(sim, &one));
    check(tc_sim_run_until_confirmed(sim, &one, WITHIN_MS), "confirmation");
    tc_network_metrics_t metrics = TC_INIT(tc_network_metrics_t);
    check(tc_sim_metrics(sim, &metrics), "metrics");
    printf("both are in block %u, after %u view changes\n", (unsigned)status_of(sim, &one).height,
           (unsigned)metrics.view_changes);
    check(tc_sim_restart(sim, proposer), "restart");
    printf("masternode %u is back\n", (unsigned)proposer);
    return five;
}

/* Two of four decide nothing, and undo nothing. */
static void cut_in_two(tc_sim_t sim, const tc_txid_t *five) {
    uint32_t groups[] = {0, 0, 1, 1};
    check(tc_sim_partition(sim, groups, 4), "partition");
    tc_txid_t two = pay_bob(sim, "2 TIME");
    check(tc_sim_advance(sim, 20000), "advance");
    expect(status_of(sim, &two).status < TC_TRANSACTION_FINALIZED, "final without a quorum");
    expect(status_of(sim, five).status == TC_TRANSACTION_CONFIRMED, "not what it was");
    printf("cut in two: alice pays bob 2 TIME, and it is not final\n");
    print_balance("what was final is: ", sim);
    check(tc_sim_heal(sim), "heal");
    check(tc_sim_run_until_finalized(sim, &two, WITHIN_MS), "finality");
    check(tc_sim_run_until_confirmed(sim, &two, WITHIN_MS), "confirmation");
    printf("healed: final, and in block %u\n", (unsigned)status_of(sim, &two).height);
    print_balance("", sim);
}

int main(void) {
    tc_sim_t sim;
    tc_sim_snapshot_t snapshot;
    tc_address_t address;
    tc_digest_t before, after, reverted;
    char text[TC_HEX_TEXT_BYTES];
    check(tc_abi_check(TC_ABI_VERSION), "libtimecoin");
    check(tc_sim_new(4, 7, NULL, 0, &sim), "simulation");
    check(tc_sim_wallet_address(sim, "alice", &address), "alice");
    check(tc_sim_wallet_address(sim, "bob", &address), "bob");
    printf("four masternodes, seed 7\n");

    tc_txid_t five = crash_the_proposer(sim);
    check(tc_sim_snapshot(sim, &snapshot), "snapshot");
    cut_in_two(sim, &five);

    check(tc_sim_digest(sim, &after), "digest");
    check(tc_sim_revert(sim, snapshot), "revert");
    check(tc_sim_digest(sim, &reverted), "digest");
    check(tc_sim_snapshot_digest(snapshot, &before), "digest");
    expect(memcmp(&before, &reverted, sizeof before) == 0, "reverting changes something");
    print_balance("back before the cut: ", sim);
    check(tc_digest_to_text(&after, text, sizeof text, NULL), "digest");
    printf("digest %s\n", text);
    check(tc_sim_snapshot_free(snapshot), "free");
    check(tc_sim_free(sim), "free");
    return EXIT_SUCCESS;
}
