/* SPDX-License-Identifier: MIT
 *
 * Messages that devices send as interrupts: what stands in them, and where a function keeps them.
 *
 * By MSI a function has one address and one data word in its configuration space, and up to 32
 * messages that differ in the low bits of the data. By MSI-X each message has an entry in a table
 * in the function's memory, with a mask bit of its own.
 */
#pragma once

#include <lagan/types.h>
#include "xen/arch/x86/pci_config.h"

#define MSI_APIC_ID_MAX 254 /* without interrupt remapping a message names 8 bits of APIC id */

struct msi_message {
    uint32_t address; /* the upper half is 0 */
    uint32_t data;
};

/* Where one message of a function is kept. */
struct msi_source {
    struct pci_function function;
    bool msix;
    bool wide;     /* MSI: a 64-bit address */
    bool maskable; /* MSI: a mask bit each; MSI-X always */
    uint8_t capability;
    uint16_t index;       /* which message: entry of the table, or bit of the mask */
    volatile void *entry; /* MSI-X: the mapped entry */
};

struct msi_message msi_message(uint32_t apic_id, uint8_t vector);

/* Finds where message `index` of the function is. msix: `table` is the address of the memory that
 * its capability names, or 0, when the function is asked. -XEN_ENODEV: no such function or
 * capability; -XEN_EINVAL: no such message, or a table that is not in device memory; -XEN_ENOSPC:
 * too many tables. */
int msi_find(struct pci_function f, bool msix, unsigned index, uint64_t table,
             struct msi_source *source) LAGAN_MUST_CHECK;
/* The function's whole table of MSI-X: where it is, in bytes. `table` and errors: as above. */
int msi_table(struct pci_function f, uint64_t table, uint64_t *start,
              uint32_t *bytes) LAGAN_MUST_CHECK;
/* How many messages the function can send by MSI. */
unsigned msi_capacity(const struct msi_source *source);

/* Has the function send `message`; by MSI `count` of them (a power of two, 1..32). An MSI-X entry
 * has to be masked, as it is written in pieces. */
void msi_write(const struct msi_source *source, struct msi_message message, unsigned count);
/* MSI: all messages of the function go to the APIC with this id from now on. One write: they may be sent
 * meanwhile. */
void msi_divert(const struct msi_source *source, uint32_t apic_id);
/* Nothing happens where there is no mask bit. */
void msi_mask(const struct msi_source *source, bool masked);

/* A write by the control domain of `bytes` bytes at `reg` of the configuration space of source's
 * function: what may be written of it. False: nothing. It enables and disables messages, but what
 * they are stands fast. */
bool msi_filter(const struct msi_source *source, unsigned reg, unsigned bytes, uint32_t *value);
