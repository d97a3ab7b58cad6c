/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct list_head {
    struct list_head *next, *prev;
};

static inline void INIT_LIST_HEAD(struct list_head *l)
{
    l->next = l->prev = l;
}

static inline bool list_empty(const struct list_head *l)
{
    return l->next == l;
}

static inline void list_add(struct list_head *l, struct list_head *head)
{
    l->next = head->next;
    l->prev = head;
    head->next->prev = l;
    head->next = l;
}

static inline void list_del(struct list_head *l)
{
    l->next->prev = l->prev;
    l->prev->next = l->next;
}

static inline void list_del_init(struct list_head *l)
{
    list_del(l);
    INIT_LIST_HEAD(l);
}

static inline void list_move(struct list_head *l, struct list_head *head)
{
    list_del(l);
    list_add(l, head);
}

#define list_entry(l, type, member) ((type *)(void *)((char *)(l)-offsetof(type, member)))
#define list_for_each_entry(p, head, member)                                         \
    for (p = list_entry((head)->next, __typeof__(*p), member); &p->member != (head); \
         p = list_entry(p->member.next, __typeof__(*p), member))
#define list_for_each_entry_safe(p, n, head, member)            \
    for (p = list_entry((head)->next, __typeof__(*p), member),  \
        n = list_entry(p->member.next, __typeof__(*p), member); \
         &p->member != (head); p = n, n = list_entry(n->member.next, __typeof__(*n), member))
