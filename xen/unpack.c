/* SPDX-License-Identifier: MIT
 *
 * Unpacking: the common part. The payload says by its first bytes how it was packed, and in its
 * last four how long it will be; gzip's own format ends so, for the others Linux's build appends
 * the number. Memory for just that much is taken, and a library's decoder fills it in steps.
 *
 * Steps are short because interrupts are off in them (foreign.h), and because unpacking goes on
 * while guests run, when one of them is built anew.
 *
 * A payload is sound if the decoder is content, has used up the whole stream, and has given exactly
 * as many bytes as were announced. A decoder that moves nothing in a step is never called again.
 */
#include "xen/unpack.h"

#include <lagan/assert.h>
#include <lagan/string.h>

#include "mm/heap.h"
#include "xen/foreign.h"
#include "xen/unpack_method.h"

#define LENGTH_BYTES 4

/* Known, so that the complaint can name it; Linux can pack itself so, Debian does not. */
#define ONLY_KNOWN(the_name, the_magic, bytes)                                          \
    {                                                                                   \
        .name = "packed with " the_name ", which is not supported", .magic = the_magic, \
        .magic_bytes = (bytes)                                                          \
    }

static const struct unpack_method only_known[] = {
    ONLY_KNOWN("bzip2", "BZh", 3),
    ONLY_KNOWN("LZMA", "\x5d\0\0", 3),
    ONLY_KNOWN("LZO", "\x89LZO", 4),
    ONLY_KNOWN("LZ4 in its frame format", "\x04\x22\x4d\x18", 4),
};

static const struct unpack_method *const methods[] = {
    &unpack_xz,     &unpack_zstd,   &unpack_gzip,   &unpack_lz4,
    &only_known[0], &only_known[1], &only_known[2], &only_known[3],
};

STATIC_ASSERT(ARRAY_SIZE(methods) == 4 + ARRAY_SIZE(only_known));

/* ---- memory ---- */

/* The heap may have to wait for other CPUs, for a lock or for a flush that sets frames free. One that
 * holds the lock may be waiting for this CPU to flush, so interrupts have to be on. */
static void *alloc_run(uint64_t pages)
{
    bool paused = foreign_pause();
    void *p = page_alloc_run(pages);

    foreign_resume(paused);
    return p;
}

static void free_run(void *p, uint64_t pages)
{
    bool paused = foreign_pause();

    page_free_run(p, pages);
    foreign_resume(paused);
}

void *unpack_alloc(struct unpack *u, size_t count, size_t size)
{
    uint64_t bytes;

    if (mul_overflows(count, size, &bytes) || bytes == 0 || bytes > UNPACK_BYTES_MAX)
        return NULL;
    for (unsigned i = 0; i < UNPACK_BLOCKS_MAX; i++) {
        struct unpack_block *b = &u->block[i];

        if (b->at)
            continue;
        b->pages = (bytes + PAGE_SIZE - 1) >> PAGE_SHIFT;
        b->at = alloc_run(b->pages);
        return b->at;
    }
    return NULL;
}

void unpack_free(struct unpack *u, void *p)
{
    if (!p)
        return;
    for (unsigned i = 0; i < UNPACK_BLOCKS_MAX; i++) {
        struct unpack_block *b = &u->block[i];

        if (b->at != p)
            continue;
        free_run(b->at, b->pages);
        b->at = NULL;
        return;
    }
    BUG();
}

/* ---- the steps ---- */

static const struct unpack_method *find_method(const uint8_t *payload, size_t bytes)
{
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
        if (bytes >= methods[i]->magic_bytes &&
            memcmp(payload, methods[i]->magic, methods[i]->magic_bytes) == 0)
            return methods[i];
    return NULL;
}

static int fault(enum unpack_status status, const char **why)
{
    switch (status) {
    case UNPACK_LONGER:
        *why = "its payload is longer than the length at its end says";
        return -XEN_EINVAL;
    case UNPACK_NO_MEMORY:
        *why = "not enough free memory to unpack it";
        return -XEN_ENOMEM;
    case UNPACK_UNSUPPORTED:
        *why = "its payload needs options that the decoder has not";
        return -XEN_ENOEXEC;
    default:
        *why = "its payload is corrupt";
        return -XEN_EINVAL;
    }
}

/* What the decoder took for the end of the stream has to be all of it. */
static int check_end(const struct unpack *u, const char **why)
{
    if (u->out_used > u->out_bytes)
        return fault(UNPACK_LONGER, why);
    if (u->out_used < u->out_bytes)
        *why = "its payload is shorter than the length at its end says";
    else if (u->in_used < u->in_bytes)
        *why = "there is something behind the end of its payload";
    else
        return 0;
    return -XEN_EINVAL;
}

static enum unpack_status call(struct unpack *u, int (*function)(void *unpack))
{
    int status = foreign_call(function, u);

    ASSERT(u->in_used <= u->in_bytes && u->out_used <= u->out_room); /* INV-UNPACK-1 */
    return (enum unpack_status)status;
}

int unpack_begin(const void *payload, size_t bytes, struct unpack **result, const char **why)
{
    const uint8_t *in = payload;
    const struct unpack_method *method = find_method(in, bytes);
    enum unpack_status status;
    struct unpack *u;
    uint32_t length;

    *why = "packed in a way that is not known";
    if (method && !method->open)
        *why = method->name;
    if (!method || !method->open)
        return -XEN_ENOEXEC;
    *why = "its payload is truncated";
    if (bytes < (size_t)method->magic_bytes + LENGTH_BYTES)
        return -XEN_EINVAL;
    memcpy(&length, in + bytes - LENGTH_BYTES, sizeof(length));
    *why = "the length at its payload's end makes no sense";
    if (length == 0 || length > UNPACK_BYTES_MAX - 1)
        return -XEN_EINVAL;
    u = slab_alloc(sizeof(*u));
    if (!u)
        return fault(UNPACK_NO_MEMORY, why);
    u->method = method;
    u->in = in;
    u->in_bytes = bytes - (method->length_is_apart ? LENGTH_BYTES : 0);
    u->out_bytes = length;
    u->out_room = (size_t)length + 1;
    u->out = unpack_alloc(u, u->out_room, 1);
    status = u->out ? call(u, method->open) : UNPACK_NO_MEMORY;
    if (status != UNPACK_MORE) {
        unpack_end(u);
        return fault(status, why);
    }
    *result = u;
    return 0;
}

/* Gives back what is held, but for `keep`. */
static void free_blocks(struct unpack *u, const void *keep)
{
    for (unsigned i = 0; i < UNPACK_BLOCKS_MAX; i++)
        if (u->block[i].at && u->block[i].at != keep)
            unpack_free(u, u->block[i].at);
}

/* A domain is built next, and may want all memory that there is: the decoder's is freed. */
static int finish(struct unpack *u, const char **why)
{
    free_blocks(u, u->out);
    return check_end(u, why);
}

int unpack_step(struct unpack *u, const char **why)
{
    size_t in_before = u->in_used, out_before = u->out_used;
    enum unpack_status status = call(u, u->method->step);

    if (status == UNPACK_END)
        return finish(u, why);
    if (status != UNPACK_MORE)
        return fault(status, why);
    if (u->out_used > u->out_bytes)
        return fault(UNPACK_LONGER, why);
    if (u->in_used > in_before || u->out_used > out_before)
        return -XEN_ERESTART;
    *why = "its payload is truncated";
    return -XEN_EINVAL;
}

const void *unpack_data(const struct unpack *u, size_t *bytes)
{
    *bytes = u->out_bytes;
    return u->out;
}

void unpack_end(struct unpack *u)
{
    if (!u)
        return;
    free_blocks(u, NULL);
    slab_free(u);
}
