/* SPDX-License-Identifier: MIT
 *
 * See fake_firmware.h. What map_firmware() returns is an exact copy on the heap, so that ASan sees
 * a read of even one byte beyond it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lagan/assert.h>
#include <lagan/printk.h>
#include "unittests/fake_firmware.h"
#include "xen/arch/x86/hvmap.h"

#define COPIES_MAX 600

static const uint8_t *memory;
static size_t memory_bytes;
static uint64_t memory_phys;
static void *copies[COPIES_MAX];
static unsigned copy_count;

char fake_log[4096];

void fake_log_clear(void)
{
    fake_log[0] = '\0';
}

void fake_firmware_set(uint64_t phys, const uint8_t *bytes, size_t count)
{
    while (copy_count)
        free(copies[--copy_count]);
    memory = bytes;
    memory_bytes = count;
    memory_phys = phys;
}

const void *map_firmware(uint64_t phys, size_t bytes)
{
    uint64_t offset = phys - memory_phys;

    if (phys < memory_phys || offset > memory_bytes || bytes > memory_bytes - offset ||
        copy_count == COPIES_MAX)
        return NULL;
    copies[copy_count] = malloc(bytes ? bytes : 1);
    memcpy(copies[copy_count], memory + offset, bytes);
    return copies[copy_count++];
}

void printk(enum log_level level, const char *fmt, ...)
{
    size_t used = strlen(fake_log);
    va_list args;

    (void)level;
    va_start(args, fmt);
    vsnprintf(fake_log + used, sizeof(fake_log) - used, fmt, args);
    va_end(args);
}

void assert_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    abort();
}
