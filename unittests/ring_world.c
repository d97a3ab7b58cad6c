/* SPDX-License-Identifier: MIT
 *
 * See ring_world.h.
 */
#include <stdlib.h>
#include <string.h>

#include "unittests/ring_world.h"
#include "xen/console.h"

char ring_shown[16384];
size_t ring_longest;
unsigned ring_shows;
const char *ring_typed = "";

static size_t length;

void ring_world(void)
{
    length = ring_longest = ring_shows = 0;
    ring_shown[0] = '\0';
    ring_typed = "";
}

void console_guest_write(struct domain *d, const char *text, size_t bytes)
{
    (void)d;
    if (length + bytes >= sizeof(ring_shown))
        length = 0; /* a fuzzer writes more than anybody looks at */
    memcpy(ring_shown + length, text, bytes);
    length += bytes;
    ring_shown[length] = '\0';
    if (bytes > ring_longest)
        ring_longest = bytes;
}

void console_guest_show(struct domain *d)
{
    (void)d;
    ring_shows++;
}

size_t console_guest_read(struct domain *d, char *buf, size_t bytes)
{
    size_t n = strlen(ring_typed);

    (void)d;
    n = n < bytes ? n : bytes;
    memcpy(buf, ring_typed, n);
    ring_typed += n;
    return n;
}
