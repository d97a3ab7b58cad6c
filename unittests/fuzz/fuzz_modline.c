/* SPDX-License-Identifier: MIT
 *
 * Fuzzes boot modules' command lines: what is accepted is in range, what is refused says why.
 */
#include <stdlib.h>
#include <string.h>

#include "xen/modline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_domain(const struct modline *m)
{
    if (m->name[0] == '\0' || !memchr(m->name, '\0', sizeof(m->name)) ||
        !memchr(m->ramdisk, '\0', sizeof(m->ramdisk)) || m->mem_bytes < MODLINE_MEM_MIN ||
        m->mem_bytes % PAGE_SIZE != 0 || m->maxmem_bytes < m->mem_bytes || m->vcpus < 1 ||
        m->vcpus > MODLINE_VCPUS_MAX || m->cap > 100 * m->vcpus || cpumask_empty(m->cpus))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *line = malloc(size + 1);
    char why[MODLINE_WHY_MAX];
    struct modline m;

    memcpy(line, data, size);
    line[size] = '\0';
    if (modline_parse(line, &m, why) != 0) {
        if (why[0] == '\0' || m.kind == MODLINE_PLAIN)
            abort();
    } else if (m.guest_line < line || m.guest_line > line + strlen(line)) {
        abort();
    } else if (m.kind == MODLINE_DOMAIN) {
        check_domain(&m);
    }
    free(line);
    return 0;
}
