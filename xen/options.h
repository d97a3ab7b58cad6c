/* SPDX-License-Identifier: MIT
 *
 * What the hypervisor's command line said. Filled once at boot by cmdline_parse() and only read
 * later. Names and meanings are Xen's (docs/boot.md has the list); what we add says so.
 */
#pragma once

#include <lagan/types.h>
#include "xen/log.h"

struct option_uart {
    bool given;
    unsigned baud; /* 0: "auto", keep what the firmware has set */
    unsigned data_bits, stop_bits;
    char parity;      /* 'n', 'o', 'e', 'm' or 's' */
    unsigned io_base; /* 0: the usual one */
    unsigned irq;     /* 0: none, poll; UINT_MAX: the usual one */
};

/* Bits of options.console */
#define CONSOLE_COM1 1u
#define CONSOLE_COM2 2u
#define CONSOLE_VGA  4u

/* An amount of dom0's memory. */
struct option_amount {
    bool given;
    bool below_total; /* bytes is what is left to others: total - bytes */
    uint64_t bytes;
};

/* Of what has a default that depends on the machine. */
enum option_choice { OPTION_DEFAULT, OPTION_OFF, OPTION_ON };

struct option_vcpus {
    unsigned low, high; /* high 0: not given */
};

#define OPTION_TEXT_MAX 32

struct options {
    struct option_uart com1, com2;
    unsigned console; /* CONSOLE_* */
    struct log_threshold loglvl, guest_loglvl;
    bool console_to_ring; /* guests' console output goes to the log ring too */
    char conswitch;       /* Ctrl with this letter, three times, moves the input; '\0': disabled */
    bool conswitch_keep;  /* input starts, and stays until asked, with the hypervisor */

    struct option_amount dom0_mem, dom0_mem_min, dom0_mem_max;
    struct option_vcpus dom0_max_vcpus;
    bool dom0_vcpus_pin;
    char dom0_extra[1024]; /* what followed " -- ": goes behind dom0's own command line */

    bool noreboot;    /* a crash stops the host instead of restarting it */
    bool qemu_exit;   /* ours: power off through QEMU's isa-debug-exit port, with a status */
    unsigned maxcpus; /* 0: all */
    uint64_t mem;     /* bytes of RAM to use at most; 0: all */
    bool smt;         /* use sibling threads */
    bool x2apic, xsave, smep, smap, umip;
    enum option_choice xpti_dom0, xpti_domu; /* page-table isolation */
    bool watchdog;
    unsigned watchdog_timeout;         /* seconds */
    char clocksource[OPTION_TEXT_MAX]; /* "": the best there is */
    unsigned sched_slice_ms;           /* sched_credit_tslice_ms=; 0: the scheduler's own */
};

/* The values that hold when the command line is silent. */
void options_default(struct options *o);

/* The running hypervisor's. Constant after boot. */
extern struct options options;
