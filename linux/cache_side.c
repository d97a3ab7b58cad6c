// SPDX-License-Identifier: GPL-2.0-only
/*
 * The side table (cache_side.h). An entry is a word: the volume above the block above the stamp.
 */
#include "cache_side.h"

#include <linux/atomic.h>
#include <linux/mm.h>

#define VOLUME_SHIFT (SIDE_STAMP_BITS + SIDE_BLOCK_BITS)

struct side {
    unsigned long frames;
    u64 word[];
};

struct side *side_new(unsigned long frames)
{
    struct side *s = kvzalloc(sizeof(*s) + frames * sizeof(s->word[0]), GFP_KERNEL);

    if (s)
        s->frames = frames;
    return s;
}

void side_free(struct side *s)
{
    kvfree(s);
}

size_t side_size(const struct side *s)
{
    return sizeof(*s) + s->frames * sizeof(s->word[0]);
}

static struct side_entry unpack(u64 word)
{
    return (struct side_entry){
        .volume = (unsigned int)(word >> VOLUME_SHIFT),
        .block = (word >> SIDE_STAMP_BITS) & (SIDE_BLOCKS - 1),
        .stamp = (u32)word & SIDE_STAMP_MASK,
    };
}

void side_set(struct side *s, unsigned long frame, const struct side_entry *e)
{
    if (frame < s->frames)
        WRITE_ONCE(s->word[frame], (u64)e->volume << VOLUME_SHIFT | e->block << SIDE_STAMP_BITS |
                                       (e->stamp & SIDE_STAMP_MASK));
}

struct side_entry side_get(const struct side *s, unsigned long frame)
{
    return unpack(frame < s->frames ? READ_ONCE(s->word[frame]) : 0);
}

/* Most frames have none, and looking is cheaper than exchanging. */
struct side_entry side_take(struct side *s, unsigned long frame)
{
    if (frame >= s->frames || !READ_ONCE(s->word[frame]))
        return unpack(0);
    return unpack(xchg(&s->word[frame], 0));
}

void side_clear(struct side *s, unsigned long frame)
{
    if (frame < s->frames && READ_ONCE(s->word[frame]))
        WRITE_ONCE(s->word[frame], 0);
}

void side_clear_volume(struct side *s, unsigned int volume)
{
    for (unsigned long frame = 0; frame < s->frames; frame++) {
        u64 word = READ_ONCE(s->word[frame]);

        if (word >> VOLUME_SHIFT == volume)
            cmpxchg(&s->word[frame], word, 0);
    }
}

void side_clear_all(struct side *s)
{
    for (unsigned long frame = 0; frame < s->frames; frame++)
        side_clear(s, frame);
}
