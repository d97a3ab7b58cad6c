/* SPDX-License-Identifier: MIT
 *
 * What the models of mm/ share: CPUs with TLBs, the TLB clock, the type word, claim and flush. Each
 * inline names the C function that it mirrors and keeps its order of accesses to shared memory; steps
 * that only the process itself can see are joined with their neighbours. A spin loop is a guard that
 * waits.
 *
 * A compare-and-swap is one atomic step together with the load before it: the decision between them
 * depends on the loaded word alone, and the swap fails unless the word is that again.
 *
 * The clock runs for ever in the C code. Here the times in use are moved together after each tick
 * (close_gaps), which keeps every comparison as it was, so that the states are finitely many and runs of
 * any length are covered.
 *
 * Wrong variants (-D...), each of which some model must find fault with:
 *   FLUSH_BEFORE_CLAIM  the flush comes first, then the type is claimed
 *   NO_FLUSH            a claim flushes nobody
 *   NO_STAMP            the end of a use leaves no stamp
 *   STAMP_EARLY         put_last_plain() reads the clock before it owns the word
 *   STAMP_BEFORE_CLEAR  the stamp is taken while the entry is still there
 *   TICK_AT_END         a flush is noted with the time of its end, not of its beginning
 *   NOTED_EARLY         ... or noted before it has happened
 *   STALE_STRICT        a flush that began at the stamp's own time counts as later
 *   VALID_EARLY         the type counts as validated before the flush
 *   LEAVE_EARLY         a CPU leaves tlb_cpus before its TLB is empty
 *   ENTER_LATE          a CPU enters tlb_cpus after it has loaded the tables
 *   COALESCE            a flush that is under way serves a request that came meanwhile
 */
#ifndef FRAMES
#define FRAMES 1
#endif

#define NONE  0 /* enum frame_type; entries and translations: nothing */
#define L1    1
#define WR    2 /* TYPE_WRITABLE; a writable entry or translation */
#define RO    3 /* a read-only entry or translation */

/* struct frame: `type` taken apart, and what of `use` matters. */
typedef frame {
    byte type, count;
    bit valid, locked;
    byte stamp;
    byte owner, refs; /* owner: 0 the heap */
    bit allocated
}
frame f[FRAMES];

/* tlb_clock */
byte clock = 1, last[CPUS], begun[CPUS], seen[CPUS];

/* Bits of CPUs */
byte tlb_cpus;            /* account.tlb_cpus of domain 1 */
byte request[CPUS];       /* by whom CPU n is asked to flush */
bit running[CPUS];        /* domain 1's tables are loaded */

/* Times are compared, never used otherwise. A flush is only ever asked whether it began later than a stamp:
 * a time that is no stamp is as good as the next later one, and is left out. (A wrong comparison may tell
 * them apart: EXACT.) */
#ifdef STALE_STRICT
#define EXACT(x) (x)
#else
#define EXACT(x) false
#endif

inline close_gaps() {
    v = 1;
    do
    :: v >= clock -> break
    :: else ->
        used = false;
        i = 0;
        do
        :: i >= CPUS -> break
        :: else -> used = used || EXACT(last[i] == v || begun[i] == v) || seen[i] == v; i++
        od;
        i = 0;
        do
        :: i >= FRAMES -> break
        :: else -> used = used || f[i].stamp == v; i++
        od;
        if
        :: used -> v++
        :: else ->
            clock--;
            i = 0;
            do
            :: i >= CPUS -> break
            :: else ->
                last[i] = last[i] - (last[i] > v);
                begun[i] = begun[i] - (begun[i] > v);
                seen[i] = seen[i] - (seen[i] > v);
                i++
            od;
            i = 0;
            do
            :: i >= FRAMES -> break
            :: else -> f[i].stamp = f[i].stamp - (f[i].stamp > v); i++
            od
        fi
    od;
    v = 0; i = 0; used = 0
}

/* tlb_clock_flush_begin() */
#define TICK clock++; begun[c] = clock; close_gaps()

/* ---- flushes: arch_tlb_flush() ---- */

/* The flush interrupt of CPU c, and any flush of its own: they come at any time, whatever else runs on the
 * CPU. tlb_flush_local(), serve() in xen/arch/x86/tlb.c; the mailbox itself is mailbox.pml. */
proctype cpu_flushes(byte c) {
    byte asked, v, i;
    bit used;

endidle:
    do
    :: d_step {
        asked = request[c];
#ifndef TICK_AT_END
        TICK
#endif
       };
#ifdef NOTED_EARLY
       last[c] = begun[c];
#endif
#if defined(TICK_AT_END) || defined(COALESCE)
       d_step { EMPTY_TLB(c) };
#endif
       /* Noting the flush together with it: what comes in between finds the CPU less clean, no more. */
       d_step {
#ifdef TICK_AT_END
        TICK;
#elif defined(COALESCE)
        asked = request[c];
#else
        EMPTY_TLB(c);
#endif
        last[c] = begun[c]; /* tlb_clock_flush_end() */
        begun[c] = 0;
        request[c] = request[c] & ~asked;
        asked = 0;
        close_gaps()
       }
    od
}

/* A switch to another domain and back: load_address_space(), arch_context_switch() in xen/arch/x86/ctx.c.
 * Writing CR3 empties the TLB; the clock does not tick, which costs a flush later at most. */
proctype cpu_switches(byte c) {
endidle:
    do
    :: running[c] ->
#ifdef LEAVE_EARLY
        tlb_cpus = tlb_cpus & ~(1 << c);
#endif
        d_step { running[c] = 0; EMPTY_TLB(c) };
        tlb_cpus = tlb_cpus & ~(1 << c)
    :: !running[c] ->
#ifndef ENTER_LATE
        tlb_cpus = tlb_cpus | (1 << c);
#endif
        d_step { running[c] = 1; EMPTY_TLB(c) };
        tlb_cpus = tlb_cpus | (1 << c)
    od
}

#ifdef STALE_STRICT
#define STALE(n, stamp_) (last[n] < (stamp_))
#else
#define STALE(n, stamp_) (last[n] <= (stamp_))
#endif

#define ASK(n) \
    if \
    :: (cpus & (1 << n)) && STALE(n, since) -> request[n] = request[n] | (1 << c) \
    :: else \
    fi
#define ASKED(n) (request[n] & (1 << c))

#if CPUS > 2
#define ASK_ALL    ASK(0); ASK(1); ASK(2)
#define ASKED_ANY  (ASKED(0) || ASKED(1) || ASKED(2))
#else
#define ASK_ALL    ASK(0); ASK(1)
#define ASKED_ANY  (ASKED(0) || ASKED(1))
#endif

/* tlb_cpus is read, then tlb_stale_cpus() looks at each CPU's last flush, then arch_tlb_flush() asks them and
 * waits for all. The looks are one step: what another CPU is found to be makes none safer or less safe. c
 * is the CPU that asks, cpus its variable. */
inline flush_stale(since) {
    cpus = tlb_cpus;
    d_step { ASK_ALL; cpus = 0 };
    !ASKED_ANY
}

/* ---- types: mm/type.c ---- */

#define IS_BUSY(x)  (f[x].count > 0 && !f[x].valid)
#define WAITING(x)  (f[x].locked || IS_BUSY(x))

/* flush_former_use() */
inline flush_former_use(x, T) {
    if
#ifndef NO_FLUSH
    :: was != T && was != NONE && f[x].stamp != 0 -> flush_stale(f[x].stamp)
#endif
    :: else
    fi
}

/* type_get(): try_get(), get_first(). got: the result. */
inline type_get(x, T) {
    if
#ifdef FLUSH_BEFORE_CLAIM
    :: atomic { !WAITING(x) && f[x].count == 0 && f[x].type != T -> was = f[x].type };
       flush_former_use(x, T);
       if
       :: atomic { !WAITING(x) && f[x].count == 0 && f[x].type == was ->
            f[x].type = T; f[x].count = 1; f[x].valid = 1; was = NONE; got = 1 }
       :: else -> was = NONE; got = 0
       fi
    :: atomic { !WAITING(x) && f[x].count == 0 && f[x].type == T ->
        f[x].count = 1; f[x].valid = 1; got = 1 }
#else
    :: atomic { !WAITING(x) && f[x].count == 0 && T == WR && (f[x].type == WR || f[x].type == NONE) ->
        f[x].type = T; f[x].count = 1; f[x].valid = 1; got = 1 }
    :: atomic { !WAITING(x) && f[x].count == 0 && !(T == WR && (f[x].type == WR || f[x].type == NONE)) ->
        was = f[x].type; f[x].type = T; f[x].count = 1;
#ifdef VALID_EARLY
        f[x].valid = 1
#endif
       };
       flush_former_use(x, T);
       was = NONE;
       VALIDATE(x, T)
       f[x].valid = 1; /* make_valid() */
       got = 1
#endif
    :: atomic { !WAITING(x) && f[x].count > 0 && f[x].type != T -> got = 0 }
    :: atomic { !WAITING(x) && f[x].count > 0 && f[x].type == T -> f[x].count++; got = 1 }
    fi
}

/* type_put(): try_put(), put_last_plain(), put_last_table(), end_use(). */
inline type_put(x) {
    if
    :: atomic { !f[x].locked && f[x].count > 1 -> f[x].count-- }
#ifdef STAMP_EARLY
    :: atomic { !f[x].locked && f[x].count == 1 && f[x].valid && f[x].type == WR -> seen[c] = clock };
       if
       :: atomic { !f[x].locked && f[x].count == 1 && f[x].valid && f[x].type == WR ->
            f[x].count = 0; f[x].valid = 0; f[x].stamp = seen[c]; seen[c] = 0 }
       :: atomic { f[x].count > 1 && !f[x].locked -> f[x].count--; seen[c] = 0 }
       fi
#else
    :: atomic { !f[x].locked && f[x].count == 1 && f[x].valid && f[x].type == WR -> f[x].locked = 1 };
#ifndef NO_STAMP
       f[x].stamp = clock;
#endif
       atomic { f[x].count = 0; f[x].valid = 0; f[x].locked = 0 }
#endif
    :: atomic { !f[x].locked && f[x].count == 1 && f[x].valid && f[x].type == L1 -> f[x].valid = 0 };
       DEVALIDATE(x)
#ifndef NO_STAMP
       f[x].stamp = clock;
#endif
       f[x].count = 0
    fi
}

/* ---- general references: mm/frame.c, mm/account.c ---- */

/* frame_get() in the name of domain 1 */
inline frame_get(x) {
    atomic {
        if
        :: f[x].owner == 1 && f[x].refs > 0 -> f[x].refs++; got = 1
        :: else -> got = 0
        fi
    }
}

/* frame_put(), give_back(): nobody can get the frame any more; when no TLB has it, the heap does. */
inline frame_put(x) {
    if
    :: atomic { f[x].refs > 1 -> f[x].refs-- }
    :: atomic { f[x].refs == 1 -> f[x].refs = 0; assert(f[x].count == 0) };
#ifndef FREE_UNFLUSHED
       if
       :: f[x].owner == 1 -> seen[c] = clock; flush_stale(seen[c]); seen[c] = 0
       :: else
       fi;
#endif
       d_step { f[x].owner = 0; f[x].type = NONE; f[x].stamp = 0 } /* heap_free() */
    fi
}

/* account_alloc() for domain d */
inline alloc(x, d) {
    atomic { f[x].owner == 0 -> f[x].owner = d; f[x].refs = 1; f[x].allocated = 1 }
}

/* account_release() */
inline release(x) {
    if
    :: atomic { f[x].allocated -> f[x].allocated = 0 }; frame_put(x)
    :: else
    fi
}
