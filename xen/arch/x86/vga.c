/* SPDX-License-Identifier: MIT
 *
 * Reads the registers of a VGA; nothing is written but their indices.
 */
#include "xen/arch/x86/io.h"
#include "xen/arch/x86/screen.h"
#include "xen/arch/x86/start.h"

#define MISC_OUTPUT    0x3cc
#define GRAPHICS_INDEX 0x3ce
#define CRTC_INDEX     0x3d4

#define GRAPHICS_MISC   0x06
#define CRTC_COLUMNS    0x01
#define CRTC_OVERFLOW   0x07
#define CRTC_SCAN_LINES 0x09
#define CRTC_CURSOR     0x0e
#define CRTC_LINES      0x12

static uint8_t read_register(uint16_t index_port, uint8_t index)
{
    uint8_t before = in8(index_port), value;

    out8(index_port, index);
    value = in8((uint16_t)(index_port + 1));
    out8(index_port, before);
    return value;
}

size_t screen_info(struct dom0_vga_console_info *info)
{
    struct vga_registers r = {.misc_output = in8(MISC_OUTPUT)};

    r.graphics_misc = read_register(GRAPHICS_INDEX, GRAPHICS_MISC);
    r.last_column = read_register(CRTC_INDEX, CRTC_COLUMNS);
    r.last_line = read_register(CRTC_INDEX, CRTC_LINES);
    r.overflow = read_register(CRTC_INDEX, CRTC_OVERFLOW);
    r.last_scan_line = read_register(CRTC_INDEX, CRTC_SCAN_LINES);
    r.cursor_high = read_register(CRTC_INDEX, CRTC_CURSOR);
    r.cursor_low = read_register(CRTC_INDEX, CRTC_CURSOR + 1);
    return screen_describe(&boot_info.screen, boot_info.efi_system_table != 0, &r, info);
}
