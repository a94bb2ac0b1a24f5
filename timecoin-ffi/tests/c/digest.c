/* Runs the simulations of a file of vectors, and compares what they come to.
 *
 * digest FILE: a run in a few lines, ended by an empty line. The first has the masternodes, the
 * seed, the virtual time in ms, the height and the digest; each other one a setting, name=text.
 * Lines that begin with # are comments. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <timecoin.h>

enum { SETTINGS_MAX = 16, LINE_MAX_BYTES = 512 };

static int n_failures;

static void check(tc_status_t status) {
    if (status != TC_OK) {
        char text[512] = "";
        tc_error_message(text, sizeof text, NULL);
        printf("%s: %s\n", tc_error_name(status), text);
        exit(EXIT_FAILURE);
    }
}

static void run(const char *head, const tc_setting_t *settings, size_t n_settings) {
    uint64_t masternodes, seed, duration_ms, height;
    char expected[TC_HEX_TEXT_BYTES], found[TC_HEX_TEXT_BYTES];
    int n = sscanf(head, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %64s", &masternodes,
                   &seed, &duration_ms, &height, expected);
    if (n != 5) {
        printf("no head of a run: %s\n", head);
        exit(EXIT_FAILURE);
    }
    tc_sim_t sim;
    tc_digest_t digest;
    tc_network_metrics_t metrics = TC_INIT(tc_network_metrics_t);
    check(tc_sim_new(masternodes, seed, settings, n_settings, &sim));
    check(tc_sim_advance(sim, duration_ms));
    check(tc_sim_digest(sim, &digest));
    check(tc_digest_to_text(&digest, found, sizeof found, NULL));
    check(tc_sim_metrics(sim, &metrics));
    check(tc_sim_free(sim));
    if (metrics.height_max != height || strcmp(found, expected) != 0) {
        n_failures++;
        printf("seed %" PRIu64 ": %s at height %" PRIu64 ", not %s at %" PRIu64 "\n", seed, found,
               metrics.height_max, expected, height);
    }
}

int main(int argc, char **argv) {
    static char lines[SETTINGS_MAX + 1][LINE_MAX_BYTES];
    tc_setting_t settings[SETTINGS_MAX];
    FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
    if (file == NULL) {
        printf("usage: digest FILE\n");
        return EXIT_FAILURE;
    }
    int n_lines = 0, n_runs = 0;
    char line[LINE_MAX_BYTES];
    for (char *got = line; got != NULL;) {
        got = fgets(line, sizeof line, file);
        line[got == NULL ? 0 : strcspn(line, "\n")] = '\0';
        if (line[0] == '#') {
            continue;
        }
        if (line[0] == '\0') {
            if (n_lines > 0) {
                run(lines[0], settings, (size_t)n_lines - 1);
                n_runs++;
            }
            n_lines = 0;
            continue;
        }
        if (n_lines > SETTINGS_MAX) {
            printf("too many settings\n");
            return EXIT_FAILURE;
        }
        strcpy(lines[n_lines], line);
        if (n_lines > 0) {
            char *text = strchr(lines[n_lines], '=');
            if (text == NULL) {
                printf("no setting: %s\n", line);
                return EXIT_FAILURE;
            }
            *text = '\0';
            settings[n_lines - 1] = (tc_setting_t){lines[n_lines], text + 1};
        }
        n_lines++;
    }
    fclose(file);
    printf("%d runs are as they should be\n", n_runs - n_failures);
    return n_failures == 0 && n_runs > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
