/* After a fork the child is told so by every function, and the parent goes on as before. */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <timecoin.h>

static void check(tc_status_t found, tc_status_t expected, const char *what) {
    if (found != expected) {
        printf("%s: %s instead of %s\n", what, tc_error_name(found), tc_error_name(expected));
        fflush(stdout);
        _exit(EXIT_FAILURE);
    }
}

static void child(tc_config_t config, tc_node_t node, tc_wallet_t wallet) {
    const tc_status_t forked = TC_ERROR_FORKED_PROCESS;
    tc_tip_t tip = TC_INIT(tc_tip_t);
    tc_address_t address = {{0}};
    tc_node_t other;
    char text[512];
    check(tc_node_tip(node, &tip), forked, "tip");
    check(tc_node_open(config, &other), forked, "open");
    check(tc_node_produce_block(node, TC_FOREVER, NULL), forked, "produce a block");
    check(tc_wallet_pay(wallet, &address, 1, NULL), forked, "pay");
    check(tc_config_new_regtest(TC_BLOCK_PRODUCTION_INTERVAL, &config), forked, "config");
    check(tc_wallet_free(wallet), forked, "free a wallet");
    check(tc_node_close(node, TC_FOREVER), forked, "close");
    check(tc_node_free(node), forked, "free a node");
    check(tc_error_message(text, sizeof text, NULL), TC_OK, "message");
    check(strstr(text, "fork") != NULL ? TC_OK : TC_ERROR_INTERNAL, TC_OK, text);
}

int main(void) {
    tc_config_t config;
    tc_node_t node;
    tc_wallet_t wallet;
    check(tc_config_new_regtest(TC_BLOCK_PRODUCTION_ON_DEMAND, &config), TC_OK, "config");
    check(tc_node_open(config, &node), TC_OK, "open");
    check(tc_node_start(node), TC_OK, "start");
    check(tc_wallet_from_seed(node, (const uint8_t *)"bob", 3, &wallet), TC_OK, "wallet");

    pid_t pid = fork();
    if (pid == 0) {
        child(config, node, wallet);
        /* A full exit: what the library left behind must not hang it either. */
        exit(EXIT_SUCCESS);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
        printf("the child ended with %d\n", status);
        return EXIT_FAILURE;
    }
    uint64_t height = 0;
    check(tc_node_produce_block(node, 10000, &height), TC_OK, "produce a block");
    check(height == 1 ? TC_OK : TC_ERROR_INTERNAL, TC_OK, "height");
    check(tc_wallet_free(wallet), TC_OK, "free");
    check(tc_node_close(node, 10000), TC_OK, "close");
    check(tc_node_free(node), TC_OK, "free");
    check(tc_config_free(config), TC_OK, "free");
    printf("the child was told, the parent went on\n");
    return EXIT_SUCCESS;
}
