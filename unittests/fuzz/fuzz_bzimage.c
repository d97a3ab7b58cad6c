/* SPDX-License-Identifier: MIT
 *
 * Fuzzes kernel files: the bzImage header, and the decoders behind it. The first byte of the input
 * says what is put right before: a header around the payload, and the payload's magic number and
 * length, else hardly an input would get to a decoder. Whatever comes, no memory is lost.
 */
#include <stdlib.h>
#include <string.h>

#include "mm/heap.h"
#include "unittests/arch/host.h"
#include "unittests/pack_kit.h"
#include "xen/foreign.h"
#include "xen/kernel_image.h"

enum { PAGES = 8000, LENGTH_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int foreign_call(int (*function)(void *argument), void *argument)
{
    return function(argument);
}

bool foreign_pause(void)
{
    return false;
}

void foreign_resume(bool paused)
{
    (void)paused;
}

static void repair_payload(uint8_t *payload, size_t size, unsigned kind)
{
    static const char *const magic[] = {"\3757zXZ", "\x28\xb5\x2f\xfd", "\x1f\x8b\x08",
                                        "\x02\x21\x4c\x18"};
    uint32_t length;

    memcpy(payload, magic[kind], strlen(magic[kind]));
    memcpy(&length, payload + size - 4, 4);
    length %= LENGTH_MAX;
    memcpy(payload + size - 4, &length, 4);
}

static void open_image(const uint8_t *file, size_t size)
{
    struct kernel_image k;
    const char *why = NULL;
    int rc = kernel_image_begin(&k, file, size, &why);

    while (rc == 0 && (rc = kernel_image_step(&k, &why)) == -XEN_ERESTART)
        rc = 0;
    if (rc && !why)
        abort();
    kernel_image_end(&k);
    slab_trim();
    if (heap_free_pages() != PAGES)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool started;
    uint8_t *file;
    unsigned how;

    if (size < 16)
        return 0;
    if (!started)
        host_heap(0, PAGES);
    started = true;
    how = data[0];
    data++;
    size--;
    if (how & 1) {
        uint8_t *payload = malloc(size);

        memcpy(payload, data, size);
        if (how & 2)
            repair_payload(payload, size, how >> 2 & 3);
        file = pack_kit_bzimage(payload, size, &size);
        free(payload);
    } else {
        file = malloc(size);
        memcpy(file, data, size);
    }
    open_image(file, size);
    free(file);
    return 0;
}
