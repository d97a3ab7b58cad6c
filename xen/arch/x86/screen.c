/* SPDX-License-Identifier: MIT
 *
 * What a screen looks like: from a loader's words, or from the registers of a VGA. Pure.
 *
 * Numbers of the loader's that the public structure has no room for mean that there is no picture: a
 * control domain would write to the wrong places.
 */
#include "xen/arch/x86/screen.h"

#define VGA_ABSENT      0xff
#define VGA_COLOUR      0x01 /* misc_output: registers at 0x3d0 */
#define VGA_GRAPHICS    0x01 /* graphics_misc */
#define SCAN_LINES_MASK 0x1f
#define LINE_BIT_8      0x02 /* overflow */
#define LINE_BIT_9      0x40

#define LFB_UNIT_LOG2 16
#define BITS_MIN      15
#define BITS_MAX      32

#define BYTES_TO(field)                                \
    (offsetof(struct dom0_vga_console_info, u.field) + \
     sizeof(((struct dom0_vga_console_info *)0)->u.field))

static bool is_picture(const struct boot_screen *s)
{
    uint64_t line = ((uint64_t)s->width * s->bits + 7) / 8;

    return s->kind == BOOT_SCREEN_RGB && s->address && s->width && s->height &&
           s->width <= UINT16_MAX && s->height <= UINT16_MAX && s->pitch <= UINT16_MAX &&
           s->bits >= BITS_MIN && s->bits <= BITS_MAX && s->pitch >= line &&
           (unsigned)s->red.size + s->green.size + s->blue.size <= s->bits;
}

static size_t describe_picture(const struct boot_screen *s, bool efi,
                               struct dom0_vga_console_info *info)
{
    uint64_t bytes = (uint64_t)s->pitch * s->height;
    unsigned colours = (unsigned)s->red.size + s->green.size + s->blue.size;

    info->video_type = efi ? XEN_VGATYPE_EFI_LFB : XEN_VGATYPE_VESA_LFB;
    info->u.vesa_lfb.width = (uint16_t)s->width;
    info->u.vesa_lfb.height = (uint16_t)s->height;
    info->u.vesa_lfb.bytes_per_line = (uint16_t)s->pitch;
    info->u.vesa_lfb.bits_per_pixel = s->bits;
    info->u.vesa_lfb.lfb_base = (uint32_t)s->address;
    info->u.vesa_lfb.ext_lfb_base = (uint32_t)(s->address >> 32);
    info->u.vesa_lfb.lfb_size = (uint32_t)((bytes + (1u << LFB_UNIT_LOG2) - 1) >> LFB_UNIT_LOG2);
    info->u.vesa_lfb.red_pos = s->red.position;
    info->u.vesa_lfb.red_size = s->red.size;
    info->u.vesa_lfb.green_pos = s->green.position;
    info->u.vesa_lfb.green_size = s->green.size;
    info->u.vesa_lfb.blue_pos = s->blue.position;
    info->u.vesa_lfb.blue_size = s->blue.size;
    if (s->bits == BITS_MAX && colours < BITS_MAX) { /* the rest of a word, on top as a rule */
        info->u.vesa_lfb.rsvd_pos = (uint8_t)colours;
        info->u.vesa_lfb.rsvd_size = (uint8_t)(BITS_MAX - colours);
    }
    info->u.vesa_lfb.gbl_caps = s->vbe_capabilities;
    info->u.vesa_lfb.mode_attrs = s->vbe_attributes;
    return BYTES_TO(vesa_lfb);
}

static size_t describe_text(const struct vga_registers *vga, struct dom0_vga_console_info *info)
{
    unsigned lines = vga->last_line + 1u, columns = vga->last_column + 1u;
    unsigned font = (vga->last_scan_line & SCAN_LINES_MASK) + 1u;
    unsigned cursor = (unsigned)vga->cursor_high << 8 | vga->cursor_low;

    if (vga->misc_output == VGA_ABSENT || !(vga->misc_output & VGA_COLOUR) ||
        (vga->graphics_misc & VGA_GRAPHICS))
        return 0;
    lines += (vga->overflow & LINE_BIT_8 ? 256u : 0) + (vga->overflow & LINE_BIT_9 ? 512u : 0);
    if (lines < font)
        return 0;
    info->video_type = XEN_VGATYPE_TEXT_MODE_3;
    info->u.text_mode_3.font_height = (uint16_t)font;
    info->u.text_mode_3.rows = (uint16_t)(lines / font);
    info->u.text_mode_3.columns = (uint16_t)columns;
    if (cursor / columns < lines / font) { /* else it is hidden */
        info->u.text_mode_3.cursor_x = (uint16_t)(cursor % columns);
        info->u.text_mode_3.cursor_y = (uint16_t)(cursor / columns);
    }
    return BYTES_TO(text_mode_3);
}

size_t screen_describe(const struct boot_screen *s, bool efi, const struct vga_registers *vga,
                       struct dom0_vga_console_info *info)
{
    *info = (struct dom0_vga_console_info){.video_type = 0};
    return is_picture(s) ? describe_picture(s, efi, info) : describe_text(vga, info);
}
