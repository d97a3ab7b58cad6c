/* SPDX-License-Identifier: MIT
 *
 * A mailbox of xen/arch/x86/tlb.c: ask(), flush(), serve() (INV-TLB-1). REQUESTERS CPUs ask one to flush, any
 * number of times; when flush() returns, what it wished has been carried out since. One mailbox stands for
 * all: they share nothing, and a CPU that waits serves its own.
 *
 * A wish is here who wished, `what` a set of wishes; the C code merges different ones to "everything".
 * Tickets count modulo 8 and compare as the C code's do modulo 2^32.
 *
 * Wrong variants: TICKET_FIRST (the ticket is drawn before the wish is merged), ASKED_LATE (the target reads
 * the tickets after it took the wishes), DONE_FIRST (says done before it is), STORE_WISH (a wish overwrites
 * another's), NO_SEND (an interrupt is left out when a wish is there already: nobody comes).
 */
#ifndef REQUESTERS
#define REQUESTERS 2
#endif

byte what, asked, done;
bit sent;
byte carried_out; /* bit c: what CPU c last wished */

#define NOT_YET (((done - ticket) & 7) >= 4) /* (int32_t)(done - ticket) < 0 */

inline merge() {
#ifdef STORE_WISH
    what = 1 << c
#else
    what = what | (1 << c)
#endif
}

inline draw() {
    d_step { asked = (asked + 1) & 7; ticket = asked }
}

/* flush(), on CPU c */
proctype requester(byte c) {
    byte ticket;

endidle:
    do
    :: carried_out = carried_out & ~(1 << c);
       /* ask() */
#ifdef TICKET_FIRST
       draw();
       merge();
#else
       merge();
       draw();
#endif
#ifdef NO_SEND
       if
       :: what == 1 << c -> sent = 1
       :: else
       fi;
#else
       sent = 1; /* apic_send_ipi_mask() */
#endif
       !NOT_YET;
       assert(carried_out & (1 << c));
       ticket = 0
    od
}

/* serve(), the interrupt: never two of them at once. What is to be done is in memory, not in the
 * interrupt, which may also come for nothing. */
active proctype target() {
    byte tickets, w;

endidle:
    do
    :: sent ->
        sent = 0;
#ifndef ASKED_LATE
        tickets = asked;
#endif
        d_step { w = what; what = 0 };
#ifdef ASKED_LATE
        tickets = asked;
#endif
#ifndef DONE_FIRST
        d_step { carried_out = carried_out | w; w = 0 }; /* carry_out() */
        d_step { done = tickets; tickets = 0 }
#else
        d_step { done = tickets; tickets = 0 };
        d_step { carried_out = carried_out | w; w = 0 }
#endif
    od
}

init {
    byte c = 0;

    atomic {
        do
        :: c >= REQUESTERS -> break
        :: else -> run requester(c); c++
        od
    }
}
