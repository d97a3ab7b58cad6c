/* SPDX-License-Identifier: MIT
 *
 * The options' values before the command line is read.
 */
#include "xen/options.h"

struct options options;

static const struct option_uart uart_default = {
    .baud = 115200, .data_bits = 8, .stop_bits = 1, .parity = 'n', .irq = UINT_MAX};

LAGAN_INIT void options_default(struct options *o)
{
    *o = (struct options){
        .com1 = uart_default,
        .com2 = uart_default,
        .console = CONSOLE_COM1 | CONSOLE_VGA,
        .loglvl = {LOG_INFO + 1, LOG_INFO + 1},
        .guest_loglvl = {0, LOG_WARNING + 1},
        .conswitch = 'a',
        .smt = true,
        .x2apic = true,
        .xsave = true,
        .smep = true,
        .smap = true,
        .umip = true,
        .watchdog_timeout = 5,
    };
}
