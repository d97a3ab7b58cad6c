/* SPDX-License-Identifier: MIT
 *
 * Included first in every C file of the image (see the Makefile): all symbols, also those only
 * declared, are in this image, so their addresses are formed relative to the instruction pointer
 * and never looked up in a table.
 */
#pragma once
#pragma GCC visibility push(hidden)
