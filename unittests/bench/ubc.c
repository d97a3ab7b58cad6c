/* SPDX-License-Identifier: MIT
 *
 * What the buffer cache's engine costs on this machine: looking a resident block up and mapping it, in batches of 32,
 * beside a cold copy of 4 KiB; and checking a block against its digest, beside what `openssl speed` says in the same
 * run. The hypervisor's code, optimized and without assertions, on the host's stand-in for the machine. Times are of the
 * thread's own CPU, in rounds that alternate between what is compared; of a round's ratio the median is shown, since this
 * may run on a machine that others use. No hypercall and no copying of arguments is in it.
 *
 *   BENCH name figure      a page's cost in cold copies; sha256: bytes a second, of openssl's
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mm/spare.h"
#include "unittests/mm_kit.h"
#include "ubc/ubc_int.h"

enum { FRAMES = 20000, BLOCKS = 12000, BATCH = 32, PER_ROUND = 480, ROUNDS = 61, READERS = 2 };

unsigned long test_seed = 1;

static struct reader {
    struct account account;
    struct ubc_client client;
    struct kit_space space;
} reader[READERS];
static uint64_t volume;
static uint32_t order[BLOCKS], handle[READERS][PER_ROUND];
static uint64_t at; /* in the order */
static uint8_t *source, *target;

static double cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void must(bool ok)
{
    if (!ok)
        abort();
}

static struct ubc_ref ref_of(unsigned d)
{
    struct ubc_ref ref;

    must(ubc_get(&reader[d].client, d == 0, volume, &ref) == 0);
    return ref;
}

static void begin_reader(unsigned d)
{
    struct reader *r = &reader[d];
    struct ubc_ref ref;

    must(account_init(&r->account, (domid_t)(3 + d), 100) == 0);
    kit_space_build(&r->account, &r->space);
    must(table_pin(&r->account, r->space.l4, 4) == 0);
    ubc_client_init(&r->client, &r->account);
    ref = ref_of(0);
    must(ubc_allow(&ref, &r->client, LAGAN_UBC_READ, PER_ROUND) == 0);
    ubc_put(&ref);
}

static void fill(void)
{
    struct ubc_ref ref = ref_of(0);

    for (uint64_t b = 0; b < BLOCKS; b++) {
        struct lagan_ubc_insert in = {.block = b};
        mfn_t m;

        must(ubc_frame_get(&m));
        memset(arch_map_frame(m), (int)b, PAGE_SIZE);
        must(ubc_insert(&ref, &in, 1, m) == 0);
    }
    ubc_put(&ref);
}

static void begin(void)
{
    struct lagan_ubc_create in = {.id = {1}, .generation = 1, .blocks = BLOCKS};

    kit_start(FRAMES);
    must(spare_init() && ubc_init(0) == 0 && ubc_create(&in) == 0);
    volume = in.volume;
    for (unsigned d = 0; d < READERS; d++)
        begin_reader(d);
    fill();
    source = aligned_alloc(PAGE_SIZE, BLOCKS * PAGE_SIZE);
    target = aligned_alloc(PAGE_SIZE, BLOCKS * PAGE_SIZE);
    must(source && target);
    memset(source, 1, BLOCKS * PAGE_SIZE);
    memset(target, 1, BLOCKS * PAGE_SIZE);
    for (uint32_t i = 0; i < BLOCKS; i++)
        order[i] = i;
    for (uint32_t i = BLOCKS; i > 1; i--) {
        uint64_t seed = i;
        uint32_t j = (uint32_t)(kit_random(&seed) % i), t = order[i - 1];

        order[i - 1] = order[j];
        order[j] = t;
    }
}

/* ---- what is timed: ns a page ---- */

static double copies(void)
{
    double start = cpu_ns();

    for (uint32_t i = 0; i < PER_ROUND; i++)
        memcpy(target + order[(at + i) % BLOCKS] * PAGE_SIZE,
               source + order[(at + i * 7 + 5) % BLOCKS] * PAGE_SIZE, PAGE_SIZE);
    return (cpu_ns() - start) / PER_ROUND;
}

/* The round's blocks, wherever they are, at one entry after the other. */
static double maps(unsigned d)
{
    double start = cpu_ns();

    for (uint32_t i = 0; i < PER_ROUND; i += BATCH) {
        struct ubc_ref ref = ref_of(d);

        for (uint32_t n = i; n < i + BATCH; n++) {
            struct lagan_ubc_map op = {.block = order[(at + n) % BLOCKS],
                                       .address = kit_va(0, KIT_DATA + n)};

            must(ubc_map(&ref, reader[d].space.l4, &op) == 0);
            handle[d][n] = op.handle;
        }
        ubc_put(&ref);
    }
    return (cpu_ns() - start) / PER_ROUND;
}

static double unmaps(unsigned d)
{
    double start = cpu_ns();

    for (uint32_t i = 0; i < PER_ROUND; i += BATCH) {
        struct ubc_ref ref = ref_of(d);

        for (uint32_t n = i; n < i + BATCH; n++)
            must(ubc_unmap(&ref, handle[d][n]) == 0);
        ubc_unmap_finish(&ref);
        ubc_put(&ref);
    }
    return (cpu_ns() - start) / PER_ROUND;
}

static double looks(void)
{
    double start = cpu_ns();

    for (uint32_t i = 0; i < PER_ROUND; i += BATCH) {
        struct ubc_ref ref = ref_of(0);

        for (uint32_t n = i; n < i + BATCH; n++) {
            struct lagan_ubc_map op = {.block = order[(at + BLOCKS / 2 + n) % BLOCKS],
                                       .flags = LAGAN_UBC_LOOK};

            must(ubc_map(&ref, reader[0].space.l4, &op) == 0);
        }
        ubc_put(&ref);
    }
    return (cpu_ns() - start) / PER_ROUND;
}

/* ---- figures ---- */

enum row { LOOK, MAP_IDLE, MAP_BUSY, UNMAP_BUSY, UNMAP_LAST, ROWS };
static const char *const row_name[ROWS] = {"look", "map-idle", "map-busy", "unmap-busy",
                                           "unmap-last"};

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *v)
{
    qsort(v, ROUNDS, sizeof(*v), by_size);
    return v[ROUNDS / 2];
}

static void one_round(double *ns)
{
    ns[LOOK] = looks();
    ns[MAP_IDLE] = maps(0);
    ns[MAP_BUSY] = maps(1);
    ns[UNMAP_BUSY] = unmaps(1);
    ns[UNMAP_LAST] = unmaps(0);
    at += PER_ROUND;
}

static void print_maps(void)
{
    static double ns[ROWS][ROUNDS], ratio[ROWS][ROUNDS], copy[ROUNDS];
    double round[ROWS];

    for (unsigned i = 0; i < ROUNDS; i++) {
        copy[i] = copies();
        one_round(round);
        for (unsigned r = 0; r < ROWS; r++) {
            ns[r][i] = round[r];
            ratio[r][i] = round[r] / copy[i];
        }
    }
    for (unsigned r = 0; r < ROWS; r++) {
        printf("%s: %.0f ns a page, a cold copy %.0f ns\n", row_name[r], median(ns[r]),
               median(copy));
        printf("BENCH %s %.3f\n", row_name[r], median(ratio[r]));
    }
}

/* MB/s, of blocks of 4096 bytes; 0: there is no such program. */
static double openssl_speed(void)
{
    FILE *f = popen("openssl speed -seconds 1 -bytes 4096 -evp sha256 2>/dev/null", "r");
    double kb = 0, value;
    char line[256];

    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "sha256 %lfk", &value) == 1 || sscanf(line, "SHA256 %lfk", &value) == 1)
            kb = value;
    if (f)
        (void)!pclose(f);
    return kb / 1000;
}

static double verify_speed(void)
{
    double best = 0;

    for (unsigned round = 0; round < 20; round++) {
        double start = cpu_ns(), speed;

        for (uint32_t i = 0; i < 500; i++) {
            uint8_t digest[DIGEST_BYTES];

            ubc_tree_digest(NULL, 0, source + order[i] * PAGE_SIZE, digest);
        }
        speed = 500.0 * PAGE_SIZE / (cpu_ns() - start) * 1000;
        best = speed > best ? speed : best;
    }
    return best;
}

int main(void)
{
    double ours, theirs;

    begin();
    print_maps();
    ours = verify_speed();
    theirs = openssl_speed();
    printf("sha256: %.0f MB/s, openssl speed %.0f MB/s\n", ours, theirs);
    if (theirs > 0)
        printf("BENCH sha256 %.3f\n", ours / theirs);
    return 0;
}
