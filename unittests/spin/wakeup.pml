/* SPDX-License-Identifier: MIT
 *
 * Events only for who waits: the ring of transport/stream.c, its head comment. A writer and a reader move TOTAL
 * bytes through a ring of SIZE; each sleeps when it can do nothing, and is woken by an event that the other sends if
 * it was asked to. Nothing may be left undone with both asleep: that is an invalid end state.
 *
 * Stores to memory may be delayed: each end's index goes through a store buffer of one entry, which empties at any
 * time, and before a locked instruction. The bits are moved by locked instructions only.
 *
 * Wrong variants: NO_RECHECK (who has asked does not look again), ASK_LATE (looks, then asks), TELL_FIRST (takes the bit
 * back before the index is stored), NO_FENCE_TELL (the locked instruction is a plain one: the buffer is not emptied),
 * EVENT_LOST (an event that comes before the sleep is forgotten).
 */
#ifndef SIZE
#define SIZE 2
#endif
#ifndef TOTAL
#define TOTAL 5
#endif

#define WRITER 0
#define READER 1

byte index[2];       /* in memory: bytes written, bytes read */
byte buffered[2];    /* on its way there */
bit delayed[2];
bit asked[2];        /* by the other: this end shall send an event when it has moved its index */
bit event[2];        /* pending for this end */

inline drain(e) {
    atomic { if :: delayed[e] -> index[e] = buffered[e]; delayed[e] = 0 :: else fi }
}

/* The index as this end stores it. */
inline store(e, value) {
    atomic { buffered[e] = value; delayed[e] = 1 }
}

inline ask(e) {
    drain(e); /* a locked instruction */
    asked[1 - e] = 1
}

/* An event for the other end, if it asked. */
inline tell(e) {
#ifndef NO_FENCE_TELL
    drain(e); /* a locked instruction */
#endif
    atomic {
        if
        :: asked[e] -> asked[e] = 0; event[1 - e] = 1
        :: else
        fi
    }
}

inline sleep(e) {
#ifdef EVENT_LOST
    event[e] = 0;
#endif
    atomic { event[e] -> event[e] = 0 }
}

#define ROOM  (own - index[READER] < SIZE)
#define BYTES (index[WRITER] - own > 0)

/* One end: moves one unit when `can`, else asks, looks again, sleeps. */
inline move(e, can) {
    do
    :: own == TOTAL -> break
    :: else ->
        if
        :: can ->
            own++;
#ifdef TELL_FIRST
            tell(e);
            store(e, own)
#else
            store(e, own);
            tell(e)
#endif
        :: else ->
#ifdef ASK_LATE
            if
            :: can -> skip
            :: else -> ask(e); sleep(e)
            fi
#else
            ask(e);
#ifdef NO_RECHECK
            sleep(e)
#else
            if
            :: can -> skip
            :: else -> sleep(e)
            fi
#endif
#endif
        fi
    od
}

active proctype writer() {
    byte own = 0;

    move(WRITER, ROOM)
}

active proctype reader() {
    byte own = 0;

    move(READER, BYTES)
}

/* The two store buffers: each may empty whenever it likes, and does in the end. */
active [2] proctype buffer() {
    byte e = _pid - 2;

end:
    do
    :: atomic { delayed[e] -> index[e] = buffered[e]; delayed[e] = 0 }
    od
}
