/* SPDX-License-Identifier: MIT
 *
 * The screen, as the firmware and the boot loader have left it. The hypervisor shows nothing there; it is
 * the control domain's from the start, which has to know what it looks like.
 */
#pragma once

#include <lagan/types.h>
#include <xen/xen.h>
#include "xen/arch/x86/bootinfo.h"

/* Registers of a VGA that tell of its text mode. */
struct vga_registers {
    uint8_t misc_output;    /* 0xff: there is no VGA */
    uint8_t graphics_misc;  /* of the graphics controller */
    uint8_t last_column;    /* of the CRT controller, here and below */
    uint8_t last_line;      /* its lower 8 bits... */
    uint8_t overflow;       /* ...and its upper two */
    uint8_t last_scan_line; /* of a row */
    uint8_t cursor_high, cursor_low;
};

/* Fills in what the public header (xen.h) has for the control domain; how many bytes of it. 0: no screen. A
 * picture that the loader speaks of comes before text. */
size_t screen_describe(const struct boot_screen *s, bool efi, const struct vga_registers *vga,
                       struct dom0_vga_console_info *info);

/* The same of this machine. */
size_t screen_info(struct dom0_vga_console_info *info);
