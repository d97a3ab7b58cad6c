/* SPDX-License-Identifier: MIT
 *
 * Streams of references, quota changes, reclaim and flushes of some guests with a small cache: the policies under the
 * rig of the replays, audited after each step.
 */
#include <stdlib.h>

#include "unittests/replay/rig.h"
#include "unittests/fuzz/fuzz_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FRAMES = 60, GUESTS = 4, STEPS_MAX = 400 };

static struct rig rig;

static void settings(struct input *in, struct rig_guest *g)
{
    uint64_t floors = 0, floor = byte(in) % 32, ceiling = byte(in) % 128, weight = byte(in) * 300;

    for (unsigned i = 0; i < rig.guests; i++)
        floors += &rig.guest[i] == g ? floor : rig.guest[i].c.floor;
    if (floors <= FRAMES && pcache_quota_set(&g->c, floor, ceiling, weight) == 0 &&
        (floor > ceiling || weight == 0 || weight > QUOTA_WEIGHT_MAX))
        abort();
}

static void one(struct input *in)
{
    struct rig_guest *g = &rig.guest[byte(in) % GUESTS];
    unsigned what = byte(in) % 16;

    if (what == 0) {
        settings(in, g);
    } else if (what == 1) {
        rig.now += (uint64_t)byte(in) << byte(in) % 24;
    } else if (what == 2) {
        rig_reclaim(&rig, byte(in) % 16);
    } else if (what == 3) {
        rig_forget_all(&rig, g);
    } else {
        uint64_t page = byte(in), run = byte(in) % 64;

        for (uint64_t n = 0; n <= run; n++)
            rig_ref(&rig, g, page + n, what == 4);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};

    rig_init(&rig, RIG_OURS, FRAMES);
    for (unsigned i = 0; i < GUESTS; i++)
        (void)rig_add(&rig, 4 + i * 3, byte(&in) % 128);
    for (unsigned n = 0; in.left > 0 && n < STEPS_MAX; n++) {
        one(&in);
        rig_audit(&rig);
    }
    rig_fini(&rig);
    return 0;
}
