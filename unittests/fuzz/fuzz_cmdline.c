/* SPDX-License-Identifier: MIT
 *
 * Fuzzes the hypervisor's command line: any text is read to its end, each bad word is warned about
 * once, and reading the same text again gives the same options.
 */
#include <stdlib.h>
#include <string.h>

#include "xen/cmdline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned warnings;

void printk(enum log_level level, const char *fmt, ...)
{
    (void)level;
    (void)fmt;
    warnings++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct options first, second;
    char *line = malloc(size + 1);

    memcpy(line, data, size);
    line[size] = '\0';
    warnings = 0;
    memset(&first, 0, sizeof(first));
    options_default(&first);
    memcpy(&second, &first, sizeof(first));
    if (cmdline_parse(&first, line) != warnings)
        abort();
    cmdline_parse(&second, line);
    if (memcmp(&first, &second, sizeof(first)) != 0 || first.loglvl.always > first.loglvl.limited ||
        first.dom0_max_vcpus.low > first.dom0_max_vcpus.high)
        abort();
    free(line);
    return 0;
}
