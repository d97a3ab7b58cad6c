/* SPDX-License-Identifier: MIT
 *
 * Text in a buffer.
 */
#include "store/text.h"
#include "kit/lib.h"

void text_add(struct text *text, const void *bytes, size_t count)
{
    if (text->skip > 0) {
        size_t skipped = count < text->skip ? count : (size_t)text->skip;

        text->skip -= skipped;
        bytes = (const char *)bytes + skipped;
        count -= skipped;
    }
    if (text->cut || count > text->limit - text->length) {
        text->cut = true;
        return;
    }
    memcpy(text->at + text->length, bytes, count);
    text->length += (unsigned)count;
}

void text_add_string(struct text *text, const char *string)
{
    text_add(text, string, strlen(string));
}

void text_add_char(struct text *text, char c)
{
    text_add(text, &c, 1);
}

void text_add_number(struct text *text, uint64_t number)
{
    char digits[20];
    unsigned at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    text_add(text, &digits[at], sizeof(digits) - at);
}

bool text_number(const char *string, uint64_t max, uint64_t *number)
{
    uint64_t value = 0;

    if (*string == '\0') {
        return false;
    }
    for (; *string != '\0'; string++) {
        unsigned digit = (unsigned)(*string - '0');

        if (digit > 9 || value > (max - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *number = value;
    return true;
}
