/* SPDX-License-Identifier: MIT
 *
 * The states of a table (head of mm/type.c): idle, valid, busy, held, orphan. CPUs take and drop type
 * references of one table, pin and unpin it, use it as memory, change its entries and give up; every long
 * step may be preempted between any two entries, and be taken up again by whoever comes, or by nobody.
 *
 * An entry is absent or present; a present one may always turn out to be refused, as the frame it refers to
 * has uses of its own. taken[n] counts the references that are held
 * for entry n. When no CPU is at work:
 *   validated: each present entry's references are held once (INV-TYPE-3),
 *   partial: those below the cursor, idle: none,
 *   general references: one for each use, for the pin, for the orphan, and for the allocation.
 *   what an entry of a validated table refers to is whole; of a partial one only the last entry below the
 *   cursor may refer to a table that is torn down in part.
 * At any time: nothing is given back that was not taken, and no two CPUs are at work on the frame.
 *
 * Wrong variants: UNDO_FORGETS (a failed validation beside a new holder leaves out PARTIAL), PARK_LEAKS (a
 * parked teardown keeps the orphan's reference though it has a count), ORPHAN_LEAKS (whoever takes up an orphan
 * leaves its reference), FROM_THE_TOP (a teardown that is taken up starts anew), BUSY_SHARED (a busy table is handed out), UPDATE_UNLOCKED (an entry is
 * exchanged outside of the bit lock), LOCK_BUSY (the bit lock is taken of a busy frame), PIN_LEFT (unpinning leaves the flag),
 * HALF_LEFT (a teardown that is turned round leaves the last entry's table as it is).
 */
#ifndef CPUS
#define CPUS 2
#endif
#define ENTRIES 2

#define TABLE  0
#define MEMORY 1

#define ABSENT  0
#define PRESENT 1

/* struct frame */
bit type, valid, partial, locked, pinned;
byte count, cursor, refs = 1;
bit error; /* PARTIAL_ERROR(stamp) */

byte entry[ENTRIES], taken[ENTRIES];
bit half[ENTRIES]; /* what the entry refers to is a table that is torn down in part */
byte use[CPUS];   /* 1: CPU n holds a type reference */
byte at_work;     /* CPUs that are in a call */
byte workers;     /* CPUs that validate or tear down */

#define IS_BUSY (count > 0 && !valid && !partial)
#define FREE_WORD (!locked)

#define BEGIN_WORK d_step { workers++; assert(workers == 1) }
#define END_WORK workers--

/* table_validate(): goes on at cur; rc 0, EINVAL or RESTART. */
#define OK 0
#define EINVAL 1
#define RESTART 2
#define EBUSY 3

inline table_validate() {
    rc = OK;
#ifndef HALF_LEFT
    /* make_last_whole() */
    if
    :: atomic { cur > 0 && half[cur - 1] -> half[cur - 1] = 0 }
    :: cur > 0 && half[cur - 1] -> rc = EINVAL
    :: cur > 0 && half[cur - 1] -> rc = RESTART
    :: !(cur > 0 && half[cur - 1])
    fi;
#endif
    do
    :: cur == ENTRIES || rc != OK -> break
    :: cur < ENTRIES && rc == OK ->
        if
        :: atomic { entry[cur] == PRESENT -> taken[cur]++; cur++ }
        :: entry[cur] == ABSENT -> cur++
        :: entry[cur] == PRESENT -> rc = EINVAL
        :: entry[cur] == PRESENT -> rc = RESTART
        fi
    od
}

inline table_devalidate() {
    rc = OK;
    do
    :: cur == 0 || rc != OK -> break
    :: cur > 0 && rc == OK ->
        if
        :: atomic { entry[cur - 1] != ABSENT ->
            assert(taken[cur - 1] > 0); taken[cur - 1]--; half[cur - 1] = 0; cur-- }
        :: entry[cur - 1] == ABSENT -> cur--
        :: entry[cur - 1] != ABSENT -> rc = RESTART
        :: atomic { entry[cur - 1] != ABSENT -> half[cur - 1] = 1; rc = RESTART }
        fi
    od
}

#define DROP_REF atomic { assert(refs > 0); refs-- }

inline end_use() { d_step { END_WORK; count = 0; valid = 0; locked = 0; cur = 0 } }

inline park(err) {
    d_step { cursor = cur; error = err; refs++ };
    d_step { END_WORK; count--; partial = 1; parked = count != 0; cur = 0 };
#ifndef PARK_LEAKS
    if
    :: parked -> parked = 0; DROP_REF
    :: else
    fi
#else
    parked = 0
#endif
}

/* In state busy, with the error at cur. */
inline undo() {
    if
    :: atomic { count > 1 -> cursor = cur; error = 0; count--; cur = 0;
#ifndef UNDO_FORGETS
        partial = 1;
#endif
        END_WORK }; rc = EINVAL
    :: count == 1 -> table_devalidate();
       if
       :: rc == RESTART -> park(1)
       :: else -> end_use(); rc = EINVAL
       fi
    fi
}

inline make_valid() {
    table_validate();
    if
    :: rc == OK -> d_step { END_WORK; valid = 1; cur = 0 }
    :: rc == RESTART -> park(0)
    :: rc == EINVAL -> undo()
    fi
}

/* type_drop_partial() */
inline drop_partial() {
    rc = OK;
    if
    :: atomic { FREE_WORD && partial && count == 0 -> partial = 0; count = 1; cur = cursor };
       BEGIN_WORK;
       table_devalidate();
       if
       :: rc == RESTART -> park(error)
       :: else -> end_use()
       fi;
       DROP_REF
    :: !(FREE_WORD && partial && count == 0)
    fi
}

/* type_get(): until it is not to be looked at again. */
#define AGAIN 4

inline type_get(T) {
    rc = AGAIN;
    do
    :: rc != AGAIN -> break
    :: atomic { rc == AGAIN && FREE_WORD && partial && type != T && count > 0 -> rc = EBUSY }
    :: rc == AGAIN && FREE_WORD && partial && type != T && count == 0 ->
        drop_partial();
        if
        :: rc == OK -> rc = AGAIN
        :: else
        fi
    /* get_partial() */
    :: atomic { rc == AGAIN && FREE_WORD && partial && type == T ->
        orphan = count == 0; partial = 0; count++; cur = cursor; failed = error };
       BEGIN_WORK;
       if
       :: failed -> failed = 0; undo()
       :: else -> make_valid()
       fi;
       if
       :: orphan -> orphan = 0;
#ifndef ORPHAN_LEAKS
           DROP_REF
#endif
       :: else
       fi
    /* get_first() */
    :: atomic { rc == AGAIN && FREE_WORD && !partial && count == 0 && T == MEMORY ->
        type = T; count = 1; valid = 1; rc = OK }
    :: atomic { rc == AGAIN && FREE_WORD && !partial && count == 0 && T == TABLE ->
        type = T; count = 1; cur = 0 };
       BEGIN_WORK;
       make_valid()
    :: atomic { rc == AGAIN && FREE_WORD && !partial && count > 0 && type != T -> rc = EBUSY }
#ifdef BUSY_SHARED
    :: atomic { rc == AGAIN && FREE_WORD && !partial && count > 0 && type == T -> count++; rc = OK }
#else
    :: atomic { rc == AGAIN && FREE_WORD && valid && type == T -> count++; rc = OK }
#endif
    od
}

#ifdef PIN_LEFT
#define UNPIN(pin) skip
#else
#define UNPIN(pin) pinned = pinned && !(pin)
#endif

/* type_put_step(): pin is 1 for an unpin. */
inline type_put_step(pin) {
    rc = AGAIN;
    do
    :: rc != AGAIN -> break
    :: atomic { rc == AGAIN && FREE_WORD && pin && !pinned -> rc = EINVAL }
    :: atomic { rc == AGAIN && FREE_WORD && !(pin && !pinned) && count > 1 ->
        count--; UNPIN(pin); rc = OK }
    :: atomic { rc == AGAIN && FREE_WORD && !(pin && !pinned) && count == 1 && !IS_BUSY && (pin || !pinned) && type == MEMORY ->
        count = 0; valid = 0; rc = OK }
    :: atomic { rc == AGAIN && FREE_WORD && !(pin) && count == 1 && (IS_BUSY || pinned) ->
        assert(false) } /* the two BUG_ONs of try_put() */
    /* put_last_table(); an unpin's flag stays until it is done, as its count does */
    :: atomic { rc == AGAIN && FREE_WORD && !(pin && !pinned) && count == 1 && !IS_BUSY && (pin || !pinned) && type == TABLE ->
        cur = ENTRIES;
#ifndef FROM_THE_TOP
        if
        :: partial -> cur = cursor
        :: else
        fi;
#endif
        valid = 0; partial = 0 };
       BEGIN_WORK;
       table_devalidate();
       if
       :: rc == RESTART -> d_step { END_WORK; cursor = cur; error = 0; partial = 1; cur = 0 }
       :: else -> d_step { END_WORK; count = 0; UNPIN(pin); cur = 0 }
       fi
    od
}

/* frame_lock_valid(), frame_unlock(): what is stored at the end is the word as it was at the beginning, so
 * nobody may have changed it meanwhile (INV-TYPE-5). */
#define SAVE_WORD \
    locked = 1; s_type = type; s_count = count; s_valid = valid; s_partial = partial; s_pinned = pinned
#define UNLOCK \
    type = s_type; count = s_count; valid = s_valid; partial = s_partial; pinned = s_pinned; locked = 0; \
    s_type = 0; s_count = 0; s_valid = 0; s_partial = 0; s_pinned = 0

/* update_table(): the caller has a general reference only. */
inline update_table(n) {
    if
    :: new = ABSENT
    :: d_step { new = PRESENT; taken[n]++ }
    fi;
    if
#ifdef UPDATE_UNLOCKED
    :: type == TABLE && valid ->
       d_step { old = entry[n]; entry[n] = new; new = ABSENT }
#else
    :: atomic { FREE_WORD && type == TABLE && valid -> SAVE_WORD };
       d_step { old = entry[n]; entry[n] = new; new = ABSENT };
       d_step { UNLOCK }
#endif
#ifdef LOCK_BUSY
    :: atomic { FREE_WORD && !(type == TABLE && valid) -> SAVE_WORD };
       d_step { UNLOCK; old = new; new = ABSENT }
#else
    :: atomic { !(type == TABLE && valid) -> old = new; new = ABSENT }
#endif
    fi;
    d_step {
        if
        :: old != ABSENT -> assert(taken[n] > 0); taken[n]--; old = ABSENT
        :: else
        fi
    }
}

proctype cpu(byte c) {
    byte cur, rc, new, old;
    bit orphan, failed, parked;
    bit s_type, s_valid, s_partial, s_pinned;
    byte s_count;

endidle:
    do
    /* a type reference, as an entry of an upper table or a vCPU holds one */
    :: !use[c] -> d_step { at_work++; refs++ };
       if
       :: type_get(TABLE)
       :: type_get(MEMORY)
       fi;
       if
       :: rc == OK -> d_step { use[c] = 1; at_work--; rc = 0 }
       :: else -> d_step { refs--; at_work--; rc = 0 }
       fi
    :: use[c] -> at_work++;
       type_put_step(0);
       if
       :: rc == OK -> d_step { use[c] = 0; refs--; at_work--; rc = 0 }
       :: else -> d_step { at_work--; rc = 0 }
       fi
    /* the guest writes its memory */
    :: d_step { use[c] && type == MEMORY -> entry[0] = 1 - entry[0] }
    :: d_step { use[c] && type == MEMORY && entry[1] == ABSENT -> entry[1] = PRESENT }
#ifndef NO_PINS
    /* table_pin(), set_pinned() */
    :: c == 0 -> d_step { at_work++; refs++ };
       type_get(TABLE);
       if
       :: rc == OK ->
           if
           :: atomic { FREE_WORD && !IS_BUSY && !pinned -> SAVE_WORD };
              s_pinned = 1;
              d_step { UNLOCK }
           :: atomic { FREE_WORD && pinned -> rc = RESTART };
              do
              :: rc == RESTART -> type_put_step(0) /* type_put(): the pin may be gone by now */
              :: else -> break
              od;
              DROP_REF
           fi
       :: else -> DROP_REF
       fi;
       d_step { at_work--; rc = 0 }
    /* table_unpin() */
    :: pinned -> at_work++;
       type_put_step(1);
       if
       :: rc == OK -> DROP_REF
       :: else
       fi;
       d_step { at_work--; rc = 0 }
#endif
#ifndef NO_UPDATES
    :: at_work++; update_table(0); at_work--
#endif
    /* account_relinquish() */
    :: partial -> at_work++; drop_partial(); d_step { at_work--; rc = 0 }
    od
}

#define HELD(n) \
    (!(half[n] && (valid || n + 1 != cursor)) && \
     taken[n] == ((entry[n] != ABSENT && \
                   ((type == TABLE && valid) || (partial && n < cursor))) -> 1 : 0))

active proctype property() {
enddone:
    atomic {
        at_work == 0 &&
        !(HELD(0) && HELD(1) && !locked && workers == 0 && !(valid && partial) &&
          refs == 1 + use[0] + use[1] + (CPUS > 2 -> use[CPUS - 1] : 0) + pinned + (partial && count == 0) &&
          count == use[0] + use[1] + (CPUS > 2 -> use[CPUS - 1] : 0) + pinned) ->
        assert(false)
    }
}

init {
    byte c = 0;

    atomic {
        do
        :: c >= CPUS -> break
        :: else -> run cpu(c); c++
        od
    }
}
