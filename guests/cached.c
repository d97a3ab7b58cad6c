/* SPDX-License-Identifier: MIT
 *
 * cached: the example of docs/pcache.md as a whole guest. It reads blocks of a disk that it makes up, in no order of
 * interest, through a small cache of its own: whatever it evicts it offers to the host, and what it wants it asks the
 * host for first. replace() stands in the document as it does here.
 */
#include "kit/kit.h"
#include "lagan/pcache.h"

const char guest_name[] = "cached";

#define BLOCKS 256U
#define PAGES  32U
#define WORDS  (PAGE_SIZE / sizeof(uint64_t))

struct block {
    uint64_t number;
    uint64_t id; /* of the page in the host's cache; 0: none */
    bool here;   /* in a page of ours */
};

static struct block blocks[BLOCKS];
static struct {
    uint64_t word[WORDS];
} pages[PAGES] PAGE_ALIGNED;
static struct block *holds[PAGES];
static unsigned reads, hits, wrong;

/* Block `in` is wanted in `page`, which still holds the clean block `out`. True: no need to read the disk. */
static bool replace(void *page, struct block *out, struct block *in)
{
    struct lagan_pcache_query q = {
        .flags = LAGAN_PCACHE_PUT | LAGAN_PCACHE_VIRTUAL | (in->id != 0 ? LAGAN_PCACHE_GET : 0),
        .page = (uint64_t)page,  /* an address, so no frame number has to be looked up */
        .name = out->number + 1, /* what the page holds: so the cache learns what comes back */
        .old = in->id,
        .old_name = in->number + 1,
    };
    long rc = hypercall3(LAGAN_HYPERVISOR_pcache_op, LAGAN_PCACHE_query, (uint64_t)&q, 1);

    in->id = 0; /* a hit is had once */
    if (rc != 0 || q.status < 0) {
        out->id = 0;
        return false;
    }
    /* Also a page that was not kept has an id: asking for it is a miss, and tells the cache of its use. */
    out->id = q.new;
    return (q.status & LAGAN_PCACHE_HIT) != 0;
}

static void read_disk(const struct block *b, uint64_t *to)
{
    reads++;
    for (unsigned i = 0; i < WORDS; i++) {
        to[i] = b->number << 32 | i;
    }
}

static void want(struct block *in)
{
    static unsigned next;
    unsigned slot = next++ % PAGES;
    struct block *out = holds[slot];

    if (out == NULL || !replace(pages[slot].word, out, in)) {
        read_disk(in, pages[slot].word);
    } else {
        hits++;
    }
    if (out != NULL) {
        out->here = false;
    }
    in->here = true;
    holds[slot] = in;
    for (unsigned i = 0; i < WORDS; i++) {
        wrong += pages[slot].word[i] != (in->number << 32 | i);
    }
}

void guest_main(void)
{
    uint64_t random = 1;

    for (unsigned i = 0; i < BLOCKS; i++) {
        blocks[i].number = i;
    }
    for (unsigned i = 0; i < 4000; i++) {
        struct block *b;

        random = random * 6364136223846793005UL + 1442695040888963407UL;
        b = &blocks[(random >> 40) % BLOCKS];
        if (!b->here) {
            want(b);
        }
    }
    kit_printf("%u reads of the disk, %u pages from the host\n", reads, hits);
    check_true("pages-right", wrong == 0, "%u words wrong", wrong);
    check_true("few-reads", !args_has("cache") || reads < BLOCKS * 2, "%u reads", reads);
    check_true("no-cache", args_has("cache") || hits == 0, "%u hits", hits);
}
