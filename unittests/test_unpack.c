/* SPDX-License-Identifier: MIT
 *
 * Unpacking kernels: sound payloads of each kind come out as they went in; a payload that is cut,
 * changed, longer or shorter than it says is refused, with a reason; and whatever happens, all
 * memory comes back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mm/heap.h"
#include "unittests/arch/host.h"
#include "unittests/pack_kit.h"
#include "unittests/suite.h"
#include "xen/bzimage.h"
#include "xen/foreign.h"
#include "xen/kernel_image.h"
#include "xen/unpack.h"
#include "xen/unpack_method.h"

enum { LOW = 100, HIGH = 4000, RAW_BYTES = 300000, CASES = 80 };

static uint8_t raw[RAW_BYTES];
static struct {
    uint8_t *at;
    size_t bytes;
} packed[PACK_KINDS];
static bool inside; /* of foreign_call(): only there may a library be at work */
static uint64_t pages_inside;

/* ---- the machine ---- */

/* With interrupts off the heap is not to be asked for anything: it may wait for other CPUs. */
static void interrupts_go_off(void)
{
    CU_ASSERT_FALSE(inside);
    inside = true;
    pages_inside = heap_free_pages();
}

static void interrupts_come_on(void)
{
    CU_ASSERT_TRUE(inside);
    inside = false;
    CU_ASSERT_EQUAL(heap_free_pages(), pages_inside);
}

int foreign_call(int (*function)(void *argument), void *argument)
{
    int result;

    interrupts_go_off();
    result = function(argument);
    interrupts_come_on();
    return result;
}

bool foreign_pause(void)
{
    bool paused = inside;

    if (paused)
        interrupts_come_on();
    return paused;
}

void foreign_resume(bool paused)
{
    if (paused)
        interrupts_go_off();
}

/* Something between code and text: compressible, of many symbols. */
static int make_payloads(void)
{
    uint32_t r = 12345;

    for (size_t i = 0; i < RAW_BYTES; i++) {
        r = r * 1664525 + 1013904223;
        raw[i] = i > 1000 && (r >> 29) ? raw[i - 1 - (r >> 8) % 900] : (uint8_t)(r >> 24);
    }
    for (enum pack_kind kind = 0; kind < PACK_KINDS; kind++)
        packed[kind].at = pack_kit(kind, raw, RAW_BYTES, &packed[kind].bytes);
    return 0;
}

static int free_payloads(void)
{
    for (enum pack_kind kind = 0; kind < PACK_KINDS; kind++)
        free(packed[kind].at);
    return 0;
}

static void machine(uint64_t high)
{
    host_heap(LOW, high);
}

/* All pages are free again, and the allocator is sound. */
static void all_is_back(uint64_t pages)
{
    slab_trim();
    CU_ASSERT_EQUAL(heap_free_pages(), pages);
    heap_audit();
}

/* ---- one unpacking ---- */

/* What unpack_begin() or the last step returned; *same: what came out is `raw`. */
static int unpack_all(const void *payload, size_t bytes, const char **why, bool *same,
                      unsigned *steps)
{
    struct unpack *u = NULL;
    size_t count = 0;
    int rc;

    *why = NULL;
    *same = false;
    *steps = 0;
    rc = unpack_begin(payload, bytes, &u, why);
    if (rc) {
        CU_ASSERT_PTR_NULL(u);
        return rc;
    }
    do {
        rc = unpack_step(u, why);
        ++*steps;
    } while (rc == -XEN_ERESTART);
    if (rc == 0) {
        const void *data = unpack_data(u, &count);

        *same = count == RAW_BYTES && memcmp(data, raw, RAW_BYTES) == 0;
    }
    unpack_end(u);
    return rc;
}

/* A copy in a block of its own, so that a look behind its end is seen. The payload is refused for a
 * reason that contains `text`. */
static void refused(const void *payload, size_t bytes, int error, const char *text)
{
    uint8_t *copy = malloc(bytes ? bytes : 1);
    const char *why;
    unsigned steps;
    bool same;
    int rc;

    CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
    memcpy(copy, payload, bytes);
    rc = unpack_all(copy, bytes, &why, &same, &steps);
    CU_ASSERT(rc < 0 && (!error || rc == error));
    CU_ASSERT(why && strstr(why, text));
    if (!why || !strstr(why, text))
        printf("error %d: %s; expected: %s\n", rc, why ? why : "none", text);
    free(copy);
}

/* ---- the tests ---- */

static void sound(void)
{
    const char *why;
    unsigned steps;
    bool same;

    for (enum pack_kind kind = 0; kind < PACK_KINDS; kind++) {
        machine(HIGH);
        CU_ASSERT_EQUAL(unpack_all(packed[kind].at, packed[kind].bytes, &why, &same, &steps), 0);
        CU_ASSERT(same);
        /* So many bytes in or out a step; a block for LZ4 and Zstandard, and the end. */
        CU_ASSERT(steps >= 2 && steps < 3 * RAW_BYTES / UNPACK_STEP_BYTES);
        if (kind == PACK_XZ || kind == PACK_GZIP)
            CU_ASSERT(steps >= RAW_BYTES / UNPACK_STEP_BYTES);
        all_is_back(LOW + HIGH);
    }
}

/* Cut off, with the length put behind what is left: the decoder itself has to notice. */
static void truncated(void)
{
    for (enum pack_kind kind = 0; kind < PACK_KINDS; kind++) {
        size_t bytes = packed[kind].bytes, step = bytes / CASES;

        machine(HIGH);
        for (size_t keep = 8; keep < bytes - 4; keep += keep < 40 ? 1 : step) {
            uint8_t *cut = malloc(keep + 4);

            CU_ASSERT_PTR_NOT_NULL_FATAL(cut);
            memcpy(cut, packed[kind].at, keep);
            memcpy(cut + keep, packed[kind].at + bytes - 4, 4);
            refused(cut, keep + 4, -XEN_EINVAL, kind == PACK_LZ4 ? "its payload is" : "");
            free(cut);
        }
        for (size_t keep = 0; keep < 8; keep++)
            refused(packed[kind].at, keep, 0, "");
        all_is_back(LOW + HIGH);
    }
}

/* Each byte at either end, where headers and checksums are, and some between. */
static size_t flip_after(size_t at, size_t step, size_t bytes)
{
    if (at < 30 || at + 40 >= bytes)
        return at + 1;
    return at + step + 40 < bytes ? at + step : bytes - 40;
}

/* One bit changed somewhere in the stream. It is noticed, or was of no account (a flag or a date in a
 * header): then what comes out is right. LZ4 has no checksum: it may come out wrong, of the right
 * length. */
static void flipped(void)
{
    for (enum pack_kind kind = 0; kind < PACK_KINDS; kind++) {
        size_t bytes = packed[kind].bytes - 4, step = bytes / CASES;
        unsigned noticed = 0, cases_count = 0;

        machine(HIGH);
        for (size_t at = 0; at < bytes; at = flip_after(at, step, bytes)) {
            const char *why;
            unsigned steps;
            bool same;
            int rc;

            packed[kind].at[at] ^= (uint8_t)(1 << at % 8);
            rc = unpack_all(packed[kind].at, packed[kind].bytes, &why, &same, &steps);
            packed[kind].at[at] ^= (uint8_t)(1 << at % 8);
            CU_ASSERT(rc < 0 ? why != NULL : kind == PACK_LZ4 || same);
            noticed += rc < 0;
            cases_count++;
        }
        CU_ASSERT(kind == PACK_LZ4 || noticed > cases_count - 10);
        CU_ASSERT(kind != PACK_XZ || noticed == cases_count); /* all of it is under some checksum */
        all_is_back(LOW + HIGH);
    }
}

static void lengths(void)
{
    static const struct {
        uint32_t length;
        const char *why;
    } table[] = {{0, "makes no sense"},
                 {UINT32_MAX, "makes no sense"},
                 {1 << 30, "makes no sense"},
                 {(1 << 30) - 1, "not enough free memory"},
                 {1, "longer than the length"},
                 {RAW_BYTES - 1, "longer than the length"},
                 {RAW_BYTES + 1, "shorter than the length"},
                 {RAW_BYTES + 500000, "shorter than the length"}};

    machine(HIGH);
    for (enum pack_kind kind = 0; kind < PACK_KINDS; kind++)
        for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
            uint32_t *length = (uint32_t *)(void *)(packed[kind].at + packed[kind].bytes - 4);
            const char *why = table[i].why;

            /* gzip's length is part of the format: zlib itself compares the two. */
            if (kind == PACK_GZIP && i >= 5)
                why = "corrupt";
            memcpy(length, &table[i].length, 4);
            refused(packed[kind].at, packed[kind].bytes, 0, why);
            memcpy(length, &(uint32_t){RAW_BYTES}, 4);
        }
    all_is_back(LOW + HIGH);
}

static void behind_the_end(void)
{
    machine(HIGH);
    for (enum pack_kind kind = 0; kind < PACK_KINDS; kind++) {
        size_t bytes = packed[kind].bytes;
        uint8_t *longer = calloc(1, bytes + 100);

        CU_ASSERT_PTR_NOT_NULL_FATAL(longer);
        memcpy(longer, packed[kind].at, bytes - (kind == PACK_GZIP ? 0 : 4));
        memcpy(longer + bytes + 96, packed[kind].at + bytes - 4, 4);
        refused(longer, bytes + 100, -XEN_EINVAL, kind == PACK_LZ4 ? "corrupt" : "behind the end");
        free(longer);
    }
    all_is_back(LOW + HIGH);
}

static void little_memory(void)
{
    for (enum pack_kind kind = 0; kind < PACK_KINDS; kind++) {
        bool failed = true;

        machine(60); /* less than the result needs */
        refused(packed[kind].at, packed[kind].bytes, -XEN_ENOMEM, "not enough free memory");
        all_is_back(LOW + 60);
        for (unsigned n = 1; failed && n < 40; n++) {
            const char *why;
            unsigned steps;
            bool same;
            int rc;

            machine(HIGH);
            host_fail_after(n);
            rc = unpack_all(packed[kind].at, packed[kind].bytes, &why, &same, &steps);
            failed = host_fail_off();
            CU_ASSERT(rc == (failed ? -XEN_ENOMEM : 0) && same == !failed);
            all_is_back(LOW + HIGH);
        }
        CU_ASSERT_FALSE(failed);
    }
}

static void other_packers(void)
{
    static const struct {
        const char *magic, *name;
    } table[] = {{"BZh91AY&SY", "bzip2"},
                 {"\x5d\0\0\x80\0\0\0", "LZMA"},
                 {"\x89LZO\0\r\n\x1a\n", "LZO"},
                 {"\x04\x22\x4d\x18", "LZ4 in its frame"},
                 {"something", "not known"}};

    machine(HIGH);
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        uint8_t payload[100] = {0};

        memcpy(payload, table[i].magic, 4);
        refused(payload, sizeof(payload), -XEN_ENOEXEC, table[i].name);
    }
    all_is_back(LOW + HIGH);
}

/* Zstandard makes 128 KiB of four bytes, over and over: a step ends all the same. */
static void short_steps(void)
{
    enum { BLOCKS = 60, BLOCK_BYTES = 128 << 10, HEADER = 6 };
    static const uint8_t header[HEADER] = {0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3};
    uint8_t payload[HEADER + 4 * BLOCKS + 4];
    uint32_t length = BLOCKS * BLOCK_BYTES;
    const char *why;
    unsigned steps;
    bool same;

    memcpy(payload, header, HEADER);
    for (uint32_t i = 0; i < BLOCKS; i++) {
        uint32_t block = (i == BLOCKS - 1) | 1 << 1 | BLOCK_BYTES << 3;

        memcpy(payload + HEADER + 4 * i, &block, sizeof(block)); /* of zeros */
    }
    memcpy(payload + HEADER + 4 * BLOCKS, &length, sizeof(length));
    machine(HIGH);
    CU_ASSERT_EQUAL(unpack_all(payload, sizeof(payload), &why, &same, &steps), 0);
    CU_ASSERT(steps >= BLOCKS / 2 && steps <= BLOCKS + 2);
    all_is_back(LOW + HIGH);
}

/* What is wrong with this frame header is its reserved bit. The bytes at 6 are the mark of Zstandard 0.6. */
static void no_older_format(void)
{
    uint8_t payload[100] = {0x28, 0xb5, 0x2f, 0xfd, 0x7a, 0x25, 0x26, 0xb5, 0x2f, 0xfd};

    machine(HIGH);
    payload[96] = 50; /* the length when unpacked */
    refused(payload, sizeof(payload), -XEN_ENOEXEC, "options that the decoder has not");
    all_is_back(LOW + HIGH);
}

/* Nobody runs a decoder to its end before it is told to stop. */
static void given_up(void)
{
    const char *why;
    struct unpack *u;

    for (enum pack_kind kind = 0; kind < PACK_KINDS; kind++) {
        machine(HIGH);
        CU_ASSERT_EQUAL_FATAL(unpack_begin(packed[kind].at, packed[kind].bytes, &u, &why), 0);
        CU_ASSERT_EQUAL(unpack_step(u, &why), -XEN_ERESTART);
        unpack_end(u);
        all_is_back(LOW + HIGH);
    }
    unpack_end(NULL);
}

static const struct test_case cases[] = {
    {"sound payloads", sound},
    {"truncated", truncated},
    {"flipped bits", flipped},
    {"wrong lengths", lengths},
    {"something behind the end", behind_the_end},
    {"little memory", little_memory},
    {"other packers are named", other_packers},
    {"steps are short", short_steps},
    {"no older format of Zstandard", no_older_format},
    {"given up half-way", given_up},
    {NULL, NULL},
};

const struct suite suite_unpack = {"unpack", cases, make_payloads, free_payloads};
