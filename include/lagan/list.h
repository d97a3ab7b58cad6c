/* SPDX-License-Identifier: MIT
 *
 * Doubly linked circular list, with the link embedded in the element.
 */
#pragma once

#include <lagan/types.h>

struct list {
    struct list *next, *prev;
};

#define LIST_INIT(name)  \
    {                    \
        &(name), &(name) \
    }

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

/* Puts e right after l (at the head of a list, when l is its anchor). */
static inline void list_add(struct list *l, struct list *e)
{
    e->next = l->next;
    e->prev = l;
    l->next->prev = e;
    l->next = e;
}

/* Puts e right before l (at the tail of a list, when l is its anchor). */
static inline void list_add_tail(struct list *l, struct list *e)
{
    list_add(l->prev, e);
}

/* Takes e out of its list and leaves it empty, so that taking it out twice is harmless. */
static inline void list_del(struct list *e)
{
    e->prev->next = e->next;
    e->next->prev = e->prev;
    list_init(e);
}

#define list_entry(ptr, type, member) container_of(ptr, type, member)

#define list_for_each(pos, head) for ((pos) = (head)->next; (pos) != (head); (pos) = (pos)->next)

/* As above, but the current element may be taken out. */
#define list_for_each_safe(pos, n, head) \
    for ((pos) = (head)->next, (n) = (pos)->next; (pos) != (head); (pos) = (n), (n) = (pos)->next)
