/* SPDX-License-Identifier: MIT
 *
 * The first C code of a test guest: sets up what the kit offers, in the order of need (the console
 * first, so that the rest can complain), then calls the guest.
 */
#include "kit/hypercall.h"
#include "kit/kit.h"

struct start_info *kit_start_info;

void kit_start(struct start_info *info);

void kit_start(struct start_info *info)
{
    kit_start_info = info;
    page_init();
    cpu_init_boot();
    console_init();
    trap_init();
    event_init();
    guest_main();
    kit_finish();
}
