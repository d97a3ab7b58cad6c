/* SPDX-License-Identifier: MIT
 *
 * Decodes the few privileged instructions that a ring-3 guest kernel may execute and have emulated.
 * Pure: bytes in, description out; no guest memory is touched here.
 */
#pragma once

#include <lagan/types.h>

#define PV_INSN_MAX 15 /* the longest instruction the architecture allows */

enum pv_op {
    PV_OP_MOV_FROM_CR,
    PV_OP_MOV_TO_CR,
    PV_OP_MOV_FROM_DR,
    PV_OP_MOV_TO_DR,
    PV_OP_CLTS,
    PV_OP_LMSW, /* register form only */
    PV_OP_RDMSR,
    PV_OP_WRMSR,
    PV_OP_CACHE_FLUSH, /* WBINVD, WBNOINVD; INVD would lose other people's writes: #GP */
    PV_OP_CLI,
    PV_OP_STI,
    PV_OP_HLT,
    PV_OP_IN,
    PV_OP_OUT,
    PV_OP_INS,
    PV_OP_OUTS,
    PV_OP_XSETBV,
    PV_OP_RDTSC,
    PV_OP_RDTSCP,
};

/* Segments whose base may differ from 0 in 64-bit mode; all others are flat. */
enum pv_segment { PV_SEG_FLAT, PV_SEG_FS, PV_SEG_GS };

struct pv_insn {
    enum pv_op op;
    uint8_t length;      /* bytes, prefixes included */
    uint8_t reg;         /* general register 0..15 (rax, rcx, rdx, rbx, rsp, ...) */
    uint8_t sysreg;      /* control or debug register 0..15 */
    uint8_t bytes;       /* of one port access: 1, 2, 4 */
    bool rep;            /* INS, OUTS */
    bool address32;      /* INS, OUTS: 32-bit count and address */
    bool port_immediate; /* IN, OUT: `port` counts, not DX */
    uint8_t port;
    enum pv_segment segment; /* OUTS: source segment */
};

/* Decodes 64-bit code. True, and *insn is filled, if the bytes begin with one of the instructions
 * above; false if they do not or end too early. Reads nothing beyond bytes[count - 1]. */
bool pv_decode(const uint8_t *bytes, size_t count, struct pv_insn *insn) LAGAN_MUST_CHECK;
