/* SPDX-License-Identifier: MIT
 *
 * echo: repeats each line that is typed to it on the console; `bye` ends it.
 */
#include "kit/kit.h"
#include "kit/lib.h"

const char guest_name[] = "echo";

static char line[80];
static unsigned length;

/* True when the line said goodbye. */
static bool take(char c)
{
    bool bye;

    if (c != '\r' && c != '\n') {
        if (c >= ' ' && length < sizeof(line) - 1) {
            line[length++] = c;
        }
        return false;
    }
    line[length] = '\0';
    length = 0;
    kit_printf("heard: %s\n", line);
    bye = strcmp(line, "bye") == 0;
    return bye;
}

void guest_main(void)
{
    uint32_t port = 0;
    char typed[16];

    (void)time_bind_timer();
    (void)timer_stop_periodic();
    check_result("bind", event_bind_virq(VIRQ_CONSOLE, 0, &port), 0);
    event_unmask(port);
    kit_printf("listening\n");
    for (;;) {
        long n;

        (void)upcalls_mask();
        n = hypercall3(__HYPERVISOR_console_io, CONSOLEIO_read, sizeof(typed), ptr_arg(typed));
        if (n <= 0) {
            (void)hv_sched(SCHEDOP_block, NULL);
        }
        upcalls_unmask();
        for (long i = 0; i < n; i++) {
            if (take(typed[i])) {
                check_pass("bye");
                return;
            }
        }
    }
}
