/* SPDX-License-Identifier: MIT
 *
 * evil: the hostile guest. Each attack ends in an error code, or in this domain's own crash: the
 * host and the other domains go on. `attack=N` chooses one from the table; `attack=all` tries all
 * that a domain survives, `attack=list` prints the table (number, name, outcome) and nothing else.
 *
 * An attack whose outcome is `crash` prints a FAIL line if it is survived.
 */
#include "evil/evil.h"
#include "kit/kit.h"
#include "kit/lib.h"

const char guest_name[] = "evil";

static const struct attack *const tables[] = {evil_crashes, evil_calls, evil_cpus, evil_devices,
                                              evil_control};

static const struct attack *attack_by_number(unsigned number)
{
    for (unsigned t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
        for (const struct attack *a = tables[t]; a->name != NULL; a++) {
            if (number-- == 0) {
                return a;
            }
        }
    }
    return NULL;
}

static void run_attack(const struct attack *a)
{
    check_begin(a->name);
    a->run();
    if (a->crashes) {
        check_part(false, "survived");
    }
    check_end();
}

void guest_main(void)
{
    const struct attack *a;
    bool all = args_is("attack", "all");
    unsigned tried = 0;

    for (unsigned i = 0; (a = attack_by_number(i)) != NULL; i++) {
        if (all ? !a->crashes : args_is("attack", a->name)) {
            kit_printf("attack: %s\n", a->name);
            run_attack(a);
            tried++;
        }
    }
    if (tried == 0) {
        check_fail("attack", "there is no such attack");
    }
}
