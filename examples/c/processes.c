/* Four masternodes in four processes of their own, on disk, over sockets; a fifth node, which only
 * follows, pays. One masternode is killed, the others go on, and it comes back.
 *
 * processes DIRECTORY [timings]: an empty directory, or one that is not there yet; whether to print
 * how long things took, which differs from run to run.
 *
 *     cc -std=c11 processes.c -ltimecoin -o processes
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <timecoin.h>

/* Long enough for any machine that is busy with something else. */
#define PATIENCE_MS 60000

enum { N_MASTERNODES = 4, N_COINS = 16, TARGET_BYTES = TC_HEX_TEXT_BYTES + TC_SOCKET_TEXT_BYTES };

extern char **environ;

/* A masternode's process, as the one that started it sees it. */
typedef struct {
    pid_t pid;
    FILE *input;
    char target[TARGET_BYTES];
} process_t;

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

static double now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void rest(void) { nanosleep(&(struct timespec){0, 1000000}, NULL); }

/* Anybody can make these: a real masternode's are secret. */
static tc_secret_t secret_of(int position) {
    char seed[32];
    tc_secret_t secret;
    int length = snprintf(seed, sizeof seed, "masternode %d", position);
    check(tc_secret_from_seed((const uint8_t *)seed, (size_t)length, &secret), seed);
    return secret;
}

static tc_public_key_t key_of(int position) {
    tc_secret_t secret = secret_of(position);
    tc_public_key_t key;
    check(tc_secret_public_key(&secret, &key), "key");
    return key;
}

static tc_address_t address_of(const char *seed) {
    tc_secret_t secret;
    tc_public_key_t key;
    tc_address_t address;
    check(tc_secret_from_seed((const uint8_t *)seed, strlen(seed), &secret), seed);
    check(tc_secret_public_key(&secret, &key), seed);
    check(tc_address_of(&key, &address), seed);
    return address;
}

/* The configuration that all nodes of the chain begin with. */
static tc_config_t new_config(void) {
    tc_public_key_t masternodes[N_MASTERNODES];
    tc_address_t wallets[N_COINS];
    tc_bytes_t genesis;
    const uint8_t *json;
    tc_config_t config;
    for (int i = 0; i < N_MASTERNODES; i++) {
        masternodes[i] = key_of(i);
    }
    for (int i = 0; i < N_COINS; i++) {
        wallets[i] = address_of("regtest wallet");
    }
    check(tc_config_regtest_genesis(masternodes, N_MASTERNODES, wallets, N_COINS, &genesis),
          "genesis");
    check(tc_bytes_view(genesis, &json, NULL), "genesis");
    check(tc_config_from_genesis((const char *)json, &config), "config");
    check(tc_bytes_free(genesis), "free");
    return config;
}

static tc_node_t open_node(tc_config_t config) {
    tc_node_t node;
    check(tc_node_open(config, &node), "open");
    check(tc_node_start(node), "start");
    check(tc_config_free(config), "free");
    return node;
}

static void close_node(tc_node_t node) {
    check(tc_node_close(node, PATIENCE_MS), "close");
    check(tc_node_free(node), "free");
}

/* One of the processes: says where it listens, dials whom it is told to, ends with its input. */
static int masternode(int position, const char *data_dir) {
    tc_config_t config = new_config();
    tc_secret_t secret = secret_of(position);
    tc_public_key_t key;
    char key_text[TC_HEX_TEXT_BYTES], address[TC_SOCKET_TEXT_BYTES], line[TARGET_BYTES];
    check(tc_config_set(config, "data_dir", data_dir), "data_dir");
    check(tc_config_set(config, "listen", "127.0.0.1:0"), "listen");
    check(tc_config_set(config, "round_timeout_ms", "1000"), "round_timeout_ms");
    check(tc_config_set_masternode_key(config, &secret), "key");
    check(tc_secret_wipe(&secret), "wipe");
    tc_node_t node = open_node(config);
    check(tc_node_node_key(node, &key), "key");
    check(tc_public_key_to_text(&key, key_text, sizeof key_text, NULL), "key");
    check(tc_node_listen_address(node, address, sizeof address, NULL), "address");
    printf("%s@%s\n", key_text, address);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        check(tc_node_connect(node, line), "connect");
    }
    close_node(node);
    return EXIT_SUCCESS;
}

/* A pipe that no other process inherits. */
static void new_pipe(int ends[2]) {
    expect(pipe(ends) == 0, "no pipe");
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
}

/* Starts this program as a masternode. A process that has a node must not fork and go on; to spawn
 * a new program from it is fine. */
static process_t start(char *program, const char *folder, int position) {
    process_t process;
    char number[12], data_dir[4096];
    int input[2], output[2];
    snprintf(number, sizeof number, "%d", position);
    int length = snprintf(data_dir, sizeof data_dir, "%s/masternode-%d", folder, position);
    expect(length < (int)sizeof data_dir, "the directory's name is too long");
    new_pipe(input);
    new_pipe(output);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
    char *arguments[] = {program, "masternode", number, data_dir, NULL};
    int error = posix_spawn(&process.pid, program, &actions, NULL, arguments, environ);
    expect(error == 0, "no process");
    posix_spawn_file_actions_destroy(&actions);
    close(input[0]);
    close(output[1]);
    process.input = fdopen(input[1], "w");
    FILE *told = fdopen(output[0], "r");
    expect(process.input != NULL && told != NULL, "no stream");
    expect(fgets(process.target, sizeof process.target, told) != NULL, "a masternode says nothing");
    process.target[strcspn(process.target, "\n")] = '\0';
    fclose(told);
    return process;
}

static void tell(const process_t *process, const process_t *other) {
    fprintf(process->input, "%s\n", other->target);
    expect(fflush(process->input) == 0, "a masternode does not listen");
}

static int wait_for_end(process_t *process) {
    int status = 0;
    fclose(process->input);
    while (waitpid(process->pid, &status, 0) < 0) {
        expect(errno == EINTR, "no such process");
    }
    return status;
}

/* The peers of a node, and the height of one of them where it is connected. */
static size_t peers_of(tc_node_t node, const tc_public_key_t *key, uint64_t *height_out) {
    tc_peer_t peers[2 * N_MASTERNODES] = {TC_INIT(tc_peer_t)};
    size_t n;
    check(tc_node_peers(node, NULL, peers, 2 * N_MASTERNODES, &n), "peers");
    for (size_t i = 0; i < n && key != NULL; i++) {
        if (memcmp(&peers[i].key, key, sizeof *key) == 0) {
            *height_out = peers[i].height;
        }
    }
    return n;
}

static uint64_t height_of(tc_node_t node) {
    tc_tip_t tip = TC_INIT(tc_tip_t);
    check(tc_node_tip(node, &tip), "tip");
    return tip.height;
}

/* The follower knows the payment to be final once it has the votes of a quorum. */
static void pay(tc_node_t node, int has_timings) {
    tc_address_t bob = address_of("bob");
    tc_wallet_t alice;
    tc_payment_t payment = TC_INIT(tc_payment_t);
    check(tc_wallet_from_seed(node, (const uint8_t *)"regtest wallet", 14, &alice), "wallet");
    double began = now_ms();
    check(tc_wallet_pay(alice, &bob, 5 * TC_UNITS_PER_TIME, &payment), "pay");
    check(tc_node_wait_finalized(node, &payment.txid, PATIENCE_MS, NULL), "finality");
    double finalized = now_ms() - began;
    check(tc_node_wait_confirmed(node, &payment.txid, PATIENCE_MS, NULL), "confirmation");
    double confirmed = now_ms() - began;
    if (has_timings) {
        printf("alice pays bob 5 TIME: final after %.1f ms, in a block after %.1f ms\n", finalized,
               confirmed);
    } else {
        printf("alice pays bob 5 TIME: final, and in a block\n");
    }
    check(tc_wallet_free(alice), "free");
}

/* Starts masternode 2 again, and waits until it is at the height of the others. */
static void bring_back(process_t *masternodes, tc_node_t node, char *program, const char *folder,
                       int has_timings) {
    masternodes[2] = start(program, folder, 2);
    tell(&masternodes[2], &masternodes[0]);
    tell(&masternodes[2], &masternodes[1]);
    tell(&masternodes[2], &masternodes[3]);
    check(tc_node_connect(node, masternodes[2].target), "connect");
    tc_public_key_t key = key_of(2);
    double began = now_ms();
    uint64_t height = 0;
    while (peers_of(node, &key, &height), height < height_of(node)) {
        expect(now_ms() - began < PATIENCE_MS, "masternode 2 does not come back");
        rest();
    }
    printf("masternode 2 is back, and at the height of the others");
    if (has_timings) {
        printf(" after %.1f ms", now_ms() - began);
    }
    printf("\n");
}

/* The process that starts the others and kills one. */
static int story(char *program, const char *folder, int has_timings) {
    process_t masternodes[N_MASTERNODES];
    char targets[N_MASTERNODES * TARGET_BYTES] = "";
    for (int i = 0; i < N_MASTERNODES; i++) {
        masternodes[i] = start(program, folder, i);
        for (int other = 0; other < i; other++) {
            tell(&masternodes[i], &masternodes[other]);
        }
        strcat(strcat(targets, i == 0 ? "" : ","), masternodes[i].target);
    }
    tc_config_t config = new_config();
    check(tc_config_set(config, "peers", targets), "peers");
    tc_node_t node = open_node(config);
    for (double began = now_ms(); peers_of(node, NULL, NULL) < N_MASTERNODES; rest()) {
        expect(now_ms() - began < PATIENCE_MS, "no four peers");
    }
    printf("four masternodes in processes of their own, and a node that follows them\n");
    pay(node, has_timings);

    kill(masternodes[2].pid, SIGKILL);
    wait_for_end(&masternodes[2]);
    printf("masternode 2 is killed\n");
    for (int i = 0; i < 3; i++) {
        pay(node, has_timings);
    }
    bring_back(masternodes, node, program, folder, has_timings);
    pay(node, has_timings);

    tc_address_t bob = address_of("bob");
    tc_balance_t balance = TC_INIT(tc_balance_t);
    char text[TC_AMOUNT_TEXT_BYTES];
    check(tc_node_balance(node, &bob, &balance), "balance");
    check(tc_amount_to_text(balance.confirmed, text, sizeof text, NULL), "amount");
    printf("bob has %s\n", text);
    close_node(node);
    for (int i = 0; i < N_MASTERNODES; i++) {
        expect(wait_for_end(&masternodes[i]) == 0, "a masternode ends badly");
    }
    printf("all have ended\n");
    return EXIT_SUCCESS;
}

int main(int n_arguments, char **arguments) {
    check(tc_abi_check(TC_ABI_VERSION), "libtimecoin");
    signal(SIGPIPE, SIG_IGN);
    if (n_arguments == 4 && strcmp(arguments[1], "masternode") == 0) {
        return masternode(atoi(arguments[2]), arguments[3]);
    }
    int has_timings = n_arguments == 3 && strcmp(arguments[2], "timings") == 0;
    if (n_arguments == 2 || has_timings) {
        return story(arguments[0], arguments[1], has_timings);
    }
    fprintf(stderr, "usage: %s DIRECTORY [timings]\n", arguments[0]);
    return EXIT_FAILURE;
}
