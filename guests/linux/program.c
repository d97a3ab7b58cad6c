/* SPDX-License-Identifier: MIT
 *
 * What the compiler inside a guest compiles, and its debugger debugs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BELOW 20000

static int found;

static void count_primes(char *composite)
{
    for (int n = 2; n < BELOW; n++) {
        if (composite[n])
            continue;
        found++;
        for (int m = 2 * n; m < BELOW; m += n)
            composite[m] = 1;
    }
}

int main(void)
{
    char *composite = malloc(BELOW);

    memset(composite, 0, BELOW);
    count_primes(composite);
    printf("primes below %d: %d\n", BELOW, found);
    free(composite);
    return 0;
}
