/* SPDX-License-Identifier: MIT
 *
 * The target's memory and string functions.
 *
 * Copying and filling use the string instructions: whole quadwords, then the rest by bytes. They
 * are fast on hardware that has ERMS and take the fewest steps in an emulator. The direction flag
 * is clear whenever C code runs (the ABI says so, and the entry code sees to it), and no function
 * here sets it: an interrupt in the middle of a backward copy would otherwise find it set.
 *
 * A compiler knows these functions' names and turns a loop that looks like one of them into a call
 * to it, which here would call itself for ever. keep_loop() in the body stops that, for every
 * compiler alike.
 */
#include <lagan/string.h>
#include <stdint.h>

static inline void keep_loop(void)
{
    __asm__ volatile("" ::: "memory");
}

void *memcpy(void *dst, const void *src, size_t n)
{
    void *d = dst;
    size_t words = n / 8, bytes = n % 8;

    __asm__ volatile("rep movsq" : "+D"(d), "+S"(src), "+c"(words)::"memory");
    __asm__ volatile("rep movsb" : "+D"(d), "+S"(src), "+c"(bytes)::"memory");
    return dst;
}

/* Last byte first; for a destination that starts inside the source. */
static void copy_backward(void *dst, const void *src, size_t n)
{
    unsigned char *d = dst;
    const unsigned char *s = src;

    while (n >= 8) {
        uint64_t word;

        n -= 8;
        __builtin_memcpy(&word, s + n, 8);
        __builtin_memcpy(d + n, &word, 8);
        keep_loop();
    }
    while (n > 0) {
        n--;
        d[n] = s[n];
        keep_loop();
    }
}

void *memmove(void *dst, const void *src, size_t n)
{
    /* Wraps to a huge number when dst is below src, where copying forward is right. */
    if ((uintptr_t)dst - (uintptr_t)src < n)
        copy_backward(dst, src, n);
    else
        memcpy(dst, src, n);
    return dst;
}

void *memset(void *dst, int byte, size_t n)
{
    void *d = dst;
    uint64_t pattern = (unsigned char)byte * UINT64_C(0x0101010101010101);
    size_t words = n / 8, bytes = n % 8;

    __asm__ volatile("rep stosq" : "+D"(d), "+c"(words) : "a"(pattern) : "memory");
    __asm__ volatile("rep stosb" : "+D"(d), "+c"(bytes) : "a"(pattern) : "memory");
    return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *x = a, *y = b;

    for (size_t i = 0; i < n; i++) {
        if (x[i] != y[i])
            return x[i] - y[i];
        keep_loop();
    }
    return 0;
}

size_t strnlen(const char *s, size_t max)
{
    size_t n = 0;

    while (n < max && s[n] != '\0') {
        n++;
        keep_loop();
    }
    return n;
}

size_t strlen(const char *s)
{
    return strnlen(s, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char x = (unsigned char)a[i], y = (unsigned char)b[i];

        if (x != y || x == '\0')
            return x - y;
        keep_loop();
    }
    return 0;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, SIZE_MAX);
}

char *strchr(const char *s, int c)
{
    for (;; s++) {
        if (*s == (char)c)
            return (char *)s;
        if (*s == '\0')
            return NULL;
        keep_loop();
    }
}
