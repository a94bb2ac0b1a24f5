/* Counting what is not as it should be. */
#ifndef MISUSE_H
#define MISUSE_H

#include <stdio.h>

#include <timecoin.h>

static int n_failures;
static int n_checks;

#define EXPECT(call, expected)                                                                 \
    do {                                                                                       \
        tc_status_t found = (call);                                                            \
        n_checks++;                                                                            \
        if (found != (expected)) {                                                             \
            n_failures++;                                                                      \
            printf("line %d: %s: %s instead of %s\n", __LINE__, #call, tc_error_name(found),   \
                   tc_error_name(expected));                                                   \
        }                                                                                      \
    } while (0)

#define OK(call) EXPECT(call, TC_OK)
#define NULL_ARGUMENT(call) EXPECT(call, TC_ERROR_NULL_ARGUMENT)
#define INVALID_ARGUMENT(call) EXPECT(call, TC_ERROR_INVALID_ARGUMENT)
#define TRUE(condition) EXPECT((condition) ? TC_OK : TC_ERROR_INTERNAL, TC_OK)

#endif /* MISUSE_H */
