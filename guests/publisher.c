/* SPDX-License-Identifier: MIT
 *
 * publisher: the control domain publishes its ramdisk as a volume with slots, called `image`, to the domains 1 to
 * readers=N, until they have ended. It brings what they ask for and what follows (ahead=N blocks).
 *
 * alone: domain 1 reads by itself first, and when it has ended all that it has read leaves the cache, before the others may
 * begin. Then what was fetched for one can be compared with what is fetched for all others together (BENCH).
 *
 * revoke=MS: every so many milliseconds it wants all pages back, and until they are it goes on bringing blocks. away=MS: for so long it does
 * nothing at all, once, when a hundred blocks have been brought.
 */
#include "kit/kit.h"
#include "kit/ubc.h"

const char guest_name[] = "publisher";

static struct lagan_ubc_create volume = {.id = "image", .generation = 1, .flags = LAGAN_UBC_SLOTS};
static const uint8_t *image;
static uint64_t brought, fetched, revoked, readers, ahead, limit, for_one, resident;
static bool revoking;
static struct lagan_ubc_range all;

static long allow(uint16_t domid, unsigned rights)
{
    struct lagan_ubc_allow in = {.domid = domid, .rights = rights, .limit = (uint32_t)limit};

    return hv_ubc(LAGAN_UBC_allow, volume.volume, &in, 0, 0);
}

static void begin(void)
{
    long rc = 0;

    image = (const uint8_t *)kit_start_info->mod_start;
    volume.blocks = kit_start_info->mod_len / PAGE_SIZE;
    readers = args_number("readers", 1);
    ahead = args_number("ahead", 16);
    limit = args_number("limit", volume.blocks);
    check_result("create", hv_ubc(LAGAN_UBC_create, 0, &volume, 0, 0), 0);
    check_result("publish", allow(DOMID_SELF, LAGAN_UBC_PUBLISH), 0);
    for (uint64_t d = 1; d <= (args_has("alone") ? 1 : readers) && !rc; d++)
        rc = allow((uint16_t)d, LAGAN_UBC_READ);
    check_result("allow", rc, 0);
    all.count = volume.blocks;
}

static void bring(uint64_t first)
{
    for (uint64_t b = first; b < volume.blocks && b <= first + ahead; b++) {
        struct lagan_ubc_insert op = {.block = b, .address = (uint64_t)(image + b * PAGE_SIZE)};

        long rc = ubc_insert(volume.volume, &op, 1);

        brought += rc == 0;
        fetched += rc != -XEN_EEXIST; /* who has a disk looks first, and reads what is not there */
    }
}

static void serve(void)
{
    struct lagan_ubc_want want[16];
    bool again = true;

    for (;;) {
        for (unsigned i = 0; i < 16; i++)
            want[i] = (struct lagan_ubc_want){.flags = again && i == 0 ? LAGAN_UBC_AGAIN : 0};
        again = false;
        if (hv_ubc(LAGAN_UBC_wanted, volume.volume, want, 16, 0))
            return;
        for (unsigned i = 0; i < 16; i++) {
            if (want[i].status)
                return;
            bring(want[i].block);
        }
    }
}

/* True: it is over, or none is under way. */
static void revoke_step(void)
{
    all.timeout_ns = LAGAN_UBC_TIMEOUT_MAX;
    if (hv_ubc(LAGAN_UBC_revoke, volume.volume, &all, 0, 0) == 0) {
        revoked++;
        revoking = false;
    }
}

static bool anybody_left(bool alone)
{
    for (uint64_t d = 1; d <= readers; d++)
        if (alone || allow((uint16_t)d, LAGAN_UBC_READ) != -XEN_ESRCH)
            return true;
    return false;
}

/* All pages leave the cache; what was brought so far was for the first domain. */
static void begin_with_the_others(void)
{
    long rc;

    all.timeout_ns = LAGAN_UBC_TIMEOUT_MAX;
    while ((rc = hv_ubc(LAGAN_UBC_revoke, volume.volume, &all, 0, 0)) == -XEN_EAGAIN)
        time_sleep(MS);
    check_result("emptied", rc, 0);
    for_one = fetched;
    resident = 0;
    for (uint64_t d = 2; d <= readers && !rc; d++)
        rc = allow((uint16_t)d, LAGAN_UBC_READ);
    check_result("allow-others", rc, 0);
}

static void note_resident(void)
{
    struct lagan_ubc_stats s;

    if (hv_ubc(LAGAN_UBC_stats, volume.volume, &s, 0, 0) == 0 && s.pages > resident)
        resident = s.pages;
}

static void run(void)
{
    uint64_t interval = args_number("revoke", 0) * MS, away = args_number("away", 0) * MS;
    uint64_t next = time_now() + interval, look = time_now();
    bool alone = args_has("alone");

    while (time_now() < look || anybody_left(alone)) {
        uint64_t now = time_now();

        if (now >= look) {
            look = now + 200 * MS;
            note_resident();
        }
        if (alone && allow(1, LAGAN_UBC_READ) == -XEN_ESRCH) {
            begin_with_the_others();
            alone = false;
        }
        if (interval && now >= next)
            revoking = true;
        if (revoking) {
            revoke_step();
            next = time_now() + interval;
        }
        serve(); /* who waits for a block may be what keeps others from being let go of */
        if (away && brought >= 100) {
            time_sleep(away);
            away = 0;
        }
        time_sleep(MS);
    }
}

void guest_main(void)
{
    struct lagan_ubc_stats s;

    (void)time_bind_timer();
    begin();
    run();
    check_result("stats", hv_ubc(LAGAN_UBC_stats, volume.volume, &s, 0, 0), 0);
    kit_printf("publisher: %lu brought, %lu revocations, %lu pages revoked, %lu entries taken, %lu "
               "mappings\n",
               brought, revoked, s.revoked, s.taken, s.mappings);
    if (for_one)
        kit_printf(
            "BENCH fetched-for-one %lu\nBENCH fetched-for-others %lu\nBENCH pages-in-cache %lu\n",
            for_one, fetched - for_one, resident);
    check_true("brought", brought > 0, "nobody has asked");
    check_true("revoked", !args_number("revoke", 0) || revoked > 0, "no revocation was over");
    check_true("nothing-mapped", s.mappings == 0, "%lu", s.mappings);
    check_true("nothing-by-force", args_has("force") || s.taken == 0, "%lu", s.taken);
    check_result("destroy", hv_ubc(LAGAN_UBC_destroy, volume.volume, NULL, 0, 0), 0);
}
