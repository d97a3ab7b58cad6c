/* SPDX-License-Identifier: MIT
 *
 * One frame that all CPUs fight for: mapped writable and read-only, used as a page table and linked into
 * the tree, given up, and owned by somebody else. CPUs load translations of it whenever an entry allows
 * it, speculatively and without anybody's doing, and flush, and switch to another domain and back.
 *
 * What must hold in every state (INV-TYPE-1, INV-TYPE-2, INV-FRAME-2):
 *   no CPU has a writable translation of a validated page table,
 *   none has any translation of a frame that is not domain 1's any more,
 *   none walks a table that is writable memory, or another's, by what it remembers of the upper levels.
 *
 * Wrong variant of its own: FREE_UNFLUSHED, a freed frame goes to the heap at once.
 */
#ifndef CPUS
#define CPUS 2
#endif
#ifndef CALLERS
#define CALLERS CPUS /* the other CPUs run the guest, walk tables and flush */
#endif

byte tlb[CPUS];   /* the translation of the frame: NONE, RO, WR */
bit walk[CPUS];   /* remembers that an upper entry leads to the frame as a table */
byte entry[CPUS]; /* an L1 entry that maps the frame, one for each CPU's use: NONE, RO, WR */
bit link[CPUS];   /* an L2 entry that refers to it as a table */

#define VALIDATE(x, T)
#define DEVALIDATE(x)

#define ANY(what) ((what(0)) || (what(1)) || (what(CPUS - 1)))
#define MAY_WRITE(n) (entry[n] == WR)
#define MAY_READ(n)  (entry[n] != NONE)
#define MAY_WALK(n)  (link[n])

/* Page walks come at any time, and what a TLB holds changes nothing but what may go wrong. So the worst
 * processor loads what it may, at once: if it is safe, so are all that load less. It loads a translation
 * in one step with the read of the entry: none keeps what it read before a flush. */
#define LOAD(n) \
    if \
    :: running[n] && ANY(MAY_WRITE) -> tlb[n] = WR \
    :: running[n] && !ANY(MAY_WRITE) && ANY(MAY_READ) && tlb[n] == NONE -> tlb[n] = RO \
    :: else \
    fi; \
    walk[n] = walk[n] || (running[n] && ANY(MAY_WALK))

#if CPUS > 2
#define LOAD_ALL LOAD(0); LOAD(1); LOAD(2)
#else
#define LOAD_ALL LOAD(0); LOAD(1)
#endif

#define EMPTY_TLB(n) tlb[n] = NONE; walk[n] = 0; LOAD(n)

#include "protocol.pml"

/* entry_get(), update_table() and update_short(), entry_put() of mm/validate.c and mm/update.c: takes
 * the references, writes the entry; removes the entry, gives the references back. */
inline map_writable() {
    frame_get(0);
    if
    :: got -> got = 0; type_get(0, WR);
        if
        :: got -> d_step { got = 0; entry[c] = WR; LOAD_ALL }
        :: else -> frame_put(0)
        fi
    :: else
    fi
}

inline map_readable() {
    frame_get(0);
    if
    :: got -> d_step { got = 0; entry[c] = RO; LOAD_ALL }
    :: else
    fi
}

inline unmap() {
    if
    :: entry[c] == WR ->
#ifdef STAMP_BEFORE_CLEAR
        type_put(0);
        entry[c] = NONE
#else
        entry[c] = NONE;
        type_put(0)
#endif
    :: else -> entry[c] = NONE
    fi;
    frame_put(0)
}

/* table_pin(), or an entry of an L2 table */
inline promote() {
    frame_get(0);
    if
    :: got -> got = 0; type_get(0, L1);
        if
        :: got -> d_step { got = 0; link[c] = 1; LOAD_ALL }
        :: else -> frame_put(0)
        fi
    :: else
    fi
}

inline demote() {
    link[c] = 0;
    type_put(0);
    frame_put(0)
}

/* Hypercalls on CPU c, one after the other. */
proctype hypercalls(byte c) {
    byte was, cpus;
    bit got;

endidle:
    do
    :: entry[c] == NONE && !link[c] -> map_writable()
#ifndef NO_FREE
    :: entry[c] == NONE && !link[c] -> map_readable()
#endif
    :: entry[c] == NONE && !link[c] -> promote()
    :: entry[c] != NONE -> unmap()
    :: link[c] -> demote()
#ifndef NO_FREE
    :: f[0].allocated -> release(0)
    :: f[0].owner == 0 && c == 0 -> alloc(0, 1)
    :: f[0].owner == 0 && c == 0 -> alloc(0, 2)
#endif
    od
}

#define UNSAFE(n) \
    ((tlb[n] == WR && f[0].type == L1 && f[0].valid) || \
     ((tlb[n] != NONE || walk[n]) && f[0].owner != 1) || \
     (walk[n] && f[0].type == WR && f[0].valid))

active proctype property() {
enddone:
    atomic { UNSAFE(0) || UNSAFE(1) || UNSAFE(CPUS - 1) -> assert(false) }
}

init {
    byte c = 0;

    atomic {
        f[0].owner = 1; f[0].refs = 1; f[0].allocated = 1;
        do
        :: c >= CPUS -> break
        :: else ->
            if
            :: c < CALLERS -> run hypercalls(c)
            :: else
            fi;
            run cpu_flushes(c);
#ifdef SWITCHES
            if
            :: c == CPUS - 1 -> run cpu_switches(c)
            :: else
            fi;
#endif
            running[c] = 1;
            tlb_cpus = tlb_cpus | (1 << c);
            c++
        od
    }
}
