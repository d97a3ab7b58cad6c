/* SPDX-License-Identifier: MIT
 *
 * Hypercall decoders about the CPU on the host: what they call is redirected to the test, under
 * names of its own, so that one program can hold this test beside others that play the same roles.
 */
#pragma once

#include <lagan/arch.h>
#include "pv_host.h"

#include "xen/console.h"
#include "xen/guest_access.h"
#include "xen/hypercall.h"

extern struct vcpu *hcall_host_vcpu;

bool hcall_host_range_ok(guest_ptr_t p, uint64_t bytes);
int hcall_host_copy_from(void *dst, guest_ptr_t src, size_t bytes);
int hcall_host_copy_to(guest_ptr_t dst, const void *src, size_t bytes);
int hcall_host_clear(guest_ptr_t dst, size_t bytes);
void hcall_host_console_write(const char *text, size_t bytes);
size_t hcall_host_console_read(char *to, size_t bytes);
int64_t hcall_host_continue(const struct hypercall_args *args);
bool hcall_host_preempt(void);
void hcall_host_wrmsr(uint32_t msr, uint64_t value);
void hcall_host_load_user_gs(uint16_t selector);
void hcall_host_set_ts(bool set);
int hcall_host_set_gdt(const mfn_t *frames, unsigned entry_count);

#undef current_vcpu
#undef wrmsr
#define current_vcpu()                hcall_host_vcpu
#define guest_range_ok(p, n)          hcall_host_range_ok(p, n)
#define copy_from_guest(dst, p, n)    hcall_host_copy_from(dst, p, n)
#define copy_to_guest(p, src, n)      hcall_host_copy_to(p, src, n)
#define clear_guest(p, n)             hcall_host_clear(p, n)
#define console_guest_write(d, t, n)  hcall_host_console_write(((void)(d), t), n)
#define console_guest_read(d, t, n)   hcall_host_console_read(((void)(d), t), n)
#define hypercall_continue(...)       hcall_host_continue(__VA_ARGS__)
#define arch_preempt_pending()        hcall_host_preempt()
#define wrmsr(msr, v)                 hcall_host_wrmsr(msr, v)
#define pv_load_user_gs(s)            hcall_host_load_user_gs(s)
#define fpu_set_ts(v, set)            hcall_host_set_ts(((void)(v), set))
#define pv_set_gdt(v, frames, n)      hcall_host_set_gdt(((void)(v), frames), n)
#define pv_update_descriptor(v, m, d) ((void)(v), (void)(m), (void)(d), 0)
