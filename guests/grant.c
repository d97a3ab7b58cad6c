/* SPDX-License-Identifier: MIT
 *
 * grant: every operation on grants and every refusal. Alone, the domain grants to itself, which any
 * hypervisor of this interface lets it do; with a peer, one serves and the other is the client, and
 * then turns hostile.
 *
 * role=server|client peer=ID: with another domain.
 */
#include "grant/grant.h"

const char guest_name[] = "grant";

uint8_t granted[PAGES][PAGE_SIZE] PAGE_ALIGNED, window[PAGES][PAGE_SIZE] PAGE_ALIGNED;
uint16_t self;

void guest_main(void)
{
    uint16_t peer = (uint16_t)args_number("peer", 0);

    (void)time_bind_timer();
    self = own_domain();
    check_true("own-number", self < DOMID_FIRST_RESERVED, "%u", self);
    if (args_is("role", "server")) {
        pair_server(peer);
    } else if (args_is("role", "client")) {
        pair_client(peer);
    } else {
        test_table();
        test_cache_flush();
        test_map();
        test_map_refused();
        test_unmap();
        test_copy();
        test_copy_refused();
        test_lists();
        test_swap_and_transfer();
        test_version_2();
    }
}
