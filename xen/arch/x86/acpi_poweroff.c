/* SPDX-License-Identifier: MIT
 *
 * The one thing that we need from the firmware's byte code: the package \_S5, whose first two
 * numbers are what to write to the PM1 control registers to switch the machine off.
 *
 * The byte code of such an object is fixed by its grammar, so it is found without an interpreter:
 *
 *     08 ['\'] '_' 'S' '5' '_'   12   PkgLength   NumElements   number number ...
 *     NameOp                   PackageOp
 *
 * PkgLength has 1 to 4 bytes: the top two bits of the first say how many follow. A number is
 * ZeroOp, OneOp, or 0a and a byte (0b and a word, 0c and a double word: legal, if odd). Whatever
 * deviates from this is not taken for \_S5, and the search goes on; a machine that computes the
 * package in code is switched off by dom0 only.
 */
#include "xen/arch/x86/acpi.h"
#include "xen/arch/x86/acpi_tables.h"

#define AML_ZERO    0x00
#define AML_ONE     0x01
#define AML_NAME    0x08
#define AML_BYTE    0x0a
#define AML_WORD    0x0b
#define AML_DWORD   0x0c
#define AML_PACKAGE 0x12
#define SLP_TYP_MAX 7

/* Bytes left to read. A read beyond the end is refused and leaves nothing to read. */
struct aml {
    const uint8_t *at;
    size_t left;
};

static LAGAN_INIT bool take(struct aml *s, uint8_t *v)
{
    if (s->left == 0)
        return false;
    *v = *s->at++;
    s->left--;
    return true;
}

static LAGAN_INIT bool take_number(struct aml *s, uint32_t *v)
{
    uint8_t op, byte;
    unsigned bytes;

    if (!take(s, &op))
        return false;
    *v = op;
    if (op == AML_ZERO || op == AML_ONE)
        return true;
    if (op < AML_BYTE || op > AML_DWORD)
        return false;
    bytes = 1u << (op - AML_BYTE);
    *v = 0;
    for (unsigned i = 0; i < bytes; i++) {
        if (!take(s, &byte))
            return false;
        *v |= (uint32_t)byte << (8 * i);
    }
    return true;
}

static LAGAN_INIT bool skip_package_length(struct aml *s)
{
    uint8_t lead, ignored;

    if (!take(s, &lead))
        return false;
    for (unsigned i = 0; i < lead >> 6; i++)
        if (!take(s, &ignored))
            return false;
    return true;
}

/* What follows the name: is it a package of at least two sleep types? A package of one is legal in
 * practice: the second is then the same register's. */
static LAGAN_INIT bool parse_package(struct aml s, uint8_t *type_a, uint8_t *type_b)
{
    uint8_t op, count;
    uint32_t a, b = 0;

    if (!take(&s, &op) || op != AML_PACKAGE || !skip_package_length(&s) || !take(&s, &count))
        return false;
    if (count == 0 || !take_number(&s, &a) || (count > 1 && !take_number(&s, &b)))
        return false;
    if (a > SLP_TYP_MAX || b > SLP_TYP_MAX)
        return false;
    *type_a = (uint8_t)a;
    *type_b = (uint8_t)b;
    return true;
}

static LAGAN_INIT bool is_defined_here(const uint8_t *aml, size_t at)
{
    return (at >= 1 && aml[at - 1] == AML_NAME) ||
           (at >= 2 && aml[at - 1] == '\\' && aml[at - 2] == AML_NAME);
}

LAGAN_INIT bool acpi_find_s5(const uint8_t *aml, size_t bytes, uint8_t *type_a, uint8_t *type_b)
{
    for (size_t at = 0; at + 4 <= bytes; at++) {
        if (memcmp(aml + at, "_S5_", 4) != 0 || !is_defined_here(aml, at))
            continue;
        if (parse_package((struct aml){aml + at + 4, bytes - at - 4}, type_a, type_b))
            return true;
    }
    return false;
}
