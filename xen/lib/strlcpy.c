/* SPDX-License-Identifier: MIT
 *
 * strlcpy(), on the target and on hosts whose C library has none.
 */
#include <lagan/string.h>

size_t strlcpy(char *dst, const char *src, size_t size)
{
    size_t length = strlen(src);
    size_t copied = length < size ? length : size - 1;

    if (size == 0)
        return length;
    memcpy(dst, src, copied);
    dst[copied] = '\0';
    return length;
}
