/* SPDX-License-Identifier: MIT
 *
 * Suite for xen/arch/x86/screen.c: what a control domain is told of its screen.
 */
#include "suite.h"
#include "xen/arch/x86/screen.h"

/* 80 by 25 as firmware leaves it: 400 lines, rows of 16. */
static const struct vga_registers usual = {.misc_output = 0x67,
                                           .graphics_misc = 0x0e,
                                           .last_column = 79,
                                           .last_line = 0x8f,
                                           .overflow = 0x1f,
                                           .last_scan_line = 0x4f,
                                           .cursor_high = 0x05,
                                           .cursor_low = 0x14};
static const struct boot_screen none = {.kind = BOOT_SCREEN_NONE};
#define TEXT_BYTES 14 /* of the structure */

static struct dom0_vga_console_info info;

static size_t text(struct vga_registers vga)
{
    return screen_describe(&none, false, &vga, &info);
}

static void text_mode(void)
{
    struct vga_registers r = usual;

    CU_ASSERT_EQUAL(text(r), TEXT_BYTES);
    CU_ASSERT_EQUAL(info.video_type, XEN_VGATYPE_TEXT_MODE_3);
    CU_ASSERT(info.u.text_mode_3.rows == 25 && info.u.text_mode_3.columns == 80);
    CU_ASSERT_EQUAL(info.u.text_mode_3.font_height, 16);
    CU_ASSERT(info.u.text_mode_3.cursor_x == 20 && info.u.text_mode_3.cursor_y == 16);
    r.last_scan_line = 7; /* 50 rows */
    r.cursor_high = 0x20; /* hidden: behind the last */
    CU_ASSERT_EQUAL(text(r), TEXT_BYTES);
    CU_ASSERT(info.u.text_mode_3.rows == 50 && info.u.text_mode_3.font_height == 8);
    CU_ASSERT(info.u.text_mode_3.cursor_x == 0 && info.u.text_mode_3.cursor_y == 0);
    r.overflow = 0x40;
    CU_ASSERT_EQUAL(text(r), TEXT_BYTES);
    CU_ASSERT_EQUAL(info.u.text_mode_3.rows, (512 + 0x8f + 1) / 8);
}

static void no_screen(void)
{
    struct vga_registers r = usual;

    r.misc_output = 0xff;
    CU_ASSERT_EQUAL(text(r), 0);
    r.misc_output = 0x66; /* monochrome: its registers are elsewhere */
    CU_ASSERT_EQUAL(text(r), 0);
    r = usual;
    r.graphics_misc = 0x05;
    CU_ASSERT_EQUAL(text(r), 0);
    r = usual;
    r.last_line = 3;
    r.overflow = 0;
    CU_ASSERT_EQUAL(text(r), 0);
}

static struct boot_screen picture(void)
{
    return (struct boot_screen){.kind = BOOT_SCREEN_RGB,
                                .address = UINT64_C(0x3fd000000),
                                .pitch = 4160,
                                .width = 1024,
                                .height = 768,
                                .bits = 32,
                                .red = {16, 8},
                                .green = {8, 8},
                                .blue = {0, 8},
                                .vbe_capabilities = 0x123,
                                .vbe_attributes = 0x9b};
}

static void framebuffer(void)
{
    struct boot_screen s = picture();

    CU_ASSERT_EQUAL(screen_describe(&s, false, &usual, &info), sizeof(info));
    CU_ASSERT_EQUAL(info.video_type, XEN_VGATYPE_VESA_LFB);
    CU_ASSERT(info.u.vesa_lfb.width == 1024 && info.u.vesa_lfb.height == 768);
    CU_ASSERT(info.u.vesa_lfb.bytes_per_line == 4160 && info.u.vesa_lfb.bits_per_pixel == 32);
    CU_ASSERT(info.u.vesa_lfb.lfb_base == 0xfd000000 && info.u.vesa_lfb.ext_lfb_base == 3);
    CU_ASSERT_EQUAL(info.u.vesa_lfb.lfb_size, (4160 * 768 + 65535) / 65536);
    CU_ASSERT(info.u.vesa_lfb.red_pos == 16 && info.u.vesa_lfb.red_size == 8);
    CU_ASSERT(info.u.vesa_lfb.green_pos == 8 && info.u.vesa_lfb.blue_pos == 0);
    CU_ASSERT(info.u.vesa_lfb.rsvd_pos == 24 && info.u.vesa_lfb.rsvd_size == 8);
    CU_ASSERT(info.u.vesa_lfb.gbl_caps == 0x123 && info.u.vesa_lfb.mode_attrs == 0x9b);
    CU_ASSERT_EQUAL(screen_describe(&s, true, &usual, &info), sizeof(info));
    CU_ASSERT_EQUAL(info.video_type, XEN_VGATYPE_EFI_LFB);
    s.bits = 16;
    s.red = (struct boot_colour){11, 5};
    s.green = (struct boot_colour){5, 6};
    s.blue = (struct boot_colour){0, 5};
    CU_ASSERT_EQUAL(screen_describe(&s, false, &usual, &info), sizeof(info));
    CU_ASSERT(info.u.vesa_lfb.rsvd_pos == 0 && info.u.vesa_lfb.rsvd_size == 0);
}

/* One number at a time that cannot be: then the screen's text is what there is. */
static void impossible(void)
{
    for (unsigned i = 0; i < 10; i++) {
        struct boot_screen s = picture();

        s.width = i == 0 ? 0 : i == 1 ? 65536 : s.width;
        s.height = i == 2 ? 0 : i == 3 ? 65536 : s.height;
        s.pitch = i == 4 ? 65536 : i == 5 ? 4095 : s.pitch;
        s.bits = i == 6 ? 8 : i == 7 ? 64 : s.bits;
        s.address = i == 8 ? 0 : s.address;
        s.blue.size = i == 9 ? 17 : s.blue.size;
        CU_ASSERT_EQUAL(screen_describe(&s, false, &usual, &info), TEXT_BYTES);
        CU_ASSERT_EQUAL(info.video_type, XEN_VGATYPE_TEXT_MODE_3);
    }
}

static const struct test_case cases[] = {{"text", text_mode},
                                         {"no screen", no_screen},
                                         {"a framebuffer", framebuffer},
                                         {"numbers that cannot be", impossible},
                                         {NULL, NULL}};

const struct suite suite_screen = {"screen", cases, NULL, NULL};
