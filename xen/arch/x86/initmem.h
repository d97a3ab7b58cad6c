/* SPDX-License-Identifier: MIT
 *
 * What of the image is needed at boot only.
 */
#pragma once

/* Once, on the boot CPU, with the others online and interrupts on: nothing that is marked LAGAN_INIT,
 * LAGAN_INIT_DATA or LAGAN_INIT_BSS exists any more. The heap has its pages. */
void initmem_release(void);
